/** Sign-in for clients that ask for the credentials themselves, by the same engine as the pages. */
import { addSeconds } from '../core/clock.ts';
import { newSecret, sha256 } from '../core/ids.ts';
import { DEFAULT_LOCALE } from '../core/messages/catalogue.ts';
import type { Scope } from '../core/scope.ts';
import type { Authenticated, Refusal as DirectRefusal } from '../oidc/direct-login.ts';
import type { Attempt, Engine, Required } from './attempt.ts';
import type { FlowDeps, Position } from './flow.ts';
import { emailKey, parseEmail } from './identifiers.ts';
import type { Journey } from './journey.ts';
import { EXTERNAL_2FA } from './methods/external-2fa.ts';
import { EXTERNAL_OIDC } from './methods/external-oidc.ts';
import { nextStep, type Step } from './next-step.ts';
import { parsePhone } from './phone.ts';
import { policyOf } from './policy.ts';
import { JOURNEY_SECONDS } from './proof.ts';
import { INVALID_CREDENTIALS, type Refusal } from './refusal.ts';
import { findJourney } from './store.ts';

export type Fields = Readonly<Record<string, unknown>>;
export interface DirectClient {
  clientId: string;
}
export type DirectAnswer = Authenticated | DirectRefusal;

export interface DirectDeps extends FlowDeps {
  engine: Engine;
  /** As the engine asks; one factor where nothing is said. */
  required?: Required | undefined;
}

export const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The tenant that the tokens are to be for, where the request names one. */
export const tenantOf = ({ tenant }: Fields): string | undefined => (typeof tenant === 'string' ? tenant : undefined);

/** Where a token that a client holds leads to: nothing of one client is of use to another, nor what began at one issuer at another. */
export const journeyOf = ({ request: { issuer } }: Scope, { clientId }: DirectClient, token: string): string =>
  sha256(`direct\n${issuer}\n${clientId}\n${token}`);

/** What a code is bound to that was asked for before there was a journey: the issuer, the client, the method and the recipient. */
export const codeJourneyOf = ({ request: { issuer } }: Scope, { clientId }: DirectClient, methodId: string, recipient: string): string =>
  sha256(`code\n${issuer}\n${clientId}\n${methodId}\n${recipient}`);

/** A name and a password, or whatever else a first method asks for in its own fields. */
export async function authenticateDirect(engine: Engine, input: Fields, client: DirectClient, scope: Scope): Promise<DirectAnswer> {
  const { username, ...others } = input;
  const fields = username === undefined ? others : { login: username, ...others };
  const first = engine.methods.filter((method) => method.first).map(({ id }) => id);
  const methodId = engine.methodFor(first, fields) ?? first[0] ?? '';
  return unlessEnded(await attemptDirect(engine, client, scope, { methodId, input: fields, tenant: tenantOf(input) }));
}

/** One attempt; where a second factor is due, the answer's `mfaToken` leads on. */
export async function attemptDirect(
  engine: Engine,
  client: DirectClient,
  scope: Scope,
  wanted: Pick<Attempt, 'methodId' | 'input'> & Partial<Attempt>,
  token: string = newSecret(),
): Promise<DirectAnswer> {
  const outcome = await engine.attempt(
    { ...scope, clientId: scope.clientId ?? client.clientId },
    { door: 'direct', journeyId: journeyOf(scope, client, token), ...wanted },
  );
  if ('refused' in outcome) return refusalOf(outcome);
  return answerOf(outcome.step, token, outcome.epoch, scope.request.issuer);
}

export function refusalOf({ refused, status, retryAfterSeconds, methods }: Refusal): DirectRefusal {
  const extra = { ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }), ...(methods ? { methods } : {}) };
  return { refused, status, ...(Object.keys(extra).length > 0 ? { extra } : {}) };
}

/** What the app has to do, in words for who writes it. */
const ADVICE = {
  'auth.password_change_required': 'The password has to be changed first',
  'auth.email_unverified': 'The address has to be proven first',
  'auth.terms_required': 'What is new in the terms has to be agreed to first',
  'auth.browser_required': 'The organisation has its second factor proven at a provider of its own, which only a browser can be sent to',
  'auth.enrolment_required': 'A second factor is required, and the person has to set one up first',
  'auth.stronger_authentication_required': 'The person has no way to sign in that is strong enough',
} as const;

/** Right credentials that only a page leads on from: neither tokens nor a token that goes on, until the person was there. */
const onPage = (refused: keyof typeof ADVICE, issuer: string, more: object = {}): DirectRefusal => ({
  refused,
  status: 403,
  extra: {
    ...more,
    detail: `${ADVICE[refused]}: on a page, at the authorization endpoint or at accountUrl`,
    accountUrl: `${issuer}/account`,
  },
});

/**
 * What only a page can do (changing a password, agreeing to terms) is a refusal that says so, after the credentials were right. `epoch`: of what was
 * judged; access that ended since then leaves nothing of it.
 */
export function answerOf(step: Step, token: string, epoch: number | undefined, issuer: string): DirectAnswer {
  switch (step.name) {
    case 'done': {
      const { accountId, acr, amr, authTime } = step;
      return { accountId, acr, amr, authTime, epoch };
    }
    case 'prove': {
      // Nobody is sent anywhere by JSON.
      const methods = step.methods.filter((id) => id !== EXTERNAL_OIDC);
      if (methods.length === 0 && step.methods.length > 0) return onPage('auth.browser_required', issuer);
      return { refused: 'auth.mfa_required', status: 401, extra: { mfaToken: token, methods } };
    }
    case 'change_password':
      return onPage('auth.password_change_required', issuer);
    case 'verify_email':
    case 'enter_code':
      return onPage('auth.email_unverified', issuer);
    case 'terms':
      return onPage('auth.terms_required', issuer);
    case 'enrol':
      return onPage('auth.enrolment_required', issuer, { methods: step.methods });
    default:
      return onPage('auth.stronger_authentication_required', issuer);
  }
}

/** Where the journey behind a token stands; one that begins here may go on for ten minutes. */
export async function positionOf(
  deps: DirectDeps,
  client: DirectClient,
  scope: Scope,
  token: string,
  { tenant }: { tenant?: string | undefined } = {},
): Promise<Position & { step: Step; journey: Journey }> {
  const now = deps.clock.now();
  const { journey, settings } = await findJourney(deps.db, journeyOf(scope, client, token), scope.tenantId, now);
  const policy = policyOf(deps.engine.methods, settings, undefined, deps.engine.enrollable);
  return {
    scope,
    journey,
    settings,
    policy,
    step: nextStep(journey, policy),
    row: { kind: 'direct', clientId: client.clientId, expiresAt: addSeconds(now, 2 * JOURNEY_SECONDS) },
    required: (userId) => deps.required?.(userId, scope, { tenant }),
    locale: DEFAULT_LOCALE,
    url: `${scope.request.issuer}/account`,
  };
}

/** The address or number that a code goes to, as it is stored; undefined where it is none. */
export async function recipientFor(deps: DirectDeps, scope: Scope, channel: 'email' | 'sms', to: string): Promise<string | undefined> {
  if (channel === 'email') {
    const email = parseEmail(to);
    return email && emailKey(email);
  }
  const country = /^\s*\+/.test(to) ? undefined : (await findJourney(deps.db, '', scope.tenantId, deps.clock.now())).settings.country;
  return parsePhone(to, country);
}

/** `mobile` or `email`, and `otp`: the code that `POST /api/auth/otp` had sent. */
export async function authenticateByCode(
  deps: DirectDeps,
  channel: 'email' | 'sms',
  input: Fields,
  client: DirectClient,
  scope: Scope,
): Promise<DirectAnswer> {
  const typed = text(input[channel === 'email' ? 'email' : 'mobile']);
  const login = (await recipientFor(deps, scope, channel, typed)) ?? typed;
  const methodId = channel === 'email' ? 'email-otp' : 'sms-otp';
  const codeJourneyId = codeJourneyOf(scope, client, methodId, login);
  const fields = { login, code: text(input['otp']) };
  return unlessEnded(
    await attemptDirect(deps.engine, client, scope, {
      methodId,
      input: fields,
      codeJourneyId,
      locale: DEFAULT_LOCALE,
      tenant: tenantOf(input),
    }),
  );
}

/** The second factor: `code` of the method that is named, else of the one that such a code is of. */
export async function authenticateSecond(deps: DirectDeps, input: Fields, client: DirectClient, scope: Scope): Promise<DirectAnswer> {
  const token = text(input['mfaToken']);
  const { step, journey } = await positionOf(deps, client, scope, token);
  const methods = step.name === 'prove' && !step.first ? step.methods : [];
  const code = text(input['code']);
  const isDigits = /^\s*\d{6}\s*$/.test(code);
  const likely = isDigits
    ? [journey.chosen, 'totp', 'email-otp', 'sms-otp']
    : [journey.chosen, 'recovery-code'].filter((id) => id === EXTERNAL_2FA || id === 'recovery-code');
  const named = typeof input['method'] === 'string' ? input['method'] : undefined;
  const methodId = named ?? likely.find((id) => id !== undefined && methods.includes(id)) ?? (isDigits ? 'totp' : 'recovery-code');
  const userId = typeof input['userId'] === 'string' ? input['userId'] : undefined;
  const answer = await attemptDirect(deps.engine, client, scope, { methodId, input: { code }, userId }, token);
  return sameForAll(answer);
}

/** A passkey, first or second; `passkeyToken` and `mfaToken` say which challenge it answers. */
export async function authenticateByPasskey(deps: DirectDeps, input: Fields, client: DirectClient, scope: Scope): Promise<DirectAnswer> {
  const token = text(input['passkeyToken'] ?? input['mfaToken']);
  const passkey = input['credential'];
  return sameForAll(
    await attemptDirect(deps.engine, client, scope, { methodId: 'passkey', input: { passkey }, tenant: tenantOf(input) }, token),
  );
}

/** A token that is used, expired, or another client's is refused like a wrong code. */
const sameForAll = (answer: DirectAnswer): DirectAnswer =>
  'refused' in answer && (answer.refused === 'auth.step_invalid' || answer.refused === 'auth.method_unknown')
    ? refusalOf(INVALID_CREDENTIALS)
    : answer;

/** What is ended while it is judged is refused like a wrong password. */
const unlessEnded = (answer: DirectAnswer): DirectAnswer =>
  'refused' in answer && answer.refused === 'auth.step_invalid' ? refusalOf(INVALID_CREDENTIALS) : answer;
