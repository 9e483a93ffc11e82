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
  const before = await sql.raw<{ rows: { hash: string | null }[] }>(
    `select data ->> 'hash' as hash from credentials where user_id = ? and type = 'password' for update`,
    [userId],
  );
  const { rows } = await sql.raw<{ rows: unknown[] }>(
    `insert into credentials as c (id, user_id, type, data, created_at, updated_at) values (?, ?, 'password', ?::jsonb, ?, ?)
     on conflict (user_id) where type = 'password' do update set data = excluded.data, version = c.version + 1, updated_at = excluded.updated_at
     where ?::text is null or c.data ->> 'hash' = ? returning c.id`,
    [newId(), userId, JSON.stringify(data), at, at, insteadOf ?? null, insteadOf ?? null],
  );
  if (rows.length === 0) return false;
  await keepOld(sql, userId, before.rows[0]?.hash ?? undefined, at);
  return true;
}

/** Keeps the password that was, as long as the tenant that the person is at home in looks back that far, and forgets what is older. */
async function keepOld(sql: Sql, userId: string, hash: string | undefined, at: string): Promise<void> {
  await sql.raw(
    `with most as (select coalesce((t.settings -> 'password' ->> 'history')::integer, 0) - 1 as old from users u join tenants t on t.id = u.home_tenant_id where u.id = ?),
      gone as (delete from password_history h using (
        select user_id, created_at, hash from password_history where user_id = ? order by created_at desc offset (select greatest(old - 1, 0) from most)) o
        where h.user_id = o.user_id and h.created_at = o.created_at and h.hash = o.hash)
    insert into password_history (user_id, hash, created_at) select ?, ?::text, ?::timestamptz from most where old > 0 and ?::text is not null on conflict do nothing`,
    [userId, userId, userId, hash ?? null, at, hash ?? null],
  );
}

const LAST_HASHES = {
  name: 'credentials-last-passwords',
  text: `(select data ->> 'hash' as hash from credentials where user_id = $1 and type = 'password')
    union all (select hash from password_history where user_id = $1 order by created_at desc limit $2)`,
};

/** Hashes of the person's last `most` passwords, the present one first. */
export const findLastHashes = async (db: Database, userId: string, most: number): Promise<string[]> =>
  (await db.query<{ hash: string }>(LAST_HASHES, [userId, most - 1])).map(({ hash }) => hash);

/** Writes the passwords of people who have none. */
export async function insertPasswords(sql: Sql, passwords: readonly { userId: string; data: PasswordData }[]): Promise<void> {
  await sql.raw(
    `insert into credentials (id, user_id, type, data) select r.id, r.user_id, 'password', r.data from jsonb_to_recordset(?::jsonb) as r(id uuid, user_id uuid, data jsonb)`,
    [JSON.stringify(passwords.map(({ userId, data }) => ({ id: newId(), user_id: userId, data })))],
  );
}
