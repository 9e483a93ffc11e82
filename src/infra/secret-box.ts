/** Secrets at rest: AES-256-GCM with the key's id in front, so that keys can be exchanged while old values are still readable. */
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';

export interface SecretBox {
  /** Encrypts under the first key. `context` names what the value is for; `open` must be told the same. */
  seal(plain: string | Buffer, context: string): Buffer;
  /** Decrypts what any of the keys sealed. Throws SecretBoxError where the value is damaged, of another context or of an unknown key. */
  open(sealed: Buffer, context: string): Buffer;
  /** Keyed hash of `text` under the first key (HMAC-SHA-256), base64url: for short values that are only looked up. */
  mac(context: string, text: string): string;
  /** The same under every key, first key first: look-ups go on finding what was written before a rotation. */
  macAll(context: string, text: string): string[];
}

export class SecretBoxError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'SecretBoxError';
  }
}

interface Key {
  id: Buffer;
  /** As objects: Node takes several times as long to begin with a key that is bytes. */
  sealing: KeyObject;
  hashing: KeyObject;
}

const VERSION = 1;
const HEAD = Buffer.from([VERSION]);
const ID_BYTES = 8;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + ID_BYTES + IV_BYTES + TAG_BYTES;

/** `keys` are 32 bytes each: the first encrypts, all decrypt. Throws RangeError for any other length or none at all. */
export function createSecretBox(keys: readonly Buffer[]): SecretBox {
  const ring = keys.map(deriveKey);
  const first = ring[0];
  if (!first) throw new RangeError('a secret box needs a key');

  return {
    seal(plain, context) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', first.sealing, iv);
      cipher.setAAD(Buffer.from(context));
      const body = typeof plain === 'string' ? cipher.update(plain, 'utf8') : cipher.update(plain);
      // GCM pads nothing: what is left is empty, but without it there is no tag.
      const rest = cipher.final();
      return Buffer.concat([HEAD, first.id, iv, cipher.getAuthTag(), body, rest]);
    },

    open(sealed, context) {
      if (sealed.length < HEAD_BYTES || sealed[0] !== VERSION) throw new SecretBoxError('not a sealed value');
      const id = sealed.subarray(1, 1 + ID_BYTES);
      const key = ring.find((candidate) => candidate.id.equals(id));
      if (!key) throw new SecretBoxError('sealed under a key that is not configured');
      const tagAt = 1 + ID_BYTES + IV_BYTES;
      const decipher = createDecipheriv('aes-256-gcm', key.sealing, sealed.subarray(1 + ID_BYTES, tagAt), { authTagLength: TAG_BYTES });
      decipher.setAAD(Buffer.from(context));
      decipher.setAuthTag(sealed.subarray(tagAt, HEAD_BYTES));
      try {
        return Buffer.concat([decipher.update(sealed.subarray(HEAD_BYTES)), decipher.final()]);
      } catch (error) {
        throw new SecretBoxError('damaged, or sealed for another purpose', error);
      }
    },

    mac: (context, text) => macWith(first, context, text),
    macAll: (context, text) => ring.map((key) => macWith(key, context, text)),
  };
}

function deriveKey(key: Buffer): Key {
  if (key.length !== 32) throw new RangeError('an encryption key has 32 bytes');
  const derive = (purpose: string, bytes: number): Buffer => Buffer.from(hkdfSync('sha256', key, '', `gatehouse ${purpose}`, bytes));
  return { id: derive('key id', ID_BYTES), sealing: createSecretKey(derive('seal', 32)), hashing: createSecretKey(derive('mac', 32)) };
}

/** The length of the context goes in front, so that no two pairs of context and text read the same. */
function macWith(key: Key, context: string, text: string): string {
  return createHmac('sha256', key.hashing).update(`${context.length}:${context}:${text}`).digest('base64url');
}
