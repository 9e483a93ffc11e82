/** A proof, and the journey it leads to. */
import { addSeconds, epochSeconds } from '../core/clock.ts';
import { newSecret, sha256 } from '../core/ids.ts';
import type { Scope } from '../core/scope.ts';
import { actingOf, type EngineDeps, type Outcome, succeededEvent, type Visit } from './attempt.ts';
import { recipientOf } from './begun.ts';
import type { Journey, Proof } from './journey.ts';
import type { JourneyRow } from './journey-store.ts';
import { deviceOf } from './known.ts';
import { type CodeTarget, type LoginMethod, secondFactorsOf, type Verdict } from './method.ts';
import { nextStep, ONE_FACTOR, rank, TRUSTED_DEVICE } from './next-step.ts';
import { advance } from './store.ts';
import type { Compared, Found, Taken } from './taken.ts';

export const JOURNEY_SECONDS = 300;
const AFTER_PROOFS: ReadonlySet<string> = new Set(['terms', 'verify_email', 'enter_code', 'change_password']);
const TRUST_SECONDS = 30 * 86_400;

/** How the journey of a visit is stored. */
export const rowOf = (
  { journeySeconds = JOURNEY_SECONDS }: Pick<EngineDeps, 'journeySeconds'>,
  { clientId }: Scope,
  { door, expiresAt }: Pick<Visit, 'door' | 'expiresAt'>,
  now: Date,
): JourneyRow => ({ kind: door, clientId, expiresAt: expiresAt ?? addSeconds(now, journeySeconds) });

/** The proof, what it consumes and its audit event, in one statement; undefined where any of it was used or changed meanwhile. */
export async function write(taken: Taken, verdict: Verdict, found: Found, code: Compared | undefined): Promise<Outcome | undefined> {
  const { deps, scope, attempt, policy, now } = taken;
  const { account } = found;
  const next = await advanced(taken, verdict, found, code?.target);
  const then = nextStep(next, policy);
  const isOver = then.name === 'done';
  const trusts = attempt.trustDevice === true && !taken.isFirst;
  // What may be left to do proves nothing more.
  const isProven = isOver || AFTER_PROOFS.has(then.name);
  const keepDevice = attempt.door === 'browser' && (isProven || trusts);
  const fresh = (found.knownDevice || !isProven) && taken.deviceHash && attempt.deviceToken ? attempt.deviceToken : newSecret();
  const judged = verdict.ok && 'userId' in verdict ? verdict : undefined;
  const wrote = await advance(deps.db, {
    userId: account.id,
    at: now,
    journey: isOver && attempt.door === 'direct' && next.version === 0 ? undefined : { ...rowOf(deps, scope, attempt, now), next },
    update: judged?.update,
    judged: judged?.judged,
    signedIn: isOver,
    device:
      keepDevice || (attempt.door === 'direct' && isProven)
        ? deviceOf(deps, scope, account.id, attempt.door, keepDevice ? sha256(fresh) : undefined)
        : undefined,
    trustedUntil: trusts && keepDevice ? addSeconds(now, TRUST_SECONDS) : undefined,
    codeId: code?.id,
    provenEmail: code?.target?.channel === 'email' ? recipientOf(code.target) : undefined,
    epoch: account.accessEpoch,
    audit: await deps.audit.rows(scope, [succeededEvent(attempt, account.id, then)]),
  });
  if (!wrote) return undefined;
  if (judged?.left !== undefined) await deps.codeUsed?.(scope, account.id, judged.left);
  if (isProven && wrote.newDevice && account.signedInBefore) await deps.newDevice?.(scope, account.id, attempt.locale);
  return { journey: { ...next, version: next.version + 1 }, step: then, deviceToken: fresh, keepDevice, epoch: account.accessEpoch };
}

async function advanced(taken: Taken, verdict: Verdict, found: Found, proven: CodeTarget | undefined): Promise<Journey> {
  const { deps, scope, attempt, from, method, settings, now, isFirst } = taken;
  const { account, amr, double, upstream } = found;
  const isProven = proven?.channel === 'email' && account.email !== undefined && recipientOf(proven) === account.email.toLowerCase();
  const [required, more] = isFirst
    ? await Promise.all([deps.required?.(account.id, scope, actingOf(attempt)), deps.demands?.(account, scope)])
    : [from.required, undefined];
  const demands = new Set([...from.demands, ...(verdict.ok && 'userId' in verdict ? (verdict.demands ?? []) : []), ...(more ?? [])]);
  if (account.email && !account.emailVerified && !isProven) demands.add('verify_email');
  if (isProven) demands.delete('verify_email');
  const { begun: _begun, chosen: _chosen, ...rest } = from;
  const proofs = [...from.proofs, proofOf(method, verdict, now, { amr, double })];
  // What was shown first is not asked for a second time.
  const others = isFirst ? deps.methods.filter(({ id }) => id !== method.id) : deps.methods;
  const mayStandIn = isFirst && found.trustedDevice && attempt.distrustDevice !== true;
  if (mayStandIn) proofs.push({ methodId: TRUSTED_DEVICE, factor: 'possession', amr: [], at: epochSeconds(now) });
  return {
    ...rest,
    accountId: account.id,
    proofs,
    demands: [...demands],
    ...(upstream === undefined ? {} : { upstream }),
    ...(await secondFactorsOf(others, account, settings.methods)),
    ...(required === undefined || rank(required) <= rank(ONE_FACTOR) ? {} : { required }),
  };
}

export function proofOf(
  method: LoginMethod,
  verdict: Verdict,
  now: Date,
  { amr, double }: { amr?: readonly string[] | undefined; double?: boolean | undefined } = {},
): Proof {
  const said = verdict.ok && 'userId' in verdict ? verdict : undefined;
  return {
    methodId: method.id,
    factor: method.factor,
    amr: [...new Set([...method.amr, ...(said?.amr ?? []), ...(amr ?? [])])],
    at: epochSeconds(now),
    ...(method.means === undefined ? {} : { means: method.means }),
    ...(said?.acr === 'phr' ? { strong: true } : {}),
    ...(double ? { double: true } : {}),
  };
}
