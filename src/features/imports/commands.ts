import { AppError, invalidInput, notFound } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import type { ImportFormat } from '../users/index.ts';
import { IMPORT_JOB, type ImportDeps } from './index.ts';
import { linesOf, type RawLine } from './lines.ts';
import { addBatch, countOpen, deleteImport, dropParts, type ImportRow, insertImport, lockImport, updateImport } from './store.ts';

const BATCH = 200;
/** Lines may be long: a batch is sealed before it takes more than this. */
const BATCH_BYTES = 1_048_576;
const MOST_LINES = 1_000_000;
const MOST_OPEN = 5;

/**
 * Takes the lines of a body in, sealed, batch by batch, and queues the work on them. Nothing is left of a body that breaks off. Throws 409
 * `import.too_many`, 413 `import.too_many_lines`, 422 where there is no line, and what reading the body throws.
 */
export async function receiveImport(
  deps: ImportDeps,
  scope: Scope,
  { dryRun = false, format = 'gatehouse' }: { dryRun?: boolean | undefined; format?: ImportFormat | undefined },
  body: AsyncIterable<Buffer>,
): Promise<ImportRow> {
  const { tenantId } = scope;
  const id = newId(deps.clock.now());
  await deps.db.transaction(
    async (sql) => {
      if ((await countOpen(sql, tenantId)) >= MOST_OPEN) throw tooMany();
      await insertImport(sql, { id, tenantId, dryRun, format, startedBy: nameOf(scope), startedAs: startedAs(scope) });
    },
    { tenantId },
  );
  try {
    const lines = await storeLines(deps, tenantId, id, body);
    if (lines === 0) throw invalidInput([{ pointer: '', message: 'holds no line' }]);
    return await deps.transact(scope, async (work) => {
      if (!(await lockImport(work.sql, tenantId, id))) throw notFound('import');
      work.record({
        type: 'user_import.created',
        outcome: 'success',
        target: { type: 'user_import', id },
        data: { lines, dryRun, format },
      });
      work.later(jobOf(tenantId, id));
      return updateImport(work.sql, tenantId, id, { status: 'queued' });
    });
  } catch (error) {
    await dropParts(deps.db, tenantId, id).catch(() => undefined);
    await deps.db.transaction((sql) => deleteImport(sql, tenantId, id), { tenantId }).catch(() => undefined);
    throw error;
  }
}

async function storeLines({ db, box }: ImportDeps, tenantId: string, id: string, body: AsyncIterable<Buffer>): Promise<number> {
  let batch: RawLine[] = [];
  let [bytes, total] = [0, 0];
  const store = async (): Promise<void> => {
    const first = batch[0]?.number;
    if (first === undefined) return;
    const sealed = box.seal(JSON.stringify(batch), contextOf(id, first));
    const lines = batch.length;
    if (!(await db.transaction((sql) => addBatch(sql, tenantId, id, { first, lines, sealed }), { tenantId }))) throw notFound('import');
    batch = [];
    bytes = 0;
  };
  for await (const line of linesOf(body)) {
    total += 1;
    if (total > MOST_LINES) throw tooManyLines();
    batch.push(line);
    bytes += 'text' in line ? line.text.length : 0;
    if (batch.length >= BATCH || bytes >= BATCH_BYTES) await store();
  }
  await store();
  return total;
}

/** Stops what has not been worked on and forgets the report; people who were made stay. Throws 404. */
export async function removeImport(deps: ImportDeps, scope: Scope, id: string): Promise<void> {
  const { tenantId } = scope;
  const stopped = await deps.db.transaction(
    async (sql) => (await lockImport(sql, tenantId, id)) && updateImport(sql, tenantId, id, { status: 'failed', error: 'import.removed' }),
    { tenantId },
  );
  if (!stopped) throw notFound('import');
  await dropParts(deps.db, tenantId, id);
  await deps.transact(scope, async (work) => {
    const row = await lockImport(work.sql, scope.tenantId, id);
    if (!row) throw notFound('import');
    await deleteImport(work.sql, scope.tenantId, id);
    const data = { lines: Number(row.lines), done: Number(row.done) };
    work.record({ type: 'user_import.deleted', outcome: 'success', target: { type: 'user_import', id }, data });
  });
}

export const jobOf = (tenantId: string, id: string) => ({ name: IMPORT_JOB, payload: { tenantId, importId: id }, key: `import:${id}` });

/** Bound to its place, so that no batch can be put in for another. */
export const contextOf = (id: string, first: number): string => `user-import:${id}:${first}`;

const nameOf = ({ actor }: Scope): string => (actor.type === 'anonymous' ? 'anonymous' : `${actor.type}:${actor.id}`);

/** What `scopeOf` in work.ts reads. */
const startedAs = ({ actor, clientId, platform, owner, permissions }: Scope): object => ({
  actor,
  clientId,
  platform,
  owner,
  permissions: [...permissions],
});

const tooMany = (): AppError =>
  new AppError('import.too_many', 409, 'Too many imports are under way', { detail: `Wait for one of ${MOST_OPEN} to end, or delete it.` });

const tooManyLines = (): AppError =>
  new AppError('import.too_many_lines', 413, 'The import has too many lines', {
    detail: `At most ${MOST_LINES} lines are taken at once.`,
    headers: { connection: 'close' },
  });
