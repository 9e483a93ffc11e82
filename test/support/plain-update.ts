import type { Database } from '#src/infra/postgres.ts';

/** The conditions that make a statement a compare-and-set, in the words of the adapter. */
const CONDITIONS = [/and consumed_at is null/g, /where oidc_objects\.expires_at < clock_timestamp\(\)/g];

/**
 * What most adapters do: marks as used, and remembers as seen, whatever is asked for, without a look at whether it was so before. Kept to show
 * that the race tests find it.
 */
export const withPlainUpdate = (db: Database): Database => ({
  ...db,
  query(statement, values) {
    const text = CONDITIONS.reduce((plain, condition) => plain.replaceAll(condition, ''), statement.text);
    return db.query({ name: `${statement.name}-plain`, text }, values);
  },
});
