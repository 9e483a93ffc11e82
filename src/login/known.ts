/** Which device a sign-in comes from, and what is kept of it. */
import type { Scope } from '../core/scope.ts';
import { appDeviceHash, sealDevice } from '../features/me/known-device.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import type { DoorName } from './attempt.ts';
import type { Sealed } from './journey-store.ts';

/** Of an application that signs people in by itself: it keeps no token. */
export const appDeviceOf = ({ clientId = '', request }: Scope): string => appDeviceHash(clientId, request.device);

/** To be kept with a sign-in; `hash` is of the token that a browser keeps. */
export function deviceOf(
  { box }: { box: Pick<SecretBox, 'seal'> },
  scope: Scope,
  userId: string,
  door: DoorName,
  hash: string = appDeviceOf(scope),
): Sealed {
  const { device, address } = scope.request;
  const app = door === 'direct' && scope.clientId !== undefined ? { clientId: scope.clientId } : {};
  return { hash, sealed: sealDevice(box, userId, hash, { device, address, ...app }) };
}
