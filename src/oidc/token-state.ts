/** Whether an access token of ours is good: what it says by itself, and whether what it hangs on is still there. */
import { createLocalJWKSet, type JWTPayload, jwtVerify } from 'jose';
import type { Clock } from '../core/clock.ts';
import { isId } from '../core/ids.ts';
import { readTokenState, revokeOpaque, revokeToken, type TokenStateRow } from '../features/sessions/store.ts';
import type { Database } from '../infra/postgres.ts';
import type { Keys } from './keys.ts';
import { storageKey } from './storage-key.ts';

/** The claims of an access token (RFC 9068 section 2.2) that everything here rests on. */
export interface AccessTokenClaims extends JWTPayload {
  iss: string;
  sub: string;
  jti: string;
  exp: number;
  client_id: string;
  scope?: string;
  tenant_id?: string;
  /** The grant, and, where the token ends with it, the session; references, no credentials. */
  gid?: string;
  suid?: string;
  sid?: string;
  auth_time?: number;
  acr?: string;
  amr?: string[];
  /** What it is bound to, by the name of the method (RFC 7800 section 3.1). */
  cnf?: Readonly<Record<string, unknown>> | null;
}

export interface TokenState {
  /** The claims, where signature, type, issuer, time and, if asked for, audience are right; else undefined. Says nothing of what became of it since. */
  verifyAccessToken(token: string, options: { issuer: string; audience?: string }): Promise<AccessTokenClaims | undefined>;
  /** What the database knows of it, where it is alive; undefined where its session, grant, person, client or tenant is gone. One statement. */
  findState(claims: JWTPayload): Promise<TokenStateRow | undefined>;
  isAlive(claims: JWTPayload): Promise<boolean>;
  /** Takes back one JWT and everything else of its grant (RFC 7009 section 2.1). */
  revoke(claims: JWTPayload): Promise<void>;
  /** The same for an opaque one, by the keys it is stored under. */
  revokeOpaque(model: string, key: string, grantKey: string | null): Promise<void>;
}

export const SIGNATURE_ALGS = ['RS256', 'ES256', 'EdDSA'];
const MAX_LENGTH = 16_384;

export function createTokenState({ db, keys, clock }: { db: Database; keys: Pick<Keys, 'publicJwks'>; clock: Clock }): TokenState {
  const keySets = new WeakMap<object, ReturnType<typeof createLocalJWKSet>>();

  function keySet(): ReturnType<typeof createLocalJWKSet> {
    const jwks = keys.publicJwks();
    const known = keySets.get(jwks) ?? createLocalJWKSet(jwks);
    keySets.set(jwks, known);
    return known;
  }

  async function findState(payload: JWTPayload): Promise<TokenStateRow | undefined> {
    const claims = asClaims(payload);
    if (!claims) return undefined;
    const { iss, client_id, gid, suid, tenant_id } = claims;
    const person = gid !== undefined;
    const row = await readTokenState(db, {
      jti: claims.jti,
      clientId: client_id,
      grantKey: gid === undefined ? null : storageKey(iss, 'Grant', gid),
      sessionKey: suid === undefined ? null : storageKey(iss, 'uid', suid),
      userId: person && isId(claims.sub) ? claims.sub : null,
      tenantId: tenant_id !== undefined && isId(tenant_id) ? tenant_id : null,
    });
    if (row.revoked || !row.client?.enabled) return undefined;
    if (tenant_id !== undefined && row.tenant?.status !== 'active') return undefined;
    if (!person) return claims.sub === client_id ? row : undefined;
    // Who left the tenant takes no token of it along.
    if (tenant_id !== undefined && row.membership_roles === null) return undefined;
    if (row.user_status !== 'active' || row.grant?.clientId !== client_id || row.grant.userId !== claims.sub) return undefined;
    const bound = suid === undefined || (row.session?.userId === claims.sub && row.session.grantIds.includes(gid));
    return bound ? row : undefined;
  }

  return {
    async verifyAccessToken(token, { issuer, audience }) {
      if (token.length > MAX_LENGTH) return undefined;
      try {
        const { payload } = await jwtVerify(token, keySet(), {
          issuer,
          typ: 'at+jwt',
          algorithms: SIGNATURE_ALGS,
          requiredClaims: ['jti', 'client_id', 'aud', 'exp', 'sub'],
          currentDate: clock.now(),
          ...(audience === undefined ? {} : { audience }),
        });
        return asClaims(payload);
      } catch {
        return undefined;
      }
    },
    findState,
    isAlive: async (claims) => (await findState(claims)) !== undefined,
    revokeOpaque: (model, key, grantKey) => revokeOpaque(db, model, key, grantKey),
    async revoke(payload) {
      const claims = asClaims(payload);
      if (!claims) return;
      await revokeToken(db, claims.jti, claims.exp, claims.gid === undefined ? null : storageKey(claims.iss, 'Grant', claims.gid));
    },
  };
}

/** Our own tokens carry what they must, in the types they must; anything else is not one. */
function asClaims(payload: JWTPayload): AccessTokenClaims | undefined {
  const { iss, sub, jti, exp } = payload;
  const texts = [iss, sub, jti, payload['client_id']];
  const optional = ['scope', 'tenant_id', 'gid', 'suid', 'sid', 'acr'].map((name) => payload[name]);
  if (!texts.every((value) => typeof value === 'string') || typeof exp !== 'number') return undefined;
  if (!optional.every((value) => value === undefined || typeof value === 'string')) return undefined;
  return payload as AccessTokenClaims;
}
