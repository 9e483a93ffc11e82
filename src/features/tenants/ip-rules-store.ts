import type { Sql } from '../../infra/postgres.ts';
import type { AddressRule } from './address-rules.ts';

export interface IpRuleRow {
  id: string;
  tenant_id: string;
  cidr: string;
  action: AddressRule['action'];
  description: string | null;
  version: number;
  created_at: Date;
  updated_at: Date;
}

export type IpRuleValues = Pick<IpRuleRow, 'cidr' | 'action' | 'description'>;
export type ListedIpRule = IpRuleRow & { position: string };

/** Rules of a tenant are changed one after the other: each is judged together with the rest. */
export async function lockIpRules(sql: Sql, tenantId: string): Promise<AddressRule[]> {
  await sql.raw(`select pg_advisory_xact_lock(hashtextextended('ip-rules:' || ?, 0))`, [tenantId]);
  return sql('ip_rules').select<AddressRule[]>(sql.raw('id, cidr::text as cidr, action')).where({ tenant_id: tenantId });
}

export const findIpRule = (sql: Sql, tenantId: string, id: string): Promise<IpRuleRow | undefined> =>
  sql<IpRuleRow>('ip_rules').where({ tenant_id: tenantId, id }).first();

export async function insertIpRule(sql: Sql, tenantId: string, id: string, values: IpRuleValues): Promise<IpRuleRow> {
  const [row] = await sql('ip_rules')
    .insert({ ...values, id, tenant_id: tenantId })
    .returning<IpRuleRow[]>('*');
  return row!;
}

export async function updateIpRule(sql: Sql, tenantId: string, id: string, values: IpRuleValues): Promise<IpRuleRow> {
  const [row] = await sql('ip_rules')
    .where({ tenant_id: tenantId, id })
    .update({ ...values, version: sql.raw('version + 1'), updated_at: sql.raw('clock_timestamp()') })
    .returning<IpRuleRow[]>('*');
  return row!;
}

export const deleteIpRule = (sql: Sql, tenantId: string, id: string): Promise<number> =>
  sql('ip_rules').where({ tenant_id: tenantId, id }).delete();

/** In order of creation; `after` is the last row seen before. */
export function listIpRules(
  sql: Sql,
  tenantId: string,
  limit: number,
  after: readonly [string, string] | undefined,
): Promise<ListedIpRule[]> {
  const query = sql('ip_rules')
    .select<ListedIpRule[]>('*', sql.raw('floor(extract(epoch from created_at) * 1000000)::text as position'))
    .where({ tenant_id: tenantId })
    .orderBy(['created_at', 'id'])
    .limit(limit);
  if (after) query.whereRaw(`(created_at, id) > (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)`, [...after]);
  return query.then((rows) => rows);
}
