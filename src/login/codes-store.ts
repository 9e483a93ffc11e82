import type { Sql } from '../infra/postgres.ts';

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

/** Uses a code up: of any number of calls at once one is answered with the row, the others with undefined. */
export async function consumeCode(
  sql: Sql,
  by: { purpose: string; journeyId: string; recipientHashes: readonly string[]; codeHashes: readonly string[]; now: Date },
): Promise<{ userId: string | undefined } | undefined> {
  const { rows } = await sql.raw<{ rows: { user_id: string | null }[] }>(
    `update one_time_codes set consumed_at = ? where journey_id = ? and purpose = ? and recipient_hash = any(?) and code_hash = any(?)
       and consumed_at is null and expires_at > ? returning user_id`,
    [by.now, by.journeyId, by.purpose, [...by.recipientHashes], [...by.codeHashes], by.now],
  );
  return rows[0] && { userId: rows[0].user_id ?? undefined };
}
