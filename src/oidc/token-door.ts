/** What somebody shows us at our own API: an access token of any kind, or a client's credentials. */
import type { Context } from 'koa';
import { type Clock, epochSeconds } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import { anonymousScope, currentRequest } from '../core/scope.ts';
import { looksLikeApiKey } from '../features/api-keys/key.ts';
import type { AuditLog } from '../features/audit/index.ts';
import { matchesSecret } from '../features/clients/secrets.ts';
import type { ShownToken } from '../features/sessions/routes.ts';
import { ACTIVE, type ActiveView } from '../features/sessions/schema.ts';
import { findHomeTenant } from '../features/sessions/store.ts';
import type { Database } from '../infra/postgres.ts';
import type { ApiKeyDoor, LiveKey } from './api-keys.ts';
import type { CachedClient } from './clients.ts';
import type { FailureLimits } from './failure-limits.ts';
import { isServerOf } from './introspection.ts';
import type { CachedResource } from './resources.ts';
import { storageKey } from './storage-key.ts';
import { findToken } from './store.ts';
import type { AccessTokenClaims, TokenState } from './token-state.ts';

export interface TokenDoorDeps {
  db: Database;
  clock: Clock;
  baseIssuer: string;
  tokens: TokenState;
  clients: { find(clientId: string): Promise<CachedClient | undefined> };
  resources: { find(identifier: string): Promise<CachedResource | undefined> };
  /** Of wrong secrets, shared with the protocol's endpoints. */
  failures: FailureLimits;
  audit: AuditLog;
  keys: Pick<ApiKeyDoor, 'find'>;
  /** The tenant of the installation, for what nobody known did. */
  tenantId: string;
}

export interface TokenDoor {
  /** HTTP Basic (RFC 6749 section 2.3.1); undefined where the request has none. Throws 401 `client.authentication_failed`, which is recorded, and 429. */
  authenticateClient(ctx: Context): Promise<{ clientId: string; tenantId: string } | undefined>;
  /** An access token of the request's issuer, alive or not, or a living API key; undefined where it is neither. */
  readToken(token: string): Promise<ShownToken | undefined>;
  isOfHome(clientId: string, userId: string): Promise<boolean>;
  maySee(clientId: string, token: ShownToken): Promise<boolean>;
}

export function createTokenDoor(deps: TokenDoorDeps): TokenDoor {
  const issuerNow = (): string => currentRequest.getStore()?.issuer || deps.baseIssuer;

  return {
    async authenticateClient(ctx) {
      const given = basicCredentials(ctx.get('authorization'));
      if (!given) return undefined;
      deps.failures.check(given.clientId);
      const client = await deps.clients.find(given.clientId);
      const right =
        client?.metadata['token_endpoint_auth_method'] !== 'none' &&
        matchesSecret(client?.secrets ?? [], given.secret, epochSeconds(deps.clock.now()));
      if (client?.enabled && right) return { clientId: client.clientId, tenantId: client.tenantId };
      await deps.audit.append(anonymousScope(deps.tenantId), {
        type: 'client.authentication_failed',
        outcome: 'failure',
        reason: 'invalid_client',
        data: { route: 'api', ...(client ? { claimedClientId: client.clientId } : {}) },
      });
      await deps.failures.count(client?.clientId);
      throw new AppError('client.authentication_failed', 401, 'The client is unknown or its secret is wrong', {
        headers: { 'www-authenticate': 'Basic realm="gatehouse"' },
      });
    },

    async readToken(token) {
      if (looksLikeApiKey(token)) {
        const live = await deps.keys.find(token);
        return live && shownKey(live);
      }
      const issuer = issuerNow();
      if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) {
        const claims = await deps.tokens.verifyAccessToken(token, { issuer });
        return claims && shownJwt(deps, claims);
      }
      return /^[A-Za-z0-9_-]{20,256}$/.test(token) ? findOpaque(deps, issuer, token) : undefined;
    },

    async isOfHome(clientId, userId) {
      const tenantId = (await deps.clients.find(clientId))?.tenantId;
      return tenantId !== undefined && (tenantId === deps.tenantId || tenantId === (await findHomeTenant(deps.db, userId)));
    },

    async maySee(clientId, { clientId: owner, view }) {
      if (owner === clientId) return true;
      const client = await deps.clients.find(clientId);
      for (const audience of [view.aud ?? []].flat()) if (isServerOf(await deps.resources.find(audience), client)) return true;
      return false;
    },
  };
}

/** Nothing ends by showing a key: it is taken back by its id. */
function shownKey({ state, permissions }: LiveKey): ShownToken {
  const { owner, tenantId, expiresAt } = state;
  return {
    active: true,
    view: {
      active: true,
      sub: owner.id,
      ...(owner.type === 'client' ? { client_id: owner.id } : {}),
      scope: [...permissions].join(' '),
      token_type: 'ApiKey',
      tenant_id: tenantId,
      ...(expiresAt === null ? {} : { exp: Math.floor(expiresAt) }),
    },
    clientId: '',
    userId: undefined,
    sid: undefined,
    tenantId,
    bound: true,
    revoke: async () => {},
  };
}

async function shownJwt(deps: TokenDoorDeps, claims: AccessTokenClaims): Promise<ShownToken> {
  const bound = claims.cnf !== undefined;
  const view: Record<string, unknown> = {
    ...claims,
    active: true,
    token_type: typeof claims.cnf?.['jkt'] === 'string' ? 'DPoP' : 'Bearer',
  };
  return {
    active: await deps.tokens.isAlive(claims),
    view: publicPart(view),
    clientId: claims.client_id,
    userId: claims.gid === undefined ? undefined : claims.sub,
    sid: claims.sid,
    tenantId: claims.tenant_id,
    bound,
    revoke: () => deps.tokens.revoke(claims),
  };
}

/** Opaque tokens are found by their hash; the look-up leaves out those of disabled people, and brings the session along. */
async function findOpaque(deps: TokenDoorDeps, issuer: string, token: string): Promise<ShownToken | undefined> {
  for (const model of ['AccessToken', 'ClientCredentials']) {
    const row = await findToken(deps.db, model, storageKey(issuer, model, token));
    if (!row) continue;
    const { payload } = row;
    const client = payload.clientId === undefined ? undefined : await deps.clients.find(payload.clientId);
    const tenantId = tenantOf(payload) ?? client?.tenantId;
    const grantThere = model === 'ClientCredentials' || row.grant_key !== null;
    const sessionThere =
      row.session_key === null || row.session_payload?.authorizations?.[payload.clientId ?? '']?.grantId === payload.grantId;
    const alive = client?.enabled === true && grantThere && sessionThere && (payload.exp ?? 0) > epochSeconds(deps.clock.now());
    const { jkt, 'x5t#S256': thumbprint } = payload;
    const bound = jkt !== undefined || thumbprint !== undefined;
    const claims = {
      iss: issuer,
      sub: payload.accountId ?? payload.clientId,
      aud: payload.aud,
      client_id: payload.clientId,
      scope: payload.scope,
    };
    const more = {
      iat: payload.iat,
      exp: payload.exp,
      sid: payload.sid,
      token_type: jkt === undefined ? 'Bearer' : 'DPoP',
      cnf: jkt !== undefined ? { jkt } : bound ? { 'x5t#S256': thumbprint } : undefined,
      tenant_id: tenantId,
    };
    return {
      active: alive,
      view: publicPart({ active: true, ...claims, ...more }),
      clientId: payload.clientId ?? '',
      userId: payload.accountId,
      sid: payload.sid,
      tenantId,
      bound,
      revoke: async () => {
        if (payload.clientId) await deps.tokens.revokeOpaque(model, storageKey(issuer, model, token), row.grant_key);
      },
    };
  }
  return undefined;
}

const tenantOf = ({ extra }: { extra?: Readonly<Record<string, unknown>> | undefined }): string | undefined =>
  typeof extra?.['tenant_id'] === 'string' ? extra['tenant_id'] : undefined;

/** What is documented, and no member more. */
function publicPart(claims: Record<string, unknown>): ActiveView {
  const entries = Object.entries(claims).filter(([name, value]) => name in ACTIVE.properties && value !== undefined);
  return { ...Object.fromEntries(entries), active: true };
}

function basicCredentials(header: string): { clientId: string; secret: string } | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const [, id = '', secret = ''] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? [];
  try {
    const decode = (text: string): string => decodeURIComponent(text.replaceAll('+', '%20'));
    return { clientId: decode(id), secret: decode(secret) };
  } catch {
    return { clientId: '', secret: '' };
  }
}
