/** A relying party as anybody would write it: openid-client, by discovery over HTTP, as if the provider were somebody else's. */
import { decodeJwt } from 'jose';
import {
  AuthorizationResponseError,
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  buildEndSessionUrl,
  type Configuration,
  calculatePKCECodeChallenge,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  None,
  ResponseBodyError,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  refreshTokenGrant,
  WWWAuthenticateChallengeError,
} from 'openid-client';
import { unavailable } from '../core/errors.ts';
import type { DemoApp } from './apps.ts';

/** What is remembered between the way out and the way back. */
export interface Flow {
  state: string;
  nonce: string;
  verifier: string;
}

export interface Tokens {
  idToken: string;
  accessToken: string;
  refreshToken?: string | undefined;
  scope?: string | undefined;
}

export type Claims = Readonly<Record<string, unknown>>;

export interface RelyingParty {
  begin(): Promise<{ url: string; flow: Flow }>;
  /** `{ refused }` holds the error's code, where the person or the provider said no (OpenID Connect Core 3.1.2.6). Throws 503 where the provider cannot be asked. */
  finish(callback: URL, flow: Flow): Promise<Tokens | { refused: string }>;
  /** Undefined where the session has ended meanwhile. */
  renew(tokens: Tokens): Promise<Tokens | undefined>;
  /** Undefined where the session has ended meanwhile, or the access token has expired. */
  userinfo(tokens: Tokens): Promise<Claims | undefined>;
  /** OpenID Connect RP-Initiated Logout 1.0 section 2. */
  signOutUrl(tokens: Tokens): Promise<string>;
}

const SCOPE = 'openid profile email';
const TIMEOUT_SECONDS = 10;

export function createRelyingParty(issuer: string, app: DemoApp): RelyingParty {
  const home = `${issuer}${app.path}`;
  let discovered: Promise<Configuration> | undefined;

  // Asked when first needed: at start the provider, which is this server, does not listen yet.
  const configuration = (): Promise<Configuration> => {
    discovered ??= discover(issuer, app.clientId).catch((error: unknown) => {
      discovered = undefined;
      throw unavailable(error);
    });
    return discovered;
  };

  return {
    async begin() {
      const config = await configuration();
      const flow = { state: randomState(), nonce: randomNonce(), verifier: randomPKCECodeVerifier() };
      const url = buildAuthorizationUrl(config, {
        redirect_uri: `${home}/callback`,
        scope: SCOPE,
        state: flow.state,
        nonce: flow.nonce,
        code_challenge: await calculatePKCECodeChallenge(flow.verifier),
        code_challenge_method: 'S256',
      });
      return { url: url.href, flow };
    },

    async finish(callback, { state, nonce, verifier }) {
      const config = await configuration();
      try {
        return tokensOf(
          await authorizationCodeGrant(config, callback, {
            expectedState: state,
            expectedNonce: nonce,
            pkceCodeVerifier: verifier,
            idTokenExpected: true,
          }),
        );
      } catch (error) {
        if (error instanceof AuthorizationResponseError || isRefusal(error)) return { refused: error.error };
        throw unavailable(error);
      }
    },

    async renew(tokens) {
      if (tokens.refreshToken === undefined) return undefined;
      const config = await configuration();
      try {
        return tokensOf(await refreshTokenGrant(config, tokens.refreshToken), tokens);
      } catch (error) {
        if (isRefusal(error)) return undefined;
        throw unavailable(error);
      }
    },

    async userinfo(tokens) {
      const config = await configuration();
      try {
        return await fetchUserInfo(config, tokens.accessToken, String(decodeJwt(tokens.idToken).sub));
      } catch (error) {
        if (error instanceof WWWAuthenticateChallengeError || isRefusal(error)) return undefined;
        throw unavailable(error);
      }
    },

    async signOutUrl({ idToken }) {
      const parameters = { id_token_hint: idToken, post_logout_redirect_uri: home };
      return buildEndSessionUrl(await configuration(), parameters).href;
    },
  };
}

const discover = (issuer: string, clientId: string): Promise<Configuration> =>
  discovery(new URL(issuer), clientId, { token_endpoint_auth_method: 'none' }, None(), {
    // Plain http is for the loopback only, and the demo exists nowhere else. The ID token's signature is checked all the more.
    execute: issuer.startsWith('http:') ? [allowInsecureRequests, enableNonRepudiationChecks] : [enableNonRepudiationChecks],
    timeout: TIMEOUT_SECONDS,
  });

/** An error as RFC 6749 section 5.2 words it; those of status 500 and above are outages. */
const isRefusal = (error: unknown): error is ResponseBodyError => error instanceof ResponseBodyError && error.status < 500;

interface TokenAnswer {
  access_token: string;
  id_token?: string | undefined;
  refresh_token?: string | undefined;
  scope?: string | undefined;
}

/** A refresh may leave out what has not changed (RFC 6749 section 6, OpenID Connect Core 12.2). */
function tokensOf(answer: TokenAnswer, before?: Tokens): Tokens {
  return {
    idToken: answer.id_token ?? before?.idToken ?? '',
    accessToken: answer.access_token,
    refreshToken: answer.refresh_token ?? before?.refreshToken,
    scope: answer.scope ?? before?.scope,
  };
}
