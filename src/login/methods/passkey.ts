import { randomBytes } from 'node:crypto';
import { type Static, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { type PasskeyData, parsePasskey } from '../../features/factors/schema.ts';
import { knownTransports } from '../enrol/passkey.ts';
import type { Account, LoginMethod, StoredCredential, Verdict } from '../method.ts';
import { relyingParty, userHandleOf } from '../webauthn.ts';

/** As JSON text from a form, as an object from the API. */
const Input = Type.Object({
  passkey: Type.Union([Type.String({ maxLength: 32_768 }), Type.Object({}, { additionalProperties: true })], {
    description: 'AuthenticationResponseJSON of WebAuthn, base64url',
  }),
});

const TEXT = Type.String({ maxLength: 16_384, pattern: '^[A-Za-z0-9_-]*$' });
const Assertion = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 1400, pattern: '^[A-Za-z0-9_-]+$' }),
  rawId: TEXT,
  type: Type.Literal('public-key'),
  response: Type.Object({
    clientDataJSON: TEXT,
    authenticatorData: TEXT,
    signature: TEXT,
    userHandle: Type.Optional(Type.Union([TEXT, Type.Null()])),
  }),
});
type Assertion = Static<typeof Assertion>;
const assertion = TypeCompiler.Compile(Assertion);
const begun = TypeCompiler.Compile(Type.Object({ challenge: Type.String() }));

const TIMEOUT_MS = 300_000;

/**
 * A passkey or a security key (WebAuthn Level 3 section 7.2). Where the authenticator verified the person it is two factors by itself and
 * resists phishing; else it is one that is had.
 */
export function passkeyMethod(): LoginMethod<typeof Input> {
  return {
    id: 'passkey',
    factor: 'possession',
    amr: [],
    first: true,
    second: true,
    strong: true,
    means: 'passkey',
    input: Input,
    lookup(input) {
      const answer = readAssertion(input);
      return answer && { type: 'passkey', lookup: answer.id };
    },
    enrolled: (account) => stored(account).length > 0,
    asks: (account) => stored(account).length > 0,

    async begin({ account, issuer, purpose }) {
      const { generateAuthenticationOptions } = await import('@simplewebauthn/server');
      // Who it is the authenticator says: a list by name would tell strangers who has an account.
      const allowed = purpose === 'second' && account ? stored(account) : [];
      const challenge = randomBytes(32);
      const options = await generateAuthenticationOptions({
        rpID: relyingParty(issuer).id,
        challenge: new Uint8Array(challenge),
        timeout: TIMEOUT_MS,
        userVerification: 'preferred',
        allowCredentials: allowed.map(({ data }) => ({ id: data.id, transports: knownTransports(data.transports) })),
      });
      return { state: { challenge: challenge.toString('base64url') }, challenge: options };
    },

    async verify({ account, begun: before, issuer }, input) {
      const answer = readAssertion(input);
      if (!answer) return { ok: false, reason: 'passkey.malformed' };
      if (!begun.Check(before)) return { ok: false, reason: 'passkey.challenge' };
      const found = account && stored(account).find(({ data }) => data.id === answer.id);
      if (!found) return { ok: false, reason: 'passkey.unknown' };
      return judge(account, found, answer, before.challenge, issuer);
    },
  };
}

async function judge(
  account: Account,
  found: StoredPasskey,
  answer: Assertion,
  expectedChallenge: string,
  issuer: string,
): Promise<Verdict> {
  const { credential, data } = found;
  const { userHandle } = answer.response;
  if (userHandle && userHandle !== Buffer.from(userHandleOf(account.id)).toString('base64url'))
    return { ok: false, reason: 'passkey.other_person' };
  const { verifyAuthenticationResponse } = await import('@simplewebauthn/server');
  const { id: expectedRPID, origin: expectedOrigin } = relyingParty(issuer);
  const { clientDataJSON, authenticatorData, signature } = answer.response;
  const { id, rawId, type } = answer;
  const result = await verifyAuthenticationResponse({
    response: { id, rawId, type, clientExtensionResults: {}, response: { clientDataJSON, authenticatorData, signature } },
    expectedChallenge,
    expectedOrigin,
    expectedRPID,
    credential: { id: data.id, publicKey: new Uint8Array(Buffer.from(data.publicKey, 'base64url')), counter: 0, transports: [] },
    requireUserVerification: false,
    // It throws for whatever is wrong with the answer, and needs nothing that could be away.
  }).catch(() => undefined);
  if (!result?.verified) return { ok: false, reason: 'passkey.wrong' };
  const { newCounter, userVerified, credentialBackedUp } = result.authenticationInfo;
  // Section 7.2 step 22: an authenticator that counts and does not count on was copied.
  if ((newCounter > 0 || data.counter > 0) && newCounter <= data.counter) return { ok: false, reason: 'passkey.counter' };
  return {
    ok: true,
    userId: account.id,
    amr: [data.synced ? 'swk' : 'hwk', ...(userVerified ? ['user'] : [])],
    ...(userVerified ? { acr: 'phr' as const } : {}),
    update: {
      id: credential.id,
      version: credential.version,
      data: { ...data, counter: newCounter, backedUp: credentialBackedUp },
      required: true,
      // Without a counter two devices may come at once, each with a challenge of its own.
      again: true,
    },
  };
}

function readAssertion({ passkey }: Static<typeof Input>): Assertion | undefined {
  try {
    const value: unknown = typeof passkey === 'string' ? JSON.parse(passkey) : passkey;
    return assertion.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

interface StoredPasskey {
  credential: StoredCredential;
  data: PasskeyData;
}

const stored = (account: Account): StoredPasskey[] =>
  account.credentials.flatMap((credential) => {
    const data = credential.type === 'passkey' ? parsePasskey(credential.data) : undefined;
    return data ? [{ credential, data }] : [];
  });
