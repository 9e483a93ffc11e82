import { type FlowDeps, type Position, type Progress, stepInvalid } from './flow.ts';
import { emailKey } from './identifiers.ts';
import type { Journey } from './journey.ts';
import { saveJourney } from './journey-store.ts';
import { nextStep } from './next-step.ts';
import { findPerson, lockAccount, markEmailVerified } from './people-store.ts';
import { limited } from './refusal.ts';
import { openRecipient, sealRecipient } from './sealed-data.ts';
import { awaitCode, countSending } from './send-code.ts';

/** Sends a code to the address of the person who has signed in but not proven it; a further call sends another one. */
export async function startVerification(deps: FlowDeps, at: Position): Promise<Progress> {
  const { journey } = at;
  const step = nextStep(journey, at.policy);
  const waits = step.name === 'enter_code' && step.purpose === 'verify';
  if ((step.name !== 'verify_email' && !waits) || journey.accountId === undefined) throw stepInvalid();
  const person = await findPerson(deps.db, journey.accountId);
  if (!person?.email) return withoutAddress(deps, at);
  const busy = await countSending(deps, at.scope, 'verify', person.email);
  if (busy) return busy;
  const next: Journey = { ...journey, pending: 'verify', sealed: sealRecipient(deps.box, journey.id, person.email) };
  return { journey: await awaitCode(deps, at, next, 'verify', person.email, []) };
}

/** The address was taken from the account on the way: there is nothing to prove, as at a sign-in that begins now. */
async function withoutAddress(deps: FlowDeps, { journey, scope, row }: Position): Promise<Progress> {
  const next = verified(journey);
  await deps.transact(scope, async ({ sql }) => {
    const account = journey.accountId === undefined ? undefined : await lockAccount(sql, journey.accountId);
    if (!account?.active || account.email !== undefined || !(await saveJourney(sql, next, row))) throw stepInvalid();
  });
  return { journey: { ...next, version: next.version + 1 } };
}

const verified = ({ pending: _pending, sealed: _sealed, ...rest }: Journey): Journey => ({
  ...rest,
  demands: rest.demands.filter((demand) => demand !== 'verify_email'),
});

/** The right code proves the address, and the journey goes on. */
export async function finishVerification(deps: FlowDeps, at: Position, code: string): Promise<Progress> {
  const { journey, scope } = at;
  const email = journey.pending === 'verify' ? openRecipient(deps.box, journey) : undefined;
  if (!email || journey.accountId === undefined || nextStep(journey, at.policy).name !== 'enter_code') throw stepInvalid();
  const userId = journey.accountId;
  const about = { target: { type: 'user', id: userId }, personId: userId };
  const binding = { purpose: 'verify', journeyId: journey.id, recipient: emailKey(email) } as const;
  const held = await limited(() => deps.codes.countTry(binding));
  if (held) {
    await deps.audit.append(scope, { ...about, type: 'email.refused', outcome: 'failure', reason: 'limit.code' });
    return held;
  }
  const next = verified(journey);
  const done = await deps.transact(scope, async (work) => {
    // The person first, as whoever ends access does.
    if (!(await lockAccount(work.sql, userId))?.active) return false;
    const used = await deps.codes.consume(work.sql, binding, code);
    if (used?.userId !== userId || !(await markEmailVerified(work.sql, userId, binding.recipient, deps.clock.now()))) return false;
    if (!(await saveJourney(work.sql, next, at.row))) throw stepInvalid();
    work.record({ ...about, type: 'email.verified', outcome: 'success' });
    return true;
  });
  if (!done) {
    await deps.audit.append(scope, { ...about, type: 'email.refused', outcome: 'failure', reason: 'code.wrong' });
    return { errors: { code: 'code.wrong' } };
  }
  await deps.codes.forgetTries(binding);
  return { journey: { ...next, version: next.version + 1 } };
}
