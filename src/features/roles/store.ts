import type { BuiltInRole } from '../../core/permissions.ts';
import type { Sql } from '../../infra/postgres.ts';
import type { RoleFacts } from './index.ts';

export interface RoleRow {
  id: string;
  tenant_id: string;
  name: string;
  description: string | null;
  permissions: string[];
  built_in: BuiltInRole | null;
  version: number;
  created_at: Date;
  updated_at: Date;
}

export type RoleValues = Pick<RoleRow, 'name' | 'description' | 'permissions'>;

/** Nobody else changes the tenant's roles, or who owns it, until the transaction ends; owners are counted under the same lock when people are disabled. */
export async function lockRoles(sql: Sql, tenantId: string): Promise<void> {
  await sql.raw('select id from tenants where id = ? for no key update', [tenantId]);
}

/** All roles of the tenant as this transaction sees them. */
export async function rolesOf(sql: Sql, tenantId: string): Promise<readonly RoleFacts[]> {
  const { rows } = await sql.raw<{ rows: { roles: RoleFacts[] }[] }>('select roles_for_protocol(?) as roles', [tenantId]);
  return rows[0]?.roles ?? [];
}

export const findRole = (sql: Sql, tenantId: string, id: string): Promise<RoleRow | undefined> =>
  sql<RoleRow>('roles').where({ tenant_id: tenantId, id }).first();

export const keepRole = (sql: Sql, tenantId: string, id: string): Promise<RoleRow | undefined> =>
  sql<RoleRow>('roles').where({ tenant_id: tenantId, id }).forShare().first();

/** Throws SQLSTATE 23505 where the name is taken. */
export async function insertRole(sql: Sql, tenantId: string, id: string, values: RoleValues): Promise<RoleRow> {
  const [row] = await sql('roles')
    .insert({ ...values, id, tenant_id: tenantId })
    .returning<RoleRow[]>('*');
  return row!;
}

/** Throws SQLSTATE 23505 where the name is taken. */
export async function updateRole(sql: Sql, tenantId: string, id: string, values: RoleValues): Promise<RoleRow> {
  const [row] = await sql('roles')
    .where({ tenant_id: tenantId, id })
    .update({ ...values, version: sql.raw('version + 1'), updated_at: sql.raw('clock_timestamp()') })
    .returning<RoleRow[]>('*');
  return row!;
}

export const deleteRole = (sql: Sql, tenantId: string, id: string): Promise<number> =>
  sql('roles').where({ tenant_id: tenantId, id }).delete();

/** Makes these, and no others, the parents. */
export async function setParents(sql: Sql, tenantId: string, id: string, parentIds: readonly string[]): Promise<void> {
  await sql('role_parents')
    .where({ tenant_id: tenantId, role_id: id })
    .whereNotIn('parent_id', [...parentIds])
    .delete();
  if (parentIds.length === 0) return;
  await sql('role_parents')
    .insert(parentIds.map((parent_id) => ({ tenant_id: tenantId, role_id: id, parent_id })))
    .onConflict()
    .ignore();
}

/** `position` is the instant of creation in microseconds since the epoch. */
export type ListedRole = RoleRow & { position: string };

export interface RoleFilter {
  name?: string | undefined;
  ids?: readonly string[] | undefined;
  by: 'created_at' | 'name';
  descending: boolean;
}

/** `after` is the position of the last row seen: instant and id, or the name. */
export function listRoles(
  sql: Sql,
  tenantId: string,
  { name, ids, by, descending }: RoleFilter,
  limit: number,
  after: readonly string[] | undefined,
): Promise<ListedRole[]> {
  const order = descending ? 'desc' : 'asc';
  const beyond = descending ? '<' : '>';
  const query = sql('roles')
    .select<ListedRole[]>('*', sql.raw('floor(extract(epoch from created_at) * 1000000)::text as position'))
    .where({ tenant_id: tenantId })
    .limit(limit);
  if (by === 'name') query.orderBy('name', order);
  else
    query.orderBy([
      { column: 'created_at', order },
      { column: 'id', order },
    ]);
  if (name !== undefined) query.where({ name });
  if (ids) query.whereIn('id', [...ids]);
  if (after && by === 'name') query.whereRaw(`name ${beyond} ?`, [...after]);
  else if (after)
    query.whereRaw(`(created_at, id) ${beyond} (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)`, [...after]);
  return query.then((rows) => rows);
}

export interface ScopeRow {
  resource: string;
  resource_name: string;
  name: string;
  description: string;
}

/** Which of these names are scopes of a resource that the tenant sees. */
export async function knownScopes(sql: Sql, tenantId: string, names: readonly string[]): Promise<Set<string>> {
  if (names.length === 0) return new Set();
  const { rows } = await sql.raw<{ rows: { name: string }[] }>('select distinct name from resource_scopes_for(?) where name = any (?)', [
    tenantId,
    [...names],
  ]);
  return new Set(rows.map(({ name }) => name));
}

/** By name, then by resource; `after` is the last one seen. */
export async function listScopes(
  sql: Sql,
  tenantId: string,
  limit: number,
  after: readonly [name: string, resource: string] | undefined,
): Promise<ScopeRow[]> {
  const { rows } = await sql.raw<{ rows: ScopeRow[] }>(
    `select distinct on (name collate "C", resource collate "C") * from resource_scopes_for(?)
     where (name collate "C", resource collate "C") > (?, ?) order by name collate "C", resource collate "C" limit ?`,
    [tenantId, ...(after ?? ['', '']), limit],
  );
  return rows;
}
