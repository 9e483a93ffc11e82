/** The direct login and the refresh as our own API speaks them: JSON in, tokens or a problem document out, served by the token endpoint. */
import { Type } from '@sinclair/typebox';
import type { Context, Middleware } from 'koa';
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import { AppError, type FieldError, invalidInput } from '../core/errors.ts';
import { currentRequest } from '../core/scope.ts';
import { setRouteTemplate } from '../http/access-log.ts';
import { asAppError, sendProblem } from '../http/problem.ts';
import { PAGE_BODY_LIMIT, readJson } from '../http/read-body.ts';
import { type Route, route } from '../http/route.ts';
import { recordOf } from './client-models.ts';
import { DIRECT_LOGIN, refusalOf } from './direct-login.ts';
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

const LOGIN = Type.Object({ username: TEXT, password: TEXT, ...ASKED, ...TENANT, ...CLIENT });
const REFRESH = Type.Object({ refresh_token: TEXT, ...ASKED, ...TENANT, ...CLIENT });

interface Door {
  path: '/api/auth/login' | '/api/sessions/refresh';
  grantType: string;
  body: typeof LOGIN | typeof REFRESH;
  summary: string;
  description: string;
}

const DOORS: readonly Door[] = [
  {
    path: '/api/auth/login',
    grantType: DIRECT_LOGIN,
    body: LOGIN,
    summary: 'Sign a person in and answer tokens',
    description:
      'For clients with `direct_login`: HTTP Basic, `private_key_jwt`, `client_id` for public ones and for those with a certificate. Where a second factor is due: 401 with `code: "auth.mfa_required"`, `mfaToken` and `methods`. The tokens are for the tenant that `tenant` names, else for the client’s, else for the only one that the person belongs to, else for their home; 403 with `code: "auth.tenant_refused"` where it is none of theirs.',
  },
  {
    path: '/api/sessions/refresh',
    grantType: 'refresh_token',
    body: REFRESH,
    summary: 'Exchange a refresh token',
    description:
      'Client authentication as at the token endpoint. 401 with `code: "session.inactive"` where the refresh token is not good. `tenant` switches to another tenant of the person, for this access token and those to come; 403 with `code: "auth.tenant_refused"` where it is none of theirs, and the refresh token stays good.',
  },
];

/** For OpenAPI; requests to these paths end in the middleware of `serveDirectPaths` before they are routed. */
export function directRoutes(): Route[] {
  return DOORS.map(({ path, body, summary, description }) =>
    route(`POST ${path}`, {
      summary,
      description,
      tag: 'Direct login',
      access: 'client',
      idempotent: false,
      body,
      reply: TOKENS,
      errors: [401, 403],
      handle: async () => {
        throw new Error(`${path} is served by the provider`);
      },
    }),
  );
}

/** For our own app: hands these paths to the provider of the request's issuer. */
export function serveDirectPaths(pool: Pick<ProviderPool, 'handle'>): Middleware {
  return async (ctx, next) => {
    const issuer = currentRequest.getStore()?.issuer;
    if (issuer === undefined || !DOORS.some(({ path }) => path === ctx.path) || !['POST', 'OPTIONS'].includes(ctx.method)) return next();
    ctx.respond = false;
    setRouteTemplate(ctx.req, ctx.path);
    pool.handle(issuer, ctx.req, ctx.res);
  };
}

/** For the provider: answers these paths at its token endpoint. */
export function useDirectPaths(provider: Provider): void {
  provider.use(async (ctx, next) => {
    const door = DOORS.find(({ path }) => path === ctx.path);
    if (!door) return next();
    if (ctx.method === 'OPTIONS') {
      ctx.url = provider.pathFor('token');
      return next();
    }
    if (ctx.method !== 'POST') return next();
    ctx.state['answersProblems'] = true;
    try {
      const input = await readInput(ctx, door);
      serveAs(ctx, provider, 'token', { ...input, grant_type: door.grantType });
      await next();
      if (ctx.status !== 200) throw problemOf(ctx as unknown as KoaContextWithOIDC, door);
    } catch (error) {
      const problem = asAppError(error);
      if (problem.status === 503) throw problem;
      sendProblem(ctx, problem, currentRequest.getStore()?.id ?? '');
    }
  });
}

/** Only what is declared goes on to the library, and only as text. */
async function readInput(ctx: Context, { body }: Door): Promise<Record<string, unknown>> {
  const { value } = await readJson(ctx.req, PAGE_BODY_LIMIT);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidInput([{ pointer: '', message: 'must be an object' }]);
  const input = value as Record<string, unknown>;
  const isText = (one: unknown): boolean => typeof one === 'string' && one.length <= 16_384 && one.isWellFormed() && !one.includes('\0');
  const faults: FieldError[] = [];
  for (const [name, one] of Object.entries(input)) {
    const known = name in body.properties;
    const fits = isText(one) || (name === 'resource' && Array.isArray(one) && one.every(isText));
    if (!known || !fits)
      faults.push({
        pointer: `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
        message: known ? 'must be text' : 'is not known here',
      });
  }
  for (const name of body.required ?? []) if (input[name] === undefined) faults.push({ pointer: `/${name}`, message: 'is required' });
  if (faults.length > 0) throw invalidInput(faults);
  return input;
}

/** What the token endpoint answered, as a problem of ours. */
function problemOf(ctx: KoaContextWithOIDC, door: Door): AppError {
  const refusal = refusalOf(ctx);
  if (refusal) {
    const seconds = refusal.extra?.['retryAfterSeconds'];
    const headers = typeof seconds === 'number' ? { 'retry-after': String(seconds) } : {};
    return new AppError(refusal.refused, refusal.status, 'The sign-in was refused', {
      extra: { ...refusal.extra },
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
  if (door.grantType === DIRECT_LOGIN && client && !recordOf(client).directLogin)
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
