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
      if (event)
        await Promise.all([audit.append(scope, event), 'refused' in outcome && outcome.status === 401 ? countFailure(scope) : undefined]);
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
