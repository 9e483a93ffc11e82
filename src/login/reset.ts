import { epochSeconds } from '../core/clock.ts';
import { pickLocale } from '../core/messages/catalogue.ts';
import { setPassword } from '../features/credentials/commands.ts';
import { addressKey, RULES } from '../infra/limits.ts';
import { aboutPerson, type FlowDeps, type Position, type Progress, requiredAt, stepInvalid } from './flow.ts';
import { emailKey, parseEmail } from './identifiers.ts';
import { begunAgain, type Journey } from './journey.ts';
import { deleteJourneysOf, saveJourney } from './journey-store.ts';
import { secondFactorsOf } from './method.ts';
import { tellPasswordChanged } from './password-mail.ts';
import { findPersonByEmail, lockAccount, markEmailVerified } from './people-store.ts';
import { offersPasswords } from './policy.ts';
import { limited, STEP_INVALID } from './refusal.ts';
import { openRecipient, sealRecipient } from './sealed-data.ts';
import { awaitCode, countSending } from './send-code.ts';

/** Has a code sent to the address if it has an account; the answer is the same if it has none. */
export async function startReset(deps: FlowDeps, at: Position, input: { email: string }): Promise<Progress> {
  if (!offersPasswords(at.settings)) return STEP_INVALID;
  const held = await limited(() => deps.limits.consume(RULES.resetByAddress, addressKey(at.scope.request.address)));
  if (held) {
    await deps.audit.append(at.scope, { type: 'password_reset.refused', outcome: 'failure', reason: 'limit.address' });
    return held;
  }
  const email = parseEmail(input.email);
  if (!email) return { errors: { email: 'email.invalid' } };
  const busy = await countSending(deps, at.scope, 'reset', email);
  if (busy) return busy;
  const next: Journey = { ...begunAgain(at.journey), pending: 'reset', sealed: sealRecipient(deps.box, at.journey.id, email) };
  return { journey: await awaitCode(deps, at, next, 'reset', email, [{ type: 'password_reset.started', outcome: 'success' }]) };
}

/** Sends another code to the address of the reset. */
export async function resendResetCode(deps: FlowDeps, at: Position): Promise<Progress> {
  const email = at.journey.pending === 'reset' ? openRecipient(deps.box, at.journey) : undefined;
  if (!email) throw stepInvalid();
  const busy = await countSending(deps, at.scope, 'reset', email);
  return busy ?? { journey: await awaitCode(deps, at, at.journey, 'reset', email, []) };
}

/**
 * The right code sets the new password and, in the same transaction, ends every session and grant of the person. The journey goes on with
 * the password as its one proof: a second factor is asked for as at any sign-in (ASVS 6.4.3).
 */
export async function finishReset(deps: FlowDeps, at: Position, input: { code: string; password: string }): Promise<Progress> {
  const email = at.journey.pending === 'reset' && offersPasswords(at.settings) ? openRecipient(deps.box, at.journey) : undefined;
  if (!email) throw stepInvalid();
  const about = await aboutPerson(deps, at.scope.tenantId, { email });
  const fault = await deps.passwords.judge(input.password, about, { tenantId: at.scope.tenantId });
  if (fault) return { errors: { new_password: fault } };
  const binding = { purpose: 'reset', journeyId: at.journey.id, recipient: emailKey(email) } as const;
  const held = await limited(() => deps.codes.countTry(binding));
  if (held) {
    await deps.audit.append(at.scope, { type: 'password_reset.refused', outcome: 'failure', reason: 'limit.code' });
    return held;
  }
  // What their home asks for, and what they used before, is for the owner of the mailbox alone to learn.
  const found = await deps.codes.find(deps.db, binding, input.code);
  const person = found?.isRight ? await findPersonByEmail(deps.db, binding.recipient) : undefined;
  const own = person && (await deps.passwords.judge(input.password, about, { tenantId: person.homeTenantId, userId: person.id }));
  if (own) return { errors: { new_password: own } };
  const hash = await deps.passwords.hash(input.password);
  const now = deps.clock.now();
  const [required, open = []] = person
    ? await Promise.all([requiredAt(at, person.id), deps.terms?.open(person.id, at.scope.tenantId)])
    : [{}];
  const next = await deps.transact(at.scope, async (work): Promise<Journey | undefined> => {
    // The person before the code, as whoever ends access does.
    const account = person && (await lockAccount(work.sql, person.id));
    const used = await deps.codes.consume(work.sql, binding, input.code);
    if (!account?.active || used?.userId !== account.id || !(await markEmailVerified(work.sql, account.id, binding.recipient, now)))
      return undefined;
    await setPassword(deps, work, { userId: account.id, hash, reason: 'reset' });
    await deleteJourneysOf(work.sql, account.id, at.journey.id);
    await deps.endAccess(account.id, work.sql);
    await tellPasswordChanged(deps, work, { ...at, locale: pickLocale(person?.locale, at.locale) }, account.email ?? email);
    const journey: Journey = {
      ...begunAgain(at.journey),
      accountId: account.id,
      proofs: [{ methodId: 'password', factor: 'knowledge', amr: ['pwd'], at: epochSeconds(now) }],
      demands: open.length > 0 ? ['accept_terms'] : [],
      ...required,
      ...(await secondFactorsOf(deps.methods, account, at.settings.methods)),
    };
    if (!(await saveJourney(work.sql, journey, at.row))) throw stepInvalid();
    const target = { type: 'user', id: account.id };
    work.record({ target, personId: account.id, type: 'password_reset.completed', outcome: 'success' });
    return { ...journey, version: journey.version + 1 };
  });
  if (!next) {
    await deps.audit.append(at.scope, { type: 'password_reset.refused', outcome: 'failure', reason: 'code.wrong' });
    return { errors: { code: 'code.wrong' } };
  }
  await deps.codes.forgetTries(binding);
  return { journey: next };
}
