import type { Sql } from '../../infra/postgres.ts';

export type AttributeValue = string | number | boolean | (string | number | boolean)[];

export interface UserRow {
  id: string;
  home_tenant_id: string;
  username: string | null;
  username_key: string | null;
  email: string | null;
  email_key: string | null;
  email_verified_at: Date | null;
  phone: string | null;
  phone_verified_at: Date | null;
  given_name: string | null;
  family_name: string | null;
  locale: string | null;
  status: 'active' | 'disabled';
  /** What the tenant that asks keeps of the person. */
  attributes: Record<string, AttributeValue>;
  settings: Record<string, AttributeValue>;
  terms_version: string | null;
  version: number;
  created_at: Date;
  updated_at: Date;
  last_login_at: Date | null;
}

export type UserColumns = Omit<UserRow, 'version' | 'created_at' | 'updated_at' | 'last_login_at' | 'settings' | 'terms_version'>;

/** What of a row can be changed. */
export type UserChanges = Partial<UserColumns & Pick<UserRow, 'settings'>>;

const columnsOf = ({ attributes: _attributes, settings, ...columns }: UserChanges): Record<string, unknown> => ({
  ...columns,
  ...(settings === undefined ? {} : { settings: JSON.stringify(settings) }),
});

const SET_ATTRIBUTES = 'update memberships set attributes = ?, version = version + 1 where tenant_id = ? and user_id = ?';

/** Adds a person, who is a member of the home tenant from then on. Throws SQLSTATE 23505 where a name is taken. */
export async function insertUser(sql: Sql, columns: UserColumns): Promise<UserRow> {
  const [row] = await sql('users').insert(columnsOf(columns)).returning<Omit<UserRow, 'attributes'>[]>('*');
  const { attributes } = columns;
  if (Object.keys(attributes).length > 0) await sql.raw(SET_ATTRIBUTES, [JSON.stringify(attributes), columns.home_tenant_id, columns.id]);
  return { ...row!, attributes };
}

/** Changes the columns that are named, the attributes as the tenant's, and raises the version. Throws SQLSTATE 23505 where a name is taken. */
export async function updateUser(sql: Sql, tenantId: string, before: UserRow, columns: UserChanges): Promise<UserRow> {
  const { attributes = before.attributes } = columns;
  const [row] = await sql('users')
    .where({ id: before.id })
    .update({ ...columnsOf(columns), version: sql.raw('version + 1'), updated_at: sql.raw('clock_timestamp()') })
    .returning<Omit<UserRow, 'attributes'>[]>('*');
  if (columns.attributes !== undefined) await sql.raw(SET_ATTRIBUTES, [JSON.stringify(attributes), tenantId, before.id]);
  return { ...row!, attributes };
}

export async function deleteUser(sql: Sql, id: string): Promise<void> {
  await sql('users').where({ id }).delete();
}

// A person whom this tenant sees is its member; everybody is one of their home tenant.
const SEEN = 'from users u join memberships m on m.tenant_id = ? and m.user_id = u.id';

export async function findUser(sql: Sql, tenantId: string, id: string, lock = false): Promise<UserRow | undefined> {
  const { rows } = await sql.raw<{ rows: UserRow[] }>(`select u.*, m.attributes ${SEEN} where u.id = ?${lock ? ' for update of u' : ''}`, [
    tenantId,
    id,
  ]);
  return rows[0];
}

export interface UserFilter {
  emailKey?: string | undefined;
  usernameKey?: string | undefined;
  status?: 'active' | 'disabled' | undefined;
  /** What a user name, address or name begins with: `key` in lower case, and as it may be written. */
  beginning?: { key: string; spellings: readonly string[] } | undefined;
  newestFirst: boolean;
}

export interface ListedUser extends UserRow {
  /** `created_at` with its microseconds. */
  position: string;
}

export async function listUsers(
  sql: Sql,
  tenantId: string,
  filter: UserFilter,
  limit: number,
  after?: readonly [position: string, id: string],
): Promise<ListedUser[]> {
  const query = sql('users as u')
    .join('memberships as m', 'm.user_id', 'u.id')
    .select<ListedUser[]>('u.*', 'm.attributes', sql.raw('u.created_at::text as position'))
    .where('m.tenant_id', tenantId);
  if (filter.emailKey !== undefined) query.where('u.email_key', filter.emailKey);
  if (filter.usernameKey !== undefined) query.where('u.username_key', filter.usernameKey);
  if (filter.status !== undefined) query.where('u.status', filter.status);
  if (filter.beginning !== undefined) {
    const { key, spellings } = filter.beginning;
    // The database folds the case of ASCII only (locale C), so names are also tried as they may have been written.
    query.whereRaw(
      `(starts_with(u.username_key, ?) or starts_with(u.email_key, ?) or starts_with(lower(u.given_name), ?) or starts_with(lower(u.family_name), ?)
        or exists (select from unnest(?::text[]) as s(start) where starts_with(u.given_name, s.start) or starts_with(u.family_name, s.start)))`,
      [key, key, key, key, [...spellings]],
    );
  }
  const order = filter.newestFirst ? 'desc' : 'asc';
  if (after) query.whereRaw(`(u.created_at, u.id) ${filter.newestFirst ? '<' : '>'} (?::timestamptz, ?::uuid)`, [...after]);
  return query
    .orderBy([
      { column: 'u.created_at', order },
      { column: 'u.id', order },
    ])
    .limit(limit);
}

/** Answers whether there was one. */
export async function deleteMembership(sql: Sql, tenantId: string, userId: string): Promise<boolean> {
  return (await sql('memberships').where({ tenant_id: tenantId, user_id: userId }).delete()) > 0;
}

export interface Membership {
  tenant_id: string;
  slug: string;
  name: string;
  type: string;
  status: string;
  roles: string[];
  groups: string[];
}

export async function membershipsOf(sql: Sql, userId: string): Promise<Membership[]> {
  return (await sql.raw<{ rows: Membership[] }>('select * from memberships_of(?)', [userId])).rows;
}

/**
 * Whether an active owner of the tenant `of` other than this person exists. Until the transaction ends nobody else can ask the same. Looks
 * into that tenant for the length of one statement, then back into `tenantId`.
 */
export async function hasOtherOwner(sql: Sql, tenantId: string, of: string, userId: string): Promise<boolean> {
  await sql.raw('select id from tenants where id = ? for no key update', [of]);
  await sql.raw(`select set_config('app.tenant_id', ?, true)`, [of]);
  const { rows } = await sql.raw<{ rows: { found: boolean }[] }>(
    `select exists (select from role_assignments a join roles r on r.tenant_id = a.tenant_id and r.id = a.role_id join users u on u.id = a.user_id
       where a.tenant_id = ? and r.built_in = 'owner' and u.status = 'active' and u.id <> ?) as found`,
    [of, userId],
  );
  await sql.raw(`select set_config('app.tenant_id', ?, true)`, [tenantId]);
  return rows[0]?.found === true;
}

/** A person, whichever tenant asks: for themselves only. */
export async function findPerson(sql: Sql, id: string, lock = false): Promise<UserRow | undefined> {
  const text = `select u.*, '{}'::jsonb as attributes from users u where u.id = ?${lock ? ' for update' : ''}`;
  return (await sql.raw<{ rows: UserRow[] }>(text, [id])).rows[0];
}
