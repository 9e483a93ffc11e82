/** What is kept of a device beside its hash: sealed, since it says who was where. */

import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { sha256 } from '../../core/ids.ts';
import { productOf } from '../../core/messages/device.ts';
import type { SecretBox } from '../../infra/secret-box.ts';

const FACTS = Type.Object({
  /** The User-Agent of the last sign-in. */
  device: Type.String(),
  /** From where that was. */
  address: Type.String(),
  /** The application that signed the person in by itself; left out for browsers. */
  clientId: Type.Optional(Type.String()),
});
export type DeviceFacts = Static<typeof FACTS>;

/** Bound to the person and the device, so that it cannot be moved to another. */
const contextOf = (userId: string, deviceHash: string): string => `known-device:${userId}:${deviceHash}`;

export const sealDevice = (box: Pick<SecretBox, 'seal'>, userId: string, deviceHash: string, facts: DeviceFacts): Buffer =>
  box.seal(JSON.stringify(facts), contextOf(userId, deviceHash));

/** Undefined where nothing is kept, or it cannot be read. */
export function openDevice(
  box: Pick<SecretBox, 'open'>,
  userId: string,
  deviceHash: string,
  sealed: Buffer | null,
): DeviceFacts | undefined {
  if (!sealed) return undefined;
  try {
    const facts: unknown = JSON.parse(box.open(sealed, contextOf(userId, deviceHash)).toString('utf8'));
    return Value.Check(FACTS, facts) ? facts : undefined;
  } catch {
    return undefined;
  }
}

/**
 * How an application that signs people in by itself is known again: it keeps no cookie, so by which one it is and what kind of program on what kind of
 * system, without versions. No secret, and worth nothing: unlike a browser's token it spares nobody a lock or a factor.
 */
export const appDeviceHash = (clientId: string, userAgent: string): string => sha256(`app\n${clientId}\n${productOf(userAgent)}`);
