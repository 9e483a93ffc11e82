import { type Static, type TObject, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { SecretBox } from '../infra/secret-box.ts';
import type { Journey } from './journey.ts';

const Registration = Type.Object({
  email: Type.String(),
  givenName: Type.Optional(Type.String()),
  familyName: Type.Optional(Type.String()),
  passwordHash: Type.String(),
  /** Ids of the notices that were agreed to on the way. */
  agreed: Type.Optional(Type.Array(Type.String())),
});
const Recipient = Type.Object({ email: Type.String() });

/** What somebody typed who has not proven the address yet: it waits here, sealed, and makes no account. */
export type Registration = Static<typeof Registration>;

export const sealRegistration = (box: SecretBox, journeyId: string, data: Registration): string =>
  seal(box, `registration:${journeyId}`, data);
export const openRegistration = (box: SecretBox, journey: Journey): Registration | undefined =>
  open(box, `registration:${journey.id}`, journey.sealed, Registration);

/** The address that a reset or a proof of an address is for. */
export const sealRecipient = (box: SecretBox, journeyId: string, email: string): string => seal(box, `recipient:${journeyId}`, { email });
export const openRecipient = (box: SecretBox, journey: Journey): string | undefined =>
  open(box, `recipient:${journey.id}`, journey.sealed, Recipient)?.email;

const seal = (box: SecretBox, context: string, data: object): string => box.seal(JSON.stringify(data), context).toString('base64');

function open<T extends TObject>(box: SecretBox, context: string, sealed: string | undefined, schema: T): Static<T> | undefined {
  if (sealed === undefined) return undefined;
  const data: unknown = JSON.parse(box.open(Buffer.from(sealed, 'base64'), context).toString('utf8'));
  return Value.Check(schema, data) ? data : undefined;
}

/** The address that the code the journey waits for went to. */
export function codeRecipient(box: SecretBox, journey: Journey): string | undefined {
  if (journey.pending === undefined) return undefined;
  return journey.pending === 'register' ? openRegistration(box, journey)?.email : openRecipient(box, journey);
}
