export interface ResourceScope {
  name: string;
  description: string;
}

/** An API as the protocol needs it, whichever tenant it belongs to. */
export interface CachedResource {
  id: string;
  tenantId: string;
  identifier: string;
  name: string;
  scopes: readonly ResourceScope[];
  accessTokenFormat: 'jwt' | 'opaque';
  signingAlg: 'RS256' | 'ES256' | 'EdDSA';
  accessTokenTtlSeconds: number;
  /** Names of the attributes that its tokens carry. */
  attributes: readonly string[];
  /** Ids of the clients that are this resource server. */
  clients: readonly string[];
}
