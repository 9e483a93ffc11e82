/** Tenants as rows of the API. The table is the platform's: who may see which row is decided by the use cases. */
import type { Sql } from '../../infra/postgres.ts';
import type { TenantStatus, TenantType } from './index.ts';
import type { StoredSettings } from './settings.ts';

export interface TenantRow {
  id: string;
  slug: string;
  name: string;
  type: TenantType;
  status: TenantStatus;
  status_reason: string | null;
  settings: unknown;
  deleted_at: Date | null;
  purge_after: Date | null;
  version: number;
  created_at: Date;
  updated_at: Date;
}

/** `position` is the instant of creation in microseconds since the epoch. */
export type ListedTenant = TenantRow & { position: string };

export interface TenantFilter {
  /** Only this one: who is not the platform sees no other. */
  id?: string | undefined;
  type?: string | undefined;
  status?: string | undefined;
  slug?: string | undefined;
  namePrefix?: string | undefined;
}

export const findTenant = (sql: Sql, id: string): Promise<TenantRow | undefined> => sql<TenantRow>('tenants').where({ id }).first();

export const lockTenant = (sql: Sql, id: string): Promise<TenantRow | undefined> =>
  sql<TenantRow>('tenants').where({ id }).forNoKeyUpdate().first();

/** Undefined where the slug is taken. */
export async function insertTenant(
  sql: Sql,
  tenant: { id: string; slug: string; name: string; type: string; settings: StoredSettings },
): Promise<TenantRow | undefined> {
  const [row] = await sql('tenants')
    .insert({ ...tenant, settings: JSON.stringify(tenant.settings) })
    .onConflict('slug')
    .ignore()
    .returning<TenantRow[]>('*');
  return row;
}

export type TenantChange = Partial<Pick<TenantRow, 'slug' | 'name' | 'type' | 'status' | 'status_reason'>> & { settings?: StoredSettings };

export async function updateTenant(sql: Sql, id: string, { settings, ...rest }: TenantChange): Promise<TenantRow> {
  const [row] = await sql('tenants')
    .where({ id })
    .update({ ...rest, ...(settings ? { settings: JSON.stringify(settings) } : {}), ...touched(sql) })
    .returning<TenantRow[]>('*');
  return row!;
}

/** Marks it as deleted; everything of it goes `graceDays` later. */
export const markDeleted = (sql: Sql, id: string, graceDays: number): Promise<number> =>
  sql('tenants')
    .where({ id })
    .update({
      status: 'deleted',
      status_reason: null,
      deleted_at: sql.raw('clock_timestamp()'),
      purge_after: sql.raw(`clock_timestamp() + make_interval(days => ?)`, [graceDays]),
      ...touched(sql),
    });

/** Undefined where the grace is over. */
export async function markActive(sql: Sql, id: string): Promise<TenantRow | undefined> {
  const [row] = await sql('tenants')
    .where({ id })
    .whereRaw('(purge_after is null or purge_after > clock_timestamp())')
    .update({ status: 'active', status_reason: null, deleted_at: null, purge_after: null, ...touched(sql) })
    .returning<TenantRow[]>('*');
  return row;
}

const touched = (sql: Sql) => ({ version: sql.raw('version + 1'), updated_at: sql.raw('clock_timestamp()') });

/** In order of creation; `after` is the last row seen before. */
export function listTenants(
  sql: Sql,
  filter: TenantFilter,
  limit: number,
  after: readonly [string, string] | undefined,
): Promise<ListedTenant[]> {
  const { namePrefix, ...exact } = filter;
  const query = sql('tenants')
    .select<ListedTenant[]>('*', sql.raw('floor(extract(epoch from created_at) * 1000000)::text as position'))
    .orderBy(['created_at', 'id'])
    .limit(limit);
  for (const [column, value] of Object.entries(exact)) if (value !== undefined) query.where(column, value);
  if (namePrefix !== undefined) query.whereRaw('lower(name) like lower(?)', [`${namePrefix.replace(/[\\%_]/g, '\\$&')}%`]);
  if (after) query.whereRaw(`(created_at, id) > (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)`, [...after]);
  return query.then((rows) => rows);
}

export const personExists = async (sql: Sql, id: string): Promise<boolean> =>
  (await sql('users').select('id').where({ id, status: 'active' }).forShare()).length > 0;

/** In the transaction's tenant: makes the person a member and its owner. */
export async function addOwner(sql: Sql, tenantId: string, userId: string, grantedBy: string): Promise<void> {
  await sql('memberships').insert({ tenant_id: tenantId, user_id: userId }).onConflict().ignore();
  await sql.raw(
    `insert into role_assignments (id, tenant_id, role_id, user_id, granted_by)
     select gen_random_uuid(), tenant_id, id, ?, ? from roles where tenant_id = ? and built_in = 'owner' on conflict do nothing`,
    [userId, grantedBy, tenantId],
  );
}

/** What a person's own tenant is called; undefined where there is no such person. */
export async function nameOfPerson(sql: Sql, id: string): Promise<string | undefined> {
  const { rows } = await sql.raw<{ rows: { name: string }[] }>(
    `select left(coalesce(nullif(trim(concat_ws(' ', given_name, family_name)), ''), username, split_part(email, '@', 1), 'Personal'), 200) as name
     from users where id = ?`,
    [id],
  );
  return rows[0]?.name;
}
