/** RFC 7591 metadata by its own names, without the secret. */
export type ClientMetadata = Readonly<Record<string, unknown>>;

export type ClientProfile = 'default' | 'fapi2';

export interface ClientSecretHash {
  id: string;
  hash: string;
  /** Seconds since the epoch; null where it does not expire. */
  expiresAt: number | null;
}

/** What an administrator grants a client beyond its metadata. */
export interface ClientTrust {
  firstParty: boolean;
  directLogin: boolean;
  profile: ClientProfile;
  permissions: readonly string[];
  allowedOrigins: readonly string[];
}

/** A client as the protocol needs it, whichever tenant it belongs to. */
export interface CachedClient extends ClientTrust {
  clientId: string;
  tenantId: string;
  metadata: ClientMetadata;
  /** False where its tenant is suspended too. */
  enabled: boolean;
  secrets: readonly ClientSecretHash[];
}
