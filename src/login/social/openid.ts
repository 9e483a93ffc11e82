/** What the providers share that speak OpenID Connect: discovery, the code's exchange, and the one judge of ID and logout tokens. */
import { createRemoteJWKSet, type JWTPayload, type JWTVerifyGetKey, customFetch as joseFetch, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { epochSeconds } from '../../core/clock.ts';
import type { Answer, Ask, LogoutClaims, SignOutAsk, Upstream, UpstreamPerson } from './provider.ts';
import { LOGOUT_TOKEN_SECONDS, UpstreamRefused } from './provider.ts';

/** Never `none`, never a key that both sides know (RFC 8725 section 3.1, 3.2). */
const ASYMMETRIC = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519', 'RS384', 'RS512', 'PS384', 'PS512', 'ES384', 'ES512'];
const TIMEOUT_SECONDS = 3;
const REACHED_MS = 1500;
const TOLERANCE_SECONDS = 60;
const OLDEST_TOKEN_SECONDS = 600;
const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';

export interface OpenIdSettings {
  issuer: string;
  /** Asked for beside what the connection names. */
  scopes: readonly string[];
  /** The only ones that are taken; any asymmetric one where nothing is said. */
  algs?: readonly string[];
  /** Made anew for each exchange: it may be a token of short life. */
  auth?: () => Promise<oidc.ClientAuth>;
  /** Further parameters of the authorization request. */
  parameters?: Readonly<Record<string, string>>;
  /** Whether the token's issuer is the provider's; equality where nothing is said. */
  isIssuer?: (claims: JWTPayload, issuer: string) => boolean;
  /** Not every provider knows RFC 7636. */
  pkce?: boolean;
  /** Whether names and address may have to be asked for. */
  userinfo?: boolean;
  emailVerified?: (claims: Readonly<Record<string, unknown>>) => boolean;
  /** What the token is verified by, in place of the published keys. */
  key?: Uint8Array;
  /** Metadata in place of discovery. */
  metadata?: oidc.ServerMetadata;
}

/** Only the boolean counts: what a provider calls "true" otherwise has been an attacker's way in. */
export const saysVerified = ({ email_verified: said }: Readonly<Record<string, unknown>>): boolean => said === true;

interface Known {
  config: oidc.Configuration;
  keys: JWTVerifyGetKey | undefined;
}

const insecure = (upstream: Upstream, issuer: string): boolean => upstream.connection.issuer === issuer && issuer.startsWith('http:');

async function known(upstream: Upstream, settings: OpenIdSettings): Promise<Known> {
  return upstream.kept('openid', async () => {
    const { connection, fetch } = upstream;
    const metadata: Partial<oidc.ClientMetadata> = {
      [oidc.clockTolerance]: TOLERANCE_SECONDS,
      ...(settings.algs?.length === 1 ? { id_token_signed_response_alg: settings.algs[0]! } : {}),
    };
    const auth = connection.clientSecret === undefined ? oidc.None() : oidc.ClientSecretPost(connection.clientSecret);
    const outbound = fetch as unknown as oidc.CustomFetch;
    const extensions = insecure(upstream, settings.issuer) ? [oidc.allowInsecureRequests] : [];
    const config = settings.metadata
      ? new oidc.Configuration(settings.metadata, connection.clientId, metadata, auth)
      : await oidc.discovery(new URL(settings.issuer), connection.clientId, metadata, auth, {
          [oidc.customFetch]: outbound,
          timeout: TIMEOUT_SECONDS,
          execute: extensions,
        });
    config[oidc.customFetch] = outbound;
    config.timeout = TIMEOUT_SECONDS;
    const { jwks_uri: uri } = config.serverMetadata();
    const keys =
      uri === undefined || settings.key
        ? undefined
        : createRemoteJWKSet(new URL(uri), {
            timeoutDuration: TIMEOUT_SECONDS * 1000,
            // An unknown key is looked up again, though not at whatever pace somebody sends made-up ones.
            cooldownDuration: 2000,
            cacheMaxAge: 600_000,
            [joseFetch]: fetch as never,
          });
    return { config, keys };
  });
}

/** Also where the provider does not announce it: who does not know it ignores it (RFC 6749 section 3.1), and some know it and do not say so (RFC 9700 section 2.1.1). */
const usesPkce = (settings: OpenIdSettings): boolean => settings.pkce !== false;

export async function authorizationUrl(upstream: Upstream, settings: OpenIdSettings, ask: Ask): Promise<URL> {
  const found = await known(upstream, settings);
  const { scopes } = upstream.connection.options;
  return oidc.buildAuthorizationUrl(found.config, {
    ...settings.parameters,
    ...ask.parameters,
    redirect_uri: ask.redirectUri,
    scope: ['openid', ...(scopes ?? settings.scopes).filter((scope) => scope !== 'openid')].join(' '),
    state: ask.state,
    nonce: ask.nonce,
    ...(usesPkce(settings) ? { code_challenge: await oidc.calculatePKCECodeChallenge(ask.verifier), code_challenge_method: 'S256' } : {}),
    ...(ask.loginHint === undefined ? {} : { login_hint: ask.loginHint }),
    ...(ask.locale === undefined ? {} : { ui_locales: ask.locale }),
  });
}

/** OpenID Connect RP-Initiated Logout 1.0 section 2. Throws UpstreamRefused where the provider names no such place, or one that is no web page. */
export async function endSessionUrl(upstream: Upstream, settings: OpenIdSettings, ask: SignOutAsk): Promise<URL> {
  const { config } = await known(upstream, settings);
  const { end_session_endpoint: endpoint } = config.serverMetadata();
  const found = endpoint === undefined ? null : URL.parse(endpoint);
  if (!found) throw new UpstreamRefused('logout.unsupported');
  // A browser is sent there: whatever else the provider's document says, it is a page, and no plainer than the provider itself.
  if (found.protocol !== 'https:' && !(found.protocol === 'http:' && insecure(upstream, settings.issuer)))
    throw new UpstreamRefused('discovery.end_session_endpoint');
  await reached(upstream, settings.issuer);
  return oidc.buildEndSessionUrl(config, {
    ...(ask.idToken === undefined ? {} : { id_token_hint: ask.idToken }),
    post_logout_redirect_uri: ask.returnUri,
    state: ask.state,
    ...(ask.locale === undefined ? {} : { ui_locales: ask.locale }),
  });
}

/** What is known of a provider says nothing of whether it is there: nobody is sent to one that does not answer, from where they would not come back. */
async function reached({ fetch }: Upstream, issuer: string): Promise<void> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(REACHED_MS) }).catch((error: unknown) => {
    throw new UpstreamRefused('upstream.unreachable', error);
  });
  await response.body?.cancel();
  if (response.status >= 500) throw new UpstreamRefused('upstream.unreachable');
}

/** Redeems the code and judges what comes of it. */
export async function exchanged(upstream: Upstream, settings: OpenIdSettings, answer: Answer): Promise<UpstreamPerson> {
  const found = await known(upstream, settings);
  const config = settings.auth ? await withAuth(upstream, found, await settings.auth()) : found.config;
  const url = new URL(answer.redirectUri);
  for (const [name, value] of answer.params) if (name !== 'user') url.searchParams.append(name, value);
  const tokens = await oidc.authorizationCodeGrant(config, url, {
    ...(usesPkce(settings) && answer.verifier !== undefined ? { pkceCodeVerifier: answer.verifier } : {}),
    ...(answer.state === undefined ? {} : { expectedState: answer.state }),
    ...(answer.nonce === undefined ? {} : { expectedNonce: answer.nonce }),
    idTokenExpected: true,
  });
  // The library trusts the connection that the token came by; the signature is the provider's word whatever carried it.
  const claims = await judged(upstream, settings, tokens.id_token ?? '', answer.nonce);
  const subject = String(claims.sub);
  const wanted = settings.userinfo && typeof claims['email'] !== 'string' && config.serverMetadata().userinfo_endpoint !== undefined;
  const more = wanted ? await oidc.fetchUserInfo(config, tokens.access_token, subject) : {};
  const person = personOf(settings, { ...more, ...claims });
  return upstream.connection.options.logoutAtProvider ? { ...person, idToken: tokens.id_token } : person;
}

async function withAuth(upstream: Upstream, { config }: Known, auth: oidc.ClientAuth): Promise<oidc.Configuration> {
  const { connection, fetch } = upstream;
  const fresh = new oidc.Configuration(config.serverMetadata(), connection.clientId, config.clientMetadata(), auth);
  fresh[oidc.customFetch] = fetch as unknown as oidc.CustomFetch;
  fresh.timeout = TIMEOUT_SECONDS;
  return fresh;
}

/** An ID token that an app brings: made for this connection's client, lately. */
export async function personOfIdToken(
  upstream: Upstream,
  settings: OpenIdSettings,
  token: string,
  nonce: string | undefined,
): Promise<UpstreamPerson> {
  const claims = await judged(upstream, settings, token, nonce);
  if (epochSeconds(upstream.clock.now()) - (claims.iat ?? 0) > OLDEST_TOKEN_SECONDS) throw new UpstreamRefused('id_token.iat');
  return personOf(settings, claims);
}

/** OpenID Connect Core section 3.1.3.7. */
async function judged(upstream: Upstream, settings: OpenIdSettings, token: string, nonce: string | undefined): Promise<JWTPayload> {
  const claims = await verified(upstream, settings, token, [...(nonce === undefined ? [] : ['nonce'])]);
  const { clientId } = upstream.connection;
  if (nonce !== undefined && claims['nonce'] !== nonce) throw new UpstreamRefused('id_token.nonce');
  if (Array.isArray(claims.aud) && claims.aud.length > 1 && claims['azp'] !== clientId) throw new UpstreamRefused('id_token.azp');
  return claims;
}

async function verified(upstream: Upstream, settings: OpenIdSettings, token: string, required: readonly string[]): Promise<JWTPayload> {
  const { config, keys } = await known(upstream, settings);
  const options = {
    algorithms: [...(settings.algs ?? ASYMMETRIC)],
    audience: upstream.connection.clientId,
    clockTolerance: TOLERANCE_SECONDS,
    currentDate: upstream.clock.now(),
    requiredClaims: ['iss', 'sub', 'aud', 'exp', 'iat', ...required],
  };
  if (!keys && !settings.key) throw new UpstreamRefused('discovery.jwks_uri');
  const { payload } = settings.key ? await jwtVerify(token, settings.key, options) : await jwtVerify(token, keys!, options);
  const { issuer } = config.serverMetadata();
  if (!(settings.isIssuer ? settings.isIssuer(payload, issuer) : payload.iss === issuer)) throw new UpstreamRefused('id_token.iss');
  return payload;
}

function personOf({ emailVerified = saysVerified }: OpenIdSettings, claims: Readonly<Record<string, unknown>>): UpstreamPerson {
  const { sub, email, amr, sid } = claims;
  return {
    subject: String(sub),
    email: typeof email === 'string' ? email : undefined,
    emailVerified: typeof email === 'string' && emailVerified(claims),
    claims,
    amr: Array.isArray(amr) ? amr.filter((one) => typeof one === 'string') : undefined,
    sid: typeof sid === 'string' ? sid : undefined,
  };
}

const isNameOrNothing = (value: unknown): value is string | undefined => value === undefined || (typeof value === 'string' && value !== '');

/** OpenID Connect Back-Channel Logout 1.0 section 2.6. */
export async function judgedLogout(upstream: Upstream, settings: OpenIdSettings, token: string): Promise<LogoutClaims> {
  const { config, keys } = await known(upstream, settings);
  if (!keys) throw new UpstreamRefused('discovery.jwks_uri');
  const { payload } = await jwtVerify(token, keys, {
    algorithms: [...(settings.algs ?? ASYMMETRIC)],
    audience: upstream.connection.clientId,
    issuer: config.serverMetadata().issuer,
    clockTolerance: TOLERANCE_SECONDS,
    currentDate: upstream.clock.now(),
    requiredClaims: ['iat', 'exp', 'jti', 'events'],
  });
  const { events, sid, jti, iat } = payload as JWTPayload & { events?: unknown; sid?: unknown };
  const sub: unknown = payload.sub;
  if (typeof events !== 'object' || events === null || !Object.hasOwn(events, LOGOUT_EVENT))
    throw new UpstreamRefused('logout_token.events');
  if ('nonce' in payload) throw new UpstreamRefused('logout_token.nonce');
  const age = epochSeconds(upstream.clock.now()) - iat!;
  // Of the future neither: it would be good for longer than its number is remembered.
  if (age > LOGOUT_TOKEN_SECONDS - TOLERANCE_SECONDS || age < -TOLERANCE_SECONDS) throw new UpstreamRefused('logout_token.iat');
  if (typeof jti !== 'string' || jti === '') throw new UpstreamRefused('logout_token.jti');
  if (!isNameOrNothing(sub) || !isNameOrNothing(sid) || (sub === undefined && sid === undefined))
    throw new UpstreamRefused('logout_token.sub');
  return { subject: sub, sid, jti, issuedAt: iat! };
}
