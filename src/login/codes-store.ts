import type { Database, Sql } from '../infra/postgres.ts';

export interface CodeRow {
  id: string;
  purpose: string;
  recipientHash: string;
  journeyId: string;
  userId: string | undefined;
  codeHash: string;
  expiresAt: Date;
}

/** Stores a code in place of those of the same journey and purpose: only the newest is worth anything. */
export async function replaceCode(sql: Sql, code: CodeRow): Promise<void> {
  await sql.raw('delete from one_time_codes where journey_id = ? and purpose = ?', [code.journeyId, code.purpose]);
  await sql.raw(
    'insert into one_time_codes (id, purpose, recipient_hash, journey_id, user_id, code_hash, expires_at) values (?, ?, ?, ?, ?, ?, ?)',
    [code.id, code.purpose, code.recipientHash, code.journeyId, code.userId ?? null, code.codeHash, code.expiresAt],
  );
}

interface ByCode {
  purpose: string;
  journeyId: string;
  recipientHashes: readonly string[];
  codeHashes: readonly string[];
  now: Date;
}

/** Uses a code up: of any number of calls at once one is answered with the row, the others with undefined. */
export async function consumeCode(sql: Sql, by: ByCode): Promise<{ userId: string | undefined } | undefined> {
  const { rows } = await sql.raw<{ rows: { user_id: string | null }[] }>(
    `update one_time_codes set consumed_at = ? where journey_id = ? and purpose = ? and recipient_hash = any(?) and code_hash = any(?)
       and consumed_at is null and expires_at > ? returning user_id`,
    [by.now, by.journeyId, by.purpose, [...by.recipientHashes], [...by.codeHashes], by.now],
  );
  return rows[0] && { userId: rows[0].user_id ?? undefined };
}

/** Uses up the code with this id, as `consumeCode` does. */
export async function consumeFoundCode(sql: Sql, id: string, now: Date): Promise<boolean> {
  const { rows } = await sql.raw<{ rows: unknown[] }>(
    'update one_time_codes set consumed_at = ? where id = ? and consumed_at is null and expires_at > ? returning 1',
    [now, id, now],
  );
  return rows.length === 1;
}

const FIND = {
  name: 'login-find-code',
  text: `select id, code_hash = any($4::text[]) as "isRight" from one_time_codes where journey_id = $1 and purpose = $2 and recipient_hash = any($3::text[])
    and consumed_at is null and expires_at > $5::timestamptz order by created_at desc limit 1`,
};

/** The code that the journey waits for, and whether it is the one that was typed; changes nothing. */
export async function findCode(db: Database, by: ByCode): Promise<{ id: string; isRight: boolean } | undefined> {
  const values = [by.journeyId, by.purpose, [...by.recipientHashes], [...by.codeHashes], by.now];
  const [row] = await db.query<{ id: string; isRight: boolean }>(FIND, values);
  return row;
}
