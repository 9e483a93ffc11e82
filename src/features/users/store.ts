import type { Sql } from '../../infra/postgres.ts';

export type AttributeValue = string | number | boolean | (string | number | boolean)[];

/** `notifications` is grouped; every other setting is as an attribute is. */
export type SettingValue = AttributeValue | { [name: string]: SettingValue };

/** How sure anybody is that the person is who they say, as the home tenant or the platform found out. */
export interface Verification {
  level: string;
  method: string;
  verifiedAt: string;
}

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
  verification: Verification | null;
  /** What the tenant that asks keeps of the person. */
  attributes: Record<string, AttributeValue>;
  settings: Record<string, SettingValue>;
  terms_version: string | null;
  version: number;
  /** Of what the tenant keeps; absent where a person was not looked up by a tenant. */
  member_version?: number;
  created_at: Date;
  updated_at: Date;
  last_login_at: Date | null;
}

export type UserColumns = Omit<
  UserRow,
  'version' | 'member_version' | 'created_at' | 'updated_at' | 'last_login_at' | 'settings' | 'terms_version'
>;

/** What of a row can be changed. */
export type UserChanges = Partial<UserColumns & Pick<UserRow, 'settings'>>;

const columnsOf = ({ attributes: _attributes, settings, verification, ...columns }: UserChanges): Record<string, unknown> => ({
  ...columns,
  ...(verification === undefined ? {} : { verification: verification && JSON.stringify(verification) }),
  ...(settings === undefined ? {} : { settings: JSON.stringify(settings) }),
});

const SET_ATTRIBUTES = 'update memberships set attributes = ?, version = version + 1 where tenant_id = ? and user_id = ?';

/** Adds a person, who is a member of the home tenant from then on. Throws SQLSTATE 23505 where a name is taken. */
export async function insertUser(sql: Sql, columns: UserColumns): Promise<UserRow> {
  const [row] = await sql('users').insert(columnsOf(columns)).returning<Omit<UserRow, 'attributes'>[]>('*');
  const { attributes } = columns;
  if (Object.keys(attributes).length > 0) await sql.raw(SET_ATTRIBUTES, [JSON.stringify(attributes), columns.home_tenant_id, columns.id]);
  return { ...row!, attributes, member_version: Object.keys(attributes).length > 0 ? 2 : 1 };
}

/** Changes the columns that are named, the attributes as the tenant's, and raises the version of either. Throws SQLSTATE 23505 where a name is taken. */
export async function updateUser(sql: Sql, tenantId: string, before: UserRow, columns: UserChanges): Promise<UserRow> {
  let after = before;
  const own = columnsOf(columns);
  if (Object.keys(own).length > 0) {
    const [row] = await sql('users')
      .where({ id: before.id })
      .update({ ...own, version: sql.raw('version + 1'), updated_at: sql.raw('clock_timestamp()') })
      .returning<Omit<UserRow, 'attributes'>[]>('*');
    after = { ...before, ...row! };
  }
  if (columns.attributes === undefined) return after;
  await sql.raw(SET_ATTRIBUTES, [JSON.stringify(columns.attributes), tenantId, before.id]);
  return { ...after, attributes: columns.attributes, member_version: (before.member_version ?? 0) + 1 };
}

export async function deleteUser(sql: Sql, id: string): Promise<void> {
  await sql('users').where({ id }).delete();
}

export const SHOWN = 'u.*, m.attributes, m.version as member_version';

// A person whom this tenant sees is its member; everybody is one of their home tenant.
const SEEN = 'from users u join memberships m on m.tenant_id = ? and m.user_id = u.id';

export async function findUser(sql: Sql, tenantId: string, id: string, lock = false): Promise<UserRow | undefined> {
  // Read after the lock is held: what waits for it would see the membership as it was before.
  if (lock) await sql.raw(`select 1 ${SEEN} where u.id = ? for update of u`, [tenantId, id]);
  return (await sql.raw<{ rows: UserRow[] }>(`select ${SHOWN} ${SEEN} where u.id = ?`, [tenantId, id])).rows[0];
}

/** Ends the membership in the tenant `of`, looking into that tenant for the length of one statement. Answers whether there was one. */
export async function deleteMembership(sql: Sql, tenantId: string, of: string, userId: string): Promise<boolean> {
  if (of !== tenantId) await actIn(sql, of);
  const gone = await sql('memberships').where({ tenant_id: of, user_id: userId }).delete();
  if (of !== tenantId) await actIn(sql, tenantId);
  return gone > 0;
}

const actIn = (sql: Sql, tenantId: string): Promise<unknown> => sql.raw(`select set_config('app.tenant_id', ?, true)`, [tenantId]);

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
  await actIn(sql, of);
  const { rows } = await sql.raw<{ rows: { found: boolean }[] }>(
    `select exists (select from role_assignments a join roles r on r.tenant_id = a.tenant_id and r.id = a.role_id join users u on u.id = a.user_id
       where a.tenant_id = ? and r.built_in = 'owner' and u.status = 'active' and u.id <> ?) as found`,
    [of, userId],
  );
  await actIn(sql, tenantId);
  return rows[0]?.found === true;
}

/** A person, whichever tenant asks: for themselves only. */
export async function findPerson(sql: Sql, id: string, lock = false): Promise<UserRow | undefined> {
  const text = `select u.*, '{}'::jsonb as attributes from users u where u.id = ?${lock ? ' for update' : ''}`;
  return (await sql.raw<{ rows: UserRow[] }>(text, [id])).rows[0];
}
