/** Who calls our own API: by access token or API key, at every request against what is true now. */
import type { Context } from 'koa';
import { AppError } from '../core/errors.ts';
import { ACCOUNT_SCOPE, isManagementPermission } from '../core/permissions.ts';
import { currentRequest, type Scope } from '../core/scope.ts';
import { looksLikeApiKey } from '../features/api-keys/key.ts';
import type { RoleBooks } from '../features/roles/index.ts';
import type { TokenStateRow } from '../features/sessions/store.ts';
import type { ApiKeyDoor } from './api-keys.ts';
import { comesWithCertificate } from './certificates.ts';
import { isProven, type ProofDeps } from './dpop.ts';
import type { FailureLimits } from './failure-limits.ts';
import { apiOf } from './resource-server.ts';
import type { AccessTokenClaims, TokenState } from './token-state.ts';

export interface AuthenticateDeps extends ProofDeps {
  tokens: Pick<TokenState, 'verifyAccessToken' | 'findState'>;
  /** Of the installation; the issuer of a request may be another one. */
  baseIssuer: string;
  /** What roles may do in a tenant. */
  roles: Pick<RoleBooks, 'of'>;
  keys: Pick<ApiKeyDoor, 'authenticate'>;
  /** The tenant whose own issuer the request came to; undefined at the installation's. */
  ownTenant?(): string | undefined;
  /** Of wrong keys, shared with wrong client secrets. */
  failures: FailureLimits;
}

/**
 * Reads the `Authorization` header of a request to our API. Undefined where there is none. Throws 401 `token.invalid` with `WWW-Authenticate`
 * (RFC 6750 section 3, RFC 9449 section 7.1) for what is no living API key and no living access token for `ISSUER/api`: opaque ones, those of disabled
 * people and clients included. Throws 429 where an address has tried too many keys.
 */
export function createAuthenticate(deps: AuthenticateDeps): (ctx: Context) => Promise<Scope | undefined> {
  return async (ctx) => {
    const scope = await whoCalls(deps, ctx);
    const own = deps.ownTenant?.();
    if (own === undefined || !scope) return scope;
    // Nothing of another tenant is to be had at a tenant's own host, and nobody runs the installation from there.
    if (scope.tenantId !== own) throw refused();
    return { ...scope, platform: false };
  };
}

async function whoCalls(deps: AuthenticateDeps, ctx: Context): Promise<Scope | undefined> {
  const header = ctx.get('authorization');
  const [, scheme = '', token = ''] = /^(Bearer|DPoP) +([A-Za-z0-9._~+/=-]+)$/i.exec(header) ?? [];
  if (header === '' || /^Basic /i.test(header)) return undefined;
  if (looksLikeApiKey(token) && scheme.toLowerCase() === 'bearer') return byKey(deps, token);
  const issuer = currentRequest.getStore()?.issuer || deps.baseIssuer;
  const claims = token === '' ? undefined : await deps.tokens.verifyAccessToken(token, { issuer, audience: apiOf(issuer) });
  if (!claims) throw refused();
  await checkBinding(deps, ctx, { issuer, claims, scheme: scheme.toLowerCase(), token });
  const state = await deps.tokens.findState(claims);
  if (!state?.client) throw refused();
  return scopeOf(deps, claims, state);
}

/** Whoever guesses waits like whoever guesses client secrets. */
async function byKey({ keys, failures }: AuthenticateDeps, key: string): Promise<Scope> {
  failures.check(undefined);
  const scope = await keys.authenticate(key);
  if (scope) return scope;
  await failures.count(undefined);
  throw refused();
}

/** A bound token comes with a proof or with its certificate, and only so; an unbound one comes as bearer token. What is bound to anything else is refused. */
async function checkBinding(
  deps: AuthenticateDeps,
  ctx: Context,
  { issuer, claims, scheme, token }: { issuer: string; claims: AccessTokenClaims; scheme: string; token: string },
): Promise<void> {
  if (claims.cnf === undefined && scheme === 'bearer') return;
  const { jkt, 'x5t#S256': thumbprint, ...unknown } = claims.cnf ?? {};
  const others = Object.keys(unknown).length + (jkt === undefined ? 0 : 1);
  // RFC 8705 section 3.
  if (typeof thumbprint === 'string' && others === 0) {
    if (scheme === 'bearer' && comesWithCertificate(deps.clock, thumbprint)) return;
    throw refused();
  }
  if (typeof jkt !== 'string' || others !== 1 || thumbprint !== undefined || scheme !== 'dpop') throw refused('DPoP');
  const proof = ctx.get('dpop');
  if (!(await isProven(deps, { issuer, proof, method: ctx.method, path: ctx.path, accessToken: token, jkt })))
    throw refused('DPoP', 'invalid_dpop_proof');
}

async function scopeOf(deps: Pick<AuthenticateDeps, 'roles'>, claims: AccessTokenClaims, state: TokenStateRow): Promise<Scope> {
  const client = state.client!;
  const tenantId = claims.tenant_id ?? client.tenantId;
  const asked = new Set(claims.scope?.split(' ') ?? []);
  const common = {
    tenantId,
    clientId: claims.client_id,
    request: currentRequest.getStore() ?? { id: '', address: '', device: '', issuer: claims.iss },
  };
  const within = (held: Iterable<string>): Set<string> => new Set([...held].filter((permission) => asked.has(permission)));
  const root = state.tenant?.type === 'root';
  if (claims.gid === undefined)
    return { ...common, actor: { type: 'client', id: claims.client_id }, permissions: within(client.permissions), platform: root };
  const book = await deps.roles.of(tenantId);
  const names = state.membership_roles ?? [];
  const held = book.permissionsOf(names);
  return {
    ...common,
    actor: { type: 'user', id: claims.sub },
    permissions: within([...held, ACCOUNT_SCOPE]),
    roles: book.expand(names),
    owner: book.isOwner(names),
    // Everybody who is at home in the root tenant is its member; who has management rights there runs the installation.
    platform: root && [...held].some(isManagementPermission),
    session: sessionOf(claims),
  };
}

function sessionOf({ sid, auth_time: authTime, acr, amr }: AccessTokenClaims): NonNullable<Scope['session']> {
  return {
    ...(sid === undefined ? {} : { sid }),
    ...(authTime === undefined ? {} : { authTime }),
    ...(acr === undefined ? {} : { acr }),
    ...(amr === undefined ? {} : { amr }),
  };
}

const refused = (scheme = 'Bearer', error = 'invalid_token'): AppError =>
  new AppError('token.invalid', 401, 'The access token is not good', { headers: { 'www-authenticate': `${scheme} error="${error}"` } });
