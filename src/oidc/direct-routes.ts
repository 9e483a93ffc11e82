/** The direct login and the refresh as our own API speaks them: JSON in, tokens or a problem document out, served by the token endpoint. */
import { type TObject, Type } from '@sinclair/typebox';
import type { Context, Middleware } from 'koa';
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import { AppError, type FieldError } from '../core/errors.ts';
import { currentRequest } from '../core/scope.ts';
import { setRouteTemplate } from '../http/access-log.ts';
import { asAppError, sendProblem } from '../http/problem.ts';
import { type Route, route } from '../http/route.ts';
import { recordOf } from './client-models.ts';
import { readInput } from './direct-body.ts';
import { CHALLENGE, CHALLENGE_DUE } from './direct-challenge.ts';
import { DIRECT_ACTION, DIRECT_LOGIN, keepDirect, refusalOf } from './direct-login.ts';
import { SOCIAL_LOGIN } from './direct-social.ts';
import type { ProviderPool } from './provider-pool.ts';
import { serveAs } from './tokens.ts';

const TEXT = Type.String({ maxLength: 8192 });
const CLIENT = {
  client_id: Type.Optional(TEXT),
  client_secret: Type.Optional(TEXT),
  client_assertion: Type.Optional(Type.String({ maxLength: 16_384 })),
  client_assertion_type: Type.Optional(TEXT),
};
const ASKED = {
  scope: Type.Optional(TEXT),
  resource: Type.Optional(
    Type.Union([TEXT, Type.Array(TEXT, { maxItems: 10 })], { description: 'RFC 8707; `ISSUER/api` where nothing is said' }),
  ),
};
const TENANT = { tenant: Type.Optional(Type.String({ maxLength: 64, description: 'Id or slug of the tenant to act in' })) };
const TOKENS = Type.Object({
  access_token: Type.String(),
  token_type: Type.String(),
  expires_in: Type.Integer(),
  refresh_token: Type.Optional(Type.String()),
  id_token: Type.Optional(Type.String()),
  scope: Type.Optional(Type.String()),
});

const ASKS = { ...ASKED, ...TENANT, ...CLIENT };
const OTP = Type.String({ maxLength: 64, description: 'The six digits that `POST /api/auth/otp` had sent' });
const CREDENTIAL = Type.Object({}, { additionalProperties: true, description: 'AuthenticationResponseJSON of WebAuthn' });
const MFA = Type.String({
  maxLength: 64,
  description: 'From the 401 with `auth.mfa_required`; works once, for five minutes, for this client at this issuer',
});
const optional = Type.Optional;

interface Door {
  path: `/api/${string}`;
  grantType: string;
  body: TObject;
  reply: TObject;
  status?: 202;
  summary: string;
  description: string;
}

const MFA_DUE =
  'Where a second factor is due, of the person’s own or since the tenant of the tokens asks for one: 401 with `code: "auth.mfa_required"`, `mfaToken` and `methods`. ' +
  'Right credentials that only a page leads on from are 403 with `accountUrl`: `auth.enrolment_required` (a second factor has to be set up; `methods` that can be), ' +
  '`auth.stronger_authentication_required` (the person has none that is strong enough), `auth.browser_required` (the second factor is proven at an OpenID provider of the tenant’s), `auth.password_change_required`, `auth.terms_required`, `auth.email_unverified`.';
const login = (path: string, body: TObject, summary: string, description: string): Door => ({
  path: `/api/auth/${path}`,
  grantType: DIRECT_LOGIN,
  body,
  reply: TOKENS,
  summary,
  description: `${description} ${MFA_DUE}`,
});
const action = (path: string, body: TObject, reply: TObject, summary: string, description: string, status?: 202): Door => ({
  path: `/api/auth/${path}`,
  grantType: DIRECT_ACTION,
  body,
  reply,
  ...(status === undefined ? {} : { status }),
  summary,
  description: `For clients with \`direct_login\`. ${description}${'challenge' in body.properties ? ` ${CHALLENGE_DUE}` : ''}`,
});

export const DIRECT_DOORS: readonly Door[] = [
  login(
    'login',
    Type.Object({ username: TEXT, password: TEXT, ...ASKS }),
    'Sign a person in and answer tokens',
    'For clients with `direct_login`: HTTP Basic, `private_key_jwt`, `client_id` for public ones and for those with a certificate. The tokens are for the tenant that `tenant` names, else for the client’s, else for the only one that the person belongs to, else for their home; 403 with `code: "auth.tenant_refused"` where it is none of theirs.',
  ),
  login(
    'login/email',
    Type.Object({ email: TEXT, otp: OTP, ...ASKS }),
    'Sign in by a code sent by mail',
    'An unknown address becomes a person where the tenant lets people register.',
  ),
  login(
    'login/mobile',
    Type.Object({ mobile: TEXT, otp: OTP, ...ASKS }),
    'Sign in by a code sent by text message',
    'An unknown number becomes a person where the tenant lets people register.',
  ),
  login(
    'login/2fa',
    Type.Object({ mfaToken: MFA, code: TEXT, userId: optional(TEXT), method: optional(TEXT), ...ASKS }),
    'Prove a second factor',
    '`method` is one of those that the 401 named; where it is left out, the code tells. `userId`, where it comes along, must be who is signing in.',
  ),
  login(
    'login/passkey',
    Type.Object({ passkeyToken: optional(TEXT), mfaToken: optional(MFA), credential: CREDENTIAL, ...ASKS }),
    'Sign in by a passkey',
    '`passkeyToken` comes with the challenge; with `mfaToken` the passkey is the second factor.',
  ),
  login('login/social', Type.Object({ ...SOCIAL_LOGIN.fields, ...ASKS }), SOCIAL_LOGIN.summary, SOCIAL_LOGIN.description),
  login(
    'verify',
    Type.Object({ registrationToken: TEXT, code: TEXT, ...ASKS }),
    'Finish a registration, and sign in',
    'The code that was sent to the address makes the account.',
  ),
  login(
    'password/reset/complete',
    Type.Object({ resetToken: TEXT, code: TEXT, password: TEXT, ...ASKS }),
    'Set a new password, and sign in',
    'The code that was sent to the address sets the password and ends every session of the person.',
  ),
  action(
    'otp',
    Type.Object({
      channel: Type.Union([Type.Literal('email'), Type.Literal('sms'), Type.Literal('external')]),
      to: optional(Type.String({ maxLength: 320, description: 'An address or a number; left out with `mfaToken`' })),
      mfaToken: optional(MFA),
      ...CHALLENGE,
      ...CLIENT,
    }),
    Type.Object({}),
    'Have a code sent',
    'The answer is the same whether anybody has the address or not. The code is for this client and this recipient. `external` takes `mfaToken`: it has the second-factor service of the tenant (`external-2fa`) asked. 503 `auth.factor_unavailable` where that does not answer, with `methods` where other factors may stand in.',
    202,
  ),
  action(
    'passkey/options',
    Type.Object({ mfaToken: optional(MFA), ...CLIENT }),
    Type.Object({ passkeyToken: optional(Type.String()), publicKey: Type.Object({}, { additionalProperties: true }) }),
    'A challenge for a passkey',
    '`publicKey` is for `navigator.credentials.get`; good for one answer, for five minutes.',
  ),
  action(
    'register',
    Type.Object({
      email: TEXT,
      password: TEXT,
      givenName: optional(TEXT),
      familyName: optional(TEXT),
      agreements: optional(
        Type.Array(Type.String({ maxLength: 64 }), {
          maxItems: 10,
          description: 'Ids of the notices that the person was shown and agrees to',
        }),
      ),
      ...CHALLENGE,
      ...CLIENT,
    }),
    Type.Object({ registrationToken: Type.String() }),
    'Begin a registration',
    'A code is sent to the address; nothing exists before it comes back, and the answer is the same for an address that has an account. Where the tenant has terms or a privacy notice: 422 `terms.required` with what is missing in `notices` (`id`, `kind`, `label`, `url`, `urls`), until `agreements` names them; they are kept with the account. What is published before the code comes back is 403 `auth.terms_required` there.',
    202,
  ),
  action(
    'password/reset',
    Type.Object({ email: TEXT, ...CHALLENGE, ...CLIENT }),
    Type.Object({ resetToken: Type.String() }),
    'Begin to reset a password',
    'A code is sent if the address has an account; the answer is the same if it has none.',
    202,
  ),
  {
    path: '/api/sessions/refresh',
    grantType: 'refresh_token',
    body: Type.Object({ refresh_token: TEXT, ...ASKS }),
    reply: TOKENS,
    summary: 'Exchange a refresh token',
    description:
      'Client authentication as at the token endpoint. 401 with `code: "session.inactive"` where the refresh token is not good. `tenant` switches to another tenant of the person, for this access token and those to come; 403 with `code: "auth.tenant_refused"` where it is none of theirs, and the refresh token stays good.',
  },
];

/** For OpenAPI; requests to these paths end in the middleware of `serveDirectPaths` before they are routed. */
export function directRoutes(): Route[] {
  return DIRECT_DOORS.map(({ path, body, reply, status, summary, description }) =>
    route(`POST ${path}`, {
      summary,
      description,
      tag: 'Direct login',
      access: 'client',
      idempotent: false,
      body,
      reply,
      ...(status === undefined ? {} : { status }),
      errors: [401, 403],
      handle: async () => {
        throw new Error(`${path} is served by the provider`);
      },
    }),
  );
}

const DOOR_AT: ReadonlyMap<string, Door> = new Map(DIRECT_DOORS.map((door) => [door.path, door]));

/** For our own app: hands these paths to the provider of the request's issuer. */
export function serveDirectPaths(pool: Pick<ProviderPool, 'handle'>): Middleware {
  return async (ctx, next) => {
    const issuer = currentRequest.getStore()?.issuer;
    if (issuer === undefined || !DOOR_AT.has(ctx.path) || !['POST', 'OPTIONS'].includes(ctx.method)) return next();
    ctx.respond = false;
    setRouteTemplate(ctx.req, ctx.path);
    pool.handle(issuer, ctx.req, ctx.res);
  };
}

/** For the provider: answers these paths at its token endpoint. */
export function useDirectPaths(provider: Provider): void {
  provider.use(async (ctx, next) => {
    const door = DOOR_AT.get(ctx.path);
    if (!door) return next();
    if (ctx.method === 'OPTIONS') {
      ctx.url = provider.pathFor('token');
      return next();
    }
    if (ctx.method !== 'POST') return next();
    ctx.state['answersProblems'] = true;
    try {
      const input = await readInput(ctx, door.body);
      keepDirect(ctx.req, { path: door.path, input });
      serveAs(ctx, provider, 'token', { ...formOf(door, input), grant_type: door.grantType });
      await next();
      if (ctx.status >= 300) throw problemOf(ctx as unknown as KoaContextWithOIDC, door);
    } catch (error) {
      const problem = asAppError(error);
      // An outage of ours is told by the provider's own guard; a refusal of the engine's is told as it is.
      if (problem.status === 503 && !/^(auth|mail)\./.test(problem.code)) throw problem;
      sendProblem(ctx, problem, currentRequest.getStore()?.id ?? '');
    }
  });
}

/** What the library knows of: who the client is, and what the tokens are to be for. */
function formOf({ grantType }: Door, input: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const known = new Set([...Object.keys(ASKS), ...(grantType === 'refresh_token' ? ['refresh_token'] : [])]);
  return Object.fromEntries(Object.entries(input).filter(([name]) => known.has(name)));
}

/** What the token endpoint answered, as a problem of ours. */
function problemOf(ctx: KoaContextWithOIDC, door: Door): AppError {
  const refusal = refusalOf(ctx);
  if (refusal) {
    const seconds = refusal.extra?.['retryAfterSeconds'];
    const headers = typeof seconds === 'number' ? { 'retry-after': String(seconds) } : {};
    const { errors, detail, ...extra } = refusal.extra ?? {};
    return new AppError(refusal.refused, refusal.status, 'The sign-in was refused', {
      extra,
      ...(typeof detail === 'string' ? { detail } : {}),
      ...(Array.isArray(errors) ? { errors: errors as FieldError[] } : {}),
      headers: { ...headers, ...challengeOf(ctx, refusal.status) },
    });
  }
  const { error, error_description: detail } = (ctx.body ?? {}) as { error?: unknown; error_description?: unknown };
  const code = typeof error === 'string' ? error : 'server_error';
  const shown = typeof detail === 'string' ? { detail } : {};
  const { client } = ctx.oidc ?? {};
  const status = ctx.status;
  if (status === 503) return new AppError('service.unavailable', 503, 'Temporarily unavailable', { headers: { 'retry-after': '1' } });
  if (code === 'invalid_client')
    return new AppError('client.authentication_failed', 401, 'The client is unknown or could not be authenticated', {
      ...shown,
      headers: challengeOf(ctx, 401),
    });
  if (door.grantType !== 'refresh_token' && client && !recordOf(client).directLogin)
    return new AppError('auth.direct_login_off', 403, 'This client may not sign people in by itself');
  if (code === 'access_denied' && typeof detail === 'string')
    return new AppError('auth.tenant_refused', 403, 'This tenant is not open to the person', shown);
  if (code === 'invalid_grant' && door.grantType === 'refresh_token')
    return new AppError('session.inactive', 401, 'The refresh token is not good', { headers: challengeOf(ctx, 401) });
  return new AppError(`oauth.${code}`, status >= 400 ? status : 500, 'The request was refused', shown);
}

const challengeOf = (ctx: Context | KoaContextWithOIDC, status: number): Record<string, string> => {
  return status === 401 ? { 'www-authenticate': ctx.response.get('www-authenticate') || 'Basic realm="gatehouse"' } : {};
};
