import type { Sql } from '../../infra/postgres.ts';
import type { AttributeDefinition } from './index.ts';

interface Row {
  id: string;
  tenant_id: string;
  version: number;
  created_at: Date;
  updated_at: Date;
}

export interface DefinitionValues extends AttributeDefinition {
  attribute_group_id: string | null;
  personal_data: boolean;
  description: string | null;
}
export type DefinitionRow = Row & DefinitionValues;

export interface AttributeGroupValues {
  name: string;
  description: string | null;
}
export type AttributeGroupRow = Row & AttributeGroupValues;

interface Kinds {
  attribute_definitions: { row: DefinitionRow; values: DefinitionValues };
  attribute_groups: { row: AttributeGroupRow; values: AttributeGroupValues };
}

export async function findRow<T extends keyof Kinds>(
  sql: Sql,
  table: T,
  tenantId: string,
  id: string,
  lock = false,
): Promise<Kinds[T]['row'] | undefined> {
  const query = sql(table).where({ tenant_id: tenantId, id }).first();
  return (await (lock ? query.forUpdate() : query)) as Kinds[T]['row'] | undefined;
}

/** Throws SQLSTATE 23505 where the name or path is taken. */
export async function insertRow<T extends keyof Kinds>(
  sql: Sql,
  table: T,
  tenantId: string,
  id: string,
  values: Kinds[T]['values'],
): Promise<Kinds[T]['row']> {
  const [row] = await sql(table)
    .insert({ ...values, id, tenant_id: tenantId })
    .returning<Kinds[T]['row'][]>('*');
  return row!;
}

/** Throws SQLSTATE 23505 where the name or path is taken. */
export async function updateRow<T extends keyof Kinds>(
  sql: Sql,
  table: T,
  tenantId: string,
  id: string,
  values: Kinds[T]['values'],
): Promise<Kinds[T]['row']> {
  const [row] = await sql(table)
    .where({ tenant_id: tenantId, id })
    .update({ ...values, version: sql.raw('version + 1'), updated_at: sql.raw('clock_timestamp()') })
    .returning<Kinds[T]['row'][]>('*');
  return row!;
}

/** Throws SQLSTATE 23503 where something refers to it. */
export const deleteRow = (sql: Sql, table: keyof Kinds, tenantId: string, id: string): Promise<number> =>
  sql(table).where({ tenant_id: tenantId, id }).delete();

/** In order of their making; `position` is the instant in microseconds since the epoch. */
export async function listRows<T extends keyof Kinds>(
  sql: Sql,
  table: T,
  tenantId: string,
  filter: Partial<Kinds[T]['values']>,
  limit: number,
  after: readonly [string, string] | undefined,
): Promise<(Kinds[T]['row'] & { position: string })[]> {
  const query = sql(table)
    .select<(Kinds[T]['row'] & { position: string })[]>('*', sql.raw('floor(extract(epoch from created_at) * 1000000)::text as position'))
    .where({ ...filter, tenant_id: tenantId })
    .orderBy(['created_at', 'id'])
    .limit(limit);
  if (after) query.whereRaw(`(created_at, id) > (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)`, [...after]);
  return (await query) as (Kinds[T]['row'] & { position: string })[];
}

/** Whether there is such an attribute group; it stays until the transaction ends. */
export const keepGroup = async (sql: Sql, tenantId: string, id: string): Promise<boolean> =>
  (await sql('attribute_groups').select('id').where({ tenant_id: tenantId, id }).forKeyShare().first()) !== undefined;

/** The definitions of these paths, which do not change until the transaction ends. */
export async function keepDefinitions(sql: Sql, tenantId: string, paths: readonly string[]): Promise<DefinitionRow[]> {
  return (await sql('attribute_definitions')
    .where({ tenant_id: tenantId })
    .whereIn('path', [...paths])
    .orderBy('path')
    .forShare()) as DefinitionRow[];
}

export async function findDefinitions(sql: Sql, tenantId: string, paths: readonly string[]): Promise<DefinitionRow[]> {
  return (await sql('attribute_definitions')
    .where({ tenant_id: tenantId })
    .whereIn('path', [...paths])) as DefinitionRow[];
}
