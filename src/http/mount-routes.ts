import type { Context, Middleware } from 'koa';
import type { AuditEvent } from '../core/audit-event.ts';
import { AppError, type FieldError, forbidden, invalidInput, notFound } from '../core/errors.ts';
import { isId } from '../core/ids.ts';
import { can } from '../core/permissions.ts';
import { anonymousScope, currentRequest, type Scope } from '../core/scope.ts';
import { setRouteTemplate } from './access-log.ts';
import { etagOf, isUnchanged } from './etag.ts';
import { violations } from './guard.ts';
import { type IdempotencyStore, type KeptAnswer, once } from './idempotency.ts';
import { sendLines } from './lines.ts';
import type { HttpLog } from './log.ts';
import { asAppError, sendProblem } from './problem.ts';
import { API_BODY_LIMIT, checkMediaType, readJson, readUpload } from './read-body.ts';
import { isAnswer, type Route } from './route.ts';
import { createRouter } from './router.ts';
import { type Check, compileBody, compileOutput, compileText } from './validate.ts';

export interface RouteDeps {
  /**
   * Who calls, by the bearer token, DPoP-bound token or API key of the request; undefined where there is none. Throws 401 where it is
   * not good, with `WWW-Authenticate`. `X-Tenant-Id` is none of its business.
   */
  authenticate(ctx: Context): Promise<Scope | undefined>;
  /** Refusals are kept; throws 503 where they cannot be. */
  audit: { append(scope: Scope, event: AuditEvent): Promise<void> };
  /** The tenant of who is unknown: the issuer's. */
  defaultTenantId: string | (() => string);
  /** Whether a platform administrator may act in the tenant that `X-Tenant-Id` names. */
  tenantExists(id: string): Promise<boolean>;
  /** Throws where nobody may act in the tenant from where the request comes: 403, kept as a refusal. Called once the tenant is known. */
  admit?(scope: Scope): Promise<void>;
  /** Counts what the tenant pays for; throws 429 where no more fits. Called for whoever has the permission. */
  spend?(scope: Scope, route: Route): Promise<void>;
  idempotency?: IdempotencyStore | undefined;
  /** Throws 429; called once a request, as soon as it is known who calls. */
  limit?(scope: Scope, route: Route): Promise<void>;
  log?: HttpLog | undefined;
  /** Answers that the document does not allow become 500 and are recorded in `violations`; for tests and development. */
  strict?: boolean;
  onAnswer?(route: Route, status: number, headers: Readonly<Record<string, unknown>>, body: unknown): void;
  /** Paths at and below these answer 404 by themselves where no route fits; `/api` where nothing is said. */
  prefixes?: readonly string[];
}

interface Mounted {
  route: Route;
  params: Check;
  query: Check;
  body: Check | undefined;
  replies: Map<number, ReturnType<typeof compileOutput> | undefined>;
}

/** One Koa middleware for all routes: match, authenticate, tenant, permission, load, body, handle, answer. */
export function mountRoutes(routes: readonly Route[], deps: RouteDeps): Middleware {
  const match = createRouter(routes);
  const mounted = new Map(routes.map((route) => [route, compile(route)]));
  const prefixes = deps.prefixes ?? ['/api'];
  return async (ctx, next) => {
    const found = match(ctx.method, ctx.path);
    const requestId = currentRequest.getStore()?.id ?? '';
    if (!found) {
      if (!prefixes.some((prefix) => ctx.path === prefix || ctx.path.startsWith(`${prefix}/`))) return next();
      sendProblem(ctx, notFound('path'), requestId);
      return;
    }
    if ('allow' in found) {
      ctx.set('allow', found.allow);
      if (ctx.method === 'OPTIONS') ctx.status = 204;
      else sendProblem(ctx, new AppError('method.not_allowed', 405, 'This method is not known here'), requestId);
      return;
    }
    const target = mounted.get(found.route)!;
    setRouteTemplate(ctx.req, found.route.path);
    try {
      await run(ctx, target, found.params, deps);
    } catch (error) {
      refuse(ctx, target, asAppError(error), requestId, deps);
    }
  };
}

const compile = (route: Route): Mounted => ({
  route,
  params: compileText(route.spec.params),
  query: compileText(route.spec.query),
  body: route.spec.body && compileBody(route.spec.body),
  replies: new Map(Object.entries(route.spec.replies).map(([status, schema]) => [Number(status), schema && compileOutput(schema)])),
});

const NO_UPLOAD: AsyncIterable<never> = (async function* () {})();

async function run(ctx: Context, target: Mounted, params: Record<string, string>, deps: RouteDeps): Promise<void> {
  const { route } = target;
  const caller = await identify(ctx, route, deps);
  await deps.limit?.(caller, route);
  const scope = await inTenant(ctx, caller, route, deps);
  await admit(scope, route, deps);
  await permit(scope, route, deps);
  await deps.spend?.(scope, route);
  if (target.params(params).length > 0) throw notFound(route.spec.noun);
  const query = readQuery(ctx, target);
  const loaded = await route.load(scope, params, ctx);
  const { value, raw } = target.body ? await readInput(ctx, route, target.body) : { value: {}, raw: Buffer.alloc(0) };
  const ifMatch = ctx.get('if-match') || undefined;
  const { upload: uploads } = route.spec;
  if (uploads) checkMediaType(ctx.req, uploads.types);
  const input = { params, query, body: value, loaded, ifMatch, ctx, upload: uploads ? readUpload(ctx.req, uploads.maxBytes) : NO_UPLOAD };
  if (route.spec.lines) {
    const found = await route.handle(scope, input);
    await sendLines(
      ctx,
      (item) => checked(target, route.spec.status, item, deps),
      isAnswer(found) ? (found.items ?? NO_UPLOAD) : NO_UPLOAD,
    );
    deps.onAnswer?.(route, ctx.status, ctx.response.headers, undefined);
    return;
  }
  const work = async (): Promise<KeptAnswer> => keep(target, await route.handle(scope, input), deps);
  const request = { key: ctx.get('idempotency-key') || undefined, method: route.method, path: ctx.path, raw };
  send(ctx, target, route.spec.idempotent ? await once(deps.idempotency, scope, request, work) : await work(), deps);
}

/** Who calls. A bad token is refused, and the refusal kept, so that it has to be limited too. */
async function identify(ctx: Context, route: Route, deps: RouteDeps): Promise<Scope> {
  const { defaultTenantId: ofIssuer } = deps;
  const nobody = anonymousScope(typeof ofIssuer === 'string' ? ofIssuer : ofIssuer());
  const { access } = route.spec;
  if (access === 'public') return nobody;
  let scope: Scope | undefined;
  try {
    scope = await deps.authenticate(ctx);
  } catch (error) {
    if (error instanceof AppError && error.status === 401) {
      await deps.limit?.(nobody, route);
      await deps.audit.append(nobody, refusal('token.refused', error.code, route));
    }
    throw error;
  }
  if (scope) return scope;
  if (access === 'client') return nobody;
  throw new AppError('token.missing', 401, 'Sign in first', { headers: { 'www-authenticate': 'Bearer' } });
}

/** In which tenant: the token's, or the one that a platform administrator names. Anybody else's try is kept. */
async function inTenant(ctx: Context, scope: Scope, route: Route, deps: RouteDeps): Promise<Scope> {
  const tenantId = ctx.get('x-tenant-id').toLowerCase();
  if (tenantId === '' || tenantId === scope.tenantId || scope.actor.type === 'anonymous') return scope;
  if (!scope.platform) await deps.audit.append(scope, refusal('permission.refused', 'tenant.foreign', route));
  if (!scope.platform || !isId(tenantId) || !(await deps.tenantExists(tenantId))) throw notFound('tenant');
  return { ...scope, tenantId };
}

/** Who is unknown acts in no tenant yet. */
async function admit(scope: Scope, route: Route, deps: RouteDeps): Promise<void> {
  if (!deps.admit || scope.actor.type === 'anonymous') return;
  try {
    await deps.admit(scope);
  } catch (error) {
    if (error instanceof AppError && error.status < 500) await deps.audit.append(scope, refusal('request.refused', error.code, route));
    throw error;
  }
}

const refusal = (type: string, reason: string, { method, path }: Route, data?: Record<string, unknown>): AuditEvent => ({
  type,
  outcome: 'failure',
  reason,
  target: { type: 'route', id: `${method} ${path}` },
  ...(data ? { data } : {}),
});

async function permit(scope: Scope, route: Route, deps: RouteDeps): Promise<void> {
  const { spec } = route;
  if (spec.access === 'public' || spec.access === 'client') return;
  const allowed =
    can(scope, spec.access) && (!spec.platform || scope.platform) && (spec.access !== 'account' || scope.actor.type === 'user');
  if (allowed) return;
  await deps.audit.append(scope, refusal('permission.refused', 'permission.missing', route, { permission: spec.access }));
  throw forbidden(spec.access);
}

function readQuery(ctx: Context, target: Mounted): Record<string, unknown> {
  const query: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  const errors: FieldError[] = [];
  for (const [name, value] of new URLSearchParams(ctx.querystring)) {
    if (Object.hasOwn(query, name)) errors.push({ pointer: `/${name}`, message: 'is there twice' });
    query[name] = value;
  }
  errors.push(...target.query(query));
  if (errors.length > 0) throw invalidInput(errors, 'The query is not valid');
  return { ...query };
}

async function readInput(ctx: Context, route: Route, check: Check): Promise<{ value: unknown; raw: Buffer }> {
  const types = route.method === 'PATCH' ? ['application/merge-patch+json', 'application/json'] : ['application/json'];
  const { value, raw } = await readJson(ctx.req, route.spec.bodyLimit ?? API_BODY_LIMIT, types);
  const errors = check(value);
  if (errors.length > 0) throw invalidInput(errors);
  return { value, raw };
}

/** The handler's result as an answer, checked against what is documented. */
function keep({ route, replies }: Mounted, result: unknown, deps: RouteDeps): KeptAnswer {
  const { body, status = route.spec.status, version, headers = {} } = isAnswer(result) ? result : { body: result };
  const text = checked({ route, replies }, status, body, deps);
  const tag = version === undefined ? {} : { etag: etagOf(version) };
  return { status, headers: { ...tag, ...headers }, body: text };
}

/** A body as JSON, checked against what is documented for the status; '' where it has none. */
function checked({ route, replies }: Pick<Mounted, 'route' | 'replies'>, status: number, body: unknown, deps: RouteDeps): string {
  // What leaves is what JSON makes of it: dates are text, absent members are absent.
  const plain: unknown = body === undefined ? undefined : JSON.parse(JSON.stringify(body));
  const output = replies.get(status);
  const wrong = !replies.has(status)
    ? `status ${status} is not documented`
    : output
      ? output
          .check(plain)
          .map((error) => `${error.pointer} ${error.message}`)
          .join('; ')
      : plain === undefined || plain === null
        ? ''
        : 'has a body that is not documented';
  if (wrong) {
    report(route, status, wrong, deps);
    output?.cut(plain);
  }
  return output ? JSON.stringify(plain) : '';
}

/** A bug of ours: fatal where strict, else logged. */
function report(route: Route, status: number, problem: string, deps: RouteDeps): void {
  const name = `${route.method} ${route.path}`;
  if (deps.strict) {
    violations.push({ route: name, status, problem });
    throw new Error(`${name} answered ${status}, but ${problem}`);
  }
  deps.log?.error({ route: name, status, problem }, 'an answer is not as documented');
}

function send(ctx: Context, { route }: Mounted, { status, headers, body }: KeptAnswer, deps: RouteDeps): void {
  ctx.status = status;
  ctx.set('cache-control', 'no-store');
  ctx.set(headers);
  const etag = headers['etag'];
  if (etag && route.method === 'GET' && isUnchanged(ctx.get('if-none-match'), etag)) {
    ctx.status = 304;
    ctx.body = null;
  } else if (body) {
    ctx.set('content-type', 'application/json; charset=utf-8');
    ctx.body = body;
  } else ctx.body = null;
  if (!body && ctx.status !== 304) ctx.status = status;
  deps.onAnswer?.(route, ctx.status, ctx.response.headers, body ? (JSON.parse(body) as unknown) : undefined);
}

function refuse(ctx: Context, { route }: Mounted, error: AppError, requestId: string, deps: RouteDeps): void {
  let shown = error;
  if (!route.spec.errors.includes(error.status)) {
    try {
      report(route, error.status, `refusal ${error.code} is not documented`, deps);
    } catch (bug) {
      shown = asAppError(bug);
    }
  }
  const problem = sendProblem(ctx, shown, requestId, deps.log);
  deps.onAnswer?.(route, shown.status, ctx.response.headers, problem);
}
