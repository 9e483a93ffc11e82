/**
 * Introspection and revocation of JWT access tokens behind the library's own endpoints (RFC 7662, RFC 7009, RFC 9068). The library authenticates the
 * client, then refuses structured tokens with `unsupported_token_type`; that refusal is only ever thrown to an authenticated client, and is where this takes over.
 */
import type { JWTPayload } from 'jose';
import {
  type AccessToken,
  type Client,
  type ClientCredentials,
  errors,
  type KoaContextWithOIDC,
  type Provider,
  type RefreshToken,
} from 'oidc-provider';
import type { CachedClient } from '../features/clients/index.ts';
import type { CachedResource } from '../features/resources/index.ts';
import { recordOf } from './client-models.ts';
import type { TokenState } from './token-state.ts';

export interface IntrospectionDeps {
  clients: { find(clientId: string): Promise<CachedClient | undefined> };
  resources: { find(identifier: string): Promise<CachedResource | undefined> };
}

export interface JwtTokenDeps extends IntrospectionDeps {
  tokens: Pick<TokenState, 'verifyAccessToken' | 'isAlive' | 'revoke'>;
}

interface Visible {
  clientId?: string | undefined;
  aud?: string | string[] | undefined;
}

/** Ids of clients are everybody's to choose: one that was deleted in a tenant may be another tenant's by now. */
export const isServerOf = (
  resource: CachedResource | undefined,
  client: Pick<CachedClient, 'clientId' | 'tenantId'> | undefined,
): boolean => resource !== undefined && client?.tenantId === resource.tenantId && resource.clients.includes(client.clientId);

/** Who may see a token: the client it was issued to, and the clients that are its audience. Public clients see none. */
async function maySee(deps: IntrospectionDeps, client: Client, token: Visible): Promise<boolean> {
  if (client.clientAuthMethod === 'none') return false;
  if (token.clientId === client.clientId) return true;
  for (const audience of [token.aud ?? []].flat()) {
    if (isServerOf(await deps.resources.find(audience), recordOf(client))) return true;
  }
  return false;
}

/** `features.introspection.allowedPolicy`: for opaque tokens. A token of a disabled client is dead. */
export const introspectionPolicy =
  (deps: IntrospectionDeps) =>
  async (_ctx: KoaContextWithOIDC, client: Client, token: AccessToken | ClientCredentials | RefreshToken): Promise<boolean> => {
    const owner = token.clientId === undefined ? undefined : await deps.clients.find(token.clientId);
    return owner?.enabled === true && maySee(deps, client, { clientId: token.clientId, aud: 'aud' in token ? token.aud : undefined });
  };

const JWT = 'application/token-introspection+jwt';

/** Registers the middleware; inside the audit, so that a refusal it turns into an answer is recorded as what it became. */
export function useJwtAccessTokens(provider: Provider, deps: JwtTokenDeps): void {
  const structured = new WeakSet<object>();
  const note = (ctx: KoaContextWithOIDC, error: Error): void => {
    if (error instanceof errors.UnsupportedTokenType) structured.add(ctx);
  };
  provider.on('introspection.error', note);
  provider.on('revocation.error', note);

  provider.use(async (context, next) => {
    await next();
    if (!structured.has(context)) return;
    const ctx = context as unknown as KoaContextWithOIDC;
    const { client, params, route } = ctx.oidc;
    if (!client) return;
    const payload = await deps.tokens.verifyAccessToken(String(params?.['token']), { issuer: provider.issuer });
    ctx.status = 200;
    ctx.remove('content-type');
    if (route === 'revocation') {
      if (payload && payload['client_id'] === client.clientId) await deps.tokens.revoke(payload);
      ctx.body = '';
      return;
    }
    const visible = payload && (await maySee(deps, client, { clientId: stringOf(payload['client_id']), aud: payload.aud }));
    const body = visible && (await deps.tokens.isAlive(payload)) ? answer(payload) : { active: false };
    await respond(ctx, provider, client, body);
  });
}

async function respond(ctx: KoaContextWithOIDC, provider: Provider, client: Client, body: Record<string, unknown>): Promise<void> {
  if (ctx.accepts('json', JWT) !== JWT || !client.introspectionSignedResponseAlg) {
    ctx.body = body;
    return;
  }
  // RFC 9701 section 5: the claims of the answer stand apart from those of the token.
  const token = new provider.IdToken({}, { ctx });
  token.set('token_introspection', body);
  token.set('aud', client.clientId);
  ctx.body = await token.issue({ use: 'introspection' });
  ctx.type = `${JWT}; charset=utf-8`;
}

function answer(payload: JWTPayload): Record<string, unknown> {
  const { gid: _gid, suid: _suid, ...claims } = payload;
  const bound = typeof payload['cnf'] === 'object' && payload['cnf'] !== null && 'jkt' in payload['cnf'];
  return { ...claims, active: true, token_type: bound ? 'DPoP' : 'Bearer' };
}

const stringOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
