import { randomBytes } from 'node:crypto';
import { Type } from '@sinclair/typebox';
import type { NewFactor } from '../../features/factors/index.ts';
import type { PasskeyData } from '../../features/factors/schema.ts';
import { relyingParty, userHandleOf } from '../webauthn.ts';
import { type Enrolment, LABEL } from './kind.ts';

const State = Type.Object({ challenge: Type.String() });

const TEXT = Type.String({ maxLength: 65_536, pattern: '^[A-Za-z0-9_-]*$' });
/** What `navigator.credentials.create` answered (WebAuthn Level 3 section 5.1.8, RegistrationResponseJSON). */
export const REGISTRATION = Type.Object(
  {
    id: TEXT,
    rawId: TEXT,
    type: Type.Literal('public-key'),
    response: Type.Object({
      clientDataJSON: TEXT,
      attestationObject: TEXT,
      transports: Type.Optional(Type.Array(Type.String({ maxLength: 32 }), { maxItems: 10 })),
      authenticatorData: Type.Optional(TEXT),
      publicKey: Type.Optional(TEXT),
      publicKeyAlgorithm: Type.Optional(Type.Integer()),
    }),
    clientExtensionResults: Type.Object({}, { additionalProperties: true }),
    authenticatorAttachment: Type.Optional(Type.String({ maxLength: 32 })),
  },
  { description: 'RegistrationResponseJSON of WebAuthn, base64url' },
);
const Input = Type.Object({ credential: REGISTRATION, name: Type.Optional(LABEL) });

/** WebAuthn Level 3 section 7.1: whoever claims more is no authenticator. */
const LONGEST_ID_BYTES = 1023;
const ES256 = -7;
const ED25519 = -8;
const RS256 = -257;
const TRANSPORTS = ['ble', 'cable', 'hybrid', 'internal', 'nfc', 'smart-card', 'usb'] as const;
type Transport = (typeof TRANSPORTS)[number];
export const knownTransports = (names: readonly string[]): Transport[] => TRANSPORTS.filter((transport) => names.includes(transport));

/** A passkey or a security key (WebAuthn Level 3 section 7.1): no attestation is asked for, so any make will do. */
export const passkeyEnrolment: Enrolment<typeof State, typeof Input, object> = {
  id: 'passkey',
  most: 20,
  // A challenge is good for one answer.
  tries: 1,
  state: State,
  input: Input,

  start: async () => ({ challenge: randomBytes(32).toString('base64url') }),

  async show({ challenge }, person, place) {
    const { generateRegistrationOptions } = await import('@simplewebauthn/server');
    return generateRegistrationOptions({
      rpName: place.name,
      rpID: relyingParty(place.issuer).id,
      userName: person.login,
      userDisplayName: person.name,
      userID: userHandleOf(person.id),
      challenge: new Uint8Array(Buffer.from(challenge, 'base64url')),
      timeout: 300_000,
      attestationType: 'none',
      excludeCredentials: person.passkeys.map(({ id, transports }) => ({ id, transports: knownTransports(transports) })),
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' },
      supportedAlgorithmIDs: [ED25519, ES256, RS256],
    });
  },

  async finish({ challenge }, { credential: response, name }, { issuer, names }): Promise<NewFactor | undefined> {
    const { verifyRegistrationResponse } = await import('@simplewebauthn/server');
    const { id: expectedRPID, origin: expectedOrigin } = relyingParty(issuer);
    const { authenticatorAttachment: _attachment, response: answer, ...rest } = response;
    const { transports = [], clientDataJSON, attestationObject } = answer;
    const result = await verifyRegistrationResponse({
      response: { ...rest, response: { clientDataJSON, attestationObject, transports: knownTransports(transports) } },
      expectedChallenge: challenge,
      expectedOrigin,
      expectedRPID,
      requireUserVerification: false,
      supportedAlgorithmIDs: [ED25519, ES256, RS256],
      // It throws for whatever is wrong with the answer, and needs nothing that could be away.
    }).catch(() => undefined);
    if (!result?.verified) return undefined;
    const { credential, aaguid, userVerified, credentialDeviceType, credentialBackedUp } = result.registrationInfo;
    if (Buffer.byteLength(credential.id, 'base64url') > LONGEST_ID_BYTES) return undefined;
    const data: PasskeyData = {
      id: credential.id,
      publicKey: Buffer.from(credential.publicKey).toString('base64url'),
      counter: credential.counter,
      transports: knownTransports(transports),
      backedUp: credentialBackedUp,
      synced: credentialDeviceType === 'multiDevice',
      aaguid,
      userVerified,
    };
    return { type: 'passkey', name: name || names.passkey, data, lookup: credential.id };
  },
};
