import { hash, randomBytes, randomFillSync } from 'node:crypto';
import { systemClock } from './clock.ts';

const ID_BYTES = 16;
// Random bytes are drawn for many ids at once: a draw costs far more than its bytes.
const drawn = Buffer.alloc(256 * ID_BYTES);
let used = drawn.length;

/** A UUIDv7 (RFC 9562 section 5.7) for a row: sortable by time, not a secret. */
export function newId(at: Date = systemClock.now()): string {
  if (used === drawn.length) {
    randomFillSync(drawn);
    used = 0;
  }
  const bytes = drawn.subarray(used, used + ID_BYTES);
  used += ID_BYTES;
  bytes.writeUIntBE(at.getTime(), 0, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether `text` could be the id of a row; ask before it reaches a uuid column. */
export const isId = (text: string): boolean => UUID.test(text);

/** A secret of 256 bits, base64url, for tokens, codes in links and session ids. */
export const newSecret = (bytes = 32): string => randomBytes(bytes).toString('base64url');

/** SHA-256, base64url: how long random secrets and storage keys are kept. */
export const sha256 = (text: string): string => hash('sha256', text, 'base64url');
