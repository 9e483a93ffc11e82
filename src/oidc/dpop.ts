/** Proofs of possession at our own API (RFC 9449 section 4.3 and 7); at the protocol's endpoints the library checks them. */
import { createHash } from 'node:crypto';
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose';
import { type Clock, epochSeconds } from '../core/clock.ts';
import type { Database } from '../infra/postgres.ts';
import { storageKey } from './storage-key.ts';
import { rememberOnce } from './store.ts';

export interface ProofDeps {
  db: Database;
  clock: Clock;
}

export interface ProofInput {
  issuer: string;
  proof: string;
  method: string;
  /** Of the request, without query. */
  path: string;
  accessToken: string;
  /** Thumbprint that the token is bound to. */
  jkt: string;
}

/** How old a proof may be, and how far in the future, in seconds. */
const AGE = 300;
const AHEAD = 60;
const ALGS = ['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519'];

/** Whether the proof is the key owner's, for this request and this token, and shown for the first time. */
export async function isProven({ db, clock }: ProofDeps, input: ProofInput): Promise<boolean> {
  if (input.proof.length > 8192) return false;
  try {
    const { payload, protectedHeader } = await jwtVerify(input.proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: ALGS,
      currentDate: clock.now(),
    });
    const { jwk } = protectedHeader;
    if (!jwk || 'd' in jwk || 'k' in jwk) return false;
    const now = epochSeconds(clock.now());
    const { htm, htu, ath, jti, iat } = payload as Record<string, unknown>;
    if (htm !== input.method || typeof htu !== 'string' || !isSameUrl(htu, input.issuer + input.path)) return false;
    if (typeof iat !== 'number' || iat < now - AGE || iat > now + AHEAD) return false;
    if (ath !== createHash('sha256').update(input.accessToken).digest('base64url')) return false;
    if (typeof jti !== 'string' || jti.length === 0 || jti.length > 512) return false;
    if ((await calculateJwkThumbprint(jwk)) !== input.jkt) return false;
    return rememberOnce(db, storageKey(input.issuer, 'ReplayDetection', `api\n${input.jkt}\n${jti}`), iat + AGE + AHEAD);
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_J')) return false;
    throw error;
  }
}

/** Section 4.3 number 9: compared without query and fragment. */
function isSameUrl(given: string, expected: string): boolean {
  if (!URL.canParse(given)) return false;
  const [a, b] = [new URL(given), new URL(expected)];
  return a.origin === b.origin && a.pathname === b.pathname;
}
