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

const columnsOf = ({ attributes, settings, ...columns }: UserChanges): Record<string, unknown> => ({
  ...columns,
  ...(attributes === undefined ? {} : { attributes: JSON.stringify(attributes) }),
  ...(settings === undefined ? {} : { settings: JSON.stringify(settings) }),
});

/** Adds a person. Throws SQLSTATE 23505 where a name is taken. */
export async function insertUser(sql: Sql, columns: UserColumns): Promise<UserRow> {
  const [row] = await sql<UserRow>('users').insert(columnsOf(columns)).returning('*');
  return row as UserRow;
}

/** Changes the columns that are named and raises the version. Throws SQLSTATE 23505 where a name is taken. */
export async function updateUser(sql: Sql, id: string, columns: UserChanges): Promise<UserRow> {
  const [row] = await sql('users')
    .where({ id })
    .update({ ...columnsOf(columns), version: sql.raw('version + 1'), updated_at: sql.raw('clock_timestamp()') })
    .returning('*');
  return row as UserRow;
}

export async function deleteUser(sql: Sql, id: string): Promise<void> {
  await sql('users').where({ id }).delete();
}

/** A person whom this tenant sees: at home in it, or its member. Row-level security shows memberships of this tenant only. */
const SEEN = '(u.home_tenant_id = ? or exists (select from memberships m where m.tenant_id = ? and m.user_id = u.id))';

export async function findUser(sql: Sql, tenantId: string, id: string, lock = false): Promise<UserRow | undefined> {
  const { rows } = await sql.raw<{ rows: UserRow[] }>(
    `select u.* from users u where u.id = ? and ${SEEN}${lock ? ' for update of u' : ''}`,
    [id, tenantId, tenantId],
  );
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
    .select<ListedUser[]>('u.*', sql.raw('u.created_at::text as position'))
    .whereRaw(SEEN, [tenantId, tenantId]);
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

/** Makes the person a member of the tenant, except of the root tenant: its members run the installation. */
export async function addMembership(sql: Sql, tenantId: string, userId: string): Promise<void> {
  await sql.raw(
    `insert into memberships (tenant_id, user_id) select id, ? from tenants where id = ? and type <> 'root' on conflict do nothing`,
    [userId, tenantId],
  );
}

/** Answers whether there was one. */
export async function deleteMembership(sql: Sql, tenantId: string, userId: string): Promise<boolean> {
  return (await sql('memberships').where({ tenant_id: tenantId, user_id: userId }).delete()) > 0;
}

export interface Membership {
  tenant_id: string;
  slug: string;
  name: string;
  status: string;
  roles: string[];
}

export async function membershipsOf(sql: Sql, userId: string): Promise<Membership[]> {
  return (await sql.raw<{ rows: Membership[] }>('select * from memberships_of(?)', [userId])).rows;
}

/**
 * Whether an active administrator of the root tenant other than this person exists. Until the transaction ends nobody else can ask
 * the same. Looks into the root tenant for the length of one statement, then back into `tenantId`.
 */
export async function hasOtherAdministrator(sql: Sql, tenantId: string, userId: string): Promise<boolean> {
  const { rows: roots } = await sql.raw<{ rows: { id: string }[] }>(`select id from tenants where type = 'root' for update`);
  const root = roots[0]?.id ?? tenantId;
  await sql.raw(`select set_config('app.tenant_id', ?, true)`, [root]);
  const { rows } = await sql.raw<{ rows: { found: boolean }[] }>(
    `select exists (select from memberships m join users u on u.id = m.user_id
       where m.tenant_id = ? and 'administrator' = any (m.roles) and u.status = 'active' and u.id <> ?) as found`,
    [root, userId],
  );
  await sql.raw(`select set_config('app.tenant_id', ?, true)`, [tenantId]);
  return rows[0]?.found === true;
}

/** Whether this tenant is the root tenant. */
export async function isRootTenant(sql: Sql, tenantId: string): Promise<boolean> {
  const { rows } = await sql.raw<{ rows: unknown[] }>(`select from tenants where id = ? and type = 'root'`, [tenantId]);
  return rows.length === 1;
}

/** A person, whichever tenant asks: for themselves only. */
export async function findPerson(sql: Sql, id: string, lock = false): Promise<UserRow | undefined> {
  return (await sql.raw<{ rows: UserRow[] }>(`select * from users where id = ?${lock ? ' for update' : ''}`, [id])).rows[0];
}
