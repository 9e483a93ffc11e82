import type { Sql } from '../../infra/postgres.ts';

export interface AssignmentRow {
  id: string;
  role_id: string;
  role_name: string;
  user_id: string | null;
  group_id: string | null;
  /** Empty: for everything. */
  resource: string;
  expires_at: Date | null;
  granted_by: string | null;
  created_at: Date;
}

export type ListedAssignment = AssignmentRow & { position: string };

/** Who is given a role, or loses it. */
export type HolderKind = 'user' | 'group';

const HOLDERS = {
  user: { table: 'memberships', key: 'user_id', column: 'user_id' },
  group: { table: 'groups', key: 'id', column: 'group_id' },
} as const;

/** Which of these are members, or groups, of the tenant; they stay so until the transaction ends. */
export async function keepHolders(sql: Sql, tenantId: string, kind: HolderKind, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const { table, key } = HOLDERS[kind];
  const { rows } = await sql.raw<{ rows: { id: string }[] }>(
    `select ${key} as id from ${table} where tenant_id = ? and ${key} = any (?::uuid[]) order by ${key} for key share`,
    [tenantId, [...ids]],
  );
  return new Set(rows.map(({ id }) => id));
}

export interface Grant {
  roleId: string;
  resource: string;
  expiresAt: Date | null;
  grantedBy: string;
}

/** Gives the role to these; answers to whom it is new, or until when it is. `rowIds` has one id for each. */
export async function insertAssignments(
  sql: Sql,
  tenantId: string,
  kind: HolderKind,
  rowIds: readonly string[],
  holderIds: readonly string[],
  { roleId, resource, expiresAt, grantedBy }: Grant,
): Promise<string[]> {
  const { column } = HOLDERS[kind];
  const { rows } = await sql.raw<{ rows: { holder: string }[] }>(
    `insert into role_assignments as a (id, tenant_id, role_id, ${column}, resource, expires_at, granted_by)
     select t.id, ?::uuid, ?::uuid, t.holder, ?, ?::timestamptz, ? from unnest(?::uuid[], ?::uuid[]) as t(id, holder) order by t.holder
     on conflict (tenant_id, ${column}, role_id, resource) where ${column} is not null
       do update set expires_at = excluded.expires_at, granted_by = excluded.granted_by where a.expires_at is distinct from excluded.expires_at
     returning ${column} as holder`,
    [tenantId, roleId, resource, expiresAt, grantedBy, [...rowIds], [...holderIds]],
  );
  return rows.map(({ holder }) => holder);
}

/** Takes the role from these, for the one thing or, where none is named, altogether; answers from whom there was something to take. */
export async function deleteAssignments(
  sql: Sql,
  tenantId: string,
  kind: HolderKind,
  roleId: string,
  holderIds: readonly string[],
  resource: string | undefined,
): Promise<string[]> {
  const { column } = HOLDERS[kind];
  const { rows } = await sql.raw<{ rows: { holder: string }[] }>(
    `with gone as (delete from role_assignments where tenant_id = ? and role_id = ? and ${column} = any (?::uuid[]) and (?::text is null or resource = ?)
       returning ${column} as holder)
     select distinct holder from gone`,
    [tenantId, roleId, [...holderIds], resource ?? null, resource ?? null],
  );
  return rows.map(({ holder }) => holder);
}

/** Whether an active person has the role of owners; ask under the lock of the tenant's roles. */
export async function hasActiveOwner(sql: Sql, tenantId: string): Promise<boolean> {
  const { rows } = await sql.raw<{ rows: { found: boolean }[] }>(
    `select exists (select from role_assignments a join roles r on r.tenant_id = a.tenant_id and r.id = a.role_id join users u on u.id = a.user_id
       where a.tenant_id = ? and r.built_in = 'owner' and u.status = 'active') as found`,
    [tenantId],
  );
  return rows[0]?.found === true;
}

/** How many people and groups have the role. */
export async function countHolders(sql: Sql, tenantId: string, roleId: string): Promise<number> {
  const { rows } = await sql.raw<{ rows: { count: number }[] }>(
    'select count(distinct coalesce(user_id, group_id))::integer as count from role_assignments where tenant_id = ? and role_id = ?',
    [tenantId, roleId],
  );
  return rows[0]?.count ?? 0;
}

export type AssignmentFilter = { roleId: string } | { groupId: string } | { userId: string };

/** Those that count now, in order of their making; a person's own and their groups' together. */
export async function listAssignments(
  sql: Sql,
  tenantId: string,
  of: AssignmentFilter,
  limit: number,
  after: readonly [string, string] | undefined,
): Promise<ListedAssignment[]> {
  const [condition, values] =
    'roleId' in of
      ? ['a.role_id = ?', [of.roleId]]
      : 'groupId' in of
        ? ['a.group_id = ?', [of.groupId]]
        : [
            `a.id in (select own.id from role_assignments own where own.tenant_id = ? and own.user_id = ? union all
               select theirs.id from group_members g join role_assignments theirs on theirs.tenant_id = g.tenant_id and theirs.group_id = g.group_id
               where g.tenant_id = ? and g.user_id = ?)`,
            [tenantId, of.userId, tenantId, of.userId],
          ];
  const { rows } = await sql.raw<{ rows: ListedAssignment[] }>(
    `select a.*, r.name as role_name, floor(extract(epoch from a.created_at) * 1000000)::text as position
     from role_assignments a join roles r on r.tenant_id = a.tenant_id and r.id = a.role_id
     where a.tenant_id = ? and ${condition} and (a.expires_at is null or a.expires_at > clock_timestamp())
       ${after ? `and (a.created_at, a.id) > (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)` : ''}
     order by a.created_at, a.id limit ?`,
    [tenantId, ...values, ...(after ?? []), limit],
  );
  return rows;
}

export const isMember = async (sql: Sql, tenantId: string, userId: string): Promise<boolean> =>
  (await sql('memberships').select('user_id').where({ tenant_id: tenantId, user_id: userId }).first()) !== undefined;

/** The names of the roles that somebody has for everything, their own and their groups'. */
export async function roleNamesOf(sql: Sql, tenantId: string, userId: string): Promise<string[]> {
  const { rows } = await sql.raw<{ rows: { names: string[] }[] }>('select role_names_of(?, ?) as names', [userId, tenantId]);
  return rows[0]?.names ?? [];
}

export const isGroup = async (sql: Sql, tenantId: string, groupId: string): Promise<boolean> =>
  (await sql('groups').select('id').where({ tenant_id: tenantId, id: groupId }).first()) !== undefined;

/** The names of the roles that a group gives now, for everything or for one thing. */
export async function roleNamesOfGroup(sql: Sql, tenantId: string, groupId: string): Promise<string[]> {
  const { rows } = await sql.raw<{ rows: { name: string }[] }>(
    `select distinct r.name from role_assignments a join roles r on r.tenant_id = a.tenant_id and r.id = a.role_id
     where a.tenant_id = ? and a.group_id = ? and (a.expires_at is null or a.expires_at > clock_timestamp())`,
    [tenantId, groupId],
  );
  return rows.map(({ name }) => name);
}
