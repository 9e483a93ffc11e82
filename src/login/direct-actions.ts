/** What clients ask for on the way to a sign-in that they make themselves: codes, challenges, registrations and resets. */
import { newSecret } from '../core/ids.ts';
import { DEFAULT_LOCALE, noteText } from '../core/messages/catalogue.ts';
import type { Scope } from '../core/scope.ts';
import type { Refusal as DirectRefusal } from '../oidc/direct-login.ts';
import {
  answerOf,
  codeJourneyOf,
  type DirectAnswer,
  type DirectClient,
  type DirectDeps,
  type Fields,
  journeyOf,
  positionOf,
  recipientFor,
  refusalOf,
  tenantOf,
  text,
} from './direct.ts';
import type { Progress } from './flow.ts';
import { standingOf } from './journey-store.ts';
import { EXTERNAL_2FA } from './methods/external-2fa.ts';
import { nextStep } from './next-step.ts';
import { INVALID_CREDENTIALS, STEP_INVALID } from './refusal.ts';
import { finishRegistration, startRegistration } from './registration.ts';
import { finishReset, startReset } from './reset.ts';

export type ActionAnswer = { status: number; body: object } | DirectRefusal;

const ACCEPTED = { status: 202, body: {} } as const;
const METHODS = { email: 'email-otp', sms: 'sms-otp' } as const;
const CHANNELS: ReadonlySet<unknown> = new Set([...Object.keys(METHODS), 'external']);
/** As the API calls them. */
const NAMES: Readonly<Record<string, string>> = {
  new_password: 'password',
  given_name: 'givenName',
  family_name: 'familyName',
  agree_terms: 'agreements',
  agree_privacy: 'agreements',
};

/** Has a code sent to `to`, or, with `mfaToken`, to the person who is signing in. The answer is the same whether the address is known or not. */
export async function sendDirectCode(deps: DirectDeps, input: Fields, client: DirectClient, scope: Scope): Promise<ActionAnswer> {
  if (!CHANNELS.has(input['channel'])) return invalid({ channel: 'must be email, sms or external' });
  const isExternal = input['channel'] === 'external';
  if (isExternal && input['mfaToken'] === undefined) return invalid({ mfaToken: 'is required' });
  const channel = input['channel'] === 'sms' ? 'sms' : 'email';
  const methodId = isExternal ? EXTERNAL_2FA : METHODS[channel];
  const shared = { door: 'direct', methodId, locale: DEFAULT_LOCALE, url: `${scope.request.issuer}/account` } as const;
  if (input['mfaToken'] !== undefined) {
    const journeyId = await journeyOfProven(deps, input, client, scope);
    if (journeyId === undefined) return refusalOf(INVALID_CREDENTIALS);
    return accepted(await deps.engine.begin(scope, { ...shared, journeyId, input: {} }));
  }
  const login = await recipientFor(deps, scope, channel, text(input['to']));
  if (login === undefined) return invalid({ to: channel === 'email' ? 'is no address' : 'is no telephone number' });
  const codeJourneyId = codeJourneyOf(scope, client, methodId, login);
  const journeyId = journeyOf(scope, client, newSecret());
  return accepted(await deps.engine.begin(scope, { ...shared, journeyId, codeJourneyId, input: { login } }));
}

/** The sign-in that waits for a second factor; undefined where the token leads to none, as when it is over: it is no name of a new one. */
async function journeyOfProven(deps: DirectDeps, input: Fields, client: DirectClient, scope: Scope): Promise<string | undefined> {
  const { journey } = await positionOf(deps, client, scope, text(input['mfaToken']));
  return journey.proofs.length > 0 ? journey.id : undefined;
}

function accepted(begun: Awaited<ReturnType<DirectDeps['engine']['begin']>>): ActionAnswer {
  return 'refused' in begun ? refusalOf(begun) : ACCEPTED;
}

/** The challenge of a passkey: of the person who is signing in, with `mfaToken`, else of whoever comes. */
export async function passkeyOptions(deps: DirectDeps, input: Fields, client: DirectClient, scope: Scope): Promise<ActionAnswer> {
  const mfaToken = input['mfaToken'];
  const token = newSecret();
  const journeyId = mfaToken === undefined ? journeyOf(scope, client, token) : await journeyOfProven(deps, input, client, scope);
  if (journeyId === undefined) return refusalOf(INVALID_CREDENTIALS);
  const begun = await deps.engine.begin(scope, {
    door: 'direct',
    methodId: 'passkey',
    journeyId,
    input: {},
    locale: DEFAULT_LOCALE,
    url: scope.request.issuer,
    quiet: true,
  });
  if ('refused' in begun) return refusalOf(begun);
  return { status: 200, body: { ...(mfaToken === undefined ? { passkeyToken: token } : {}), publicKey: begun.challenge } };
}

/** The first half of a registration; the code in the mail is the other. */
export async function register(deps: DirectDeps, input: Fields, client: DirectClient, scope: Scope): Promise<ActionAnswer> {
  const token = newSecret();
  const at = await positionOf(deps, client, scope, token);
  const [givenName, familyName] = [text(input['givenName']), text(input['familyName'])];
  const { agreements } = input;
  const progress = await startRegistration(deps, at, {
    email: text(input['email']),
    password: text(input['password']),
    givenName,
    familyName,
    agreed: Array.isArray(agreements) ? agreements.map(text) : [],
  });
  const unread = 'errors' in progress ? Object.keys(progress.errors) : [];
  if (unread.length > 0 && unread.every((name) => NAMES[name] === 'agreements')) {
    const notices = ((await deps.terms?.of(scope.tenantId)) ?? []).filter(({ kind }) => unread.includes(`agree_${kind}`));
    return { refused: 'terms.required', status: 422, extra: { detail: 'Name them in `agreements` once the person agrees', notices } };
  }
  return 'journey' in progress ? { status: 202, body: { registrationToken: token } } : refusedBy(progress);
}

/** The code of a registration: makes the account, and signs in. */
export async function finishDirectRegistration(deps: DirectDeps, input: Fields, client: DirectClient, scope: Scope): Promise<DirectAnswer> {
  const token = text(input['registrationToken']);
  const at = await positionOf(deps, client, scope, token, { tenant: tenantOf(input) });
  if (at.journey.pending !== 'register') return WRONG_CODE;
  const progress = await finishRegistration(deps, at, text(input['code']));
  if (!('journey' in progress)) return refusedBy(progress);
  const standing = await standingOf(deps.db, progress.journey.id);
  return standing ? answerOf(nextStep(progress.journey, at.policy), token, standing.epoch, scope.request.issuer) : refusalOf(STEP_INVALID);
}

/** Has a code sent that sets a new password, if the address has an account. */
export async function resetDirect(deps: DirectDeps, input: Fields, client: DirectClient, scope: Scope): Promise<ActionAnswer> {
  const token = newSecret();
  const progress = await startReset(deps, await positionOf(deps, client, scope, token), { email: text(input['email']) });
  return 'journey' in progress ? { status: 202, body: { resetToken: token } } : refusedBy(progress);
}

/** The code and the new password: sets it, ends every session, and signs in, a second factor included. */
export async function finishDirectReset(deps: DirectDeps, input: Fields, client: DirectClient, scope: Scope): Promise<DirectAnswer> {
  const token = text(input['resetToken']);
  const at = await positionOf(deps, client, scope, token, { tenant: tenantOf(input) });
  if (at.journey.pending !== 'reset') return WRONG_CODE;
  const progress = await finishReset(deps, at, { code: text(input['code']), password: text(input['password']) });
  if (!('journey' in progress)) return refusedBy(progress);
  const standing = await standingOf(deps.db, progress.journey.id);
  return standing ? answerOf(nextStep(progress.journey, at.policy), token, standing.epoch, scope.request.issuer) : refusalOf(STEP_INVALID);
}

const WRONG_CODE: DirectRefusal = { refused: 'auth.invalid_credentials', status: 401 };

function refusedBy(progress: Exclude<Progress, { journey: unknown }>): DirectRefusal {
  if ('refused' in progress) return refusalOf(progress);
  if (progress.errors['code'] !== undefined) return WRONG_CODE;
  return invalid(
    Object.fromEntries(Object.entries(progress.errors).map(([name, note]) => [NAMES[name] ?? name, noteText(DEFAULT_LOCALE, note)])),
  );
}

const invalid = (faults: Readonly<Record<string, string>>): DirectRefusal => ({
  refused: 'input.invalid',
  status: 422,
  extra: { errors: Object.entries(faults).map(([name, message]) => ({ pointer: `/${name}`, message })) },
});
