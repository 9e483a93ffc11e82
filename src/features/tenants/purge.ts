/**
 * What is left of a tenant when its grace is over. In small transactions that each leave everything whole, so that a crash costs nothing: the next
 * run goes on where the last one stopped. What the audit log knows stays, which is ids.
 */
import { systemScope } from '../../core/scope.ts';
import type { JobHandler } from '../../infra/jobs.ts';
import type { Database, Sql } from '../../infra/postgres.ts';
import type { Transact, Work } from '../audit/index.ts';
import { deletePerson, dueToPurge, moveHome, peopleAtHome, purgeRows, takePurge } from './purge-store.ts';

export interface PurgeDeps {
  db: Database;
  transact: Transact;
  /** Ends everything that lets the person in, in the transaction of `work`. */
  endAccess(work: Work, userId: string): Promise<void>;
  /** Destroys the person's key. */
  forget(userId: string, sql: Sql): Promise<void>;
  /** After it is gone: processes read again. */
  changed(tenantId: string): void;
}

export const PURGE_JOB = 'tenant.purge';
/** Hourly. */
export const PURGE_SCHEDULE = { name: PURGE_JOB, at: '17 * * * *' } as const;

const TENANTS = 100;
const BATCH = 500;
/** Each takes several statements. */
const PEOPLE = 50;

/** The handler of `tenant.purge`. */
export const purgeHandler =
  (deps: PurgeDeps, { batch = BATCH, people = PEOPLE } = {}): JobHandler =>
  async () => {
    const failures: unknown[] = [];
    for (const tenantId of await dueToPurge(deps.db, TENANTS)) {
      // One that cannot go must not keep the others.
      await purgeTenant(deps, tenantId, batch, people).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  };

async function purgeTenant(deps: PurgeDeps, tenantId: string, batch: number, people: number): Promise<void> {
  const scope = systemScope(tenantId, 'tenant-purge');
  for (;;) {
    const left = await deps.transact(scope, async (work) => {
      if (!(await takePurge(work.sql, tenantId))) return undefined;
      const leaving = await peopleAtHome(work.sql, tenantId, people);
      for (const { user_id: userId, next_home: next } of leaving) await leave(deps, work, tenantId, userId, next);
      return leaving.length;
    });
    if (left === undefined) return;
    if (left === 0) break;
  }
  for (;;) {
    const step = await deps.transact(scope, async (work) => {
      if (!(await takePurge(work.sql, tenantId))) return undefined;
      const purged = await purgeRows(work.sql, tenantId, batch);
      if (purged.gone && purged.rows > 0)
        work.record({ type: 'tenant.purged', outcome: 'success', target: { type: 'tenant', id: tenantId } });
      return purged;
    });
    if (!step || step.rows === 0) return;
    if (step.gone) return deps.changed(tenantId);
  }
}

/** Who belongs elsewhere is at home in the root tenant from now on; who does not is forgotten. */
async function leave(deps: PurgeDeps, work: Work, tenantId: string, userId: string, next: string | null): Promise<void> {
  const target = { type: 'user', id: userId };
  if (next !== null) {
    if (await moveHome(work.sql, userId, tenantId, next))
      work.record({ type: 'user.moved', outcome: 'success', reason: 'tenant.purged', target, data: { homeTenantId: next } });
    return;
  }
  await deps.endAccess(work, userId);
  await deletePerson(work.sql, userId);
  await deps.forget(userId, work.sql);
  work.record({ type: 'user.deleted', outcome: 'success', reason: 'tenant.purged', target });
}
