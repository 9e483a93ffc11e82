/**
 * Tokens for a login that happened outside the browser. It is a grant type whose handler makes a session, a grant and an authorization code that
 * never leaves the request's unit of work, and has the library's own code grant redeem it: DPoP, resource, refresh and ID token are its work.
 */
import { type Client, errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import { AppError } from '../core/errors.ts';
import { anonymousScope, type Scope } from '../core/scope.ts';
import { knowEpoch } from './access-epoch.ts';
import { type Accounts, accountRecordOf, findAccountWith } from './accounts.ts';
import { markAudited } from './audit.ts';
import { recordOf } from './client-models.ts';
import type { CachedClient } from './clients.ts';
import { builtInGrant } from './provider.ts';
import { apiOf, type ResourceServerDeps, resourceServerOf } from './resource-server.ts';
import { OIDC_SCOPES } from './scopes.ts';
import { directTenant, type TenantChoiceDeps, TenantRefused } from './tenant-choice.ts';
import { type GrantContext, NO_REDIRECT } from './tokens.ts';

export const DIRECT_LOGIN = 'urn:gatehouse:params:oauth:grant-type:direct-login';
/** What leads to such a login, and answers no tokens. */
export const DIRECT_ACTION = 'urn:gatehouse:params:oauth:grant-type:direct-action';

/** A sign-in that is over. */
export interface Authenticated {
  accountId: string;
  acr: string;
  amr: readonly string[];
  /** Seconds since the epoch. */
  authTime: number;
  /** How often the person's access had been ended when they proved who they are. */
  epoch?: number | undefined;
}

/** A code of ours, the status it is answered with, and further members of the problem document. */
export interface Refusal {
  refused: string;
  status: number;
  extra?: Readonly<Record<string, unknown>>;
}

export interface DirectLoginDeps extends TenantChoiceDeps {
  /** The engine's direct door: judges, limits and records the attempt that came to `path`. */
  authenticate(path: string, input: Fields, client: CachedClient, scope: Scope): Promise<Authenticated | Refusal>;
  /** Sends codes, makes challenges, begins registrations and resets. */
  act(path: string, input: Fields, client: CachedClient, scope: Scope): Promise<{ status: number; body: object } | Refusal>;
  issuer: string;
  tenantId: string;
  resources: ResourceServerDeps['resources'];
  accounts: Accounts;
  lifetimes: { accessToken: number; sessionAbsolute: number };
}

type Fields = Readonly<Record<string, unknown>>;

/** A request as it came in at a path of ours. */
export interface Direct {
  path: string;
  input: Fields;
}

const directs = new WeakMap<object, Direct>();

/** Keeps what came in, for the grant's handler: by the request, since the library knows no such fields. */
export const keepDirect = (request: object, direct: Direct): void => void directs.set(request, direct);

const refusals = new WeakMap<object, Refusal>();

/** Why the engine refused this request; undefined where it did not. */
export const refusalOf = (ctx: object): Refusal | undefined => refusals.get(ctx);

/** Registers the grant type. It is served through its own paths only, see direct-routes.ts; clients need `direct_login`. */
export function registerDirectLogin(provider: Provider, deps: DirectLoginDeps): void {
  const redeem = builtInGrant(provider, 'authorization_code');
  provider.registerGrantType(
    DIRECT_LOGIN,
    async (ctx) => {
      const context = ctx as unknown as GrantContext & KoaContextWithOIDC;
      const direct = directOf(ctx);
      const params = context.oidc.params as Record<string, unknown>;
      const client = context.oidc.client!;
      const who = await ask(context, recordOf(client), (of, scope) => deps.authenticate(direct.path, direct.input, of, scope));
      const code = await establish(deps, context, client, who, params);
      Object.assign(params, { code, redirect_uri: NO_REDIRECT });
      await redeem(context);
    },
    ['scope', 'resource', 'tenant'],
    ['resource'],
  );
  provider.registerGrantType(DIRECT_ACTION, async (ctx) => {
    const context = ctx as unknown as GrantContext & KoaContextWithOIDC;
    const { path, input } = directOf(ctx);
    const done = await ask(context, recordOf(context.oidc.client!), (of, scope) => deps.act(path, input, of, scope));
    ctx.state['isAction'] = true;
    context.status = done.status;
    context.body = done.body;
  });
  allowByRecord(provider);
}

/** Whether a client may log in directly is an administrator's word, not its metadata's; such a client may refresh what it got. */
function allowByRecord(provider: Provider): void {
  const prototype = provider.Client.prototype;
  const registered = prototype.grantTypeAllowed;
  prototype.grantTypeAllowed = function (this: Client, type: string) {
    if (type === DIRECT_LOGIN || type === DIRECT_ACTION) return recordOf(this).directLogin;
    return registered.call(this, type) || (type === 'refresh_token' && recordOf(this).directLogin);
  };
}

/** The grant types are served through their own paths only. */
function directOf(ctx: GrantContext): Direct {
  const direct = directs.get((ctx as unknown as KoaContextWithOIDC).req);
  if (!direct) throw new errors.UnsupportedGrantType();
  return direct;
}

async function ask<Answer extends object>(
  ctx: KoaContextWithOIDC,
  client: CachedClient,
  question: (client: CachedClient, scope: Scope) => Promise<Answer | Refusal>,
): Promise<Answer> {
  const outcome = await question(client, anonymousScope(client.tenantId, client.clientId)).catch((error: unknown): Refusal => {
    if (!(error instanceof AppError) || error.status >= 500) throw error;
    return { refused: error.code, status: error.status, extra: error.extra };
  });
  if (!('refused' in outcome)) return outcome;
  refusals.set(ctx, outcome);
  markAudited(ctx);
  throw new errors.InvalidGrant('the login was refused');
}

/** Session, grant and authorization code of a finished login, all kept in the request's unit of work. Answers the code. */
async function establish(
  deps: DirectLoginDeps,
  ctx: KoaContextWithOIDC,
  client: Client,
  who: Authenticated,
  params: Record<string, unknown>,
): Promise<string> {
  const { provider } = ctx.oidc;
  const account = await findAccountWith(deps.accounts)(ctx, who.accountId);
  if (!account || !accountRecordOf(account)) throw new errors.InvalidGrant('account not found');
  ctx.oidc.entity('Account', account);
  await directTenant(deps, ctx, account, who.acr).catch((error: unknown) => {
    if (error instanceof TenantRefused)
      refusals.set(
        ctx,
        error.reason === 'tenant.limit'
          ? { refused: 'limit.reached', status: 403, extra: { limit: 'monthlyActiveUsers' } }
          : { refused: 'auth.tenant_refused', status: 403, extra: { reason: error.reason } },
      );
    throw error;
  });

  const { clientId } = client;
  const resources = resourcesOf(deps, client, params['resource']);
  const servers = new Map<string, readonly string[]>();
  for (const identifier of resources) {
    const server = await resourceServerOf({ ...deps, accessTokenSeconds: deps.lifetimes.accessToken }, ctx, identifier, client);
    servers.set(identifier, server.scope.split(' ').filter(Boolean));
  }
  const asked = scopesOf(client, params['scope'], [...servers.values()].flat());

  const grant = new provider.Grant({ accountId: who.accountId, clientId });
  grant.addOIDCScope(asked.filter((scope) => OIDC_SCOPES.includes(scope)));
  for (const [identifier, scopes] of servers)
    grant.addResourceScope(
      identifier,
      asked.filter((scope) => scopes.includes(scope)),
    );
  const grantId = await grant.save();

  if (who.epoch !== undefined) knowEpoch(ctx, who.epoch);
  const session = new provider.Session();
  session.loginAccount({ accountId: who.accountId, acr: who.acr, amr: [...who.amr], loginTs: who.authTime });
  session.ensureClientContainer(clientId);
  session.grantIdFor(clientId, grantId);
  const offline = asked.includes('offline_access');
  if (offline) session.authorizationFor(clientId).persistsLogout = true;
  // No cookie ever visits this session, so that nothing but its refresh tokens would keep it going.
  await session.save(deps.lifetimes.sessionAbsolute);

  const [first, ...others] = resources;
  const resource = first === undefined ? undefined : others.length > 0 ? resources : first;
  if (resource !== undefined) params['resource'] = resource;
  params['scope'] = asked.join(' ');
  const sid = session.sidFor(clientId);
  const code = new provider.AuthorizationCode({
    client,
    accountId: who.accountId,
    acr: who.acr,
    amr: [...who.amr],
    authTime: who.authTime,
    grantId,
    gty: 'authorization_code',
    redirectUri: NO_REDIRECT,
    scope: asked.join(' '),
    sessionUid: session.uid,
    ...(sid === undefined ? {} : { sid }),
    ...(offline ? {} : { expiresWithSession: true }),
    ...(resource === undefined ? {} : { resource }),
  });
  return code.save();
}

/** What was asked for, else the client's default, else our own API. */
function resourcesOf(deps: DirectLoginDeps, client: Client, asked: unknown): string[] {
  const named = [asked ?? []].flat().filter((one) => typeof one === 'string');
  if (named.length > 0) return named;
  const preferred = recordOf(client).metadata['default_resource'];
  return [typeof preferred === 'string' ? preferred : apiOf(deps.issuer)];
}

/**
 * Without `scope`: `openid` and everything of the resources that the client may have. `offline_access` takes a first-party client, since
 * nobody is there to be asked. Throws invalid_scope for a scope that the client is not registered for.
 */
function scopesOf(client: Client, asked: unknown, ofResources: readonly string[]): string[] {
  const registered = client.scope?.split(' ');
  const may = (scope: string): boolean => registered === undefined || registered.includes(scope) || !OIDC_SCOPES.includes(scope);
  if (typeof asked !== 'string' || asked === '') return ['openid', ...ofResources].filter(may);
  const scopes = [...new Set(asked.split(' ').filter(Boolean))];
  const refused = scopes.find((scope) => !may(scope));
  if (refused !== undefined) throw new errors.InvalidScope('requested scope is not allowed', refused);
  return scopes.filter((scope) => scope !== 'offline_access' || recordOf(client).firstParty);
}
