/** The forms in which Keycloak and Auth0 export a password's hash, and plain texts. */
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { bytesOf, refused } from './hash-bytes.ts';
import { argon2Hash, type ImportedHash, parseHashText, pbkdf2Hash, scryptHash } from './legacy-hash.ts';

const MOST_CHARACTERS = 4096;

const Text = Type.String({ minLength: 1, maxLength: MOST_CHARACTERS });
const strict = { additionalProperties: false } as const;

const KeycloakExport = Type.Object({
  credentialData: Type.Union([Text, Type.Object({})]),
  secretData: Type.Union([Text, Type.Object({})]),
  type: Type.Optional(Type.Literal('password')),
});
const KeycloakCredentialData = Type.Object({
  algorithm: Text,
  hashIterations: Type.Integer(),
  additionalParameters: Type.Optional(Type.Record(Type.String(), Type.Array(Type.String()))),
});
const KeycloakSecretData = Type.Object({ value: Text, salt: Text });
const KeycloakFlat = Type.Object({ ...KeycloakCredentialData.properties, ...KeycloakSecretData.properties }, strict);

const AnyEncoding = Type.Union([Type.Literal('base64'), Type.Literal('hex'), Type.Literal('utf8')]);
const Auth0 = Type.Object(
  {
    algorithm: Text,
    hash: Type.Object({ value: Text, encoding: Type.Optional(AnyEncoding) }, strict),
    salt: Type.Optional(
      Type.Object(
        {
          value: Text,
          encoding: Type.Optional(AnyEncoding),
          // Says something for plain digests only.
          position: Type.Optional(Type.Union([Type.Literal('prefix'), Type.Literal('suffix')])),
        },
        strict,
      ),
    ),
    password: Type.Optional(Type.Object({ encoding: Type.Literal('utf8') }, strict)),
    iterations: Type.Optional(Type.Integer()),
    keylen: Type.Optional(Type.Integer()),
    digest: Type.Optional(Text),
    cost: Type.Optional(Type.Integer()),
    blockSize: Type.Optional(Type.Integer()),
    parallelization: Type.Optional(Type.Integer()),
  },
  strict,
);
type Auth0 = Static<typeof Auth0>;

function reader<S extends TSchema>(schema: S, what: string): (input: unknown) => Static<S> {
  const check = TypeCompiler.Compile(schema);
  return (input) => {
    if (check.Check(input)) return input;
    const path = check.Errors(input).First()?.path;
    throw refused(`this is no password of ${what}${path ? `: ${path} is missing, unknown or of another form` : ''}`);
  };
}

const readFlat = reader(KeycloakFlat, 'Keycloak');
const readExport = reader(KeycloakExport, 'Keycloak');
const readCredentialData = reader(KeycloakCredentialData, 'Keycloak');
const readSecretData = reader(KeycloakSecretData, 'Keycloak');
const readAuth0 = reader(Auth0, 'Auth0');

/**
 * Reads a hash that another system made: a text (argon2, bcrypt, scrypt, PBKDF2), a credential of a Keycloak realm export, or the value of
 * `custom_password_hash` of Auth0. Throws 422 at `/passwordHash` for what is not understood, costs too much, or protects nothing.
 */
export function parseImportedHash(input: string | object): ImportedHash {
  if ((typeof input === 'string' ? input : JSON.stringify(input)).length > MOST_CHARACTERS)
    throw refused(`must not have more than ${MOST_CHARACTERS} characters`);
  if (typeof input === 'string') return parseHashText(input);
  const { custom_password_hash: auth0 = input } = input as { custom_password_hash?: unknown };
  if (typeof auth0 !== 'object' || auth0 === null) throw refused('custom_password_hash has to be an object');
  if ('credentialData' in auth0 || 'secretData' in auth0) return parseKeycloakExport(auth0);
  refuseWeak('algorithm' in auth0 ? auth0.algorithm : undefined);
  return 'hash' in auth0 ? parseAuth0(readAuth0(auth0)) : parseKeycloak(readFlat(auth0));
}

function refuseWeak(algorithm: unknown): void {
  if (typeof algorithm === 'string' && /^(md[45]|sha-?\d+|ldap|hmac)/i.test(algorithm))
    throw refused(`${algorithm.slice(0, 20)} is too weak to keep passwords; let these people set a new one`);
}

function parseKeycloakExport(input: object): ImportedHash {
  const { credentialData, secretData } = readExport(input);
  // Both have `additionalParameters`; the algorithm's are those of the first.
  const from = readCredentialData(jsonOf(credentialData));
  const { value, salt } = readSecretData(jsonOf(secretData));
  return parseKeycloak({ ...from, value, salt });
}

/** In an export both are JSON within JSON. */
function jsonOf(data: unknown): unknown {
  if (typeof data !== 'string') return data;
  try {
    return JSON.parse(data);
  } catch {
    throw refused('credentialData and secretData have to be JSON');
  }
}

const KEYCLOAK_DIGESTS: Readonly<Record<string, string>> = { pbkdf2: 'sha1', 'pbkdf2-sha256': 'sha256', 'pbkdf2-sha512': 'sha512' };
const KEYCLOAK_ARGON2 = { id: 'argon2id', i: 'argon2i', d: 'argon2d' } as const;
const KEYCLOAK_ARGON2_VERSIONS: Readonly<Record<string, number>> = { '1.0': 16, '1.3': 19 };

function parseKeycloak(from: Static<typeof KeycloakFlat>): ImportedHash {
  refuseWeak(from.algorithm);
  const parts = { salt: bytesOf(from.salt, 'base64'), hash: bytesOf(from.value, 'base64') };
  const digest = KEYCLOAK_DIGESTS[from.algorithm];
  if (digest) return pbkdf2Hash({ digest, iterations: from.hashIterations, ...parts });
  if (from.algorithm !== 'argon2') throw refused('of Keycloak, pbkdf2, pbkdf2-sha256, pbkdf2-sha512 and argon2 are understood');
  const more = (name: string): string | undefined => from.additionalParameters?.[name]?.[0];
  const type = more('type');
  if (type !== 'id' && type !== 'i' && type !== 'd') throw refused('the type of argon2 has to be id, i or d');
  return argon2Hash({
    type: KEYCLOAK_ARGON2[type],
    version: KEYCLOAK_ARGON2_VERSIONS[more('version') ?? ''] ?? 0,
    memoryKib: Number(more('memory')),
    passes: from.hashIterations,
    lanes: Number(more('parallelism')),
    ...parts,
  });
}

const AUTH0_TEXTS: Readonly<Record<string, RegExp>> = { bcrypt: /^\$2/, argon2: /^\$argon2/, scrypt: /^\$scrypt\$/, pbkdf2: /^\$pbkdf2/ };

/** Settings that are not said are not guessed: a wrong guess would lock the person out, and nobody would know why. */
function parseAuth0(from: Auth0): ImportedHash {
  const text = AUTH0_TEXTS[from.algorithm];
  if (!text) throw refused('of Auth0, argon2, bcrypt, pbkdf2 and scrypt are understood');
  if (text.test(from.hash.value)) return parseHashText(from.hash.value);
  if (from.hash.value.startsWith('$') || from.algorithm === 'bcrypt' || from.algorithm === 'argon2')
    throw refused(`the hash has to be a text that ${from.algorithm} writes`);
  if (!from.salt) throw refused('the salt is missing');
  const parts = {
    salt: bytesOf(from.salt.value, from.salt.encoding ?? 'utf8'),
    hash: bytesOf(from.hash.value, from.hash.encoding ?? 'utf8'),
  };
  if ((from.keylen ?? parts.hash.length) !== parts.hash.length) throw refused('the hash is not as long as keylen says');
  if (from.algorithm === 'pbkdf2')
    return pbkdf2Hash({ digest: said(from.digest, 'digest'), iterations: said(from.iterations, 'iterations'), ...parts });
  const ln = Math.log2(said(from.cost, 'cost'));
  return scryptHash({ ln, r: said(from.blockSize, 'blockSize'), p: said(from.parallelization, 'parallelization'), ...parts });
}

function said<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw refused(`${name} is missing`);
  return value;
}
