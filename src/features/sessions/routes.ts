import { Type } from '@sinclair/typebox';
import type { Context } from 'koa';
import { AppError } from '../../core/errors.ts';
import { can } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import { type Route, route } from '../../http/route.ts';
import { endAtClient, endEverything, endSessions, type SessionCommandDeps } from './commands.ts';
import { checkPerson, findSession, type SessionQueryDeps, sessionNotFound } from './queries.ts';
import { ACTIVE, type ActiveView, ENDED, SESSION, viewOf } from './schema.ts';

/** What is known of a token that was shown to us. */
export interface ShownToken {
  active: boolean;
  view: ActiveView;
  clientId: string;
  userId: string | undefined;
  sid: string | undefined;
  tenantId: string | undefined;
  /** Bound to a key: by itself it proves nothing. */
  bound: boolean;
  /** Takes it back by itself. */
  revoke(): Promise<void>;
}

export interface SessionRouteDeps extends SessionQueryDeps, SessionCommandDeps {
  /** Whose credentials the request carries besides a bearer token (HTTP Basic); undefined where none. Throws 401. */
  authenticateClient(ctx: Context): Promise<{ clientId: string; tenantId: string } | undefined>;
  /** Reads an access token of this issuer, a JWT or an opaque one; undefined where it never was one. */
  readToken(token: string): Promise<ShownToken | undefined>;
  /** Whether the client is of the root tenant or of the person's home: an application of another tenant ends nothing but what it holds. */
  isOfHome(clientId: string, userId: string): Promise<boolean>;
  /** Whether the client is the token's, or the resource server that it is meant for. */
  maySee(clientId: string, token: ShownToken): Promise<boolean>;
}

const inactive = (): AppError =>
  new AppError('session.inactive', 401, 'The token or session is not active', { headers: { 'www-authenticate': 'Bearer' } });
const signInFirst = (): AppError => new AppError('token.missing', 401, 'Sign in first', { headers: { 'www-authenticate': 'Bearer' } });
const TOKEN = Type.String({ minLength: 1, maxLength: 16_384, pattern: '^[A-Za-z0-9._~+/=:-]+$' });
const tag = 'Sessions';

/** The sessions that the origin documents speak of: the caller's, any, their state and their end. */
export function sessionRoutes(deps: SessionRouteDeps): Route[] {
  return [
    route('GET /api/sessions/current', {
      summary: 'See the session that the token belongs to',
      tag,
      access: 'client',
      reply: SESSION,
      handle: async (scope) => {
        if (scope.actor.type === 'anonymous') throw signInFirst();
        const session = scope.session?.sid === undefined ? undefined : await findSession(deps, scope.session.sid);
        if (!session || scope.actor.type !== 'user' || session.userId !== scope.actor.id) throw sessionNotFound();
        return viewOf(session, scope.session?.sid);
      },
    }),
    route('GET /api/sessions/{sid}', {
      summary: 'See a session',
      tag,
      access: 'sessions.read',
      versioned: false,
      params: Type.Object({ sid: Type.String({ pattern: '^[A-Za-z0-9_.~:-]{1,256}$' }) }),
      reply: SESSION,
      handle: async (scope, { params }) => {
        const session = await findSession(deps, params.sid);
        if (!session || !(await isAtHome(deps, scope, session.userId))) throw sessionNotFound();
        return viewOf(session, scope.session?.sid);
      },
    }),
    route('POST /api/sessions/validate', {
      summary: 'Ask whether a token or session is alive',
      description:
        'For clients (their own token, or HTTP Basic), and for whoever has `tokens.validate`. `token` is an access token or a `sid`.',
      tag,
      access: 'client',
      body: Type.Object({ token: TOKEN }),
      reply: ACTIVE,
      idempotent: false,
      load: (scope, _params, ctx) => callerOf(deps, scope, ctx),
      handle: async (_scope, { body, loaded: caller }) => {
        const shown = await deps.readToken(body.token);
        const view = shown ? await seenToken(deps, caller, shown) : await seenSession(deps, caller, body.token);
        if (!view) throw inactive();
        return view;
      },
    }),
    route('POST /api/sessions/logout', {
      summary: 'Sign out',
      description:
        'Ends the session of `token` (where it is left out: of the caller) and what is bound to it. Consented `offline_access` survives unless `all` is true; then every session of the person ends, or, where the application is of a tenant that the person is not at home in, this session and what that application holds.',
      tag,
      access: 'client',
      body: Type.Object({ token: Type.Optional(TOKEN), all: Type.Optional(Type.Boolean()) }),
      reply: ENDED,
      idempotent: false,
      handle: async (scope, { body }) => ({ ended: await logOut(deps, scope, body) }),
    }),
  ];
}

interface Caller {
  clientId: string | undefined;
  tenantId: string;
  /** Has `tokens.validate`: sees what belongs to the tenant. */
  validates: boolean;
  platform: boolean;
}

async function callerOf(deps: SessionRouteDeps, scope: Scope, ctx: Context): Promise<Caller> {
  const validates = can(scope, 'tokens.validate');
  const client = scope.actor.type === 'anonymous' ? await deps.authenticateClient(ctx) : undefined;
  if (client) return { clientId: client.clientId, tenantId: client.tenantId, validates: false, platform: false };
  if (scope.actor.type === 'anonymous') throw signInFirst();
  if (scope.actor.type !== 'client' && !validates)
    throw new AppError('permission.missing', 403, 'The permission for this is missing', { extra: { permission: 'tokens.validate' } });
  return {
    clientId: scope.actor.type === 'client' ? scope.clientId : undefined,
    tenantId: scope.tenantId,
    validates,
    platform: scope.platform,
  };
}

async function seenToken(deps: SessionRouteDeps, caller: Caller, shown: ShownToken): Promise<ActiveView | undefined> {
  if (!shown.active) return undefined;
  const byTenant = caller.validates && (caller.platform || shown.tenantId === caller.tenantId);
  return byTenant || (caller.clientId !== undefined && (await deps.maySee(caller.clientId, shown))) ? shown.view : undefined;
}

async function seenSession(deps: SessionRouteDeps, caller: Caller, sid: string): Promise<ActiveView | undefined> {
  const session = await findSession(deps, sid);
  if (!session) return undefined;
  const own = session.clients.find((client) => client.clientId === caller.clientId && client.sid === sid);
  const atHome = caller.validates && (await isAtHome(deps, caller, session.userId));
  if (!own && !atHome) return undefined;
  return {
    active: true,
    iss: session.issuer,
    sub: session.userId,
    sid,
    exp: Math.floor(session.expiresAt.getTime() / 1000),
    auth_time: Math.floor(session.authenticatedAt.getTime() / 1000),
    ...(session.acr === undefined ? {} : { acr: session.acr }),
    amr: [...session.amr],
    ...(own ? { client_id: own.clientId } : {}),
  };
}

async function logOut(deps: SessionRouteDeps, scope: Scope, { token, all = false }: { token?: string; all?: boolean }): Promise<number> {
  const own: Target | undefined =
    scope.actor.type === 'user' ? { userId: scope.actor.id, sid: scope.session?.sid, clientId: scope.clientId, byRight: false } : undefined;
  if (token === undefined && !own) throw signInFirst();
  const target = token === undefined ? own : await targetOf(deps, scope, token);
  if (!target) {
    await deps.transact(scope, async ({ record }) => record({ type: 'session.refused', outcome: 'failure', reason: 'session.inactive' }));
    throw inactive();
  }
  const { userId, sid } = target;
  if (userId === undefined) return 0;
  const acting: Scope = scope.actor.type === 'anonymous' ? { ...scope, actor: { type: 'user', id: userId } } : scope;
  const { clientId = '' } = target;
  if (all && (target.byRight || (await deps.isOfHome(clientId, userId)))) return endEverything(deps, acting, userId);
  const session = sid === undefined ? undefined : await findSession(deps, sid);
  if (all) return endAtClient(deps, acting, userId, clientId, session?.userId === userId ? [session.id] : []);
  return session?.userId === userId ? endSessions(deps, acting, userId, [session.id]) : 0;
}

interface Target {
  userId: string | undefined;
  sid: string | undefined;
  /** The application that asks, or whose token speaks for the person. */
  clientId: string | undefined;
  /** By `sessions.write` of the home tenant or the platform. */
  byRight: boolean;
}

/** Whom the token speaks of, where the caller may sign them out: by holding the token, being its person or client, or having `sessions.write`. */
async function targetOf(deps: SessionRouteDeps, scope: Scope, token: string): Promise<Target | undefined> {
  const shown = await deps.readToken(token);
  const session = shown ? undefined : await findSession(deps, token);
  const userId = shown?.userId ?? session?.userId;
  if (!shown && !session) return undefined;
  const { actor } = scope;
  const holds = actor.type === 'anonymous' && shown?.active === true && !shown.bound;
  const isTheirs = (actor.type === 'user' && actor.id === userId) || (actor.type === 'client' && actor.id === shown?.clientId);
  const mayAny = userId !== undefined && can(scope, 'sessions.write') && (await isAtHome(deps, scope, userId));
  if (!holds && !isTheirs && !mayAny) return undefined;
  if (shown && userId === undefined) {
    const client = { type: 'client', id: shown.clientId };
    await deps.transact(scope, async ({ record }) => record({ type: 'token.revoked', outcome: 'success', target: client }));
    await shown.revoke();
  }
  return { userId, sid: shown ? shown.sid : token, clientId: actor.type === 'user' ? scope.clientId : shown?.clientId, byRight: mayAny };
}

const isAtHome = (deps: SessionRouteDeps, scope: Pick<Scope, 'tenantId' | 'platform'>, userId: string): Promise<boolean> =>
  checkPerson(deps, scope, userId).then(
    () => true,
    (error: unknown) => {
      if (error instanceof AppError && error.status === 404) return false;
      throw error;
    },
  );
