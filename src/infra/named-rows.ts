/** Rows of the installation that have a name of their own: plans, templates. Who may touch them is decided by the use cases. */
import type { Sql } from './postgres.ts';

export interface NamedRow {
  id: string;
  name: string;
  description: string | null;
  version: number;
  created_at: Date;
  updated_at: Date;
}

export type NamedTable = 'plans' | 'tenant_templates';
/** By column; objects and arrays are kept as JSON. */
export type NamedValues = Readonly<Record<string, unknown>> & { name: string; description: string | null };

export const findNamed = <Row extends NamedRow>(sql: Sql, table: NamedTable, id: string): Promise<Row | undefined> =>
  sql(table)
    .where({ id })
    .first()
    .then((row: Row | undefined) => row);

export const lockNamed = <Row extends NamedRow>(sql: Sql, table: NamedTable, id: string): Promise<Row | undefined> =>
  sql(table)
    .where({ id })
    .forUpdate()
    .first()
    .then((row: Row | undefined) => row);

/** Throws SQLSTATE 23505 where the name is taken. */
export async function insertNamed<Row extends NamedRow>(sql: Sql, table: NamedTable, id: string, values: NamedValues): Promise<Row> {
  const rows: Row[] = await sql(table)
    .insert({ ...columnsOf(values), id })
    .returning('*');
  return rows[0]!;
}

/** Throws SQLSTATE 23505 where the name is taken. */
export async function updateNamed<Row extends NamedRow>(sql: Sql, table: NamedTable, id: string, values: NamedValues): Promise<Row> {
  const rows: Row[] = await sql(table)
    .where({ id })
    .update({ ...columnsOf(values), version: sql.raw('version + 1'), updated_at: sql.raw('clock_timestamp()') })
    .returning('*');
  return rows[0]!;
}

/** Throws SQLSTATE 23503 where something still refers to it. */
export const deleteNamed = (sql: Sql, table: NamedTable, id: string): Promise<number> => sql(table).where({ id }).delete();

/** In order of creation; `position` is that instant in microseconds since the epoch, `after` the last row seen before. */
export async function listNamed<Row extends NamedRow>(
  sql: Sql,
  table: NamedTable,
  limit: number,
  after: readonly [string, string] | undefined,
  name: string | undefined,
): Promise<(Row & { position: string })[]> {
  const query = sql(table)
    .select('*', sql.raw('floor(extract(epoch from created_at) * 1000000)::text as position'))
    .orderBy(['created_at', 'id'])
    .limit(limit);
  if (name !== undefined) query.where({ name });
  if (after) query.whereRaw(`(created_at, id) > (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)`, [...after]);
  return (await query) as (Row & { position: string })[];
}

const columnsOf = (values: NamedValues): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(values).map(([column, value]) => [column, typeof value === 'object' && value !== null ? JSON.stringify(value) : value]),
  );
