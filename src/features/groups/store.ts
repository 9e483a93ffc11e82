import type { Sql } from '../../infra/postgres.ts';

export interface GroupRow {
  id: string;
  tenant_id: string;
  name: string;
  description: string | null;
  version: number;
  created_at: Date;
  updated_at: Date;
}

export type GroupValues = Pick<GroupRow, 'name' | 'description'>;

export const findGroup = (sql: Sql, tenantId: string, id: string): Promise<GroupRow | undefined> =>
  sql<GroupRow>('groups').where({ tenant_id: tenantId, id }).first();

/** Held so that it neither changes nor goes meanwhile. */
export const lockGroup = (sql: Sql, tenantId: string, id: string): Promise<GroupRow | undefined> =>
  sql<GroupRow>('groups').where({ tenant_id: tenantId, id }).forUpdate().first();

/** Throws SQLSTATE 23505 where the name is taken. */
export async function insertGroup(sql: Sql, tenantId: string, id: string, values: GroupValues): Promise<GroupRow> {
  const [row] = await sql('groups')
    .insert({ ...values, id, tenant_id: tenantId })
    .returning<GroupRow[]>('*');
  return row!;
}

/** Throws SQLSTATE 23505 where the name is taken. */
export async function updateGroup(sql: Sql, tenantId: string, id: string, values: GroupValues): Promise<GroupRow> {
  const [row] = await sql('groups')
    .where({ tenant_id: tenantId, id })
    .update({ ...values, version: sql.raw('version + 1'), updated_at: sql.raw('clock_timestamp()') })
    .returning<GroupRow[]>('*');
  return row!;
}

export const deleteGroup = (sql: Sql, tenantId: string, id: string): Promise<number> =>
  sql('groups').where({ tenant_id: tenantId, id }).delete();

/** `position` is the instant of creation in microseconds since the epoch. */
export type ListedGroup = GroupRow & { position: string };

export function listGroups(
  sql: Sql,
  tenantId: string,
  limit: number,
  after: readonly [string, string] | undefined,
  name: string | undefined,
): Promise<ListedGroup[]> {
  const query = sql('groups')
    .select<ListedGroup[]>('*', sql.raw('floor(extract(epoch from created_at) * 1000000)::text as position'))
    .where({ tenant_id: tenantId })
    .orderBy(['created_at', 'id'])
    .limit(limit);
  if (name !== undefined) query.where({ name });
  if (after) query.whereRaw(`(created_at, id) > (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)`, [...after]);
  return query.then((rows) => rows);
}

export interface GroupMember {
  user_id: string;
  created_at: Date;
}

/** By id. */
export function listGroupMembers(
  sql: Sql,
  tenantId: string,
  groupId: string,
  limit: number,
  after: string | undefined,
): Promise<GroupMember[]> {
  const query = sql('group_members')
    .select<GroupMember[]>('user_id', 'created_at')
    .where({ tenant_id: tenantId, group_id: groupId })
    .orderBy('user_id')
    .limit(limit);
  if (after !== undefined) query.where('user_id', '>', after);
  return query.then((rows) => rows);
}

/** Which of these are members of the tenant; they stay so until the transaction ends. */
export async function keepMembers(sql: Sql, tenantId: string, userIds: readonly string[]): Promise<Set<string>> {
  const rows: { user_id: string }[] = await sql('memberships')
    .select('user_id')
    .where({ tenant_id: tenantId })
    .whereIn('user_id', [...userIds])
    .orderBy('user_id')
    .forKeyShare();
  return new Set(rows.map(({ user_id }) => user_id));
}

/** Answers who is new in it. */
export async function addToGroup(sql: Sql, tenantId: string, groupId: string, userIds: readonly string[]): Promise<string[]> {
  const rows: { user_id: string }[] = await sql('group_members')
    .insert(userIds.toSorted().map((user_id) => ({ tenant_id: tenantId, group_id: groupId, user_id })))
    .onConflict()
    .ignore()
    .returning('user_id');
  return rows.map(({ user_id }) => user_id);
}

export const removeFromGroup = (sql: Sql, tenantId: string, groupId: string, userId: string): Promise<number> =>
  sql('group_members').where({ tenant_id: tenantId, group_id: groupId, user_id: userId }).delete();

export async function countMembers(sql: Sql, tenantId: string, groupId: string): Promise<number> {
  const { rows } = await sql.raw<{ rows: { count: number }[] }>(
    'select count(*)::integer as count from group_members where tenant_id = ? and group_id = ?',
    [tenantId, groupId],
  );
  return rows[0]?.count ?? 0;
}
