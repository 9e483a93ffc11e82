import { timingSafeEqual } from 'node:crypto';
import { newSecret, sha256 } from '../../core/ids.ts';
import type { ClientSecretHash } from './index.ts';

/** 256 random bits, base64url. */
export const newClientSecret = (): string => newSecret(32);

/** How secrets are kept. They are long and random, so that a slow hash would gain nothing. */
export const hashSecret = (secret: string): string => sha256(`client-secret\n${secret}`);

/** Whether one of the hashes is that of `given` and has not expired at `nowSeconds`; every hash is compared, each in constant time. */
export function matchesSecret(secrets: readonly ClientSecretHash[], given: string, nowSeconds: number): boolean {
  const hash = Buffer.from(hashSecret(given));
  let matches = false;
  for (const secret of secrets) {
    const known = Buffer.from(secret.hash);
    const equal = known.length === hash.length && timingSafeEqual(known, hash);
    matches = (equal && (secret.expiresAt === null || secret.expiresAt > nowSeconds)) || matches;
  }
  return matches;
}

export const usesSecret = (metadata: Readonly<Record<string, unknown>>): boolean =>
  metadata['token_endpoint_auth_method'] === 'client_secret_basic' || metadata['token_endpoint_auth_method'] === 'client_secret_post';
