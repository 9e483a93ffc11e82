/** What a second factor needs does not answer: nobody is let in for want of it. */
import type { Scope } from '../core/scope.ts';
import type { EngineDeps } from './attempt.ts';
import type { Journey } from './journey.ts';
import { type JourneyRow, saveJourney } from './journey-store.ts';
import { type Account, type Refused, secondFactorsOf } from './method.ts';
import { type LoginPolicy, nextStep } from './next-step.ts';
import type { TenantLoginSettings } from './policy.ts';
import { FACTOR_UNAVAILABLE, type Refusal, STEP_INVALID } from './refusal.ts';

interface Standing {
  account: Account | undefined;
  journey: Journey;
  settings: TenantLoginSettings;
  policy: LoginPolicy;
  row: JourneyRow;
}

/**
 * The refusal. Where the tenant lets another factor stand in, and the person has set one up, the journey goes on with that, and the refusal names
 * it: it is asked for like any other, and what was not proven stays so.
 */
export async function refuseUnavailable(
  deps: Pick<EngineDeps, 'methods' | 'transact'>,
  scope: Scope,
  { account, journey, settings, policy, row }: Standing,
  { unavailable }: Refused,
): Promise<Refusal> {
  if (unavailable !== 'other-factor' || !account) return FACTOR_UNAVAILABLE;
  const rest = deps.methods.filter(({ alone }) => !alone);
  const others = await secondFactorsOf(rest, account, settings.methods);
  if (!others.asked) return FACTOR_UNAVAILABLE;
  const { chosen: _chosen, begun: _begun, ...kept } = journey;
  const next: Journey = { ...kept, ...others };
  const step = nextStep(next, policy);
  if (step.name !== 'prove') return FACTOR_UNAVAILABLE;
  const saved = await deps.transact(scope, ({ sql }) => saveJourney(sql, next, row));
  return saved ? { ...FACTOR_UNAVAILABLE, methods: step.methods } : STEP_INVALID;
}
