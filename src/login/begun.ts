import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { addSeconds, epochSeconds } from '../core/clock.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import { emailKey } from './identifiers.ts';
import type { Journey, JourneyState } from './journey.ts';
import type { CodeTarget } from './method.ts';

const Kept = Type.Object({
  /** What was typed to say who somebody is. */
  login: Type.Optional(Type.String()),
  target: Type.Optional(Type.Object({ channel: Type.Union([Type.Literal('email'), Type.Literal('sms')]), to: Type.String() })),
  state: Type.Optional(Type.Unknown()),
  challenge: Type.Optional(Type.Unknown()),
});

/** What a method began and has to know again when it is tried. */
export type Kept = Static<typeof Kept>;

const contextOf = (journeyId: string, methodId: string): string => `begun:${journeyId}:${methodId}`;

/** The journey with it, sealed; for so many seconds. */
export function keepBegun(
  box: SecretBox,
  journey: Journey,
  methodId: string,
  kept: Kept,
  until: { now: Date; seconds: number },
): NonNullable<JourneyState['begun']> {
  const sealed = box.seal(JSON.stringify(kept), contextOf(journey.id, methodId)).toString('base64');
  return { ...journey.begun, [methodId]: { sealed, until: epochSeconds(addSeconds(until.now, until.seconds)) } };
}

/** Undefined where nothing was begun by this method in this journey, or too long ago. */
export function openBegun(box: SecretBox, journey: Journey, methodId: string, now: Date): Kept | undefined {
  const begun = journey.begun?.[methodId];
  if (!begun || begun.until <= epochSeconds(now)) return undefined;
  const kept: unknown = JSON.parse(box.open(Buffer.from(begun.sealed, 'base64'), contextOf(journey.id, methodId)).toString('utf8'));
  return Value.Check(Kept, kept) ? kept : undefined;
}

/** What a code's recipient is bound by. */
export const recipientOf = ({ channel, to }: CodeTarget): string => (channel === 'email' ? emailKey(to) : to);
