/** What the providers share that know OAuth 2.0 and an API of their own. */
import * as oidc from 'openid-client';
import type { Answer, Ask, Upstream } from './provider.ts';
import { UpstreamRefused } from './provider.ts';

const TIMEOUT_SECONDS = 3;

export interface OAuthSettings {
  issuer: string;
  authorizationEndpoint: string;
  tokenEndpoint: string;
  scopes: readonly string[];
  pkce: boolean;
}

function configOf({ connection, fetch }: Upstream, settings: OAuthSettings): oidc.Configuration {
  const { issuer, authorizationEndpoint, tokenEndpoint } = settings;
  const server = { issuer, authorization_endpoint: authorizationEndpoint, token_endpoint: tokenEndpoint };
  const config = new oidc.Configuration(server, connection.clientId, undefined, oidc.ClientSecretPost(connection.clientSecret));
  config[oidc.customFetch] = fetch as unknown as oidc.CustomFetch;
  config.timeout = TIMEOUT_SECONDS;
  return config;
}

export async function oauthUrl(upstream: Upstream, settings: OAuthSettings, ask: Ask, more: Record<string, string> = {}): Promise<URL> {
  return oidc.buildAuthorizationUrl(configOf(upstream, settings), {
    ...more,
    redirect_uri: ask.redirectUri,
    scope: (upstream.connection.options.scopes ?? settings.scopes).join(' '),
    state: ask.state,
    ...(settings.pkce ? { code_challenge: await oidc.calculatePKCECodeChallenge(ask.verifier), code_challenge_method: 'S256' } : {}),
  });
}

/** Redeems the code; answers the access token. */
export async function oauthToken(upstream: Upstream, settings: OAuthSettings, answer: Answer): Promise<string> {
  const url = new URL(answer.redirectUri);
  for (const [name, value] of answer.params) url.searchParams.append(name, value);
  const tokens = await oidc.authorizationCodeGrant(configOf(upstream, settings), url, {
    ...(settings.pkce && answer.verifier !== undefined ? { pkceCodeVerifier: answer.verifier } : {}),
    ...(answer.state === undefined ? {} : { expectedState: answer.state }),
  });
  return tokens.access_token;
}

export type Json = Readonly<Record<string, unknown>>;

/** The JSON object behind a URL; `refused` is why nobody is let in where it answers otherwise. */
export async function fetchObject({ fetch }: Upstream, url: string | URL, init: RequestInit, refused: string): Promise<Json> {
  const value = await fetchJson({ fetch }, url, init, refused);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new UpstreamRefused('upstream.invalid_answer');
  return value as Json;
}

export async function fetchJson(
  { fetch }: Pick<Upstream, 'fetch'>,
  url: string | URL,
  init: RequestInit,
  refused: string,
): Promise<unknown> {
  const response = await fetch(url, { ...init, headers: { accept: 'application/json', 'user-agent': 'gatehouse', ...init.headers } });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new UpstreamRefused(response.status >= 500 ? 'upstream.unreachable' : refused);
  }
  try {
    return (await response.json()) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) throw new UpstreamRefused('upstream.invalid_answer', error);
    throw error;
  }
}

export const bearer = (token: string): RequestInit => ({ headers: { authorization: `Bearer ${token}` } });
