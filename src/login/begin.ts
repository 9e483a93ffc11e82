/** What has to happen before a method can be tried: a code is sent, a challenge is made, or the method is chosen. */

import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { AuditEvent } from '../core/audit-event.ts';
import { epochSeconds } from '../core/clock.ts';
import type { Scope } from '../core/scope.ts';
import { addressKey } from '../infra/limits.ts';
import { aboutOf, type BeginRequest, type Begun, type Resumed, refusedEvent } from './attempt.ts';
import { keepBegun, recipientOf } from './begun.ts';
import { stepInvalid } from './flow.ts';
import { readLogin } from './identifiers.ts';
import { begunAgain, freshState, type Journey, type Proof } from './journey.ts';
import { saveJourney } from './journey-store.ts';
import { pick } from './judge.ts';
import { type LoginMethod, secondFactorsOf } from './method.ts';
import { nextStep, ONE_FACTOR, rank } from './next-step.ts';
import { parsePhone } from './phone.ts';
import { mayRegister, policyOf } from './policy.ts';
import { rowOf } from './proof.ts';
import { limited, type Refusal, STEP_INVALID } from './refusal.ts';
import { codeJob } from './send-code.ts';
import { type AttemptFacts, findAccount, findAttempt, findJourney } from './store.ts';
import type { JudgeDeps } from './taken.ts';
import { refuseUnavailable } from './unavailable.ts';

const CHALLENGE_SECONDS = 300;
const LONGEST_LOGIN = 320;

export async function begin(deps: JudgeDeps, scope: Scope, request: BeginRequest): Promise<Refusal | Begun> {
  const { db, clock } = deps;
  const now = clock.now();
  const method = deps.byId.get(request.methodId);
  if (!method) return { refused: 'auth.method_unknown', status: 422 };
  const input = await asStored(deps, scope, method, pick(method, request.input), now);
  if (!Value.Check(Type.Partial(method.input), input)) return { refused: 'input.invalid', status: 422 };
  const typed = method.first ? method.identifier?.(input as never)?.trim() : undefined;
  const claimed = typed ? readLogin(typed) : undefined;
  const facts = await findAttempt(db, { journeyId: request.journeyId, claimed: claimed?.keys, tenantId: scope.tenantId, now });
  const settings = request.invited ? { ...facts.settings, verifiedEmail: true } : facts.settings;
  const isFirst = facts.journey.proofs.length === 0;
  const { id, begun } = facts.journey;
  const from: Journey = method.first && isFirst ? { ...begunAgain(facts.journey), ...(begun ? { begun } : {}) } : facts.journey;
  const policy = policyOf(deps.offered, settings, request.requiredAcr, deps.enrollable);
  const step = nextStep(from, policy);
  if (step.name !== 'prove' || !step.methods.includes(method.id)) return STEP_INVALID;

  const chosen: Journey = request.quiet ? from : { ...from, chosen: method.id };
  const at: At = { deps, scope, request, method, facts, isFirst, now, from: chosen };
  if (method.codeTo) {
    if (isFirst && !claimed) return { refused: 'auth.identifier_missing', status: 422 };
    return sendCode(at, input, typed, claimed?.counted, mayRegister(settings, request.invited !== undefined));
  }
  if (!method.begin) return { journey: await save(at, chosen) };
  const busy = method.notifies
    ? await countSending(at, { purpose: 'second-factor', recipient: `${method.id} ${facts.account?.id}` })
    : undefined;
  if (busy) return busy;
  const { issuer } = scope.request;
  const { state, challenge, redirect, refused } = await method.begin(
    {
      account: facts.account,
      now,
      issuer,
      tenantId: scope.tenantId,
      journeyId: id,
      purpose: isFirst ? 'first' : 'second',
      locale: request.locale ?? 'en',
    },
    input,
  );
  if (refused) {
    const standing = { account: facts.account, journey: chosen, settings, policy, row: rowOf(deps, scope, request, now) };
    const answer = await refuseUnavailable(deps, scope, standing, refused);
    await deps.audit.append(scope, refusedEvent(request, refused.reason, aboutOf(facts.account)));
    return answer;
  }
  const kept = { state, challenge, ...(typed ? { login: typed.slice(0, LONGEST_LOGIN) } : {}) };
  // Whoever is sent elsewhere and comes back by themselves chooses again: there is no page for an answer.
  const { chosen: _chosen, ...unchosen } = chosen;
  const next = {
    ...(redirect === undefined ? chosen : unchosen),
    begun: keepBegun(deps.box, chosen, method.id, kept, { now, seconds: CHALLENGE_SECONDS }),
  };
  const sent: AuditEvent[] = method.notifies
    ? [{ ...aboutOf(facts.account), type: 'code.sent', outcome: 'success', data: { purpose: 'second-factor', method: method.id } }]
    : [];
  return { journey: await save(at, next, sent), challenge, redirect };
}

/** A number as it is stored, whichever way it was typed; one that cannot exist is none. Names stay as they are. */
async function asStored(deps: JudgeDeps, scope: Scope, { channel }: LoginMethod, input: Record<string, unknown>, now: Date) {
  const { login } = input;
  if (channel !== 'sms' || typeof login !== 'string') return input;
  const country = login.trim().startsWith('+') ? undefined : (await findJourney(deps.db, '', scope.tenantId, now)).settings.country;
  const number = await parsePhone(login, country);
  return { ...input, login: number ?? (/^\s*\+/.test(login) ? '' : login) };
}

interface At {
  deps: JudgeDeps;
  scope: Scope;
  request: BeginRequest;
  method: LoginMethod;
  facts: AttemptFacts;
  isFirst: boolean;
  now: Date;
  from: Journey;
}

/** Throws 409 where the journey moved on meanwhile. */
async function save({ deps, scope, request, now }: At, next: Journey, events: readonly AuditEvent[] = []): Promise<Journey> {
  await deps.transact(scope, async ({ sql, record }) => {
    if (!(await saveJourney(sql, next, rowOf(deps, scope, request, now)))) throw stepInvalid();
    for (const event of events) record(event);
  });
  return { ...next, version: next.version + 1 };
}

/** The refusal, which is recorded, where too much was sent. */
async function countSending(
  { deps, scope, facts, isFirst }: At,
  binding: Parameters<JudgeDeps['codes']['countSending']>[0],
  channel?: 'email' | 'sms' | undefined,
): Promise<Refusal | undefined> {
  const userId = isFirst ? undefined : facts.account?.id;
  const sender = { addressKey: addressKey(scope.request.address), tenantId: scope.tenantId, channel, userId };
  const busy = await limited(() => deps.codes.countSending(binding, sender));
  if (!busy) return undefined;
  const about = isFirst ? {} : aboutOf(facts.account);
  const { purpose } = binding;
  await deps.audit.append(scope, { ...about, type: 'code.refused', outcome: 'failure', reason: 'limit.sending', data: { purpose } });
  return busy;
}

/** Queues the message, whether anybody gets one or not: what is answered, and how fast, is the same. */
async function sendCode(
  at: At,
  input: Record<string, unknown>,
  typed: string | undefined,
  counted: string | undefined,
  newcomers: boolean,
): Promise<Refusal | Begun> {
  const { deps, scope, request, method, facts, isFirst, now, from } = at;
  const target = method.codeTo?.(input, facts.account);
  const purpose = isFirst ? 'sign-in' : 'second-factor';
  const recipient = target ? recipientOf(target) : `nobody ${counted ?? ''}`;
  const busy = await countSending(at, { purpose, recipient }, target?.channel);
  if (busy) return busy;
  const job = codeJob(deps, scope, {
    purpose,
    method: method.id,
    journeyId: request.codeJourneyId ?? request.journeyId,
    channel: target?.channel ?? 'email',
    to: target?.to ?? '',
    ...(isFirst || !facts.account ? {} : { userId: facts.account.id }),
    newcomers,
    locale: request.locale ?? 'en',
    url: request.url,
  });
  // Asked for by the API before there is a journey: the code alone is what is kept.
  const isLoose = request.codeJourneyId !== undefined;
  const kept = { ...(typed ? { login: typed.slice(0, LONGEST_LOGIN) } : {}), ...(target ? { target } : {}) };
  const next = { ...from, begun: keepBegun(deps.box, from, method.id, kept, { now, seconds: deps.codes.lifetimeSeconds }) };
  await deps.transact(scope, async (work) => {
    if (!isLoose && !(await saveJourney(work.sql, next, rowOf(deps, scope, request, now)))) throw stepInvalid();
    work.later(job);
  });
  return { journey: isLoose ? from : { ...next, version: next.version + 1 } };
}

/** What a session of the browser's has shown, as proofs: by what its `amr` says, since that is what it keeps. */
export async function resume(deps: JudgeDeps, scope: Scope, from: Resumed): Promise<Journey | undefined> {
  const now = deps.clock.now();
  const found = await findAccount(deps.db, from.accountId, { now });
  if (!found?.account.active) return undefined;
  const { settings, journey } = await findAttempt(deps.db, { journeyId: from.journeyId, tenantId: scope.tenantId, now });
  if (journey.proofs.length > 0) return journey;
  const { account } = found;
  const at = Math.min(from.authTime, epochSeconds(now));
  const required = await deps.required?.(account.id, scope);
  const next: Journey = {
    id: journey.id,
    version: journey.version,
    ...freshState(),
    accountId: account.id,
    proofs: proofsOf(from, at),
    ...(await secondFactorsOf(deps.methods, account, settings.methods)),
    ...(required === undefined || rank(required) <= rank(ONE_FACTOR) ? {} : { required }),
  };
  const row = { kind: 'browser', clientId: scope.clientId, expiresAt: from.expiresAt } as const;
  const saved = await deps.transact(scope, ({ sql }) => saveJourney(sql, next, row));
  if (!saved) throw stepInvalid();
  return { ...next, version: next.version + 1 };
}

// One factor was a first step, so that `otp` was a mailed code; a mailed link and another provider leave nothing, and count as the mailbox.
const MEANS: Readonly<Record<string, string>> = { sms: 'phone', hwk: 'passkey', swk: 'passkey', otp: 'mailbox' };

function proofsOf({ amr, acr }: Resumed, at: number): Proof[] {
  const told = amr.find((value) => value === 'pwd' || MEANS[value] !== undefined);
  const shown = amr.filter((value) => value !== 'mfa');
  const first: Proof =
    told === 'pwd'
      ? { methodId: 'password', factor: 'knowledge', amr: shown, at }
      : { methodId: 'session', factor: 'possession', means: MEANS[told ?? 'otp'] ?? 'mailbox', amr: shown, at };
  // Without `mfa` a trusted device stood in for the second factor, which is asked for now.
  return [rank(acr ?? '') > rank(ONE_FACTOR) && amr.includes('mfa') ? { ...first, double: true } : first];
}
