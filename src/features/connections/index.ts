export const CONNECTION_KINDS = ['oidc', 'google', 'facebook', 'line', 'github', 'microsoft', 'apple'] as const;
export type ConnectionKind = (typeof CONNECTION_KINDS)[number];

/** What a tenant says of how its people come in from there. */
export interface ConnectionOptions {
  /** Asked for upstream, in place of the kind's own. */
  scopes?: readonly string[];
  /** From the claim's name upstream to ours. */
  claims?: Readonly<Record<string, 'givenName' | 'familyName' | 'locale'>>;
  /** Names are taken over at every sign-in, not at the first alone. */
  refreshProfile?: boolean;
  /** A second factor that the upstream says it asked for stands in for ours. */
  trustUpstreamAmr?: boolean;
  /** A logout upstream ends our sessions of that person. */
  upstreamLogout?: boolean;
  /** Who signs out here is signed out there too. */
  logoutAtProvider?: boolean;
  apple?: { teamId: string; keyId: string };
}

/** An upstream provider as sign-in needs it; `clientSecret` and `privateKey` are in the clear and stay in process memory. */
export interface Connection {
  id: string;
  tenantId: string;
  key: string;
  kind: ConnectionKind;
  name: string;
  issuer: string | undefined;
  clientId: string;
  clientSecret: string | undefined;
  privateKey: string | undefined;
  options: ConnectionOptions;
  domains: readonly string[];
  enabled: boolean;
  version: number;
}

export interface ConnectionCache {
  /** All of a tenant's, in the order they were made; those that are switched off too. */
  ofTenant(tenantId: string): Promise<readonly Connection[]>;
  /** Whichever tenant it belongs to. */
  find(id: string): Promise<Connection | undefined>;
  drop(tenantId: string): void;
}
