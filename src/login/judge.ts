/** One attempt: from what was typed to what is written. */
import { Value } from '@sinclair/typebox/value';
import type { AuditEvent } from '../core/audit-event.ts';
import { sha256 } from '../core/ids.ts';
import type { Scope } from '../core/scope.ts';
import { addressKey, RULES } from '../infra/limits.ts';
import { type Attempt, aboutOf, type Outcome, refusedEvent } from './attempt.ts';
import { type Kept, openBegun } from './begun.ts';
import { compareCode, countedOf, triesOf } from './compare.ts';
import { readLogin } from './identifiers.ts';
import { begunAgain } from './journey.ts';
import { appDeviceOf } from './known.ts';
import type { Account, LoginMethod, Verdict } from './method.ts';
import { welcome } from './newcomers.ts';
import { nextStep } from './next-step.ts';
import { policyOf } from './policy.ts';
import { proofOf, rowOf, write } from './proof.ts';
import { INVALID_CREDENTIALS, limited, type Refusal, STEP_INVALID } from './refusal.ts';
import { findAccount, findAttempt, findJourney } from './store.ts';
import type { Found, JudgeDeps, Taken } from './taken.ts';
import { refuseUnavailable } from './unavailable.ts';

export type Judged = { outcome: Outcome; event?: AuditEvent };

const DEVICE_TOKEN = /^[\w-]{43}$/;

export async function judge(deps: JudgeDeps, scope: Scope, attempt: Attempt, isSecondLook = false): Promise<Judged> {
  const { limits } = deps;
  const address = addressKey(scope.request.address);
  const refuse = (outcome: Refusal, reason: string, more: Partial<AuditEvent> = {}): Judged => ({
    outcome,
    event: refusedEvent(attempt, reason, more),
  });
  const count = async (consume: () => Promise<void>) => (isSecondLook ? undefined : limited(consume));
  const byAddress = await count(() => limits.consume(RULES.loginByAddress, address));
  if (byAddress) return refuse(byAddress, 'limit.address');
  const method = deps.byId.get(attempt.methodId);
  if (!method) return refuse({ refused: 'auth.method_unknown', status: 422 }, 'method.unknown');
  const taken = await take(deps, scope, attempt, method);
  if ('refused' in taken) return refuse(taken.refused, taken.reason, aboutOf(taken.account));
  const { facts, input, now } = taken;
  const about = aboutOf(facts.account);

  // By what was typed, not by whom it names: a name that nobody has is held back in the same way. An application is no device of one person.
  const counted = countedOf(taken);
  const held = counted === undefined ? undefined : deps.box.mac('login-account', counted);
  const key =
    held !== undefined && attempt.door === 'browser' && facts.knownDevice && taken.deviceHash ? `${held}.${taken.deviceHash}` : held;
  const byAccount = key === undefined ? undefined : await count(() => limits.consume(RULES.loginByAccount, key));
  if (byAccount) {
    if (held !== undefined) await deps.locked?.(scope, facts.account?.id, held);
    return refuse(byAccount, 'limit.account', about);
  }
  const tries = triesOf(taken);
  const byTries = tries && (await count(() => limits.consume(RULES.codeTryByAccount, tries)));
  if (byTries) return refuse(byTries, 'limit.code', about);

  const code = await compareCode(taken);
  const { issuer } = scope.request;
  const context = { account: facts.account, now, begun: taken.kept?.state, code: code?.says, issuer, tenantId: scope.tenantId };
  const verdict = await method.verify(context, input);
  const forgive = async (): Promise<void> => {
    // Failures are what is counted: many people may share an address.
    await Promise.all([
      key === undefined ? undefined : limits.reset(RULES.loginByAccount, key),
      tries === undefined ? undefined : limits.reset(RULES.codeTryByAccount, tries),
      limits.refund(RULES.loginByAddress, address),
    ]);
  };
  if (verdict.ok && 'newcomer' in verdict) {
    const { now: _now, deps: _deps, scope: _scope, ...rest } = taken;
    const made = await welcome(deps, scope, {
      ...rest,
      now,
      codeId: code?.id,
      newcomer: verdict.newcomer,
      proof: proofOf(method, verdict, now),
    });
    if ('refused' in made) return refuse(made.refused, made.reason);
    await forgive();
    return { outcome: made };
  }

  if (!verdict.ok && verdict.unavailable) {
    const { from: journey, settings, policy } = taken;
    const at = { account: facts.account, journey, settings, policy, row: rowOf(deps, scope, attempt, now) };
    return refuse(await refuseUnavailable(deps, scope, at, verdict), verdict.reason, about);
  }

  const found = await accountOf(taken, verdict);
  const reason = 'reason' in found ? found.reason : reasonAgainst(attempt, verdict, found.account);
  if ('reason' in found && found.link !== undefined)
    return refuse({ refused: 'auth.link_required', status: 409, link: found.link }, found.reason, about);
  if (reason !== undefined || 'reason' in found) return refuse(INVALID_CREDENTIALS, reason ?? '', about);
  const written = await write(taken, verdict, found, code);
  if (!written && !isSecondLook && verdict.ok && 'userId' in verdict && verdict.update?.again) return judge(deps, scope, attempt, true);
  if (!written) return refuse(STEP_INVALID, 'step.replayed', about);
  await forgive();
  return { outcome: written };
}

type NotTaken = { refused: Refusal; reason: string; account?: Account | undefined };

/** Reads the input, finds the account, and sees whether this step is the next one. */
async function take(deps: JudgeDeps, scope: Scope, attempt: Attempt, method: LoginMethod): Promise<Taken | NotTaken> {
  const now = deps.clock.now();
  const kept = await keptBy(deps, scope, attempt, method, now);
  const input = { ...pick(method, attempt.input), ...(kept?.login === undefined ? {} : { login: kept.login }) };
  if (!Value.Check(method.input, input)) return { refused: INVALID_CREDENTIALS, reason: 'input.invalid' };
  const typed = method.first ? method.identifier?.(input) : undefined;
  const claimed = typed === undefined ? undefined : readLogin(typed);
  const token = attempt.deviceToken && DEVICE_TOKEN.test(attempt.deviceToken) ? sha256(attempt.deviceToken) : undefined;
  const deviceHash = attempt.door === 'direct' ? appDeviceOf(scope) : token;
  const facts = await findAttempt(deps.db, {
    journeyId: attempt.journeyId,
    claimed: claimed?.keys,
    lookup: method.first ? method.lookup?.(input) : undefined,
    deviceHash,
    tenantId: scope.tenantId,
    now,
  });
  const settings = attempt.invited ? { ...facts.settings, verifiedEmail: true } : facts.settings;
  const policy = policyOf(deps.offered, settings, attempt.requiredAcr, deps.enrollable);
  // Whoever gives up a registration or a reset and signs in after all begins again; a proof is never given up this way.
  const isFirst = facts.journey.proofs.length === 0;
  const from = method.first && isFirst ? begunAgain(facts.journey) : facts.journey;
  const step = nextStep(from, policy);
  if (step.name !== 'prove' || !step.methods.includes(method.id))
    return { refused: STEP_INVALID, reason: 'step.invalid', account: facts.account };
  // A method without a beginning of its own has read the journey only now.
  const begun = kept ?? (method.begin ? openBegun(deps.box, facts.journey, method.id, now) : undefined);
  return { deps, scope, attempt, method, input, facts, settings, policy, from, isFirst, kept: begun, claimed, deviceHash, now };
}

/** What was typed when the code was asked for: the page that takes the code does not ask for it again. */
async function keptBy({ db, box }: JudgeDeps, scope: Scope, attempt: Attempt, method: LoginMethod, now: Date): Promise<Kept | undefined> {
  if (!method.codeTo || attempt.codeJourneyId !== undefined) return undefined;
  const journey = attempt.journey ?? (await findJourney(db, attempt.journeyId, scope.tenantId, now)).journey;
  return openBegun(box, journey, method.id, now);
}

/** Who it is: as the method says, or as the one function says that knows whose identities elsewhere are. */
async function accountOf(
  { deps, scope, attempt, facts, deviceHash, now }: Taken,
  verdict: Verdict,
): Promise<Found | { reason: string; link?: string | undefined }> {
  if (!verdict.ok) return { reason: verdict.reason };
  if (!('identity' in verdict))
    return facts.account
      ? { account: facts.account, knownDevice: facts.knownDevice, trustedDevice: facts.trustedDevice }
      : { reason: 'account.unknown' };
  const whose = (await deps.resolve?.(scope, verdict.identity, attempt.invited)) ?? { refused: 'identity.unlinked' };
  if ('refused' in whose) return { reason: whose.refused, link: whose.link };
  const known = await findAccount(deps.db, whose.userId, { deviceHash, now });
  return known ? { ...known, amr: whose.amr, double: whose.double, upstream: whose.upstream } : { reason: 'account.unknown' };
}

/** Why the attempt fails, whatever the method found: a right password does not open an account that is closed. */
function reasonAgainst({ userId }: Attempt, verdict: Verdict, account: Account): string | undefined {
  if (!verdict.ok) return verdict.reason;
  if ('userId' in verdict && verdict.userId !== account.id) return 'account.unknown';
  if (userId !== undefined && userId !== account.id) return 'account.other';
  return account.active ? undefined : 'account.disabled';
}

/** Only the fields that the method names: the rest of a form is none of its business. */
export function pick(method: LoginMethod, input: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(method.input.properties)
      .filter((name) => Object.hasOwn(input, name))
      .map((name) => [name, input[name]]),
  );
}
