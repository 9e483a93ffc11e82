/** Many people in one statement each. */
import type { Sql } from '../../infra/postgres.ts';
import type { UserColumns } from './store.ts';

export interface Names {
  username_key: string | null;
  email_key: string | null;
  phone: string | null;
  phone_verified_at: Date | null;
}

/** Who has one of these names already, in whichever tenant; a number is had by whom it is proven of. */
export async function findTaken(sql: Sql, people: readonly Names[]): Promise<Names[]> {
  const of = (name: 'username_key' | 'email_key' | 'phone'): string[] =>
    people.map((person) => person[name]).filter((value) => value !== null);
  const { rows } = await sql.raw<{ rows: Names[] }>(
    `select username_key, email_key, phone, phone_verified_at from users where username_key = any (?::text[])
     union all select username_key, email_key, phone, phone_verified_at from users where email_key = any (?::text[])
     union all select username_key, email_key, phone, phone_verified_at from users where phone = any (?::text[]) and phone_verified_at is not null`,
    [of('username_key'), of('email_key'), of('phone')],
  );
  return rows;
}

/** Adds people; answers the ids of those whose names nobody took meanwhile. Throws SQLSTATE GH001 past the limit of the tenant. */
export async function insertPeople(sql: Sql, tenantId: string, people: readonly UserColumns[]): Promise<Set<string>> {
  const { rows } = await sql.raw<{ rows: { id: string }[] }>(
    `insert into users (id, home_tenant_id, username, username_key, email, email_key, email_verified_at, phone, phone_verified_at, given_name, family_name, locale, status, verification)
     select r.id, ?, r.username, r.username_key, r.email, r.email_key, r.email_verified_at, r.phone, r.phone_verified_at, r.given_name, r.family_name, r.locale, r.status, r.verification
     from jsonb_to_recordset(?::jsonb) as r(id uuid, username text, username_key text, email text, email_key text, email_verified_at timestamptz, phone text,
       phone_verified_at timestamptz, given_name text, family_name text, locale text, status text, verification jsonb)
     on conflict do nothing returning id`,
    [tenantId, JSON.stringify(people.map((person) => ({ ...person, attributes: undefined })))],
  );
  const made = new Set(rows.map(({ id }) => id));
  const values = people.filter(({ id, attributes }) => made.has(id) && Object.keys(attributes).length > 0);
  if (values.length > 0)
    await sql.raw(
      `update memberships m set attributes = r.attributes, version = m.version + 1 from jsonb_to_recordset(?::jsonb) as r(id uuid, attributes jsonb)
       where m.tenant_id = ? and m.user_id = r.id`,
      [JSON.stringify(values.map(({ id, attributes }) => ({ id, attributes }))), tenantId],
    );
  return made;
}
