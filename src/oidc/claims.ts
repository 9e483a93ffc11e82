/** What ID tokens, userinfo and access tokens say. */
import type { AccessToken, ClientCredentials, Configuration, KoaContextWithOIDC, Provider, UnknownObject } from 'oidc-provider';
import type { CachedResource } from '../features/resources/index.ts';
import type { Database } from '../infra/postgres.ts';
import { type AccountRecord, type Accounts, accountRecordOf } from './accounts.ts';
import { recordOf } from './client-models.ts';
import { findMemberAttributes } from './store.ts';
import { actingTenantOf } from './tenant-choice.ts';

/** Which claims a scope asks for (OpenID Connect Core section 5.4); `acr`, `amr` and `auth_time` are in every ID token. */
export const CLAIMS: NonNullable<Configuration['claims']> = {
  openid: ['sub', 'acr', 'amr', 'auth_time', 'omitted_claims'],
  profile: ['name', 'given_name', 'family_name', 'preferred_username', 'locale', 'updated_at'],
  email: ['email', 'email_verified'],
  phone: ['phone_number', 'phone_number_verified'],
  roles: ['roles'],
  groups: ['groups'],
  tenant: ['tenant_id', 'tenant_name'],
};

export interface ClaimsDeps {
  db: Database;
  accounts: Pick<Accounts, 'rolesOf'>;
  resources: { find(identifier: string): Promise<CachedResource | undefined> };
}

const MOST_ENTRIES = 100;
const MOST_BYTES = 8192;

type Claims = Record<string, unknown>;

/**
 * Leaves out, as a whole, what would make a token too large (a list that is cut would say that the rest is not so), and says which in
 * `omitted_claims`. What is empty is absent.
 */
export function boundClaims(claims: Readonly<Claims>): Claims {
  const present = Object.entries(claims).filter(([, value]) => !isEmpty(value));
  const short = present.filter(([, value]) => !Array.isArray(value) || value.length <= MOST_ENTRIES);
  const bytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
  const bySize = [...short].sort(([, one], [, other]) => bytes(one) - bytes(other));
  while (bytes(Object.fromEntries(bySize)) > MOST_BYTES) bySize.pop();
  const kept = new Set(bySize.map(([name]) => name));
  const omitted = present.map(([name]) => name).filter((name) => !kept.has(name));
  return {
    ...Object.fromEntries(present.filter(([name]) => kept.has(name))),
    ...(omitted.length > 0 ? { omitted_claims: omitted.sort() } : {}),
  };
}

const isEmpty = (value: unknown): boolean =>
  value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);

/** What a person is and may do in one tenant. Asks the database for attributes only, and only where the API wants some. */
async function tenantClaims(
  deps: ClaimsDeps,
  { account, tenantId, resource }: { account: AccountRecord; tenantId: string; resource: CachedResource | undefined },
): Promise<Claims> {
  const membership = account.memberships.find((one) => one.tenantId === tenantId);
  if (!membership) return { tenant_id: tenantId };
  const book = membership.roles.length > 0 ? await deps.accounts.rolesOf(tenantId) : undefined;
  const held = book?.permissionsOf(membership.roles);
  return {
    tenant_id: tenantId,
    tenant_name: membership.name,
    roles: book?.expand(membership.roles),
    groups: [...membership.groups].sort(),
    entitlements:
      held &&
      resource?.scopes
        .map(({ name }) => name)
        .filter((name) => held.has(name))
        .sort(),
    attributes: await attributesFor(deps, { account, tenantId, resource }),
  };
}

async function attributesFor(
  deps: ClaimsDeps,
  { account, tenantId, resource }: { account: AccountRecord; tenantId: string; resource: CachedResource | undefined },
): Promise<Claims | undefined> {
  if (!resource || resource.attributes.length === 0) return undefined;
  const all = await findMemberAttributes(deps.db, account.id, tenantId);
  const wanted = [...resource.attributes].sort().filter((name) => Object.hasOwn(all, name));
  return Object.fromEntries(wanted.map((name) => [name, all[name]]));
}

/** Of the tenant that the request acts in, or that the access token it came with is of. */
function tenantOfRequest(ctx: KoaContextWithOIDC): string | undefined {
  const acting = actingTenantOf(ctx);
  if (acting !== undefined) return acting;
  const extra: Readonly<Claims> | undefined = ctx.oidc.entities.AccessToken?.extra;
  return typeof extra?.['tenant_id'] === 'string' ? extra['tenant_id'] : undefined;
}

const made = new WeakMap<object, Promise<Claims>>();

/** Once a request: its access token and its ID token say the same. */
function claimsOfRequest(deps: ClaimsDeps, ctx: KoaContextWithOIDC): Promise<Claims> {
  const known = made.get(ctx);
  if (known) return known;
  const account = accountRecordOf(ctx.oidc.entities.Account);
  const tenantId = tenantOfRequest(ctx);
  const audience = ctx.oidc.entities.AccessToken?.aud;
  const make = async (): Promise<Claims> => {
    if (!account || tenantId === undefined) return {};
    const resource = typeof audience === 'string' ? await deps.resources.find(audience) : undefined;
    return tenantClaims(deps, { account, tenantId, resource });
  };
  const making = make();
  made.set(ctx, making);
  return making;
}

/** `extraTokenClaims`: in JWTs, and in what introspection says of opaque tokens (RFC 9068 section 2.2). */
export const extraTokenClaims =
  (deps: ClaimsDeps) =>
  async (ctx: KoaContextWithOIDC, token: AccessToken | ClientCredentials): Promise<UnknownObject | undefined> => {
    const client = ctx.oidc.client;
    if (!client) return undefined;
    if (token.kind === 'ClientCredentials') return { tenant_id: recordOf(client).tenantId };
    const { entities } = ctx.oidc;
    const source = entities.AuthorizationCode ?? entities.RefreshToken;
    const { tenant_name: _name, tenant_id, ...rest } = await claimsOfRequest(deps, ctx);
    return known({ tenant_id, auth_time: source?.authTime, acr: source?.acr, amr: source?.amr, ...boundClaims(rest) });
  };

/** What userinfo and ID tokens may say of the tenant, by the scopes that were agreed to. */
export const claimsForScopes = async (deps: ClaimsDeps, ctx: KoaContextWithOIDC, scope: string): Promise<Claims> => {
  const scopes = new Set(scope.split(' '));
  const asked = ['roles', 'groups', 'tenant'].filter((name) => scopes.has(name)).flatMap((name) => namesIn(CLAIMS[name]));
  return asked.length > 0 ? boundClaims(pick(await claimsOfRequest(deps, ctx), asked)) : {};
};

const namesIn = (names: unknown): string[] => (Array.isArray(names) ? names.filter((name) => typeof name === 'string') : []);
const pick = (claims: Claims, names: readonly string[]): Claims =>
  Object.fromEntries(Object.entries(claims).filter(([name]) => names.includes(name)));

/** Puts the claims that the client's `id_token_claims` names into its ID tokens, whatever scopes it asked for. */
export function useIdTokenClaims(provider: Provider, deps: ClaimsDeps): void {
  const prototype = provider.IdToken.prototype;
  const issue = prototype.issue;
  prototype.issue = async function (this: typeof prototype & { ctx?: KoaContextWithOIDC }, options) {
    const { ctx } = this;
    const wanted = ctx?.oidc.client && options.use === 'idtoken' ? namesIn(recordOf(ctx.oidc.client).metadata['id_token_claims']) : [];
    if (ctx && wanted.length > 0)
      for (const [name, value] of Object.entries(boundClaims(pick(await claimsOfRequest(deps, ctx), wanted)))) this.set(name, value);
    return issue.call(this, options);
  };
}

/** `formats.customizers.jwt`: by what a JWT's life can be asked about later. `gid` and `suid` are references, no credentials, and stay between us and the token. */
export const customizeJwt: NonNullable<NonNullable<NonNullable<Configuration['formats']>['customizers']>['jwt']> = (_ctx, token, jwt) => {
  if (token.kind !== 'AccessToken') return;
  const { grantId, sid, sessionUid, expiresWithSession } = token as AccessToken;
  Object.assign(jwt.payload, known({ gid: grantId, sid, suid: expiresWithSession ? sessionUid : undefined }));
};

const known = (claims: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
