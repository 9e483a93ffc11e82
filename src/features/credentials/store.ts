import { newId } from '../../core/ids.ts';
import type { Database, Sql } from '../../infra/postgres.ts';
import { type PasswordData, parsePasswordData } from './schema.ts';

const FIND_PASSWORD = {
  name: 'credentials-find-password',
  text: `select data from credentials where user_id = $1 and type = 'password'`,
};

/** The person's password as it is stored; undefined where there is none. */
export async function findPassword(db: Database, userId: string): Promise<PasswordData | undefined> {
  const [row] = await db.query<{ data: unknown }>(FIND_PASSWORD, [userId]);
  return row && parsePasswordData(row.data);
}

/**
 * Writes the person's one password. With `insteadOf`, only where that hash is still the stored one: of two changes that start from the
 * same password one is done. Answers whether it was written.
 */
export async function savePassword(sql: Sql, userId: string, data: PasswordData, insteadOf?: string): Promise<boolean> {
  const at = data.setAt;
  const { rows } = await sql.raw<{ rows: unknown[] }>(
    `insert into credentials as c (id, user_id, type, data, created_at, updated_at) values (?, ?, 'password', ?::jsonb, ?, ?)
     on conflict (user_id) where type = 'password' do update set data = excluded.data, version = c.version + 1, updated_at = excluded.updated_at
     where ?::text is null or c.data ->> 'hash' = ? returning c.id`,
    [newId(), userId, JSON.stringify(data), at, at, insteadOf ?? null, insteadOf ?? null],
  );
  return rows.length === 1;
}

/** Writes the passwords of people who have none. */
export async function insertPasswords(sql: Sql, passwords: readonly { userId: string; data: PasswordData }[]): Promise<void> {
  await sql.raw(
    `insert into credentials (id, user_id, type, data) select r.id, r.user_id, 'password', r.data from jsonb_to_recordset(?::jsonb) as r(id uuid, user_id uuid, data jsonb)`,
    [JSON.stringify(passwords.map(({ userId, data }) => ({ id: newId(), user_id: userId, data })))],
  );
}
