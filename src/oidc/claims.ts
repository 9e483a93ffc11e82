/** What ID tokens, userinfo and access tokens say. */
import type { AccessToken, ClientCredentials, Configuration, KoaContextWithOIDC, UnknownObject } from 'oidc-provider';
import { type AccountRecord, type Accounts, accountRecordOf } from './accounts.ts';
import { recordOf } from './client-models.ts';

/** Which claims a scope asks for (OpenID Connect Core section 5.4); `acr`, `amr` and `auth_time` are in every ID token. */
export const CLAIMS: NonNullable<Configuration['claims']> = {
  openid: ['sub', 'acr', 'amr', 'auth_time'],
  profile: ['name', 'given_name', 'family_name', 'preferred_username', 'locale', 'updated_at'],
  email: ['email', 'email_verified'],
  phone: ['phone_number', 'phone_number_verified'],
};

/** The tenant a token speaks for: the client's, where the person is a member of it, else the person's home. */
export const tenantOf = (clientTenantId: string, account: AccountRecord | undefined): string =>
  !account || account.memberships.some(({ tenantId }) => tenantId === clientTenantId) ? clientTenantId : account.homeTenantId;

/** `extraTokenClaims`: in JWTs, and in what introspection says of opaque tokens (RFC 9068 section 2.2). */
export const extraTokenClaims =
  ({ accounts }: { accounts: Pick<Accounts, 'rolesOf'> }) =>
  async (ctx: KoaContextWithOIDC, token: AccessToken | ClientCredentials): Promise<UnknownObject | undefined> => {
    const client = ctx.oidc.client;
    if (!client) return undefined;
    const { tenantId } = recordOf(client);
    if (token.kind === 'ClientCredentials') return { tenant_id: tenantId };
    const { entities } = ctx.oidc;
    const account = accountRecordOf(entities.Account);
    const source = entities.AuthorizationCode ?? entities.RefreshToken;
    const acting = tenantOf(tenantId, account);
    const held = account?.memberships.find((membership) => membership.tenantId === acting)?.roles ?? [];
    const roles = held.length > 0 ? (await accounts.rolesOf(acting)).expand(held) : [];
    return known({
      tenant_id: acting,
      auth_time: source?.authTime,
      acr: source?.acr,
      amr: source?.amr,
      roles: roles.length > 0 ? roles : undefined,
    });
  };

/** `formats.customizers.jwt`: by what a JWT's life can be asked about later. `gid` and `suid` are references, no credentials, and stay between us and the token. */
export const customizeJwt: NonNullable<NonNullable<NonNullable<Configuration['formats']>['customizers']>['jwt']> = (_ctx, token, jwt) => {
  if (token.kind !== 'AccessToken') return;
  const { grantId, sid, sessionUid, expiresWithSession } = token as AccessToken;
  Object.assign(jwt.payload, known({ gid: grantId, sid, suid: expiresWithSession ? sessionUid : undefined }));
};

const known = (claims: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
