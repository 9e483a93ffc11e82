/** A relying party as anybody would write it: openid-client, by discovery over HTTP, as if the provider were somebody else's. */
import { decodeJwt } from 'jose';
import type { Configuration, ResponseBodyError } from 'openid-client';
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
  let discovered: Promise<Known> | undefined;

  // Asked when first needed: at start the provider, which is this server, does not listen yet.
  const provider = (): Promise<Known> => {
    discovered ??= discover(issuer, app.clientId).catch((error: unknown) => {
      discovered = undefined;
      throw unavailable(error);
    });
    return discovered;
  };

  return {
    async begin() {
      const { oidc, config } = await provider();
      const flow = { state: oidc.randomState(), nonce: oidc.randomNonce(), verifier: oidc.randomPKCECodeVerifier() };
      const url = oidc.buildAuthorizationUrl(config, {
        redirect_uri: `${home}/callback`,
        scope: SCOPE,
        state: flow.state,
        nonce: flow.nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(flow.verifier),
        code_challenge_method: 'S256',
      });
      return { url: url.href, flow };
    },

    async finish(callback, { state, nonce, verifier }) {
      const { oidc, config } = await provider();
      try {
        return tokensOf(
          await oidc.authorizationCodeGrant(config, callback, {
            expectedState: state,
            expectedNonce: nonce,
            pkceCodeVerifier: verifier,
            idTokenExpected: true,
          }),
        );
      } catch (error) {
        if (error instanceof oidc.AuthorizationResponseError || isRefusal(oidc, error)) return { refused: error.error };
        throw unavailable(error);
      }
    },

    async renew(tokens) {
      if (tokens.refreshToken === undefined) return undefined;
      const { oidc, config } = await provider();
      try {
        return tokensOf(await oidc.refreshTokenGrant(config, tokens.refreshToken), tokens);
      } catch (error) {
        if (isRefusal(oidc, error)) return undefined;
        throw unavailable(error);
      }
    },

    async userinfo(tokens) {
      const { oidc, config } = await provider();
      try {
        return await oidc.fetchUserInfo(config, tokens.accessToken, String(decodeJwt(tokens.idToken).sub));
      } catch (error) {
        if (error instanceof oidc.WWWAuthenticateChallengeError || isRefusal(oidc, error)) return undefined;
        throw unavailable(error);
      }
    },

    async signOutUrl({ idToken }) {
      const { oidc, config } = await provider();
      const parameters = { id_token_hint: idToken, post_logout_redirect_uri: home };
      return oidc.buildEndSessionUrl(config, parameters).href;
    },
  };
}

type Oidc = typeof import('openid-client');

interface Known {
  oidc: Oidc;
  config: Configuration;
}

async function discover(issuer: string, clientId: string): Promise<Known> {
  // Read from disk with the first sign-in: where nobody tries the demo, it costs nothing.
  const oidc = await import('openid-client');
  const { allowInsecureRequests, enableNonRepudiationChecks } = oidc;
  const config = await oidc.discovery(new URL(issuer), clientId, { token_endpoint_auth_method: 'none' }, oidc.None(), {
    // Plain http is for the loopback only, and the demo exists nowhere else. The ID token's signature is checked all the more.
    execute: issuer.startsWith('http:') ? [allowInsecureRequests, enableNonRepudiationChecks] : [enableNonRepudiationChecks],
    timeout: TIMEOUT_SECONDS,
  });
  return { oidc, config };
}

/** An error as RFC 6749 section 5.2 words it; those of status 500 and above are outages. */
const isRefusal = (oidc: Oidc, error: unknown): error is ResponseBodyError => error instanceof oidc.ResponseBodyError && error.status < 500;

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
