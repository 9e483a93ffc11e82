/** The service that knows what a tenant pays for: asked before a tenant is refused by a limit, and when it gets a plan. Where it does not answer, what is stored decides. */
import { type Static, type TOptional, Type } from '@sinclair/typebox';
import { AppError } from '../../core/errors.ts';
import { type Scope, systemScope } from '../../core/scope.ts';
import { COUNTED_METRICS, type LimitSet, METRICS, type Metric } from '../../core/tenant-limits.ts';
import { compileBody } from '../../http/validate.ts';
import { type BreakerState, createBreaker } from '../../infra/circuit-breaker.ts';
import type { Fetch } from '../../infra/outbound-http.ts';
import type { Transact } from '../audit/index.ts';
import { applyLimits, findLimits, findUsed, lockLimits, writeLimits } from './store.ts';

export interface BillingDeps {
  url: string;
  token: string | undefined;
  fetch: Fetch;
  transact: Transact;
  /** After a commit. */
  changed(tenantId: string): void;
  onChange(state: BreakerState): void;
  log(message: string, error?: unknown): void;
}

export interface Billing {
  /** Asks whether one more fits; true where it does now, so that the command may be tried again. Never throws. */
  raise(tenantId: string, metric: Metric): Promise<boolean>;
  /** Throws 409 `billing.refused` where the tenant may not have the plan. */
  confirm(scope: Scope, planId: string): Promise<void>;
  state(): BreakerState;
  close(): void;
}

const TIMEOUT_MS = 2000;
const LIMIT = Type.Union([Type.Integer({ minimum: 0, maximum: 1_000_000_000_000 }), Type.Null()]);
const ANSWER = Type.Object({
  limits: Type.Optional(
    Type.Object(Object.fromEntries(METRICS.map((metric) => [metric, Type.Optional(LIMIT)])) as Record<Metric, TOptional<typeof LIMIT>>),
  ),
  allow: Type.Optional(Type.Boolean()),
});
type Answer = Static<typeof ANSWER>;
const isAnswer = compileBody(ANSWER);

interface Question {
  tenantId: string;
  metric: Metric | 'subscription';
  used: number;
  limit: number | null;
  wanted: number;
  planId?: string;
}

export function createBilling(deps: BillingDeps, { timeoutMs = TIMEOUT_MS, restMs = 30_000 } = {}): Billing {
  const { transact, changed, log } = deps;
  const asking = new Map<string, Promise<boolean>>();
  const breaker = createBreaker((question: Question, signal) => post(deps, question, signal), {
    timeoutMs,
    restMs,
    onChange: deps.onChange,
  });

  async function ask(question: Question): Promise<Answer | undefined> {
    try {
      return await breaker.ask(question);
    } catch (error) {
      log('the billing service gave no answer; what is stored decides', error);
      return undefined;
    }
  }

  async function raise(tenantId: string, metric: Metric): Promise<boolean> {
    const scope = systemScope(tenantId, 'billing');
    const before = await transact(scope, async ({ sql }) => ({
      ...(await findLimits(sql, tenantId)),
      used: await findUsed(sql, tenantId, metric),
    }));
    const limit = before.effective[metric] ?? null;
    const wanted = before.used + 1;
    // Somebody was faster.
    if (limit === null || wanted <= limit) return true;
    const answer = await ask({ tenantId, metric, used: before.used, limit, wanted });
    // To allow one more is to raise the limit by it.
    const limits: LimitSet = answer?.limits ?? (answer?.allow ? { [metric]: wanted } : {});
    if (Object.keys(limits).length === 0) return false;
    const now = await store(scope, limits);
    return now[metric] === undefined || (now[metric] ?? 0) >= wanted;
  }

  const store = async (scope: Scope, limits: LimitSet): Promise<LimitSet> => {
    const now = await transact(scope, async ({ sql, record }) => {
      await lockLimits(sql, scope.tenantId);
      const { own } = await findLimits(sql, scope.tenantId);
      await writeLimits(sql, scope.tenantId, { ...own, ...limits });
      await applyLimits(sql, scope.tenantId);
      const target = { type: 'tenant', id: scope.tenantId };
      record({ type: 'tenant.limits_changed', outcome: 'success', reason: 'billing', target, data: { limits } });
      return (await findLimits(sql, scope.tenantId)).effective;
    });
    changed(scope.tenantId);
    return now;
  };

  return {
    state: breaker.state,
    close: breaker.close,
    async raise(tenantId, metric) {
      const key = `${tenantId} ${metric}`;
      // Many at once are one question; each then tries again, and is counted.
      let one = asking.get(key);
      if (!one) {
        one = raise(tenantId, metric)
          .catch((error: unknown) => {
            log('limits could not be raised', error);
            return false;
          })
          .finally(() => asking.delete(key));
        asking.set(key, one);
      }
      return one;
    },
    async confirm(scope, planId) {
      const answer = await ask({ tenantId: scope.tenantId, metric: 'subscription', used: 0, limit: null, wanted: 1, planId });
      if (answer?.allow === false) throw new AppError('billing.refused', 409, 'The billing service refuses this plan');
    },
  };
}

async function post({ url, token, fetch }: BillingDeps, question: Question, signal: AbortSignal): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(question),
    signal,
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`the billing service answered ${response.status}`);
  }
  const answer: unknown = await response.json();
  const faults = isAnswer(answer);
  if (faults.length > 0) throw new Error(`the answer of the billing service is wrong at ${faults[0]!.pointer || '/'}`);
  return answer as Answer;
}

/** Tries a command that ran into a limit once more where billing makes room for it. */
export const withBilling =
  (transact: Transact, billing: Pick<Billing, 'raise'>): Transact =>
  async (scope, work) => {
    try {
      return await transact(scope, work);
    } catch (error) {
      const metric = error instanceof AppError && error.code === 'limit.reached' && error.status === 409 ? error.extra['limit'] : undefined;
      const counted = COUNTED_METRICS.find((name) => name === metric);
      if (counted === undefined || !(await billing.raise(scope.tenantId, counted))) throw error;
      return transact(scope, work);
    }
  };
