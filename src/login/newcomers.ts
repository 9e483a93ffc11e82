import { addSeconds } from '../core/clock.ts';
import { newId, newSecret, sha256 } from '../core/ids.ts';
import type { Scope } from '../core/scope.ts';
import { personalTenantJob } from '../features/tenants/personal.ts';
import { addressKey, RULES } from '../infra/limits.ts';
import { type Advanced, type Attempt, actingOf, type EngineDeps, succeededEvent } from './attempt.ts';
import { consumeFoundCode } from './codes-store.ts';
import { emailKey } from './identifiers.ts';
import type { Journey, Proof } from './journey.ts';
import { rememberDevice, saveJourney } from './journey-store.ts';
import { deviceOf } from './known.ts';
import { type Account, type Newcomer, secondFactorsOf } from './method.ts';
import { type LoginPolicy, nextStep, ONE_FACTOR, rank } from './next-step.ts';
import { addPerson } from './people-store.ts';
import { mayRegister, type TenantLoginSettings } from './policy.ts';
import { INVALID_CREDENTIALS, limited, type Refusal, STEP_INVALID } from './refusal.ts';

export interface Arrival {
  attempt: Attempt;
  from: Journey;
  settings: TenantLoginSettings;
  policy: LoginPolicy;
  newcomer: Newcomer;
  proof: Proof;
  /** The code that proved the address; it makes one person. */
  codeId: string | undefined;
  now: Date;
}

class Lost extends Error {}

/**
 * Makes a person of somebody who has proven an address that nobody has: at home in the scope's tenant, as a registration does, and signed in. Refuses
 * where the tenant lets nobody register, in the words of any refusal.
 */
export async function welcome(
  deps: EngineDeps,
  scope: Scope,
  { attempt, from, settings, policy, newcomer, proof, codeId, now }: Arrival,
): Promise<Advanced | { refused: Refusal; reason: string }> {
  const { invited } = attempt;
  const isInvited = invited !== undefined && newcomer.email !== undefined && emailKey(invited.email) === emailKey(newcomer.email);
  if (!mayRegister(settings, isInvited)) return { refused: INVALID_CREDENTIALS, reason: 'registration.closed' };
  const held = await limited(() => deps.limits.consume(RULES.registerByAddress, addressKey(scope.request.address)));
  if (held) return { refused: held, reason: 'limit.registrations' };

  const id = newId(now);
  const { tenantId } = scope;
  const account: Account = {
    id,
    homeTenantId: tenantId,
    active: true,
    email: newcomer.email,
    emailVerified: newcomer.email !== undefined,
    phone: newcomer.phone,
    phoneVerified: newcomer.phone !== undefined,
    credentials: [],
  };
  const [required, demands = []] = await Promise.all([deps.required?.(id, scope, actingOf(attempt)), deps.demands?.(account, scope)]);
  const { begun: _begun, chosen: _chosen, ...rest } = from;
  const next: Journey = {
    ...rest,
    accountId: id,
    proofs: [proof],
    demands: [...demands],
    ...(await secondFactorsOf(deps.methods, account, settings.methods)),
    ...(required === undefined || rank(required) <= rank(ONE_FACTOR) ? {} : { required }),
  };
  const then = nextStep(next, policy);
  const isOver = then.name === 'done';
  const keepDevice = attempt.door === 'browser' && isOver;
  const deviceToken = newSecret();
  try {
    await deps.transact(scope, async (work) => {
      if (codeId !== undefined && !(await consumeFoundCode(work.sql, codeId, now))) throw new Lost();
      const key = newcomer.email === undefined ? undefined : emailKey(newcomer.email);
      if (!(await addPerson(work.sql, { id, tenantId, ...newcomer, emailKey: key, locale: attempt.locale, at: now }))) throw new Lost();
      const row = {
        kind: attempt.door,
        clientId: scope.clientId,
        expiresAt: attempt.expiresAt ?? addSeconds(now, deps.journeySeconds ?? 300),
      };
      const isKept = attempt.door === 'browser' || !isOver || next.version > 0;
      if (isKept && !(await saveJourney(work.sql, next, row))) throw new Lost();
      if (keepDevice || attempt.door === 'direct')
        await rememberDevice(work.sql, id, deviceOf(deps, scope, id, attempt.door, keepDevice ? sha256(deviceToken) : undefined), now);
      await deps.onRegistered?.(work, { id, tenantId });
      const { personalTenant } = settings;
      if (personalTenant.enabled) work.later(personalTenantJob({ userId: id, templateId: personalTenant.templateId }));
      work.record({ type: 'user.registered', outcome: 'success', target: { type: 'user', id }, personId: id });
      work.record(succeededEvent(attempt, id, then));
    });
  } catch (error) {
    if (error instanceof Lost) return { refused: STEP_INVALID, reason: 'step.replayed' };
    throw error;
  }
  return { journey: { ...next, version: next.version + 1 }, step: then, deviceToken, keepDevice, epoch: 0 };
}
