/** Signatures of cookies (HMAC-SHA-256, base64url), as Keygrip makes and judges them, with keys that are prepared once. */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';

export interface CookieKeys {
  /** Under the first key. */
  sign(data: string): string;
  /** Whether any of the keys signed `data`. */
  verify(data: string, signature: string): boolean;
  /** Which of the keys signed `data`; -1 for none. Compares in constant time. */
  index(data: string, signature: string): number;
}

/** Throws RangeError where there is no key. */
export function createCookieKeys(keys: readonly string[]): CookieKeys {
  const ring = keys.map((key) => createSecretKey(Buffer.from(key)));
  const first = ring[0];
  if (!first) throw new RangeError('cookies need a key');
  const index = (data: string, signature: string): number => {
    const given = Buffer.from(signature);
    return ring.findIndex((key) => {
      const right = Buffer.from(signatureOf(key, data));
      return right.length === given.length && timingSafeEqual(right, given);
    });
  };
  return {
    sign: (data) => signatureOf(first, data),
    verify: (data, signature) => index(data, signature) >= 0,
    index,
  };
}

const signatureOf = (key: KeyObject, data: string): string => createHmac('sha256', key).update(data).digest('base64url');
