/**
 * Password hashes that another system made: read on import, verified until the person's first sign-in replaces them. They are kept as one
 * text each, in the PHC string format or as bcrypt writes them.
 */
import { pbkdf2, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import argon2 from 'argon2';
import { bcrypt } from './bcrypt-thread.ts';
import { bytesOf, refused, toBase64 } from './hash-bytes.ts';

/** A hash whose form, strength and cost have been judged. */
export interface ImportedHash {
  readonly phc: string;
}

// What one verification may cost: who imports hashes must not be able to stop the server with them. And what is no protection any more.
const MAX_MEMORY_KIB = 256 * 1024;
const ARGON2 = { memoryKib: [512, MAX_MEMORY_KIB], passes: [1, 10], lanes: [1, 16] } as const;
const SCRYPT = { ln: [10, 20], r: [1, 32], p: [1, 16], work: 2 ** 23 } as const;
const PBKDF2_ITERATIONS = [1000, 2_000_000] as const;
const BCRYPT_COST = [4, 14] as const;
const SALT_BYTES = [8, 128] as const;
const HASH_BYTES = [16, 128] as const;

/** Bytes of one block of PBKDF2 (RFC 8018 section 5.2), by digest. */
const DIGESTS: Readonly<Record<string, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 };

const within = (value: number, [least, most]: readonly [number, number], what: string): number => {
  if (!Number.isSafeInteger(value) || value < least || value > most) throw refused(`${what} must be from ${least} to ${most}`);
  return value;
};

interface Parts {
  salt: Buffer;
  hash: Buffer;
}

function checkParts({ salt, hash }: Parts): void {
  within(salt.length, SALT_BYTES, 'the length of the salt, in bytes,');
  within(hash.length, HASH_BYTES, 'the length of the hash, in bytes,');
}

export interface Argon2Hash extends Parts {
  type: 'argon2id' | 'argon2i' | 'argon2d';
  /** 16 or 19. */
  version: number;
  memoryKib: number;
  passes: number;
  lanes: number;
}

/** RFC 9106. Throws 422. */
export function argon2Hash(from: Argon2Hash): ImportedHash {
  checkParts(from);
  if (from.version !== 16 && from.version !== 19) throw refused('this version of argon2 is not known');
  const p = within(from.lanes, ARGON2.lanes, 'argon2 lanes (p)');
  const m = within(from.memoryKib, [Math.max(ARGON2.memoryKib[0], 8 * p), ARGON2.memoryKib[1]], 'argon2 memory in KiB (m)');
  const t = within(from.passes, ARGON2.passes, 'argon2 passes (t)');
  return { phc: `$${from.type}$v=${from.version}$m=${m},t=${t},p=${p}$${toBase64(from.salt)}$${toBase64(from.hash)}` };
}

export interface ScryptHash extends Parts {
  /** The logarithm of the cost N to the base of 2. */
  ln: number;
  r: number;
  p: number;
}

/** RFC 7914. Throws 422. */
export function scryptHash(from: ScryptHash): ImportedHash {
  checkParts(from);
  const ln = within(from.ln, SCRYPT.ln, 'the logarithm of the cost of scrypt');
  const r = within(from.r, SCRYPT.r, 'the block size of scrypt (r)');
  const p = within(from.p, SCRYPT.p, 'the parallelism of scrypt (p)');
  const kib = (2 ** ln * r) / 8;
  if (kib > MAX_MEMORY_KIB) throw refused(`scrypt must not need more than ${MAX_MEMORY_KIB} KiB`);
  if (2 ** ln * r * p > SCRYPT.work) throw refused('scrypt must not cost more than N·r·p = 2^23');
  return { phc: `$scrypt$ln=${ln},r=${r},p=${p}$${toBase64(from.salt)}$${toBase64(from.hash)}` };
}

export interface Pbkdf2Hash extends Parts {
  digest: string;
  iterations: number;
}

/** RFC 8018. Throws 422. */
export function pbkdf2Hash(from: Pbkdf2Hash): ImportedHash {
  checkParts(from);
  const block = DIGESTS[from.digest];
  if (block === undefined) throw refused(`PBKDF2 is understood with ${Object.keys(DIGESTS).join(', ')}`);
  const i = within(from.iterations, PBKDF2_ITERATIONS, 'the iterations of PBKDF2');
  // Every block is computed from the password alone, so the first one says all, and the others would only cost us time.
  return { phc: `$pbkdf2-${from.digest}$i=${i}$${toBase64(from.salt)}$${toBase64(from.hash.subarray(0, block))}` };
}

const BCRYPT = /^\$2[aby]\$(\d\d)\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/;
const BCRYPT_ALPHABET = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Throws 422. */
export function bcryptHash(text: string): ImportedHash {
  const [, cost, salt, hash] = BCRYPT.exec(text) ?? [];
  if (!cost || !salt || !hash) throw refused('this is no bcrypt hash of the versions 2a, 2b and 2y');
  within(Number(cost), BCRYPT_COST, 'the cost of bcrypt');
  // Some libraries leave rubbish in the bits that the last characters have to spare.
  return { phc: `${text.slice(0, 7)}${cleared(salt, 4)}${cleared(hash, 2)}` };
}

const cleared = (text: string, bits: number): string =>
  text.slice(0, -1) + BCRYPT_ALPHABET[(BCRYPT_ALPHABET.indexOf(text.slice(-1)) >> bits) << bits];

const ARGON2_TEXT = /^\$(argon2id|argon2i|argon2d)(?:\$v=(\d{1,2}))?\$([a-z]=\d{1,9}(?:,[a-z]=\d{1,9})*)\$([^$]+)\$([^$]+)$/;
const SCRYPT_TEXT = /^\$scrypt\$([a-z]+=\d{1,9}(?:,[a-z]+=\d{1,9})*)\$([^$]+)\$([^$]+)$/;
const PBKDF2_TEXT = /^\$pbkdf2(?:-([a-z0-9]{1,10}))?\$([a-z]=\d{1,9}(?:,[a-z]=\d{1,9})*|\d{1,9})\$([^$]+)\$([^$]+)$/;

/** One hash as a text: argon2, scrypt or PBKDF2 in the PHC string format (PBKDF2 as passlib writes it too), or bcrypt. Throws 422. */
export function parseHashText(text: string): ImportedHash {
  if (text.startsWith('$2')) return bcryptHash(text);
  const [, type, version, costs, salt, hash] = ARGON2_TEXT.exec(text) ?? [];
  if ((type === 'argon2id' || type === 'argon2i' || type === 'argon2d') && costs && salt && hash) {
    const { m, t, p } = costsOf(costs, ['m', 't', 'p']);
    return argon2Hash({ type, version: Number(version ?? 16), memoryKib: m!, passes: t!, lanes: p!, ...partsOf(salt, hash) });
  }
  const scrypt = SCRYPT_TEXT.exec(text);
  if (scrypt) {
    const { ln, r, p } = costsOf(scrypt[1]!, ['ln', 'r', 'p']);
    return scryptHash({ ln: ln!, r: r!, p: p!, ...partsOf(scrypt[2]!, scrypt[3]!) });
  }
  const pbkdf2 = PBKDF2_TEXT.exec(text);
  if (pbkdf2) return parsePbkdf2(pbkdf2);
  throw refused('this hash is not understood; argon2, bcrypt, scrypt and PBKDF2 are');
}

function parsePbkdf2([, digest = 'sha1', costs = '', salt = '', hash = '']: RegExpExecArray): ImportedHash {
  const parts = partsOf(salt, hash);
  if (!costs.includes('=')) return pbkdf2Hash({ digest, iterations: Number(costs), ...parts });
  const { i, l = parts.hash.length } = costsOf(costs, ['i'], ['l']);
  if (l !== parts.hash.length) throw refused('the hash is not as long as it says');
  return pbkdf2Hash({ digest, iterations: i!, ...parts });
}

function costsOf(text: string, needed: readonly string[], optional: readonly string[] = []): Record<string, number> {
  const pairs = text.split(',').map((pair) => pair.split('='));
  const names = pairs.map(([name = '']) => name);
  const known = names.every((name, at) => (needed.includes(name) || optional.includes(name)) && names.indexOf(name) === at);
  if (!known || !needed.every((name) => names.includes(name))) throw refused(`the hash has to say ${needed.join(', ')}, each once`);
  return Object.fromEntries(pairs.map(([name, value]) => [name, Number(value)]));
}

// passlib writes a dot for the plus sign.
const partsOf = (salt: string, hash: string): Parts => ({
  salt: bytesOf(salt.replaceAll('.', '+'), 'base64'),
  hash: bytesOf(hash.replaceAll('.', '+'), 'base64'),
});

const computeScrypt = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);
const computePbkdf2 = promisify(pbkdf2);

/**
 * Whether the password belongs to a hash that `parseImportedHash` answered. bcrypt counts the first 72 bytes, as it did where the hash was
 * made. To be called where few run at once: see `createPasswordHasher`. Throws what `parseHashText` throws where the text is none.
 */
export async function verifyImported(hash: ImportedHash, password: string): Promise<boolean> {
  const { phc } = hash;
  if (phc.startsWith('$argon2')) return argon2.verify(phc, password);
  if (phc.startsWith('$2')) return same(Buffer.from(await bcrypt(password, phc.slice(0, 29))), Buffer.from(phc));
  const [, algorithm = '', costs = '', salt = '', value = ''] = phc.split('$');
  const parts = partsOf(salt, value);
  if (algorithm === 'scrypt') {
    const { ln, r, p } = costsOf(costs, ['ln', 'r', 'p']);
    const options = { N: 2 ** ln!, r: r!, p: p!, maxmem: 128 * (2 ** ln! + p! + 2) * r! };
    return same(await computeScrypt(password, parts.salt, parts.hash.length, options), parts.hash);
  }
  const { i } = costsOf(costs, ['i']);
  return same(await computePbkdf2(password, parts.salt, i!, parts.hash.length, algorithm.replace('pbkdf2-', '')), parts.hash);
}

const same = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);
