import { notFound } from '../../core/errors.ts';
import type { Scope } from '../../core/scope.ts';
import type { Transact } from '../audit/index.ts';
import { forgetDevices } from './store.ts';

/** Forgets a device of the person, or all: none stands in for a second factor any more, and a sign-in there counts as one from a new device. Throws 404 for one that is not theirs. */
export async function forgetDevice({ transact }: { transact: Transact }, scope: Scope, userId: string, id?: string): Promise<number> {
  return transact(scope, async ({ sql, record }) => {
    const count = await forgetDevices(sql, userId, id);
    if (count === 0 && id !== undefined) throw notFound('device');
    const target = { type: 'user', id: userId };
    if (count > 0) record({ type: 'device.forgotten', outcome: 'success', target, personId: userId, data: { count } });
    return count;
  });
}
