/** The APIs that tokens are made for (RFC 8707): registered ones, and our own management API at `ISSUER/api`. */
import { type Client, errors, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider';
import { ACCOUNT_SCOPE, ALL_PERMISSIONS } from '../core/permissions.ts';
import type { CachedClient } from '../features/clients/index.ts';
import type { CachedResource } from '../features/resources/index.ts';
import { type Accounts, accountRecordOf } from './accounts.ts';
import { recordOf } from './client-models.ts';
import { actingTenantOf, type TenantChoiceDeps, tenantsWithin } from './tenant-choice.ts';

export interface ResourceServerDeps extends TenantChoiceDeps {
  issuer: string;
  /** Its resources serve the clients of every tenant. */
  rootTenantId: string;
  resources: { find(identifier: string): Promise<CachedResource | undefined> };
  accounts: Pick<Accounts, 'permissionsOf'>;
  accessTokenSeconds: number;
}

/** The identifier of our own API. */
export const apiOf = (issuer: string): string => `${issuer}/api`;

/**
 * `resourceIndicators.getResourceServerInfo`. Which scopes there are:
 * - our API, for a client: its `permissions`; for a person: the permissions their roles give them, and `account` where the client is of the root
 *   tenant or of their home, silently narrowed to those;
 * - any other API: all of its scopes, or, where the client's `scope` names some of them, those.
 * A client's token request without `scope` is granted all that it may have; one that names another scope is refused (invalid_scope).
 * An API of another tenant than the client's or the root tenant does not exist (invalid_target).
 */
export async function resourceServerOf(
  deps: ResourceServerDeps,
  ctx: KoaContextWithOIDC,
  identifier: string,
  client: Client,
): Promise<ResourceServer> {
  const record = recordOf(client);
  const asClient = ctx.oidc.route === 'token' && ctx.oidc.params?.['grant_type'] === 'client_credentials';
  if (asClient && [ctx.oidc.params?.['resource']].flat().length > 1) throw new errors.InvalidTarget();
  if (identifier === apiOf(deps.issuer)) {
    const scopes = asClient ? record.permissions : await scopesOfPerson(deps, ctx, client);
    if (asClient) limitToAllowed(ctx, scopes);
    return jwtServer(identifier, scopes, 'RS256', deps.accessTokenSeconds);
  }
  const resource = await deps.resources.find(identifier);
  if (!resource || (resource.tenantId !== record.tenantId && resource.tenantId !== deps.rootTenantId)) throw new errors.InvalidTarget();
  const scopes = allowedScopes(record, resource);
  if (asClient) limitToAllowed(ctx, scopes);
  if (resource.accessTokenFormat === 'jwt') return jwtServer(identifier, scopes, resource.signingAlg, resource.accessTokenTtlSeconds);
  return { audience: identifier, scope: scopes.join(' '), accessTokenFormat: 'opaque', accessTokenTTL: resource.accessTokenTtlSeconds };
}

const jwtServer = (identifier: string, scopes: readonly string[], alg: CachedResource['signingAlg'], ttl: number): ResourceServer => ({
  audience: identifier,
  scope: scopes.join(' '),
  accessTokenFormat: 'jwt',
  accessTokenTTL: ttl,
  jwt: { sign: { alg } },
});

/** An account is its person's and their home tenant's: no application of another tenant that they belong to gets a hand on it, even where they agree. */
async function scopesOfPerson(deps: ResourceServerDeps, ctx: KoaContextWithOIDC, client: Client): Promise<readonly string[]> {
  const person = accountRecordOf(ctx.oidc.account);
  const { tenantId } = recordOf(client);
  const isOwn = !person || tenantId === deps.rootTenantId || tenantId === person.homeTenantId;
  return [...(isOwn ? [ACCOUNT_SCOPE] : []), ...(await heldPermissions(deps, ctx))];
}

/**
 * Before the person is known, all there are. At authorization, what they hold in any tenant that this client may act in, since a refresh may
 * switch to another; in tokens, what they hold in the tenant of the token.
 */
async function heldPermissions(deps: ResourceServerDeps, ctx: KoaContextWithOIDC): Promise<readonly string[]> {
  const account = accountRecordOf(ctx.oidc.account);
  if (!account) return ALL_PERMISSIONS;
  const acting = ctx.oidc.route === 'token' ? actingTenantOf(ctx) : undefined;
  const tenants = acting === undefined ? tenantsWithin(deps, ctx, account) : [acting];
  const held = await Promise.all(tenants.map((tenantId) => deps.accounts.permissionsOf(account.id, tenantId, account)));
  return [...new Set(held.flat())];
}

/** Takes from the requested API scopes what the person does not hold, now that the person is known. */
export async function narrowToPerson(deps: ResourceServerDeps, ctx: KoaContextWithOIDC): Promise<void> {
  const server = ctx.oidc.resourceServers?.[apiOf(deps.issuer)];
  if (server && ctx.oidc.client) server.scope = (await scopesOfPerson(deps, ctx, ctx.oidc.client)).join(' ');
}

function allowedScopes(client: CachedClient, resource: CachedResource): string[] {
  const all = resource.scopes.map(({ name }) => name);
  const scope = client.metadata['scope'];
  const wished = typeof scope === 'string' ? scope.split(' ') : [];
  const named = all.filter((name) => wished.includes(name));
  return named.length > 0 ? named : all;
}

function limitToAllowed(ctx: KoaContextWithOIDC, allowed: readonly string[]): void {
  const params = ctx.oidc.params as { scope?: string | undefined };
  if (params.scope === undefined) {
    if (allowed.length > 0) params.scope = allowed.join(' ');
    return;
  }
  const beyond = params.scope.split(' ').find((scope) => !allowed.includes(scope));
  if (beyond !== undefined) throw new errors.InvalidScope('requested scope is not allowed', beyond);
}
