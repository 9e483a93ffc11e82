/** The work on imports: batch by batch, each in one transaction with its progress, so that a process that dies leaves nothing half done. */
import { Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { AppError } from '../../core/errors.ts';
import { isId, sha256 } from '../../core/ids.ts';
import { type Scope, systemScope } from '../../core/scope.ts';
import type { JobHandler } from '../../infra/jobs.ts';
import type { Work } from '../audit/index.ts';
import type { Fault, ImportRun, Outcome, Wish } from '../users/index.ts';
import { contextOf, jobOf } from './commands.ts';
import type { ImportDeps } from './index.ts';
import type { RawLine } from './lines.ts';
import {
  addProgress,
  type Batch,
  dropBroken,
  dropParts,
  findImport,
  findStalled,
  type ImportRow,
  keepNames,
  lockImport,
  nextBatch,
  takeBatch,
  updateImport,
} from './store.ts';

/** One job does not go on longer: another follows, so that none looks dead to the queue while it works. */
const WORK_MS = 5000;
const STALLED_SECONDS = 60;
const MOST_ATTEMPTS = 6;

const StartedAs = TypeCompiler.Compile(
  Type.Object({
    actor: Type.Union([
      Type.Object({ type: Type.Union([Type.Literal('user'), Type.Literal('client'), Type.Literal('system')]), id: Type.String() }),
      Type.Object({
        type: Type.Literal('api_key'),
        id: Type.String(),
        owner: Type.Object({ type: Type.Union([Type.Literal('user'), Type.Literal('client')]), id: Type.String() }),
      }),
    ]),
    clientId: Type.Optional(Type.String()),
    platform: Type.Boolean(),
    owner: Type.Optional(Type.Boolean()),
    permissions: Type.Array(Type.String()),
  }),
);
const RawLines = TypeCompiler.Compile(
  Type.Array(
    Type.Union([
      Type.Object({ number: Type.Integer(), text: Type.String() }),
      Type.Object({ number: Type.Integer(), fault: Type.Union([Type.Literal('too_long'), Type.Literal('not_utf8')]) }),
    ]),
  ),
);
const Payload = TypeCompiler.Compile(Type.Object({ tenantId: Type.String(), importId: Type.String() }));

/** The handler of `users.import`. */
export const importHandler =
  (deps: ImportDeps): JobHandler =>
  async (payload, { attempt }) => {
    if (!Payload.Check(payload) || !isId(payload.tenantId) || !isId(payload.importId))
      throw new TypeError('an import job without its import');
    const { tenantId, importId } = payload;
    const end = performance.now() + WORK_MS;
    try {
      while (await workOnBatch(deps, tenantId, importId)) {
        if (performance.now() < end) continue;
        await deps.jobs.add(jobOf(tenantId, importId));
        return;
      }
    } catch (error) {
      const forGood = error instanceof AppError && error.status < 500;
      if (!forGood && attempt < MOST_ATTEMPTS) throw error;
      await giveUp(deps, tenantId, importId, error instanceof AppError ? error.code : 'server.error');
      if (!forGood) throw error;
    }
  };

/** The handler of `users.import-tend`: goes on with imports whose process died. */
export const importTendHandler =
  (deps: ImportDeps): JobHandler =>
  async () => {
    await dropBroken(deps.db);
    for (const { tenantId, id } of await findStalled(deps.db, STALLED_SECONDS)) await deps.jobs.add(jobOf(tenantId, id));
  };

/** Works on the next batch; answers whether there may be another. Several processes may do so at once: each batch is done by one of them. */
export async function workOnBatch(deps: ImportDeps, tenantId: string, id: string): Promise<boolean> {
  const found = await deps.db.transaction(
    async (sql) => {
      const row = await findImport(sql, tenantId, id);
      return row && isOpen(row) ? { row, batch: await nextBatch(sql, tenantId, id) } : undefined;
    },
    { tenantId },
  );
  if (!found) return false;
  const { row, batch } = found;
  const scope = scopeOf(row);
  const wishes = batch ? await wishesIn(deps, scope, row, batch) : [];
  const state = await deps.transact(scope, async (work) => {
    const now = await lockImport(work.sql, tenantId, id);
    if (!now || !isOpen(now)) return 'gone';
    if (batch && (await takeBatch(work.sql, tenantId, id, batch.first)))
      await addProgress(work.sql, tenantId, id, countOf(await deps.people.carryOut(work, scope, wishes, runOf(now))));
    if (await nextBatch(work.sql, tenantId, id)) return 'more';
    await finish(work, now, 'done');
    return 'done';
  });
  if (state === 'done') await dropParts(deps.db, tenantId, id, ['user_import_names']);
  return state === 'more';
}

const isOpen = ({ status }: ImportRow): boolean => status === 'queued' || status === 'running';

async function wishesIn(deps: ImportDeps, scope: Scope, row: ImportRow, { first, sealed }: Batch): Promise<Wish[]> {
  const lines: unknown = JSON.parse(deps.box.open(sealed, contextOf(row.id, first)).toString('utf8'));
  if (!RawLines.Check(lines)) throw new TypeError('a batch of an import is not as it was written');
  const whole = lines.flatMap((line) => ('text' in line ? [line] : []));
  const broken = lines.flatMap((line) => ('fault' in line ? [{ line: line.number, fault: FAULTS[line.fault] }] : []));
  return [...(await deps.people.wishesOf(scope, row.format, whole)), ...broken];
}

const FAULTS: Readonly<Record<Extract<RawLine, { fault: unknown }>['fault'], Fault>> = {
  too_long: { code: 'line.too_long', message: 'The line has more than 65,536 bytes' },
  not_utf8: { code: 'line.not_utf8', message: 'The line is not UTF-8' },
};

/** Whoever began it, with the rights they had; no request is behind the work any more. */
function scopeOf(row: ImportRow): Scope {
  const began: unknown = row.started_as;
  if (!StartedAs.Check(began)) throw new TypeError('an import that nobody began');
  const { actor, clientId, platform, owner, permissions } = began;
  return { ...systemScope(row.tenant_id, 'import', permissions), actor, clientId, platform, owner };
}

const runOf = (row: ImportRow): ImportRun => ({
  importId: row.id,
  dryRun: row.dry_run,
  async seenBefore({ sql }, names) {
    const byHash = new Map(names.map((name) => [sha256(`${row.id}:${name}`), name]));
    const seen = await keepNames(sql, row.tenant_id, row.id, [...byHash.keys()]);
    return new Set([...seen].map((hash) => byHash.get(hash)!));
  },
});

function countOf(outcomes: readonly Outcome[]) {
  const count = (what: 'created' | 'invited'): number => outcomes.filter((outcome) => 'done' in outcome && outcome.done === what).length;
  const faults = outcomes.flatMap((outcome) => ('fault' in outcome ? [{ line: outcome.line, ...outcome.fault }] : []));
  return { done: outcomes.length, created: count('created'), invited: count('invited'), faults };
}

async function finish(work: Work, { tenant_id: tenantId, id }: ImportRow, status: 'done' | 'failed', error?: string): Promise<void> {
  const row = await updateImport(work.sql, tenantId, id, {
    status,
    finished: true,
    started: true,
    ...(error === undefined ? {} : { error }),
  });
  const data = { lines: Number(row.lines), created: Number(row.created_people), invited: Number(row.invited), failed: Number(row.failed) };
  const outcome = status === 'done' ? 'success' : 'failure';
  work.record({
    type: 'user_import.finished',
    outcome,
    target: { type: 'user_import', id },
    data,
    ...(error === undefined ? {} : { reason: error }),
  });
}

async function giveUp(deps: ImportDeps, tenantId: string, id: string, error: string): Promise<void> {
  await deps.transact(systemScope(tenantId, 'import'), async (work) => {
    const row = await lockImport(work.sql, tenantId, id);
    if (row && isOpen(row)) await finish(work, row, 'failed', error);
  });
  await dropParts(deps.db, tenantId, id, ['user_import_names', 'user_import_batches']);
}
