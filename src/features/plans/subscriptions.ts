/** What a tenant has: its subscription, and its limits. A limit below what is there takes nothing away; nothing more comes in. */
import { type AppError, invalidInput, notFound } from '../../core/errors.ts';
import { isId, sha256 } from '../../core/ids.ts';
import { type Scope, systemScope } from '../../core/scope.ts';
import type { LimitSet } from '../../core/tenant-limits.ts';
import { checkIfMatch } from '../../http/etag.ts';
import type { JobHandler } from '../../infra/jobs.ts';
import type { Database } from '../../infra/postgres.ts';
import type { Transact } from '../audit/index.ts';
import type { SubscriptionInput } from './schema.ts';
import {
  applyLimits,
  deleteSubscription,
  dueTenants,
  findLimits,
  findSubscription,
  type LimitsRow,
  lockLimits,
  type SubscriptionRow,
  turnSubscription,
  writeLimits,
  writeSubscription,
} from './store.ts';

export interface SubscriptionDeps {
  db: Database;
  transact: Transact;
  /** After a commit: the next question of this process reads the tenant again. */
  changed(tenantId: string): void;
  /** Asks who bills; throws 409 `billing.refused`. */
  confirm?(scope: Scope, planId: string): Promise<void>;
}

/** Ends and begins subscriptions by the clock. */
export const SUBSCRIPTION_JOB = 'subscription.tend';
export const SUBSCRIPTION_SCHEDULE = { name: SUBSCRIPTION_JOB, at: '* * * * *' } as const;

const subscriptionNotFound = (): AppError => notFound('subscription');

/** The scope's tenant's. Throws 404. */
export async function getSubscription({ db }: Pick<SubscriptionDeps, 'db'>, scope: Scope): Promise<SubscriptionRow> {
  const row = await db.transaction((sql) => findSubscription(sql, scope.tenantId));
  if (!row) throw subscriptionNotFound();
  return row;
}

/** Makes or replaces it; its limits hold with the same transaction. Throws 409 `billing.refused`, 412, 422. */
export async function putSubscription(
  deps: SubscriptionDeps,
  scope: Scope,
  input: SubscriptionInput,
  ifMatch?: string,
): Promise<SubscriptionRow> {
  const { planId, status = 'active' } = input;
  const [startsAt, endsAt] = [instant(input.startsAt), instant(input.endsAt)];
  if (startsAt && endsAt && endsAt <= startsAt) throw invalidInput([{ pointer: '/endsAt', message: 'must be later than startsAt' }]);
  await deps.confirm?.(scope, planId);
  const row = await deps.transact(scope, async ({ sql, record }) => {
    await lockLimits(sql, scope.tenantId);
    const before = await findSubscription(sql, scope.tenantId, true);
    if (before || ifMatch !== undefined) checkIfMatch(ifMatch, before?.version ?? 0);
    const unknown = invalidInput([{ pointer: '/planId', message: 'is no plan of this installation' }]);
    if (!isId(planId)) throw unknown;
    await writeSubscription(sql, scope.tenantId, { planId, status, startsAt, endsAt }).catch((error: unknown) => {
      throw (error as { code?: unknown }).code === '23503' ? unknown : error;
    });
    await applyLimits(sql, scope.tenantId);
    const type = before ? 'subscription.changed' : 'subscription.created';
    record({ type, outcome: 'success', target: { type: 'tenant', id: scope.tenantId }, data: { planId, status } });
    return (await findSubscription(sql, scope.tenantId))!;
  });
  deps.changed(scope.tenantId);
  return row;
}

/** The plan's limits end with it. Throws 404, 412. */
export async function removeSubscription(deps: SubscriptionDeps, scope: Scope, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async ({ sql, record }) => {
    await lockLimits(sql, scope.tenantId);
    const before = await findSubscription(sql, scope.tenantId, true);
    if (!before) throw subscriptionNotFound();
    checkIfMatch(ifMatch, before.version);
    await deleteSubscription(sql, scope.tenantId);
    await applyLimits(sql, scope.tenantId);
    record({
      type: 'subscription.deleted',
      outcome: 'success',
      target: { type: 'tenant', id: scope.tenantId },
      data: { planId: before.plan_id },
    });
  });
  deps.changed(scope.tenantId);
}

export const getLimits = ({ db }: Pick<SubscriptionDeps, 'db'>, scope: Scope): Promise<LimitsRow> =>
  db.transaction((sql) => findLimits(sql, scope.tenantId));

/** Changes with the plan's too. */
export const versionOfLimits = ({ version, plan, effective }: LimitsRow): string =>
  `${version}-${sha256(JSON.stringify([plan, effective])).slice(0, 16)}`;

/** Replaces the tenant's own limits. Throws 412. */
export async function putLimits(deps: SubscriptionDeps, scope: Scope, limits: LimitSet, ifMatch?: string): Promise<LimitsRow> {
  const row = await deps.transact(scope, async ({ sql, record }) => {
    await lockLimits(sql, scope.tenantId);
    checkIfMatch(ifMatch, versionOfLimits(await findLimits(sql, scope.tenantId)));
    await writeLimits(sql, scope.tenantId, limits);
    await applyLimits(sql, scope.tenantId);
    record({ type: 'tenant.limits_changed', outcome: 'success', target: { type: 'tenant', id: scope.tenantId }, data: { limits } });
    return findLimits(sql, scope.tenantId);
  });
  deps.changed(scope.tenantId);
  return row;
}

/** The handler of `subscription.tend`. */
export const subscriptionHandler =
  (deps: SubscriptionDeps): JobHandler =>
  async () => {
    for (const { tenant_id: tenantId, ended } of await dueTenants(deps.db)) {
      await deps.transact(systemScope(tenantId, 'subscriptions'), async ({ sql, record }) => {
        await lockLimits(sql, tenantId);
        if (!(await turnSubscription(sql, tenantId, ended))) return;
        await applyLimits(sql, tenantId);
        record({
          type: ended ? 'subscription.expired' : 'subscription.begun',
          outcome: 'success',
          target: { type: 'tenant', id: tenantId },
        });
      });
      deps.changed(tenantId);
    }
  };

const instant = (text: string | null | undefined): Date | null => (text === null || text === undefined ? null : new Date(text));
