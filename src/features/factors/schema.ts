import { type Static, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { FACTOR_TYPES, type Factor } from './index.ts';

const TOTP_DATA = Type.Object({
  /** The last time step that was taken: it and those before it are used up (RFC 6238 section 5.2). */
  lastStep: Type.Integer(),
});
export type TotpData = Static<typeof TOTP_DATA>;

const PASSKEY_DATA = Type.Object({
  /** The credential's id, base64url. */
  id: Type.String(),
  /** COSE, base64url. */
  publicKey: Type.String(),
  counter: Type.Integer({ minimum: 0 }),
  transports: Type.Array(Type.String()),
  backedUp: Type.Boolean(),
  /** It can be on several devices of the person. */
  synced: Type.Boolean(),
  aaguid: Type.String(),
  userVerified: Type.Boolean(),
});
export type PasskeyData = Static<typeof PASSKEY_DATA>;

const RECOVERY_DATA = Type.Object({
  hashes: Type.Array(Type.Object({ hash: Type.String(), usedAt: Type.Optional(Type.String()) }), { maxItems: 20 }),
});
export type RecoveryData = Static<typeof RECOVERY_DATA>;

/** Beside what it holds, in the same place: the session that it was added in, see `sessionKey`. */
const ORIGIN = Type.Object({ addedIn: Type.String() });

const [totp, passkey, recovery, origin] = [
  TypeCompiler.Compile(TOTP_DATA),
  TypeCompiler.Compile(PASSKEY_DATA),
  TypeCompiler.Compile(RECOVERY_DATA),
  TypeCompiler.Compile(ORIGIN),
];

export const parseTotp = (data: unknown): TotpData | undefined => (totp.Check(data) ? data : undefined);
export const parsePasskey = (data: unknown): PasskeyData | undefined => (passkey.Check(data) ? data : undefined);
export const parseRecovery = (data: unknown): RecoveryData | undefined => (recovery.Check(data) ? data : undefined);

export const parseOrigin = (data: unknown): string | undefined => (origin.Check(data) ? data.addedIn : undefined);

/** How many of the codes still work. */
export const codesLeft = ({ hashes }: RecoveryData): number => hashes.filter(({ usedAt }) => usedAt === undefined).length;

const NAME = Type.String({ minLength: 1, maxLength: 60, pattern: '^[^\\u0000-\\u001f\\u007f\\u2028\\u2029]+$' });
const ENROLMENT = Type.String({ pattern: '^[\\w-]{43}$', description: 'As the first step answered it' });

export const FACTOR = Type.Object({
  id: Type.String(),
  type: Type.Union(FACTOR_TYPES.map((type) => Type.Literal(type))),
  name: Type.Union([Type.String(), Type.Null()], { description: 'What you call it' }),
  createdAt: Type.String({ format: 'date-time' }),
  lastUsedAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
  codesLeft: Type.Optional(Type.Integer({ description: 'Of recovery codes: how many still work' })),
});
export const FACTOR_PAGE = Type.Object({
  items: Type.Array(FACTOR),
  nextCursor: Type.Null(),
  organization: Type.Union(
    [
      Type.Object({
        method: Type.Union([Type.Literal('external-2fa'), Type.Literal('external-oidc')]),
        host: Type.String({ description: 'Of the service' }),
      }),
      Type.Null(),
    ],
    {
      description:
        'What your organisation asks you by, beside or in place of these: a second-factor service of its own. It cannot be taken away',
    },
  ),
});
export const FACTOR_PATCH = Type.Object({ name: Type.Optional(NAME) });

export const ENROL_TOTP = Type.Object({
  enrolment: Type.String({ description: 'For the second step' }),
  secret: Type.String({ description: 'The key in base32, in groups of four' }),
  uri: Type.String({ description: 'otpauth://, for an app on the same device' }),
  qr: Type.String({ description: 'The same as a picture: a data: URL' }),
});
export const FINISH_TOTP = Type.Object({ enrolment: ENROLMENT, code: Type.String({ maxLength: 64 }), name: Type.Optional(NAME) });

export const ENROL_PASSKEY = Type.Object({
  enrolment: Type.String({ description: 'For the second step' }),
  options: Type.Object(
    {},
    { additionalProperties: true, description: 'PublicKeyCredentialCreationOptionsJSON (WebAuthn Level 3 section 5.1.8.1)' },
  ),
});
export const FINISH_PASSKEY = Type.Object({
  enrolment: ENROLMENT,
  credential: Type.Object({}, { additionalProperties: true, description: 'RegistrationResponseJSON (WebAuthn Level 3 section 5.1.8)' }),
  name: Type.Optional(NAME),
});
export const CODES = Type.Object({
  id: Type.String(),
  codes: Type.Array(Type.String(), { description: 'Ten; each works once' }),
});

export const factorView = ({ id, type, name, createdAt, lastUsedAt, codesLeft: left }: Factor): Static<typeof FACTOR> => ({
  id,
  type,
  name: name ?? null,
  createdAt: createdAt.toISOString(),
  lastUsedAt: lastUsedAt?.toISOString() ?? null,
  ...(left === undefined ? {} : { codesLeft: left }),
});
