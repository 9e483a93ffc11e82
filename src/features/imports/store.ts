import type { Database, Sql } from '../../infra/postgres.ts';
import type { ImportFormat } from '../users/index.ts';

export interface ImportRow {
  id: string;
  tenant_id: string;
  status: 'receiving' | 'queued' | 'running' | 'done' | 'failed';
  dry_run: boolean;
  format: ImportFormat;
  /** Counts are bigint, which the driver hands over as text. */
  lines: string;
  done: string;
  created_people: string;
  invited: string;
  failed: string;
  started_as: unknown;
  error: string | null;
  created_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
}

export interface FaultRow {
  line: string;
  code: string;
  message: string;
}

const OPEN = ['receiving', 'queued', 'running'];
const NOW = 'clock_timestamp()';

/** How many of the tenant are not finished. */
export async function countOpen(sql: Sql, tenantId: string): Promise<number> {
  const [row] = await sql('user_imports').where('tenant_id', tenantId).whereIn('status', OPEN).count<{ count: string }[]>('* as count');
  return Number(row?.count ?? 0);
}

export async function insertImport(
  sql: Sql,
  row: { id: string; tenantId: string; dryRun: boolean; format: ImportFormat; startedBy: string; startedAs: object },
): Promise<void> {
  await sql('user_imports').insert({
    id: row.id,
    tenant_id: row.tenantId,
    dry_run: row.dryRun,
    format: row.format,
    started_by: row.startedBy,
    started_as: JSON.stringify(row.startedAs),
  });
}

export interface Batch {
  first: number;
  lines: number;
  sealed: Buffer;
}

/** Answers false where the import is gone: somebody took it back. */
export async function addBatch(sql: Sql, tenantId: string, id: string, { first, lines, sealed }: Batch): Promise<boolean> {
  const found = await sql('user_imports')
    .where({ tenant_id: tenantId, id, status: 'receiving' })
    .update({ lines: sql.raw('lines + ?', [lines]), updated_at: sql.raw(NOW) });
  if (found === 0) return false;
  await sql('user_import_batches').insert({ tenant_id: tenantId, import_id: id, first_line: first, lines, sealed });
  return true;
}

export async function findImport(sql: Sql, tenantId: string, id: string): Promise<ImportRow | undefined> {
  return sql('user_imports').where({ tenant_id: tenantId, id }).first<ImportRow | undefined>();
}

export async function lockImport(sql: Sql, tenantId: string, id: string): Promise<ImportRow | undefined> {
  return sql('user_imports').where({ tenant_id: tenantId, id }).forUpdate().first<ImportRow | undefined>();
}

export async function updateImport(
  sql: Sql,
  tenantId: string,
  id: string,
  change: { status: ImportRow['status']; error?: string; started?: boolean; finished?: boolean },
): Promise<ImportRow> {
  const [row] = await sql('user_imports')
    .where({ tenant_id: tenantId, id })
    .update({
      status: change.status,
      error: change.error ?? null,
      updated_at: sql.raw(NOW),
      version: sql.raw('version + 1'),
      ...(change.started ? { started_at: sql.raw(`coalesce(started_at, ${NOW})`) } : {}),
      ...(change.finished ? { finished_at: sql.raw(NOW) } : {}),
    })
    .returning<ImportRow[]>('*');
  return row!;
}

export const deleteImport = (sql: Sql, tenantId: string, id: string): Promise<number> =>
  sql('user_imports').where({ tenant_id: tenantId, id }).delete();

export async function nextBatch(sql: Sql, tenantId: string, id: string): Promise<Batch | undefined> {
  const row = await sql('user_import_batches')
    .where({ tenant_id: tenantId, import_id: id })
    .orderBy('first_line')
    .first<{ first_line: string; lines: number; sealed: Buffer } | undefined>();
  return row && { first: Number(row.first_line), lines: row.lines, sealed: row.sealed };
}

/** Answers false where it was worked on before. */
export async function takeBatch(sql: Sql, tenantId: string, id: string, first: number): Promise<boolean> {
  return (await sql('user_import_batches').where({ tenant_id: tenantId, import_id: id, first_line: first }).delete()) > 0;
}

const PARTS = ['user_import_names', 'user_import_batches', 'user_import_faults'] as const;
const CHUNK = 20_000;

/** Deletes parts of an import a chunk at a time, since there may be millions. */
export async function dropParts(
  db: Database,
  tenantId: string,
  id: string,
  parts: readonly (typeof PARTS)[number][] = PARTS,
): Promise<void> {
  for (const table of parts) {
    const text = `delete from ${table} where ctid = any (array(select ctid from ${table} where tenant_id = ? and import_id = ? limit ${CHUNK}))`;
    for (let gone = CHUNK; gone === CHUNK; )
      gone = await db.transaction(async (sql) => (await sql.raw<{ rowCount: number }>(text, [tenantId, id])).rowCount, { tenantId });
  }
}

export async function addProgress(
  sql: Sql,
  tenantId: string,
  id: string,
  progress: { done: number; created: number; invited: number; faults: readonly { line: number; code: string; message: string }[] },
): Promise<void> {
  const { done, created, invited, faults } = progress;
  await sql.raw(
    `update user_imports set done = done + ?, created_people = created_people + ?, invited = invited + ?, failed = failed + ?, updated_at = ${NOW},
       status = 'running', started_at = coalesce(started_at, ${NOW}) where tenant_id = ? and id = ?`,
    [done, created, invited, faults.length, tenantId, id],
  );
  if (faults.length > 0)
    await sql.raw(
      `insert into user_import_faults (tenant_id, import_id, line, code, message)
       select ?, ?, r.line, r.code, r.message from jsonb_to_recordset(?::jsonb) as r(line bigint, code text, message text)`,
      [tenantId, id, JSON.stringify(faults)],
    );
}

/** Keeps these hashes; answers those that were there already. */
export async function keepNames(sql: Sql, tenantId: string, id: string, hashes: readonly string[]): Promise<Set<string>> {
  const { rows } = await sql.raw<{ rows: { hash: string }[] }>(
    'insert into user_import_names (tenant_id, import_id, hash) select ?, ?, unnest(?::text[]) on conflict do nothing returning hash',
    [tenantId, id, [...hashes]],
  );
  const added = new Set(rows.map(({ hash }) => hash));
  return new Set(hashes.filter((hash) => !added.has(hash)));
}

export type ListedImport = ImportRow & { position: string };

/** In order of creation; `position` is that instant in microseconds since the epoch. */
export function listImports(
  sql: Sql,
  tenantId: string,
  limit: number,
  after?: readonly [micros: string, id: string],
): Promise<ListedImport[]> {
  const query = sql('user_imports')
    .select<ListedImport[]>('*', sql.raw('(extract(epoch from created_at) * 1000000)::bigint::text as position'))
    .where('tenant_id', tenantId);
  if (after) query.whereRaw(`(created_at, id) > (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)`, [...after]);
  return query.orderBy(['created_at', 'id']).limit(limit);
}

export function listFaults(sql: Sql, tenantId: string, id: string, limit: number, after: number): Promise<FaultRow[]> {
  return sql('user_import_faults')
    .select<FaultRow[]>('line', 'code', 'message')
    .where({ tenant_id: tenantId, import_id: id })
    .where('line', '>', after)
    .orderBy('line')
    .limit(limit);
}

const STALLED = { name: 'imports-stalled', text: 'select tenant_id as "tenantId", id from stalled_user_imports($1)' };
const BROKEN = { name: 'imports-broken', text: 'select drop_broken_user_imports()' };

/** Imports of any tenant that nobody has worked on for so many seconds. */
export const findStalled = (db: Database, seconds: number): Promise<{ tenantId: string; id: string }[]> => db.query(STALLED, [seconds]);

export const dropBroken = (db: Database): Promise<unknown> => db.query(BROKEN, []);
