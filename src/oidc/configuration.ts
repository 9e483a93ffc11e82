/** How oidc-provider is set up for one issuer. Its defaults are for trying it out; each that matters is said here. */
import type { Context } from 'koa';
import type { Client, Configuration, KoaContextWithOIDC, SigningAlgorithm } from 'oidc-provider';
import { type Clock, epochSeconds } from '../core/clock.ts';
import { LOCALES } from '../core/messages/catalogue.ts';
import type { CachedClient } from '../features/clients/index.ts';
import type { Database } from '../infra/postgres.ts';
import { type Accounts, findAccountWith } from './accounts.ts';
import { createCertificates } from './certificates.ts';
import { CLAIMS, claimsForScopes, customizeJwt, extraTokenClaims } from './claims.ts';
import { checkAssertion } from './client-assertions.ts';
import { recordOf } from './client-models.ts';
import { createCookieKeys } from './cookie-keys.ts';
import { introspectionPolicy } from './introspection.ts';
import type { ProtocolErrorPage } from './outage.ts';
import { ACR, type Assurance, loadExistingGrant, promptPolicy } from './policy.ts';
import { rotateWith } from './refresh.ts';
import { narrowToPerson, type ResourceServerDeps, resourceServerOf } from './resource-server.ts';
import { OIDC_SCOPES } from './scopes.ts';
import { redeemTenant } from './tenant-choice.ts';

/** All in seconds. */
export interface ProtocolLifetimes {
  accessToken: number;
  authorizationCode: number;
  idToken: number;
  refreshTokenIdle: number;
  refreshTokenAbsolute: number;
  sessionIdle: number;
  sessionAbsolute: number;
  interaction: number;
}

export interface LogoutPage {
  /** Where the form posts to, with the hidden fields; the button that confirms carries `confirm`. */
  action: string;
  hidden: Readonly<Record<string, string>>;
  confirm: { name: string; value: string };
  accountId: string | undefined;
  client: ClientSummary | undefined;
  /** Where the browser may be sent afterwards, for `form-action`. */
  redirectUri: string | undefined;
}

export interface ClientSummary {
  clientId: string;
  name: string;
  firstParty: boolean;
  logoUri?: string;
  policyUri?: string;
  tosUri?: string;
  tenantId: string;
}

export interface ProtocolPages {
  error(ctx: Context, page: ProtocolErrorPage): void | Promise<void>;
  logout(ctx: Context, page: LogoutPage): void | Promise<void>;
  loggedOut(ctx: Context, page: { client: ClientSummary | undefined }): void | Promise<void>;
}

export interface ConfigurationDeps extends Omit<ResourceServerDeps, 'accessTokenSeconds' | 'accounts'> {
  db: Database;
  clock: Clock;
  keys: { jwks(): object[]; cookieKeys(): string[]; dpopNonceSecret(): Buffer };
  clients: { find(clientId: string): Promise<CachedClient | undefined> };
  accounts: Accounts;
  assurance: Assurance;
  pages: ProtocolPages;
  /** Outgoing requests, guarded: `jwks_uri`, `sector_identifier_uri`. */
  fetch: typeof globalThis.fetch;
  lifetimes: ProtocolLifetimes;
}

const ASYMMETRIC = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const satisfies readonly SigningAlgorithm[];
const SIGNED_BY_US = ['RS256', 'ES256', 'EdDSA'] as const satisfies readonly SigningAlgorithm[];

export function configure(deps: ConfigurationDeps): Configuration {
  const { issuer, lifetimes } = deps;
  const https = issuer.startsWith('https:');
  const cookie = { httpOnly: true, sameSite: 'lax', secure: https, signed: true } as const;
  const now = (): number => epochSeconds(deps.clock.now());
  const resourceDeps: ResourceServerDeps = { ...deps, accessTokenSeconds: lifetimes.accessToken };
  const alive = (seconds: number): number => Math.max(1, seconds);

  return {
    jwks: { keys: deps.keys.jwks() } as NonNullable<Configuration['jwks']>,
    cookies: {
      keys: createCookieKeys(deps.keys.cookieKeys()),
      names: {
        session: https ? '__Host-gatehouse' : 'gatehouse',
        interaction: https ? '__Secure-gatehouse-interaction' : 'gatehouse-interaction',
        resume: https ? '__Secure-gatehouse-resume' : 'gatehouse-resume',
      },
      long: { ...cookie, path: '/' },
      short: cookie,
    },
    scopes: OIDC_SCOPES,
    claims: CLAIMS,
    acrValues: ACR,
    discovery: { ui_locales_supported: [...LOCALES] },
    subjectTypes: ['public'],
    responseTypes: ['code'],
    clientAuthMethods: [
      'client_secret_basic',
      'client_secret_post',
      'private_key_jwt',
      'tls_client_auth',
      'self_signed_tls_client_auth',
      'none',
    ],
    clientDefaults: {
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: 'RS256',
      introspection_signed_response_alg: 'RS256',
    },
    // Nothing is keyed by a client's secret: only its hash is kept.
    enabledJWA: {
      clientAuthSigningAlgValues: ASYMMETRIC,
      idTokenSigningAlgValues: SIGNED_BY_US,
      userinfoSigningAlgValues: SIGNED_BY_US,
      introspectionSigningAlgValues: SIGNED_BY_US,
      authorizationSigningAlgValues: SIGNED_BY_US,
      requestObjectSigningAlgValues: ASYMMETRIC,
      dPoPSigningAlgValues: ['ES256', 'EdDSA', 'RS256', 'PS256'],
    },
    allowOmittingSingleRegisteredRedirectUri: false,
    enableHttpPostMethods: false,
    acceptQueryParamAccessTokens: false,
    extraParams: ['tenant', 'connection', 'idp_hint'],
    assertJwtClientAuthClaimsAndHeader: checkAssertion(deps.clock),
    pkce: { required: (ctx, client) => needsPkce(ctx, client) },
    clientBasedCORS: (_ctx, origin, client) => recordOf(client).allowedOrigins.includes(origin),
    fetch: deps.fetch,
    fetchResponseBodyLimits: { jwks_uri: 65_536, sector_identifier_uri: 65_536 },

    findAccount: findAccountWith(deps.accounts, {
      claims: (ctx, scope) => claimsForScopes(deps, ctx, scope),
      async redeemed(ctx, source, account) {
        if (source.kind === 'AuthorizationCode') await redeemTenant(resourceDeps, ctx, source, account);
      },
    }),
    extraTokenClaims: extraTokenClaims(deps),
    formats: { bitsOfOpaqueRandomness: 256, customizers: { jwt: customizeJwt } },
    interactions: { url: (_ctx, interaction) => `/login/${interaction.uid}`, policy: promptPolicy(deps.assurance, resourceDeps) },
    loadExistingGrant: loadExistingGrant({
      db: deps.db,
      grantSeconds: lifetimes.refreshTokenAbsolute,
      narrow: (ctx) => narrowToPerson(resourceDeps, ctx),
    }),
    // Without offline_access, which takes consent, a refresh token ends with its session.
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: (_ctx, source) => !('scopes' in source && source.scopes.has('offline_access')),
    rotateRefreshToken: rotateWith(resourceDeps),
    revokeGrantPolicy: () => true,

    ttl: {
      AccessToken: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? lifetimes.accessToken,
      ClientCredentials: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? lifetimes.accessToken,
      AuthorizationCode: lifetimes.authorizationCode,
      IdToken: lifetimes.idToken,
      Interaction: lifetimes.interaction,
      PushedAuthorizationRequest: 60,
      Grant: lifetimes.refreshTokenAbsolute,
      RefreshToken: (_ctx, token) =>
        alive(Math.min(lifetimes.refreshTokenIdle, (token.iiat ?? now()) + lifetimes.refreshTokenAbsolute - now())),
      Session: (_ctx, session) => alive(Math.min(lifetimes.sessionIdle, (session.loginTs ?? now()) + lifetimes.sessionAbsolute - now())),
    },

    async renderError(ctx, out, error) {
      const status = 'status' in error && typeof error.status === 'number' ? error.status : 500;
      await deps.pages.error(ctx, { status, error: out.error, description: out.error_description });
    },

    features: {
      devInteractions: { enabled: false },
      claimsParameter: { enabled: true },
      clientCredentials: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      dPoP: { enabled: true, nonceSecret: deps.keys.dpopNonceSecret() },
      mTLS: {
        enabled: true,
        tlsClientAuth: true,
        selfSignedTlsClientAuth: true,
        certificateBoundAccessTokens: true,
        ...createCertificates(deps),
      },
      fapi: { enabled: true, profile: (_ctx, client) => (client && recordOf(client).profile === 'fapi2' ? '2.0' : undefined) },
      userinfo: { enabled: true },
      jwtUserinfo: { enabled: true },
      introspection: { enabled: true, allowedPolicy: introspectionPolicy(deps) },
      jwtIntrospection: { enabled: true },
      // A foreign token is answered like an unknown one (RFC 7009 section 2.2): anything else would tell that it exists.
      revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        async logoutSource(ctx) {
          const { session, client, params } = ctx.oidc;
          await deps.pages.logout(ctx, {
            action: ctx.oidc.urlFor('end_session_confirm'),
            hidden: { xsrf: String(session?.state?.['secret'] ?? '') },
            confirm: { name: 'logout', value: 'yes' },
            accountId: session?.accountId,
            client: client && summaryOf(client),
            redirectUri: typeof params?.['post_logout_redirect_uri'] === 'string' ? params['post_logout_redirect_uri'] : undefined,
          });
        },
        async postLogoutSuccessSource(ctx) {
          await deps.pages.loggedOut(ctx, { client: ctx.oidc.client && summaryOf(ctx.oidc.client) });
        },
      },
      resourceIndicators: {
        enabled: true,
        // One token, one API (RFC 8707 section 2): of several, the client's default, else the first.
        defaultResource(_ctx, client, oneOf) {
          const preferred = recordOf(client).metadata['default_resource'];
          if (typeof preferred === 'string' && (!oneOf || oneOf.includes(preferred))) return preferred;
          return oneOf?.[0] ?? [];
        },
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, identifier, client) => resourceServerOf(resourceDeps, ctx, identifier, client),
      },
    },
  };
}

/** S256 of everybody (RFC 9700 section 2.1.1); an administrator may lift it for a confidential client, which then has to send a nonce. */
function needsPkce(ctx: KoaContextWithOIDC, client: Client): boolean {
  const { metadata, profile } = recordOf(client);
  const lifted = metadata['require_pkce'] === false && profile === 'default' && client.clientAuthMethod !== 'none';
  return !(lifted && typeof ctx.oidc.params?.['nonce'] === 'string' && ctx.oidc.params['nonce'] !== '');
}

/** What pages may show of a client. */
export function summaryOf(client: Client): ClientSummary {
  const { firstParty, tenantId } = recordOf(client);
  return {
    clientId: client.clientId,
    name: client.clientName ?? client.clientId,
    firstParty,
    tenantId,
    ...(client.logoUri ? { logoUri: client.logoUri } : {}),
    ...(client.policyUri ? { policyUri: client.policyUri } : {}),
    ...(client.tosUri ? { tosUri: client.tosUri } : {}),
  };
}
