/** Who calls our own API: by access token, at every request against what is true now. */
import type { Context } from 'koa';
import { AppError } from '../core/errors.ts';
import { ACCOUNT_SCOPE, BUILT_IN_ROLES } from '../core/permissions.ts';
import { type Actor, currentRequest, type Scope } from '../core/scope.ts';
import type { TokenStateRow } from '../features/sessions/store.ts';
import { isProven, type ProofDeps } from './dpop.ts';
import { apiOf } from './resource-server.ts';
import type { AccessTokenClaims, TokenState } from './token-state.ts';

export interface AuthenticateDeps extends ProofDeps {
  tokens: Pick<TokenState, 'verifyAccessToken' | 'findState'>;
  /** Of the installation; the issuer of a request may be another one. */
  baseIssuer: string;
  /** What roles may do in a tenant, of those that this process knows. */
  permissionsOfRoles?(tenantId: string, roles: readonly string[]): readonly string[];
}

/**
 * Reads the `Authorization` header of a request to our API. Undefined where there is none. Throws 401 `token.invalid` with `WWW-Authenticate`
 * (RFC 6750 section 3, RFC 9449 section 7.1) for what is no living access token for `ISSUER/api`: opaque ones, those of disabled people and clients included.
 */
export function createAuthenticate(deps: AuthenticateDeps): (ctx: Context) => Promise<Scope | undefined> {
  const permissionsOfRoles = deps.permissionsOfRoles ?? builtInPermissions;
  return async (ctx) => {
    const header = ctx.get('authorization');
    const [, scheme = '', token = ''] = /^(Bearer|DPoP) +([A-Za-z0-9._~+/=-]+)$/i.exec(header) ?? [];
    if (header === '' || /^Basic /i.test(header)) return undefined;
    const issuer = currentRequest.getStore()?.issuer || deps.baseIssuer;
    const claims = token === '' ? undefined : await deps.tokens.verifyAccessToken(token, { issuer, audience: apiOf(issuer) });
    if (!claims) throw refused();
    await checkBinding(deps, ctx, { issuer, claims, scheme: scheme.toLowerCase(), token });
    const state = await deps.tokens.findState(claims);
    if (!state?.client) throw refused();
    return scopeOf(claims, state, permissionsOfRoles);
  };
}

/** A bound token comes with a proof, and only so; an unbound one comes as bearer token. */
async function checkBinding(
  deps: AuthenticateDeps,
  ctx: Context,
  { issuer, claims, scheme, token }: { issuer: string; claims: AccessTokenClaims; scheme: string; token: string },
): Promise<void> {
  const jkt = claims.cnf?.jkt;
  if (claims.cnf === undefined && scheme === 'bearer') return;
  if (typeof jkt !== 'string' || scheme !== 'dpop') throw refused('DPoP');
  const proof = ctx.get('dpop');
  if (!(await isProven(deps, { issuer, proof, method: ctx.method, path: ctx.path, accessToken: token, jkt })))
    throw refused('DPoP', 'invalid_dpop_proof');
}

function scopeOf(
  claims: AccessTokenClaims,
  state: TokenStateRow,
  permissionsOfRoles: (tenantId: string, roles: readonly string[]) => readonly string[],
): Scope {
  const person = claims.gid !== undefined;
  const client = state.client!;
  const tenantId = claims.tenant_id ?? client.tenantId;
  const asked = new Set(claims.scope?.split(' ') ?? []);
  const held = person ? [...permissionsOfRoles(tenantId, state.membership_roles ?? []), ACCOUNT_SCOPE] : client.permissions;
  const actor: Actor = person ? { type: 'user', id: claims.sub } : { type: 'client', id: claims.client_id };
  return {
    tenantId,
    actor,
    clientId: claims.client_id,
    request: currentRequest.getStore() ?? { id: '', address: '', device: '', issuer: claims.iss },
    permissions: new Set(held.filter((permission) => asked.has(permission))),
    platform: state.tenant?.type === 'root' && (!person || state.membership_roles !== null),
    session: person ? sessionOf(claims) : undefined,
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

const builtInPermissions = (_tenantId: string, roles: readonly string[]): readonly string[] =>
  roles.flatMap((role) => BUILT_IN_ROLES[role] ?? []);

const refused = (scheme = 'Bearer', error = 'invalid_token'): AppError =>
  new AppError('token.invalid', 401, 'The access token is not good', { headers: { 'www-authenticate': `${scheme} error="${error}"` } });
