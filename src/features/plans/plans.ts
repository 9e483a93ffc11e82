/** Plans: bundles of limits and features that tenants subscribe to. The platform's. */
import { AppError, invalidInput, notFound } from '../../core/errors.ts';
import { isId, newId } from '../../core/ids.ts';
import { type Page, type PageRequest, pageOf, readPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import { mergePatch } from '../../http/merge-patch.ts';
import { compileBody } from '../../http/validate.ts';
import type { JobHandler } from '../../infra/jobs.ts';
import { deleteNamed, findNamed, insertNamed, listNamed, lockNamed, updateNamed } from '../../infra/named-rows.ts';
import { type Database, violatedUnique } from '../../infra/postgres.ts';
import type { Transact } from '../audit/index.ts';
import { PLAN_INPUT, type PlanInput, type PlanReplacement } from './schema.ts';
import { applyPlan, type PlanRow } from './store.ts';

export interface PlanDeps {
  db: Database;
  transact: Transact;
}

/** Brings a changed plan to all its tenants, in batches. */
export const PLAN_JOB = 'plan.apply';
const BATCH = 200;

export const planNotFound = (): AppError => notFound('plan');
const nameTaken = (): AppError => new AppError('plan.name_taken', 409, 'A plan has this name already');
const inUse = (): AppError => new AppError('plan.in_use', 409, 'Tenants are subscribed to this plan');
const target = (id: string) => ({ type: 'plan', id });
const isWhole = compileBody(PLAN_INPUT);

/** Throws 409, 422. */
export const createPlan = (deps: PlanDeps, scope: Scope, input: PlanInput): Promise<PlanRow> =>
  deps.transact(scope, async ({ sql, record }) => {
    const row = await insertNamed<PlanRow>(sql, 'plans', newId(), valuesOf(input)).catch(taken);
    record({ type: 'plan.created', outcome: 'success', target: target(row.id) });
    return row;
  });

/** Throws 404, 409, 412, 422. Tenants feel it as soon as the job that it starts has come to them. */
export const replacePlan = (deps: PlanDeps, scope: Scope, id: string, input: PlanReplacement, ifMatch?: string): Promise<PlanRow> =>
  changePlan(deps, scope, id, ifMatch, ({ name }) => ({ name, ...input }));

/** A merge patch (RFC 7396): a limit that is null goes. Throws 404, 409, 412, 422. */
export const patchPlan = (deps: PlanDeps, scope: Scope, id: string, patch: object, ifMatch?: string): Promise<PlanRow> =>
  changePlan(deps, scope, id, ifMatch, ({ name, description, limits, features }) => {
    const next = mergePatch({ name, ...(description === null ? {} : { description }), limits, features }, patch);
    const errors = isWhole(next);
    if (errors.length > 0) throw invalidInput(errors);
    return next as PlanInput;
  });

const changePlan = (
  deps: PlanDeps,
  scope: Scope,
  id: string,
  ifMatch: string | undefined,
  next: (row: PlanRow) => PlanInput,
): Promise<PlanRow> =>
  deps.transact(scope, async ({ sql, record, later }) => {
    const before = await lockNamed<PlanRow>(sql, 'plans', id);
    if (!before) throw planNotFound();
    checkIfMatch(ifMatch, before.version);
    const row = await updateNamed<PlanRow>(sql, 'plans', id, valuesOf(next(before))).catch(taken);
    later({ name: PLAN_JOB, payload: { planId: id }, key: `${PLAN_JOB}:${id}` });
    record({ type: 'plan.changed', outcome: 'success', target: target(id) });
    return row;
  });

/** Throws 404, 409 `plan.in_use`, 412. */
export async function removePlan(deps: PlanDeps, scope: Scope, id: string, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async ({ sql, record }) => {
    const row = await lockNamed(sql, 'plans', id);
    if (!row) throw planNotFound();
    checkIfMatch(ifMatch, row.version);
    await deleteNamed(sql, 'plans', id).catch((error: unknown) => {
      // Referred to: SQLSTATE 23503, or 23001 of a key that restricts.
      throw /^23(503|001)$/.test(String((error as { code?: unknown }).code)) ? inUse() : error;
    });
    record({ type: 'plan.deleted', outcome: 'success', target: target(id) });
  });
}

/** Throws 404. */
export async function getPlan({ db }: Pick<PlanDeps, 'db'>, id: string): Promise<PlanRow> {
  const row = await db.transaction((sql) => findNamed<PlanRow>(sql, 'plans', id));
  if (!row) throw planNotFound();
  return row;
}

export async function pageOfPlans(
  { db }: Pick<PlanDeps, 'db'>,
  { limit, cursor }: PageRequest,
  name: string | undefined,
): Promise<Page<PlanRow>> {
  const position = readPosition(cursor);
  if (position && !isId(position[1])) throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
  const rows = await db.transaction((sql) => listNamed<PlanRow>(sql, 'plans', limit + 1, position, name));
  return pageOf(
    rows,
    limit,
    (row) => [row.position, row.id],
    (row): PlanRow => row,
  );
}

/** The handler of `plan.apply`. To run it again does no harm, so a crash costs nothing. */
export const planHandler =
  ({ db }: Pick<PlanDeps, 'db'>, batch = BATCH): JobHandler =>
  async (payload) => {
    const { planId } = payload as { planId?: unknown };
    if (typeof planId !== 'string' || !isId(planId)) throw new TypeError('a job for no plan');
    let after: string | undefined;
    do {
      const from = after;
      after = await db.transaction((sql) => applyPlan(sql, planId, from, batch));
    } while (after !== undefined);
  };

const valuesOf = ({ name, description, limits, features }: PlanInput) => ({
  name,
  description: description ?? null,
  limits: limits ?? {},
  features: features ?? {},
});

function taken(error: unknown): never {
  throw violatedUnique(error) ? nameTaken() : error;
}
