import type { Scope } from '../core/scope.ts';
import { addressKey, RULES } from '../infra/limits.ts';
import type { Engine, EngineDeps } from './attempt.ts';
import { begin, resume } from './begin.ts';
import { judge } from './judge.ts';
import { offeredMethod } from './policy.ts';
import { limited } from './refusal.ts';
import type { JudgeDeps } from './taken.ts';

export type { Attempt, BeginRequest, Begun, Engine, EngineDeps, Outcome, Resolution } from './attempt.ts';

export function createEngine(given: EngineDeps): Engine {
  const { limits, audit, enrollable = [] } = given;
  const byId = new Map(given.methods.map((method) => [method.id, method]));
  if (byId.size !== given.methods.length) throw new Error('Two login methods have the same id');
  const offered = given.methods.map(offeredMethod);
  const deps: JudgeDeps = { ...given, byId, offered };

  /** An address with too many failures in a day gets one more try a minute. */
  async function countFailure(scope: Scope): Promise<void> {
    const address = addressKey(scope.request.address);
    const tooMany = await limited(() => limits.consume(RULES.loginByAddressDaily, address));
    if (tooMany) await limited(() => limits.consume(RULES.loginByAddress, address, RULES.loginByAddress.points));
  }

  /** More failures at a tenant than are usual, from however many addresses, at however many accounts: told once, and nobody is held for it. */
  async function watch(scope: Scope): Promise<void> {
    const { tenantId } = scope;
    const { loginFailuresByTenant: usual, loginFailureAlert: once } = RULES;
    if (!(await limited(() => limits.consume(usual, tenantId)))) return;
    if (await limited(() => limits.consume(once, tenantId))) return;
    const data = { failures: usual.points, seconds: usual.durationSeconds };
    const event = {
      type: 'alert.login_failures',
      outcome: 'failure',
      reason: 'limit.tenant',
      target: { type: 'tenant', id: tenantId },
      data,
    } as const;
    await audit.append(scope, event).catch(async (error: unknown) => {
      // The next one tells instead.
      await limits.reset(once, tenantId);
      throw error;
    });
  }

  const required = (id: string): readonly string[] => byId.get(id)?.input.required ?? [];
  return {
    methods: offered,
    enrollable,
    methodFor: (ids, form) => ids.find((id) => byId.has(id) && required(id).every((name) => Object.hasOwn(form, name))),
    begins(methodId, form) {
      const method = byId.get(methodId);
      return method !== undefined && !required(methodId).every((name) => form[name] !== undefined && form[name] !== '');
    },
    sends: (methodId) => byId.get(methodId)?.channel,
    async attempt(scope, attempt) {
      const { outcome, event } = await judge(deps, scope, attempt);
      const isWrong = 'refused' in outcome && outcome.status === 401;
      if (event) await Promise.all([audit.append(scope, event), ...(isWrong ? [countFailure(scope), watch(scope)] : [])]);
      given.count?.('login_attempts', {
        method: byId.has(attempt.methodId) ? attempt.methodId : 'unknown',
        door: attempt.door,
        outcome: event ? 'failure' : 'success',
      });
      return outcome;
    },
    begin: (scope, request) => begin(deps, scope, request),
    resume: (scope, from) => resume(deps, scope, from),
  };
}
