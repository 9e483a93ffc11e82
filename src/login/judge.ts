/** One attempt: from what was typed to what is written. */
import { Value } from '@sinclair/typebox/value';
import type { AuditEvent } from '../core/audit-event.ts';
import { addSeconds, epochSeconds } from '../core/clock.ts';
import { newSecret, sha256 } from '../core/ids.ts';
import type { Scope } from '../core/scope.ts';
import { addressKey, RULES } from '../infra/limits.ts';
import { type Attempt, aboutOf, type EngineDeps, type Outcome, refusedEvent, succeededEvent } from './attempt.ts';
import { type Kept, openBegun, recipientOf } from './begun.ts';
import { readLogin } from './identifiers.ts';
import { freshState, type Journey, type Proof } from './journey.ts';
import { type Account, type CodeTarget, type LoginMethod, secondFactorsOf, type Verdict } from './method.ts';
import { welcome } from './newcomers.ts';
import { type LoginPolicy, nextStep, ONE_FACTOR, rank, TRUSTED_DEVICE } from './next-step.ts';
import { policyOf, type TenantLoginSettings } from './policy.ts';
import { INVALID_CREDENTIALS, limited, type Refusal, STEP_INVALID } from './refusal.ts';
import { type AttemptFacts, advance, findAccount, findAttempt, findJourney } from './store.ts';

export interface JudgeDeps extends EngineDeps {
  byId: ReadonlyMap<string, LoginMethod>;
  offered: LoginPolicy['methods'];
}

export type Judged = { outcome: Outcome; event?: AuditEvent };

const DEVICE_TOKEN = /^[\w-]{43}$/;
export const JOURNEY_SECONDS = 300;
const AFTER_PROOFS: ReadonlySet<string> = new Set(['terms', 'verify_email', 'enter_code', 'change_password']);
const TRUST_SECONDS = 30 * 86_400;

/** What is known once the account is found and the step is one that may be taken. */
interface Taken {
  deps: JudgeDeps;
  scope: Scope;
  attempt: Attempt;
  method: LoginMethod;
  input: Record<string, unknown>;
  facts: AttemptFacts;
  settings: TenantLoginSettings;
  policy: LoginPolicy;
  from: Journey;
  isFirst: boolean;
  kept: Kept | undefined;
  claimed: ReturnType<typeof readLogin> | undefined;
  deviceHash: string | undefined;
  now: Date;
}

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

  // By what was typed, not by whom it names: a name that nobody has is held back in the same way.
  const counted = countedOf(taken);
  const held = counted === undefined ? undefined : deps.box.mac('login-account', counted);
  const key = held !== undefined && facts.knownDevice && taken.deviceHash ? `${held}.${taken.deviceHash}` : held;
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

  const found = await accountOf(taken, verdict);
  const reason = 'reason' in found ? found.reason : reasonAgainst(attempt, verdict, found.account);
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
  const deviceHash = attempt.deviceToken && DEVICE_TOKEN.test(attempt.deviceToken) ? sha256(attempt.deviceToken) : undefined;
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
  const from = method.first && isFirst ? { id: facts.journey.id, version: facts.journey.version, ...freshState() } : facts.journey;
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
  const { journey } = await findJourney(db, attempt.journeyId, scope.tenantId, now);
  return openBegun(box, journey, method.id, now);
}

function countedOf({ claimed, method, input, facts, isFirst }: Taken): string | undefined {
  if (!isFirst) return facts.account && `id:${facts.account.id}`;
  if (claimed) return claimed.counted;
  const lookup = method.lookup?.(input);
  return lookup && `${lookup.type}:${lookup.lookup}`;
}

const targetOf = ({ method, input, facts, kept }: Taken): CodeTarget | undefined =>
  method.codeTo ? (kept ? kept.target : method.codeTo(input, facts.account)) : undefined;

/** Five tries of what can be guessed: over all second factors of an account, and over all codes to one recipient. */
function triesOf(taken: Taken): string | undefined {
  const { deps, method, facts, isFirst, claimed } = taken;
  if (!isFirst) return facts.account && `second-factor.${facts.account.id}`;
  if (!method.codeTo) return undefined;
  const target = targetOf(taken);
  return `sign-in.${deps.box.mac('code-recipient', target ? recipientOf(target) : `nobody ${claimed?.counted ?? ''}`)}`;
}

interface Compared {
  says: 'right' | 'wrong' | 'none';
  id: string | undefined;
  target: CodeTarget | undefined;
}

/** Whether the code that was typed is the one that was sent; for somebody who got none it looks as hard. */
async function compareCode(taken: Taken): Promise<Compared | undefined> {
  const { deps, method, attempt, input, isFirst, claimed } = taken;
  if (!method.codeTo) return undefined;
  const target = targetOf(taken);
  const binding = {
    purpose: isFirst ? 'sign-in' : 'second-factor',
    journeyId: attempt.codeJourneyId ?? attempt.journeyId,
    recipient: target ? recipientOf(target) : `nobody ${claimed?.counted ?? ''}`,
  } as const;
  const { code } = input;
  const found = await deps.codes.find(deps.db, binding, typeof code === 'string' ? code.trim() : '');
  if (!found || !target) return { says: 'none', id: undefined, target };
  return found.isRight ? { says: 'right', id: found.id, target } : { says: 'wrong', id: undefined, target };
}

interface Found {
  account: Account;
  knownDevice: boolean;
  trustedDevice: boolean;
  amr?: readonly string[] | undefined;
  double?: boolean | undefined;
}

/** Who it is: as the method says, or as the one function says that knows whose identities elsewhere are. */
async function accountOf({ deps, scope, facts, deviceHash, now }: Taken, verdict: Verdict): Promise<Found | { reason: string }> {
  if (!verdict.ok) return { reason: verdict.reason };
  if (!('identity' in verdict))
    return facts.account ? { account: facts.account, knownDevice: facts.knownDevice, trustedDevice: facts.trustedDevice } : { reason: 'account.unknown' };
  const whose = (await deps.resolve?.(scope, verdict.identity)) ?? { refused: 'identity.unlinked' };
  if ('refused' in whose) return { reason: whose.refused };
  const known = await findAccount(deps.db, whose.userId, { deviceHash, now });
  return known ? { ...known, amr: whose.amr, double: whose.double } : { reason: 'account.unknown' };
}

/** Why the attempt fails, whatever the method found: a right password does not open an account that is closed. */
function reasonAgainst({ userId }: Attempt, verdict: Verdict, account: Account): string | undefined {
  if (!verdict.ok) return verdict.reason;
  if ('userId' in verdict && verdict.userId !== account.id) return 'account.unknown';
  if (userId !== undefined && userId !== account.id) return 'account.other';
  return account.active ? undefined : 'account.disabled';
}

/** The proof, what it consumes and its audit event, in one statement; undefined where any of it was used or changed meanwhile. */
async function write(taken: Taken, verdict: Verdict, found: Found, code: Compared | undefined): Promise<Outcome | undefined> {
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
    journey:
      isOver && attempt.door === 'direct' && next.version === 0
        ? undefined
        : {
            kind: attempt.door,
            clientId: scope.clientId,
            next,
            expiresAt: attempt.expiresAt ?? addSeconds(now, deps.journeySeconds ?? JOURNEY_SECONDS),
          },
    update: judged?.update,
    judged: judged?.judged,
    signedIn: isOver,
    deviceHash: keepDevice ? sha256(fresh) : undefined,
    trustedUntil: trusts ? addSeconds(now, TRUST_SECONDS) : undefined,
    codeId: code?.id,
    provenEmail: code?.target?.channel === 'email' ? recipientOf(code.target) : undefined,
    audit: await deps.audit.rows(scope, [succeededEvent(attempt, account.id, then)]),
  });
  if (!wrote) return undefined;
  if (isProven && attempt.door === 'browser' && !found.knownDevice && account.signedInBefore)
    await deps.newDevice?.(scope, account.id, attempt.locale);
  return { journey: { ...next, version: next.version + 1 }, step: then, deviceToken: fresh, keepDevice, epoch: account.accessEpoch };
}

async function advanced(taken: Taken, verdict: Verdict, found: Found, proven: CodeTarget | undefined): Promise<Journey> {
  const { deps, scope, attempt, from, method, settings, now, isFirst } = taken;
  const { account, amr, double } = found;
  const isProven = proven?.channel === 'email' && account.email !== undefined && recipientOf(proven) === account.email.toLowerCase();
  const [required, more] = isFirst
    ? await Promise.all([deps.required?.(account.id, scope), deps.demands?.(account, scope)])
    : [from.required, undefined];
  const demands = new Set([...from.demands, ...(verdict.ok && 'userId' in verdict ? (verdict.demands ?? []) : []), ...(more ?? [])]);
  if (account.email && !account.emailVerified && !isProven) demands.add('verify_email');
  if (isProven) demands.delete('verify_email');
  const { begun: _begun, chosen: _chosen, ...rest } = from;
  const proofs = [...from.proofs, proofOf(method, verdict, now, { amr, double })];
  const mayStandIn = isFirst && found.trustedDevice && attempt.distrustDevice !== true;
  if (mayStandIn) proofs.push({ methodId: TRUSTED_DEVICE, factor: 'possession', amr: [], at: epochSeconds(now) });
  return {
    ...rest,
    accountId: account.id,
    proofs,
    demands: [...demands],
    ...secondFactorsOf(deps.methods, account, settings.methods),
    ...(required === undefined || rank(required) <= rank(ONE_FACTOR) ? {} : { required }),
  };
}

function proofOf(
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

/** Only the fields that the method names: the rest of a form is none of its business. */
export function pick(method: LoginMethod, input: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(method.input.properties)
      .filter((name) => Object.hasOwn(input, name))
      .map((name) => [name, input[name]]),
  );
}
