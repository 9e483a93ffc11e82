export type SigningAlg = 'RS256' | 'ES256' | 'EdDSA';

/** `next` is published and does not sign yet, `retired` is still published and signs no more, `revoked` is neither. */
export type SigningKeyState = 'next' | 'active' | 'retired' | 'revoked';

export interface SigningKey {
  kid: string;
  alg: SigningAlg;
  state: SigningKeyState;
  publicJwk: Readonly<Record<string, unknown>>;
  createdAt: Date;
  publishedAt: Date;
  activatedAt: Date | null;
  retiredAt: Date | null;
  revokedAt: Date | null;
}

export interface KeySchedule {
  /** How long others may keep the key set: a key is published this long, and a margin, before it signs. */
  jwksMaxAgeSeconds: number;
  /** Added to it for slow clocks and slow nodes. */
  marginSeconds: number;
  /** How long a key signs. */
  periodSeconds: number;
  /** The longest life of anything that a key signs; a retired key stays published that much longer. */
  longestTokenSeconds: number;
}

export const SIGNING_ALGS: readonly SigningAlg[] = ['RS256', 'ES256', 'EdDSA'];
