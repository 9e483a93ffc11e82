/** Refuse whoever comes while the service does not answer, or let another factor that the person has set up stand in. */
export type WhenUnavailable = 'refuse' | 'other-factor';

interface Common {
  tenantId: string;
  /** Another one with every change. */
  revision: string;
  /** Names of roles of the tenant; empty: everybody at home there. */
  roles: readonly string[];
  whenUnavailable: WhenUnavailable;
}

/** Asked for a challenge, and told the code that the person typed. */
export interface HttpService extends Common {
  kind: 'http';
  /** Without a slash at its end. */
  url: string;
  token: string;
}

/** What of an OpenID provider is stored in the clear. */
export interface ProviderSettings {
  issuer: string;
  clientId: string;
  /** What in its ID token names the person: `sub` is their id here, `email` their address, proven on both sides. */
  subjectClaim: 'sub' | 'email';
  /** Asked for; where there are any, one of them has to be the token's `acr`. */
  acrValues: readonly string[];
  /** Where there are any, one of them has to be in the token's `amr`. */
  amrValues: readonly string[];
  /** How long before it was asked the person may have proven themselves there. */
  maxAgeSeconds: number;
}

/** Whom the browser is sent to. */
export interface OidcService extends Common, ProviderSettings {
  kind: 'oidc';
  clientSecret: string;
}

/** A tenant's own service for second factors, as sign-in asks it. */
export type SecondFactorService = HttpService | OidcService;

export interface SecondFactorServices {
  /** Undefined where the tenant has none. */
  of(tenantId: string): Promise<SecondFactorService | undefined>;
  /** After a change of ours: the next question reads again. */
  drop(tenantId: string): void;
}
