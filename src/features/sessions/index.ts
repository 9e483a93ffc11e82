/** A sign-in of a person in one browser, or by one application, at one issuer. */
export interface SessionRecord {
  /** Names the session; it is not what the browser holds, and opens nothing. */
  id: string;
  issuer: string;
  userId: string;
  /** When the person signed in. */
  authenticatedAt: Date;
  createdAt: Date;
  lastSeenAt: Date;
  expiresAt: Date;
  acr: string | undefined;
  amr: readonly string[];
  /** Where it was last used from; undefined where the key to it is gone. */
  address: string | undefined;
  device: string | undefined;
  /** The clients it was used for, each with the `sid` that its tokens carry. */
  clients: readonly SessionClient[];
}

export interface SessionClient {
  clientId: string;
  sid: string;
  /** As the protocol knows it; the key under which it is stored follows from it. */
  grantId: string | undefined;
  /** With `offline_access`: its tokens outlive the session. */
  offline: boolean;
}

/** A relying party that is to hear of the end of a session (OpenID Connect Back-Channel Logout 1.0). */
export interface LogoutNotice {
  issuer: string;
  clientId: string;
  userId: string;
  sid: string;
}

export const NOTIFY_JOB = 'logout.notify';
