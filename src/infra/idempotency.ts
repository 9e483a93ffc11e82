/** Answers kept for `Idempotency-Key`: sealed, for 24 hours. */
import type { Database } from './postgres.ts';
import type { SecretBox } from './secret-box.ts';

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

type State = { state: 'new' | 'running' | 'unknown' | 'mismatch' } | { state: 'done'; answer: Answer };

export interface IdempotencyKeys {
  begin(id: string, requestHash: string): Promise<State>;
  finish(id: string, answer: Answer): Promise<void>;
  abandon(id: string): Promise<void>;
  lose(id: string): Promise<void>;
}

/** In place of the status of an answer. */
const LOST = 0;

const CLAIM = {
  name: 'idempotency-claim',
  text: `insert into idempotency_keys as k (id, request_hash, expires_at) values ($1, $2, clock_timestamp() + interval '24 hours')
    on conflict (id) do update set request_hash = excluded.request_hash, status = null, sealed = null, created_at = clock_timestamp(), expires_at = excluded.expires_at
    where k.expires_at < clock_timestamp()
    returning id`,
};
// Nothing of ours runs for a minute: what still has no answer by then died, or could not say how it ended, and may have been done.
const FIND = {
  name: 'idempotency-find',
  text: `select request_hash, status, sealed, status = ${LOST} or (status is null and created_at < clock_timestamp() - interval '60 seconds') as lost
    from idempotency_keys where id = $1`,
};
const FINISH = { name: 'idempotency-finish', text: 'update idempotency_keys set status = $2, sealed = $3 where id = $1' };
const LOSE = { name: 'idempotency-lose', text: `update idempotency_keys set status = ${LOST} where id = $1 and status is null` };
const ABANDON = { name: 'idempotency-abandon', text: 'delete from idempotency_keys where id = $1 and status is null' };

export function createIdempotencyKeys({ db, box }: { db: Database; box: SecretBox }): IdempotencyKeys {
  const context = (id: string): string => `idempotency:${id}`;
  return {
    async begin(id, requestHash) {
      if ((await db.query(CLAIM, [id, requestHash])).length === 1) return { state: 'new' };
      const [row] = await db.query<{ request_hash: string; status: number | null; sealed: Buffer | null; lost: boolean | null }>(FIND, [
        id,
      ]);
      if (!row) return { state: 'running' };
      if (row.request_hash !== requestHash) return { state: 'mismatch' };
      if (row.lost) return { state: 'unknown' };
      if (row.status === null || !row.sealed) return { state: 'running' };
      const kept = JSON.parse(box.open(row.sealed, context(id)).toString('utf8')) as Pick<Answer, 'headers' | 'body'>;
      return { state: 'done', answer: { status: row.status, headers: kept.headers, body: kept.body } };
    },
    async finish(id, { status, headers, body }) {
      await db.query(FINISH, [id, status, box.seal(JSON.stringify({ headers, body }), context(id))]);
    },
    async abandon(id) {
      await db.query(ABANDON, [id]);
    },
    async lose(id) {
      await db.query(LOSE, [id]);
    },
  };
}
