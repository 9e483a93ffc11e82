/** What people are told of that others may have done in their name. */

import type { Database } from '../infra/postgres.ts';
import { createLocked, lockedJobs } from '../login/lockout.ts';
import { createNewDevice, newDeviceJobs } from '../login/new-device.ts';
import type { NoticeDeps } from '../login/notice.ts';
import { findPerson } from '../login/people-store.ts';

/** What the engine calls, and the jobs that follow. */
export function createNotices({ db, ...parts }: Omit<NoticeDeps, 'findPerson'> & { db: Database }) {
  const deps: NoticeDeps = { ...parts, findPerson: (id) => findPerson(db, id) };
  return {
    hooks: { locked: createLocked(deps), newDevice: createNewDevice(deps) },
    jobs: { ...lockedJobs(deps), ...newDeviceJobs(deps) },
  };
}
