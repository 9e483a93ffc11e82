/** oidc-provider's client objects, made once for each cached client: a warm request neither asks the database nor validates a schema. */
import { randomBytes } from 'node:crypto';
import { type Client, errors, type Provider } from 'oidc-provider';
import { type Clock, epochSeconds } from '../core/clock.ts';
import type { CachedClient } from '../features/clients/index.ts';
import { matchesSecret } from '../features/clients/secrets.ts';
import { OIDC_SCOPES } from './scopes.ts';

export interface ClientModelDeps {
  clients: { find(clientId: string): Promise<CachedClient | undefined> };
  clock: Clock;
  /** The tenant of the provider's issuer. */
  issuerTenantId: string;
  rootTenantId: string;
  /** What built-in clients are registered with. */
  baseIssuer: string;
  /** Built-in clients, which are there at every issuer. */
  homeClients: ReadonlySet<string>;
}

const POSSIBLE = /^[A-Za-z0-9_.~:-]{1,256}$/;
const USE_SECRET: ReadonlySet<unknown> = new Set(['client_secret_basic', 'client_secret_post', undefined]);

/** The library insists on a secret where the method needs one. Random for each process: a constant would be a key that anybody knows. */
const PLACEHOLDER = randomBytes(48).toString('base64url');

const records = new WeakMap<Client, CachedClient>();

/** What we know of a client beyond what the library does. Throws where it did not come from the cache. */
export function recordOf(client: Client): CachedClient {
  const record = records.get(client);
  if (!record) throw new Error(`client ${client.clientId} did not come from the cache`);
  return record;
}

/** The metadata as the library takes it; secrets are compared by us, never handed over. */
function libraryMetadata({
  clientId,
  metadata,
  profile,
}: Pick<CachedClient, 'clientId' | 'metadata' | 'profile'>): Record<string, unknown> {
  return {
    ...metadata,
    ...oidcScope(metadata['scope']),
    client_id: clientId,
    ...(USE_SECRET.has(metadata['token_endpoint_auth_method']) ? { client_secret: PLACEHOLDER, client_secret_expires_at: 0 } : {}),
    // FAPI 2.0 Security Profile section 5.3.2: pushed requests and sender-constrained tokens only.
    ...(profile === 'fapi2' ? { require_pushed_authorization_requests: true } : {}),
    ...(profile === 'fapi2' && metadata['tls_client_certificate_bound_access_tokens'] !== true ? { dpop_bound_access_tokens: true } : {}),
  };
}

/** The library knows OpenID Connect's scopes only, and refuses metadata with others; what a client may have at an API is resource-server.ts's to say. */
function oidcScope(scope: unknown): { scope?: string } {
  if (typeof scope !== 'string') return {};
  return {
    scope:
      scope
        .split(' ')
        .filter((one) => OIDC_SCOPES.includes(one))
        .join(' ') || 'openid',
  };
}

// The types leave the constructor out.
const construct = (provider: Provider, metadata: Record<string, unknown>): Client =>
  Reflect.construct(provider.Client, [metadata]) as Client;

/**
 * The base issuer serves every client. A tenant's own issuer serves the tenant's, and the built-in ones as if they were the tenant's and
 * registered there; no other client is known to it.
 */
function atIssuer(
  { issuerTenantId, rootTenantId, homeClients, baseIssuer }: ClientModelDeps,
  issuer: string,
  client: CachedClient,
): CachedClient | undefined {
  if (issuerTenantId === rootTenantId || client.tenantId === issuerTenantId) return client;
  if (client.tenantId !== rootTenantId || !homeClients.has(client.clientId)) return undefined;
  const here = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(here);
    return typeof value === 'string' && value.startsWith(`${baseIssuer}/`) ? issuer + value.slice(baseIssuer.length) : value;
  };
  const metadata = Object.fromEntries(Object.entries(client.metadata).map(([name, value]) => [name, here(value)]));
  return { ...client, tenantId: issuerTenantId, metadata };
}

/** Makes the provider find clients in the cache, and compare their secrets with hashes. A disabled client does not exist. */
export function useClientCache(provider: Provider, deps: ClientModelDeps): void {
  const models = new WeakMap<CachedClient, Client>();

  provider.Client.find = async (clientId: unknown) => {
    if (typeof clientId !== 'string' || !POSSIBLE.test(clientId)) return undefined;
    const found = await deps.clients.find(clientId);
    if (!found?.enabled) return undefined;
    let model = models.get(found);
    if (!model) {
      const record = atIssuer(deps, provider.issuer, found);
      if (!record) return undefined;
      model = construct(provider, libraryMetadata(record));
      models.set(found, model);
      records.set(model, record);
    }
    return model;
  };

  provider.Client.prototype.compareClientSecret = function (this: Client, actual: string) {
    return matchesSecret(recordOf(this).secrets, actual, epochSeconds(deps.clock.now()));
  };

  // Every ID token and access token names its session, so that logout and the list of sessions can tell which is meant.
  provider.Client.prototype.includeSid = () => true;
}

/** Throws InvalidClientMetadata where the library could not work with a client like this (RFC 7591 section 3.2.2). */
export function validateMetadata(provider: Provider, client: Pick<CachedClient, 'clientId' | 'metadata' | 'profile'>): void {
  try {
    construct(provider, libraryMetadata(client));
  } catch (error) {
    if (error instanceof errors.OIDCProviderError) throw error;
    throw new errors.InvalidClientMetadata('the metadata cannot be used', { cause: error as Error });
  }
}
