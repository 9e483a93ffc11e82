import type { Sql } from '../../infra/postgres.ts';
import type { RoleFacts } from '../roles/index.ts';

export interface MemberRow {
  user_id: string;
  username: string | null;
  email: string | null;
  given_name: string | null;
  family_name: string | null;
  status: 'active' | 'disabled';
  /** Those of their own, for everything; what groups bring comes on top. */
  roles: string[];
  groups: string[];
  attributes: Record<string, unknown>;
  home: boolean;
  version: number;
  user_version: number;
  created_at: Date;
}

export type ListedMember = MemberRow & { position: string };

const MEMBER = `select m.user_id, u.username, u.email, u.given_name, u.family_name, u.status, m.attributes, u.home_tenant_id = m.tenant_id as home, m.version,
    u.version as user_version, m.created_at, floor(extract(epoch from m.created_at) * 1000000)::text as position,
    array(select r.name from role_assignments a join roles r on r.tenant_id = a.tenant_id and r.id = a.role_id where a.tenant_id = m.tenant_id
      and a.user_id = m.user_id and a.resource = '' and (a.expires_at is null or a.expires_at > clock_timestamp()) order by r.name) as roles,
    array(select g.name from group_members gm join groups g on g.tenant_id = gm.tenant_id and g.id = gm.group_id
      where gm.tenant_id = m.tenant_id and gm.user_id = m.user_id order by g.name) as groups
  from memberships m join users u on u.id = m.user_id where m.tenant_id = ?`;

export async function findMember(sql: Sql, tenantId: string, userId: string): Promise<MemberRow | undefined> {
  return (await sql.raw<{ rows: MemberRow[] }>(`${MEMBER} and m.user_id = ?`, [tenantId, userId])).rows[0];
}

/** In the order in which they came; `after` is the last one seen. */
export async function listMembers(
  sql: Sql,
  tenantId: string,
  limit: number,
  after: readonly [string, string] | undefined,
): Promise<ListedMember[]> {
  const beyond = after ? `and (m.created_at, m.user_id) > (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)` : '';
  const text = `${MEMBER} ${beyond} order by m.created_at, m.user_id limit ?`;
  return (await sql.raw<{ rows: ListedMember[] }>(text, [tenantId, ...(after ?? []), limit])).rows;
}

/** Roles, and who owns the tenant, change for nobody else until the transaction ends. */
export const lockOwnership = (sql: Sql, tenantId: string): Promise<unknown> =>
  sql.raw('select id from tenants where id = ? for no key update', [tenantId]);

/** The membership as it stays until the transaction ends. */
export const lockMembership = (sql: Sql, tenantId: string, userId: string): Promise<unknown> =>
  sql.raw('select 1 from memberships where tenant_id = ? and user_id = ? for update', [tenantId, userId]);

export const rolesNowOf = async (sql: Sql, tenantId: string): Promise<readonly RoleFacts[]> =>
  (await sql.raw<{ rows: { roles: RoleFacts[] }[] }>('select roles_for_protocol(?) as roles', [tenantId])).rows[0]?.roles ?? [];

/** Every role that a person has there by name, groups' and inheriting ones aside. */
export const allRolesOf = async (sql: Sql, tenantId: string, userId: string): Promise<string[]> =>
  (await sql.raw<{ rows: { names: string[] }[] }>('select role_names_of(?, ?) as names', [userId, tenantId])).rows[0]?.names ?? [];

/** False where the person is a member already. */
export async function insertMembership(sql: Sql, tenantId: string, userId: string): Promise<boolean> {
  const rows = await sql('memberships').insert({ tenant_id: tenantId, user_id: userId }).onConflict().ignore().returning('user_id');
  return rows.length > 0;
}

export const deleteMembership = (sql: Sql, tenantId: string, userId: string): Promise<number> =>
  sql('memberships').where({ tenant_id: tenantId, user_id: userId }).delete();

export async function giveRoles(sql: Sql, tenantId: string, userId: string, roleIds: readonly string[], grantedBy: string): Promise<void> {
  if (roleIds.length === 0) return;
  await sql.raw(
    `insert into role_assignments as a (id, tenant_id, role_id, user_id, granted_by)
     select gen_random_uuid(), ?::uuid, r, ?::uuid, ? from unnest(?::uuid[]) as r
     on conflict (tenant_id, user_id, role_id, resource) where user_id is not null do update set expires_at = null, granted_by = excluded.granted_by`,
    [tenantId, userId, grantedBy, [...roleIds]],
  );
}

export const takeRoles = (sql: Sql, tenantId: string, userId: string, roleIds: readonly string[]): Promise<number> =>
  sql('role_assignments')
    .where({ tenant_id: tenantId, user_id: userId, resource: '' })
    .whereIn('role_id', [...roleIds])
    .delete();

export const touchMembership = (sql: Sql, tenantId: string, userId: string): Promise<number> =>
  sql('memberships')
    .where({ tenant_id: tenantId, user_id: userId })
    .update({ version: sql.raw('version + 1') });

/** Whether an active person owns the tenant; ask under `lockOwnership`. */
export async function hasOwner(sql: Sql, tenantId: string): Promise<boolean> {
  const { rows } = await sql.raw<{ rows: { found: boolean }[] }>(
    `select exists (select from role_assignments a join roles r on r.tenant_id = a.tenant_id and r.id = a.role_id join users u on u.id = a.user_id
       where a.tenant_id = ? and r.built_in = 'owner' and a.resource = '' and (a.expires_at is null or a.expires_at > clock_timestamp())
         and u.status = 'active') as found`,
    [tenantId],
  );
  return rows[0]?.found === true;
}

export interface MembershipRow {
  tenant_id: string;
  slug: string;
  name: string;
  type: 'root' | 'personal' | 'team' | 'enterprise';
  status: 'active' | 'suspended' | 'deleted';
  roles: string[];
  groups: string[];
  home: boolean;
}

/** A person's own memberships, by the name of the tenant. */
export async function membershipsOfPerson(sql: Sql, userId: string): Promise<MembershipRow[]> {
  const { rows } = await sql.raw<{ rows: MembershipRow[] }>(
    `select m.*, m.tenant_id = (select home_tenant_id from users where id = ?) as home from memberships_of(?) m where m.status <> 'deleted' order by m.name, m.tenant_id`,
    [userId, userId],
  );
  return rows;
}
