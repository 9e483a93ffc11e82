import type { Clock } from '../../core/clock.ts';
import type { Connection } from '../../features/connections/index.ts';

/** Who somebody is upstream, as far as the upstream said it in a way that can be believed. */
export interface UpstreamPerson {
  /** Never changes there, and is nobody else's; believed within one connection only. */
  subject: string;
  email?: string | undefined;
  /** The upstream says that it proved the address. */
  emailVerified: boolean;
  /** Claims by their names upstream, for names and language. */
  claims: Readonly<Record<string, unknown>>;
  /** RFC 8176, as the upstream says. */
  amr?: readonly string[] | undefined;
  /** The session there, where it is told (OpenID Connect Back-Channel Logout 1.0). */
  sid?: string | undefined;
  /** As the provider signed it, where signing out is to go on there. */
  idToken?: string | undefined;
}

/** What the browser is sent with. */
export interface Ask {
  redirectUri: string;
  state: string;
  nonce: string;
  /** RFC 7636. */
  verifier: string;
  loginHint?: string | undefined;
  locale?: string | undefined;
  /** Further parameters of the authorization request. */
  parameters?: Readonly<Record<string, string>> | undefined;
}

/** What came back; what was asked with belongs to the browser that brings it. A code that an app brings has no state. */
export interface Answer {
  params: URLSearchParams;
  redirectUri: string;
  state: string | undefined;
  nonce: string | undefined;
  verifier: string | undefined;
}

/** What an app got from the provider by itself. */
export interface BroughtToken {
  accessToken?: string | undefined;
  idToken?: string | undefined;
  nonce?: string | undefined;
}

/** For how long after its `iat` a logout token is taken at the most, clocks that differ included. */
export const LOGOUT_TOKEN_SECONDS = 660;

export interface LogoutClaims {
  subject: string | undefined;
  sid: string | undefined;
  jti: string;
  /** Seconds since the epoch. */
  issuedAt: number;
}

/** What the browser is sent with to sign out (OpenID Connect RP-Initiated Logout 1.0 section 2). */
export interface SignOutAsk {
  idToken?: string | undefined;
  /** Where it comes back to. */
  returnUri: string;
  state: string;
  locale?: string | undefined;
}

export interface Upstream {
  connection: Connection;
  /** Guarded; bounded in time and size. */
  fetch: typeof globalThis.fetch;
  clock: Clock;
  /** What was learned of the connection before, as long as it stays as it is. */
  kept<T extends object>(name: string, make: () => Promise<T>): Promise<T>;
}

/**
 * A kind of identity provider: knows how it is asked and what of its answers can be believed, and nothing of accounts. Throws UpstreamRefused
 * for whatever may not be believed. A new one is a file in `providers/` and a line in `index.ts`.
 */
export interface SocialProvider {
  /** The answer comes as a form posted from there. */
  formPost?: boolean;
  /** Where the browser goes. */
  begin(upstream: Upstream, ask: Ask): Promise<URL>;
  finish(upstream: Upstream, answer: Answer): Promise<UpstreamPerson>;
  /** A token that was made for another application is refused. */
  judgeToken(upstream: Upstream, token: BroughtToken): Promise<UpstreamPerson>;
  /** A logout token of the provider's (OpenID Connect Back-Channel Logout 1.0 section 2.6). */
  judgeLogout?(upstream: Upstream, token: string): Promise<LogoutClaims>;
  /** Where the browser goes to sign out there. */
  endSession?(upstream: Upstream, ask: SignOutAsk): Promise<URL>;
}

/** `reason` is a code for the audit log. */
export class UpstreamRefused extends Error {
  readonly reason: string;
  constructor(reason: string, cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause });
    this.name = 'UpstreamRefused';
    this.reason = reason;
  }
}
