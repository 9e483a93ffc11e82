/** An authenticator without a screen: makes passkeys and signs with them as WebAuthn Level 3 has it, or as an attacker would like it. */
import { createHash, createSign, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';

export interface Passkey {
  id: string;
  key: KeyObject;
  counter: number;
  userHandle: string;
}

export interface Wishes {
  origin?: string;
  rpId?: string;
  challenge?: string;
  /** Whether the person was verified; true where nothing is said. */
  verified?: boolean;
  /** What it counts to; one more than before where nothing is said. */
  counter?: number;
  /** Backed up, on several devices. */
  synced?: boolean;
  userHandle?: string;
  /** How long the id of a new one is. */
  idBytes?: number;
}

const UP = 0x01;
const UV = 0x04;
const BE = 0x08;
const BS = 0x10;
const AT = 0x40;

const b64 = (data: Buffer | string): string => Buffer.from(data).toString('base64url');
const sha = (data: Buffer | string): Buffer => createHash('sha256').update(data).digest();

/** The part of CBOR (RFC 8949) that is needed. */
function cbor(value: unknown): Buffer {
  const head = (major: number, length: number): Buffer => {
    if (length < 24) return Buffer.from([(major << 5) | length]);
    if (length < 256) return Buffer.from([(major << 5) | 24, length]);
    return Buffer.from([(major << 5) | 25, length >> 8, length & 255]);
  };
  if (typeof value === 'number') return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (value instanceof Map)
    return Buffer.concat([head(5, value.size), ...[...value].flatMap(([name, member]) => [cbor(name), cbor(member)])]);
  throw new TypeError('not of this test');
}

function authenticatorData(rpId: string, counter: number, { verified = true, synced = false }: Wishes, attested?: Buffer): Buffer {
  const flags = UP | (verified ? UV : 0) | (synced ? BE | BS : 0) | (attested ? AT : 0);
  const count = Buffer.alloc(4);
  count.writeUInt32BE(counter);
  return Buffer.concat([sha(rpId), Buffer.from([flags]), count, attested ?? Buffer.alloc(0)]);
}

const clientData = (type: string, challenge: string, origin: string): Buffer =>
  Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin: false }));

export interface CreationOptions {
  challenge: string;
  rp: { id?: string };
  user: { id: string };
  excludeCredentials?: { id: string }[];
}

/** As `navigator.credentials.create` at `origin` would answer. */
export function createPasskey(options: CreationOptions, origin: string, wishes: Wishes = {}): { passkey: Passkey; credential: object } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  const id = randomBytes(wishes.idBytes ?? 32);
  const cose = cbor(
    new Map<number, unknown>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, Buffer.from(x, 'base64url')],
      [-3, Buffer.from(y, 'base64url')],
    ]),
  );
  const attested = Buffer.concat([Buffer.alloc(16), Buffer.from([id.length >> 8, id.length & 255]), id, cose]);
  const authData = authenticatorData(wishes.rpId ?? options.rp.id ?? '', wishes.counter ?? 1, wishes, attested);
  const attestationObject = cbor(
    new Map<string, unknown>([
      ['fmt', 'none'],
      ['attStmt', new Map()],
      ['authData', authData],
    ]),
  );
  return {
    passkey: { id: b64(id), key: privateKey, counter: wishes.counter ?? 1, userHandle: options.user.id },
    credential: {
      id: b64(id),
      rawId: b64(id),
      type: 'public-key',
      authenticatorAttachment: 'platform',
      clientExtensionResults: {},
      response: {
        clientDataJSON: b64(clientData('webauthn.create', wishes.challenge ?? options.challenge, wishes.origin ?? origin)),
        attestationObject: b64(attestationObject),
        transports: ['internal'],
      },
    },
  };
}

export interface RequestOptions {
  challenge: string;
  rpId?: string;
  allowCredentials?: { id: string }[];
}

/** As `navigator.credentials.get` at `origin` would answer. */
export function usePasskey(passkey: Passkey, options: RequestOptions, origin: string, wishes: Wishes = {}): object {
  const counter = wishes.counter ?? passkey.counter + 1;
  passkey.counter = Math.max(passkey.counter, counter);
  const data = authenticatorData(wishes.rpId ?? options.rpId ?? '', counter, wishes);
  const client = clientData('webauthn.get', wishes.challenge ?? options.challenge, wishes.origin ?? origin);
  const signature = createSign('sha256')
    .update(Buffer.concat([data, sha(client)]))
    .sign(passkey.key);
  return {
    id: passkey.id,
    rawId: passkey.id,
    type: 'public-key',
    authenticatorAttachment: 'platform',
    clientExtensionResults: {},
    response: {
      clientDataJSON: b64(client),
      authenticatorData: b64(data),
      signature: b64(signature),
      userHandle: wishes.userHandle ?? passkey.userHandle,
    },
  };
}
