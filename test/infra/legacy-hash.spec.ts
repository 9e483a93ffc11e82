import assert from 'node:assert/strict';
import { AppError } from '#src/core/errors.ts';
import { parseImportedHash } from '#src/infra/imported-hash.ts';
import { type ImportedHash, verifyImported } from '#src/infra/legacy-hash.ts';
import { createPasswordHasher } from '#src/infra/password-hash.ts';

const PASSWORD = 'correct horse battery staple';
const SALT = 'AAECAwQFBgcICQoLDA0ODw==';
const SHA256_64 = 'Ca/W1uHPdOF53bPWSQyrHQQPdk6KOe20VTbaw0U+WWswH2gciKNBqwk+H7RPgAmCshFAhVRLSSar72bo1/g8dA==';
const SHA512_64 = 'tfP6dFnMFLm84erFFC/hWDzb6fAjAPCAs0RvJLiu5xYHfelPBTAEADgLVRgJzZ8bKvvUpW2nUExEbADbiezuPg==';
const SHA1_64 = 'mDBWhAY1XkkOEOxzcRFoSuJ6yR1+rYw/2EZa18oj9xIBWs+fb95xkPVilQh7KMTqc3ZSpogK3Gij4qsOhkJ+/Q==';
const SHA256_32 = 'm/kLywdyNwK9GV2kWntRGvZzmeiVsuqehNWlLst2eWY';
const SCRYPT_32 = '11kKyiyYAc8G7rp3KmncMc44YlkdllIqxOa7pq0fMaU';
const SCRYPT_HEX =
  '496768b720965230a715cc2f5f05d850bc8b0fae4cb26f8cf212a523153c9b1955b6daebcf2d376f9df82aebf5270af99e455c3e23e49969139fa2ccf8ef3b19';
const ARGON2_32 = '8cZyfmGLYgTYc8avb2ZXWqFShr92bklhQdS/tplOl9k=';
const BCRYPT_2Y = '$2y$10$UvDuJBUhlbU9h1m3AkaY.Ot5niBDiW1P.9ztkmWNEkZppm4xoD0Iy';

const plain = (text: string): string => text.replaceAll('=', '');
const keycloakArgon2 = (parameters: Record<string, string[]> = {}, hashIterations = 5) => ({
  credentialData: JSON.stringify({
    hashIterations,
    algorithm: 'argon2',
    additionalParameters: { hashLength: ['32'], memory: ['7168'], type: ['id'], version: ['1.3'], parallelism: ['1'], ...parameters },
  }),
  secretData: JSON.stringify({ value: ARGON2_32, salt: SALT, additionalParameters: {} }),
});

/** Made by the reference implementation of argon2, crypt(3), htpasswd, Python's hashlib and OpenSSL. */
const KNOWN: Record<string, { input: string | object; password?: string }> = {
  'argon2id, reference implementation': {
    input: '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
    password: 'password',
  },
  'argon2i, reference implementation': {
    input: '$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG',
    password: 'password',
  },
  'argon2i of version 1.0, which names none': {
    input: '$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ',
    password: 'password',
  },
  'bcrypt 2y, htpasswd': { input: BCRYPT_2Y },
  'bcrypt 2b, crypt(3)': { input: '$2b$05$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS' },
  'bcrypt 2a, crypt(3)': { input: '$2a$05$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS' },
  'bcrypt with bits to spare that are set': { input: '$2b$05$abcdefghijklmnopqrstuvFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS' },
  'bcrypt of other letters': { input: '$2b$05$abcdefghijklmnopqrstuuHAV94Mj58aB25TMAjGh195IxPdIcE2O', password: 'pässwörd ☃' },
  'bcrypt of more than 72 bytes': { input: '$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i', password: 'x'.repeat(80) },
  'scrypt, PHC': { input: `$scrypt$ln=14,r=8,p=1$${plain(SALT)}$${SCRYPT_32}` },
  'PBKDF2, PHC': { input: `$pbkdf2-sha256$i=27500,l=64$${plain(SALT)}$${plain(SHA256_64)}` },
  'PBKDF2, passlib': { input: `$pbkdf2-sha256$29000$${plain(SALT).replaceAll('+', '.')}$${SHA256_32.replaceAll('+', '.')}` },
  'PBKDF2 with SHA-1, passlib': { input: `$pbkdf2$20000$${plain(SALT)}$${plain(SHA1_64).replaceAll('+', '.')}` },
  'Keycloak, pbkdf2-sha256': { input: { algorithm: 'pbkdf2-sha256', hashIterations: 27_500, value: SHA256_64, salt: SALT } },
  'Keycloak, pbkdf2': { input: { algorithm: 'pbkdf2', hashIterations: 20_000, value: SHA1_64, salt: SALT } },
  'Keycloak, a credential of a realm export': {
    input: {
      id: 'b5a2dd5a-3d77-4c1c-9bb9-6a5c4ca2a0ce',
      type: 'password',
      userLabel: 'My password',
      createdDate: 1_700_000_000_000,
      secretData: JSON.stringify({ value: SHA512_64, salt: SALT, additionalParameters: {} }),
      credentialData: JSON.stringify({ hashIterations: 210_000, algorithm: 'pbkdf2-sha512', additionalParameters: {} }),
    },
  },
  'Keycloak, argon2': { input: keycloakArgon2() },
  'Auth0, bcrypt': { input: { algorithm: 'bcrypt', hash: { value: BCRYPT_2Y } } },
  'Auth0, scrypt': {
    input: {
      custom_password_hash: {
        algorithm: 'scrypt',
        hash: { value: SCRYPT_HEX, encoding: 'hex' },
        salt: { value: 'auth0-salt-text', encoding: 'utf8' },
        keylen: 64,
        cost: 16_384,
        blockSize: 8,
        parallelization: 1,
      },
    },
  },
  'Auth0, pbkdf2 in its parts': {
    input: {
      algorithm: 'pbkdf2',
      hash: { value: Buffer.from(SHA256_64, 'base64').toString('hex').toUpperCase(), encoding: 'hex' },
      salt: { value: SALT, encoding: 'base64', position: 'prefix' },
      iterations: 27_500,
      keylen: 64,
      digest: 'sha256',
    },
  },
  'Auth0, pbkdf2 as a text': {
    input: {
      algorithm: 'pbkdf2',
      hash: { value: `$pbkdf2-sha512$i=210000,l=64$${plain(SALT)}$${plain(SHA512_64)}`, encoding: 'utf8' },
    },
  },
  'Auth0, argon2': {
    input: { algorithm: 'argon2', hash: { value: `$argon2id$v=19$m=7168,t=5,p=1$${plain(SALT)}$${plain(ARGON2_32)}`, encoding: 'utf8' } },
  },
};

const salted = (prefix: string, hash = SCRYPT_32): string => `${prefix}$${plain(SALT)}$${hash}`;
const bcryptAt = (cost: string): string => BCRYPT_2Y.replace('$10$', `$${cost}$`);
const keycloak = { algorithm: 'pbkdf2-sha256', hashIterations: 27_500, value: SHA256_64, salt: SALT };
const auth0 = {
  algorithm: 'pbkdf2',
  hash: { value: SHA256_64, encoding: 'base64' },
  salt: { value: SALT, encoding: 'base64' },
  iterations: 27_500,
  digest: 'sha256',
};

const REFUSED: Record<string, [input: string | object, says: RegExp]> = {
  'too much memory for argon2': [salted('$argon2id$v=19$m=262145,t=1,p=1'), /memory/],
  'too many passes of argon2': [salted('$argon2id$v=19$m=19456,t=11,p=1'), /passes/],
  'too many lanes of argon2': [salted('$argon2id$v=19$m=19456,t=1,p=17'), /lanes/],
  'less memory than argon2 has lanes for': [salted('$argon2id$v=19$m=8,t=1,p=1'), /memory/],
  'an unknown version of argon2': [salted('$argon2id$v=18$m=19456,t=1,p=1'), /version/],
  'associated data': [salted('$argon2id$v=19$m=19456,t=1,p=1,d=1'), /each once/],
  'a cost that is said twice': [salted('$argon2id$v=19$m=19456,t=1,p=1,m=512'), /each once/],
  'a cost that is missing': [salted('$argon2id$v=19$m=19456,t=1'), /each once/],
  'too much memory for scrypt': [salted('$scrypt$ln=19,r=8,p=1'), /262144 KiB/],
  'too much work for scrypt': [salted('$scrypt$ln=18,r=8,p=8'), /2\^23/],
  'an endless scrypt': [salted('$scrypt$ln=63,r=8,p=1'), /cost of scrypt/],
  'a weak scrypt': [salted('$scrypt$ln=4,r=8,p=1'), /cost of scrypt/],
  'a cost of scrypt that is no power of two': [
    {
      algorithm: 'scrypt',
      hash: { value: SCRYPT_HEX, encoding: 'hex' },
      salt: { value: 'auth0-salt-text' },
      cost: 20_000,
      blockSize: 8,
      parallelization: 1,
    },
    /cost of scrypt/,
  ],
  'too many iterations of PBKDF2': [salted('$pbkdf2-sha256$i=2000001'), /iterations/],
  'too few iterations of PBKDF2': [salted('$pbkdf2-sha256$i=999'), /iterations/],
  'iterations below zero': [{ ...keycloak, hashIterations: -1 }, /iterations/],
  'PBKDF2 with a broken digest': [salted('$pbkdf2-md5$i=27500'), /sha256/],
  'a hash that is not as long as it says': [salted('$pbkdf2-sha256$i=27500,l=64'), /as long/],
  'bcrypt at cost 15': [bcryptAt('15'), /from 4 to 14/],
  'bcrypt at cost 31': [bcryptAt('31'), /from 4 to 14/],
  'bcrypt at cost 3': [bcryptAt('03'), /from 4 to 14/],
  'bcrypt with the error of 2x': [BCRYPT_2Y.replace('2y', '2x'), /2a, 2b and 2y/],
  'bcrypt that is cut': [BCRYPT_2Y.slice(0, -1), /2a, 2b and 2y/],
  'a salt of two bytes': [`$scrypt$ln=14,r=8,p=1$AAE$${SCRYPT_32}`, /salt/],
  'a hash of four bytes': [salted('$scrypt$ln=14,r=8,p=1', 'AAECAw'), /hash/],
  'what is no base64': [salted('$scrypt$ln=14,r=8,p=1', 'not-base64-at-all-not-base64'), /base64/],
  'what is no hex': [{ ...auth0, hash: { value: 'zz'.repeat(32), encoding: 'hex' } }, /hex/],
  'a password in the clear': ['correct horse battery staple', /not understood/],
  'MD5 of crypt(3)': ['$1$abcdefgh$G7zgGqMcGZ0kF9NB8qyGn1', /not understood/],
  'an empty text': ['', /not understood/],
  'an empty object': [{}, /Keycloak/],
  'an array': [[], /Keycloak/],
  'MD5 of Auth0': [{ algorithm: 'md5', hash: { value: 'd41d8cd98f00b204e9800998ecf8427e', encoding: 'hex' } }, /md5 is too weak/],
  'SHA-1 of Auth0': [{ custom_password_hash: { algorithm: 'sha1', hash: { value: 'da39', encoding: 'hex' } } }, /sha1 is too weak/],
  'LDAP of Auth0': [{ algorithm: 'ldap', hash: { value: '{SSHA}x', encoding: 'utf8' } }, /ldap is too weak/],
  'an algorithm nobody knows': [{ ...auth0, algorithm: 'rot13' }, /understood/],
  'a text of another algorithm': [{ algorithm: 'bcrypt', hash: { value: salted('$scrypt$ln=14,r=8,p=1') } }, /bcrypt/],
  'PBKDF2 without its digest': [{ ...auth0, digest: undefined }, /digest is missing/],
  'PBKDF2 without its iterations': [{ ...auth0, iterations: undefined }, /iterations is missing/],
  'PBKDF2 without its salt': [{ ...auth0, salt: undefined }, /salt is missing/],
  'a length that is not the hash’s': [{ ...auth0, keylen: 20 }, /keylen/],
  'a member that nobody knows': [{ ...auth0, signerKey: 'x' }, /signerKey/],
  'passwords in another encoding': [{ ...auth0, password: { encoding: 'ucs2' } }, /password/],
  'a digest of Keycloak that nobody knows': [{ ...keycloak, algorithm: 'pbkdf2-md5' }, /Keycloak/],
  'data of Keycloak that are no JSON': [{ credentialData: '{', secretData: '{}' }, /JSON/],
  'data of Keycloak without secrets': [{ credentialData: keycloakArgon2().credentialData }, /secretData/],
  'another credential of Keycloak': [{ ...keycloakArgon2(), type: 'otp' }, /type/],
  'an argon2 of Keycloak without memory': [keycloakArgon2({ memory: [] }), /memory/],
  'an endless argon2 of Keycloak': [keycloakArgon2({ memory: ['99999999'] }), /memory/],
  'more than 4096 characters': [`$2b$${'x'.repeat(5000)}`, /4096/],
  'an object of more than 4096 characters': [{ ...auth0, extra: 'x'.repeat(5000) }, /4096/],
};

describe('hashes of other systems', function () {
  this.timeout(20_000);

  for (const [name, { input, password = PASSWORD }] of Object.entries(KNOWN)) {
    it(`verifies ${name}, and refuses another password`, async () => {
      const hash = parseImportedHash(input);
      assert.equal(await verifyImported(hash, password), true);
      assert.equal(await verifyImported(hash, `${password.slice(0, 10)}x`), false);
      assert.equal(await verifyImported(hash, ''), false);
      assert.deepEqual(parseImportedHash(hash.phc), hash, 'what is kept can be read again');
      assert.equal(createPasswordHasher().needsRehash(hash.phc), true);
    });
  }

  for (const [name, [input, says]] of Object.entries(REFUSED)) {
    it(`refuses ${name} with 422, without showing it`, () => {
      assert.throws(
        () => parseImportedHash(input),
        (error) => {
          assert.ok(error instanceof AppError, String(error));
          assert.deepEqual([error.status, error.code, error.errors?.[0]?.pointer], [422, 'input.invalid', '/passwordHash']);
          const { message = '' } = error.errors?.[0] ?? {};
          assert.match(message, says);
          assert.ok(!message.includes(SCRYPT_32) && !message.includes(SHA256_64) && message.length < 200, message);
          return true;
        },
      );
    });
  }

  it('takes one block of PBKDF2, however long the hash is', () => {
    const { phc } = parseImportedHash({ algorithm: 'pbkdf2', hashIterations: 20_000, value: SHA1_64, salt: SALT });
    assert.equal(Buffer.from(phc.split('$').at(-1)!, 'base64').length, 20);
  });

  it('lets everything else go on while bcrypt runs', async () => {
    const hash = parseImportedHash(bcryptAt('12'));
    await verifyImported(parseImportedHash(bcryptAt('04')), 'the thread is there by now');
    let longest = 0;
    let last = performance.now();
    const ticks = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 2);
    const began = performance.now();
    assert.equal(await verifyImported(hash, 'wrong'), false);
    const took = performance.now() - began;
    clearInterval(ticks);
    longest = Math.max(longest, performance.now() - last);
    assert.ok(longest * 5 < took, `bcrypt took ${took} ms, and for ${longest} ms nothing else ran`);
  });

  it('runs no more of them at once than of ours, and turns away who waits too long', async () => {
    const hasher = createPasswordHasher({ concurrency: 1, queueMs: 20 });
    const { phc }: ImportedHash = parseImportedHash(BCRYPT_2Y);
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => hasher.verify(phc, PASSWORD)));
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    assert.ok(refused.length > 0 && refused.length < results.length, `${refused.length} of ${results.length} refused`);
    for (const error of refused) assert.deepEqual([error.status, error.code, error.headers['retry-after']], [503, 'service.busy', '2']);
    assert.ok(results.every((result) => result.status === 'rejected' || result.value));
    assert.equal(await hasher.verify(phc, PASSWORD), true);
  });
});
