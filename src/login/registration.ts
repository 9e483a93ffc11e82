import { epochSeconds } from '../core/clock.ts';
import { newId } from '../core/ids.ts';
import type { Note } from '../core/messages/catalogue.ts';
import { setPassword } from '../features/credentials/commands.ts';
import { wordsOf } from '../features/credentials/policy.ts';
import { personalTenantJob } from '../features/tenants/personal.ts';
import { addressKey, RULES } from '../infra/limits.ts';
import { aboutPerson, type FlowDeps, type Position, type Progress, requiredAt, stepInvalid } from './flow.ts';
import { emailKey, parseEmail } from './identifiers.ts';
import { freshState, type Journey } from './journey.ts';
import { saveJourney } from './journey-store.ts';
import { secondFactorsOf } from './method.ts';
import { addPerson } from './people-store.ts';
import { mayRegister, offersPasswords } from './policy.ts';
import { limited } from './refusal.ts';
import { openRegistration, type Registration, sealRegistration } from './sealed-data.ts';
import { awaitCode, countSending } from './send-code.ts';
import { agreedOf, termsRequired } from './terms.ts';

const LONGEST_NAME = 100;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const UNFIT = /[\u0000-\u001f\u007f<>]|https?:/i;

export interface RegistrationInput {
  email: string;
  givenName: string;
  familyName: string;
  password: string;
  /** Ids of the notices that are agreed to. */
  agreed: readonly string[];
}

/**
 * Takes a registration and has a code sent to the address. Nothing exists before the code comes back, so nobody can take an address
 * that is somebody else's, and the answer is the same for an address that has an account.
 */
export async function startRegistration(deps: FlowDeps, at: Position, input: RegistrationInput): Promise<Progress> {
  if (!mayRegister(at.settings, at.invited !== undefined) || !offersPasswords(at.settings))
    return { refused: 'registration.closed', status: 403 };
  const held = await limited(() => deps.limits.consume(RULES.registerByAddress, addressKey(at.scope.request.address)));
  if (held) {
    await deps.audit.append(at.scope, { type: 'registration.refused', outcome: 'failure', reason: 'limit.address' });
    return held;
  }

  const email = parseEmail(input.email);
  const [givenName, familyName] = [input.givenName.trim(), input.familyName.trim()];
  const errors: Record<string, Note> = {};
  if (!email) errors['email'] = 'email.invalid';
  else if (!isOpenTo(at, email)) errors['email'] = 'email.invited_only';
  if (isUnfit(givenName)) errors['given_name'] = givenName.length > LONGEST_NAME ? 'field.too_long' : 'field.invalid';
  if (isUnfit(familyName)) errors['family_name'] = familyName.length > LONGEST_NAME ? 'field.too_long' : 'field.invalid';
  const about = await aboutPerson(deps, at.scope.tenantId, { givenName, familyName });
  const fault = await deps.passwords.judge(input.password, [...about, ...wordsOf(email ?? input.email)], { tenantId: at.scope.tenantId });
  if (fault) errors['new_password'] = fault;
  const { agreed, missing } = await agreedOf(deps, at, input.agreed);
  Object.assign(errors, termsRequired(missing));
  if (!email || Object.keys(errors).length > 0) return { errors };

  const busy = await countSending(deps, at.scope, 'register', email);
  if (busy) return busy;
  const data: Registration = {
    email,
    ...(givenName ? { givenName } : {}),
    ...(familyName ? { familyName } : {}),
    passwordHash: await deps.passwords.hash(input.password),
    ...(agreed.length > 0 ? { agreed: [...agreed] } : {}),
  };
  const { id, version } = at.journey;
  const next: Journey = { id, version, ...freshState(), pending: 'register', sealed: sealRegistration(deps.box, id, data) };
  return { journey: await awaitCode(deps, at, next, 'register', email, [{ type: 'registration.started', outcome: 'success' }]) };
}

/** Where only the invited may make accounts, the invitation is for one address. */
const isOpenTo = ({ settings, invited }: Position, email: string): boolean =>
  mayRegister(settings, invited !== undefined && emailKey(invited.email) === emailKey(email));

/** Sends another code to the address of the registration. */
export async function resendRegistrationCode(deps: FlowDeps, at: Position): Promise<Progress> {
  const data = at.journey.pending === 'register' ? openRegistration(deps.box, at.journey) : undefined;
  if (!data) throw stepInvalid();
  const busy = await countSending(deps, at.scope, 'register', data.email);
  return busy ?? { journey: await awaitCode(deps, at, at.journey, 'register', data.email, []) };
}

/** The right code makes the account: active, its address proven, signed in. Of any number of parallel calls one does. */
export async function finishRegistration(deps: FlowDeps, at: Position, code: string): Promise<Progress> {
  const data = at.journey.pending === 'register' && offersPasswords(at.settings) ? openRegistration(deps.box, at.journey) : undefined;
  if (!data) throw stepInvalid();
  // The tenant closed its doors, or the invitation was withdrawn, since the code was sent.
  if (!isOpenTo(at, data.email)) {
    await deps.audit.append(at.scope, { type: 'registration.refused', outcome: 'failure', reason: 'registration.closed' });
    return { refused: 'registration.closed', status: 403 };
  }
  const binding = { purpose: 'register', journeyId: at.journey.id, recipient: emailKey(data.email) } as const;
  const held = await limited(() => deps.codes.countTry(binding));
  if (held) {
    await deps.audit.append(at.scope, { type: 'registration.refused', outcome: 'failure', reason: 'limit.code' });
    return held;
  }
  const now = deps.clock.now();
  const userId = newId(now);
  const proof = { methodId: 'password', factor: 'knowledge', amr: ['pwd'], at: epochSeconds(now) } as const;
  const { agreed = [] } = data;
  const account = { id: userId, homeTenantId: at.scope.tenantId, active: true, email: data.email, emailVerified: true, credentials: [] };
  // What was published since the form was shown is asked for by the next step.
  const asked = ((await deps.terms?.of(at.scope.tenantId)) ?? []).filter(({ id }) => !agreed.includes(id));
  const next: Journey = {
    id: at.journey.id,
    version: at.journey.version,
    ...freshState(),
    accountId: userId,
    demands: asked.length > 0 ? ['accept_terms'] : [],
    proofs: [{ ...proof, amr: ['pwd'] }],
    ...(await requiredAt(at, userId)),
    ...(await secondFactorsOf(deps.methods, account, at.settings.methods)),
  };
  const done = await deps.transact(at.scope, async (work) => {
    if (!(await deps.codes.consume(work.sql, binding, code))) return false;
    const person = {
      id: userId,
      tenantId: at.scope.tenantId,
      email: data.email,
      emailKey: emailKey(data.email),
      givenName: data.givenName,
      familyName: data.familyName,
      locale: at.locale,
      at: now,
    };
    // The address was taken since the code was sent: whoever took it proved it, so this code is worth nothing.
    if (!(await addPerson(work.sql, person))) return false;
    await setPassword(deps, work, { userId, hash: data.passwordHash, reason: 'registered' });
    if (!(await saveJourney(work.sql, next, at.row))) throw stepInvalid();
    await deps.terms?.agree(work, userId, agreed);
    await deps.onRegistered?.(work, { id: userId, tenantId: at.scope.tenantId });
    const { personalTenant } = at.settings;
    if (personalTenant.enabled) work.later(personalTenantJob({ userId, templateId: personalTenant.templateId }));
    work.record({ type: 'user.registered', outcome: 'success', target: { type: 'user', id: userId }, personId: userId });
    return true;
  });
  if (!done) {
    await deps.audit.append(at.scope, { type: 'registration.refused', outcome: 'failure', reason: 'code.wrong' });
    return { errors: { code: 'code.wrong' } };
  }
  await deps.codes.forgetTries(binding);
  return { journey: { ...next, version: next.version + 1 } };
}

const isUnfit = (name: string): boolean => name.length > LONGEST_NAME || UNFIT.test(name);
