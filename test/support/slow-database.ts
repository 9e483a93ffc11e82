import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '#src/infra/postgres.ts';

/** The same database, further away. */
export const withLatency =
  (milliseconds: number) =>
  (db: Database): Database => ({
    ...db,
    async query(statement, values) {
      await sleep(milliseconds);
      return db.query(statement, values);
    },
  });

/** What most adapters do: marks as used whatever is asked for, without a look at whether it was used before. Kept to show that the race tests find it. */
export const withPlainUpdate = (db: Database): Database => ({
  ...db,
  query: (statement, values) =>
    db.query({ name: `${statement.name}-plain`, text: statement.text.replaceAll('and consumed_at is null', '') }, values),
});
