/** An account is deleted when a time to think it over has passed; until then the person may sign in and keep it. */
import { addSeconds, type Clock } from '../../core/clock.ts';
import { AppError, notFound } from '../../core/errors.ts';
import { ALL_PERMISSIONS } from '../../core/permissions.ts';
import { type Scope, systemScope } from '../../core/scope.ts';
import { etagOf } from '../../http/etag.ts';
import type { JobHandler } from '../../infra/jobs.ts';
import type { Database } from '../../infra/postgres.ts';
import type { Transact, Work } from '../audit/index.ts';
import { type DueRow, dueForDeletion, findMe, lockMe, setDeletion } from './store.ts';

/** What a person is told by mail about their account. */
export type AccountNews = 'deletion_scheduled' | 'deletion_stopped' | 'deleted' | 'email_changed' | 'phone_changed';

export interface Told {
  email: string;
  locale: string | undefined;
  tenantId: string;
  /** The day that the news speaks of. */
  until?: Date | undefined;
}

/** Queues a mail in the transaction of `work`; does nothing where no mail can be sent. */
export type Tell = (work: Work, scope: Scope, news: AccountNews, told: Told) => Promise<void>;

export interface DeletionDeps {
  db: Database;
  clock: Clock;
  transact: Transact;
  tell: Tell;
  graceDays: number;
  /** Throws 409 where somebody else has to be made an owner first. */
  checkNotLast(work: Work, scope: Scope, userId: string): Promise<void>;
}

const DAY_SECONDS = 86_400;

/** Answers when the account will be deleted; asked again, the same instant. Throws 409 `user.last_owner` or `user.last_administrator`. */
export async function scheduleDeletion(deps: DeletionDeps, scope: Scope, userId: string): Promise<Date> {
  const tenantId = (await findMe(deps.db, userId))?.home_tenant_id;
  if (tenantId === undefined) throw notFound('user');
  const atHome = { ...scope, tenantId };
  return deps.transact(atHome, async (work) => {
    const me = await lockMe(work.sql, userId);
    if (me?.home_tenant_id !== tenantId) throw notFound('user');
    if (me.delete_after) return me.delete_after;
    await deps.checkNotLast(work, atHome, userId);
    const now = deps.clock.now();
    const after = addSeconds(now, deps.graceDays * DAY_SECONDS);
    await setDeletion(work.sql, userId, after, now);
    const target = { type: 'user', id: userId };
    work.record({
      type: 'user.deletion_scheduled',
      outcome: 'success',
      target,
      personId: userId,
      data: { deleteAfter: after.toISOString() },
    });
    if (me.email)
      await deps.tell(work, atHome, 'deletion_scheduled', { email: me.email, locale: me.locale ?? undefined, tenantId, until: after });
    return after;
  });
}

/** The account stays. Where nothing was to be deleted, nothing is done. */
export async function keepAccount(
  { clock, transact }: Pick<DeletionDeps, 'clock' | 'transact'>,
  scope: Scope,
  userId: string,
): Promise<void> {
  await transact(scope, async ({ sql, record }) => {
    const me = await lockMe(sql, userId);
    if (!me) throw notFound('user');
    if (!me.delete_after) return;
    await setDeletion(sql, userId, undefined, clock.now());
    record({ type: 'user.deletion_stopped', outcome: 'success', target: { type: 'user', id: userId }, personId: userId });
  });
}

export interface DueDeps extends Omit<DeletionDeps, 'graceDays' | 'checkNotLast'> {
  /** Deletes a person as `DELETE /api/users/{id}` does, at that version only; `also` runs in the same transaction. */
  remove(scope: Scope, userId: string, ifMatch: string, also: (work: Work) => Promise<void>): Promise<void>;
}

export const DELETION_JOB = 'account.delete';
/** Daily, at a quiet hour. */
export const DELETION_SCHEDULE = { name: DELETION_JOB, at: '41 3 * * *' } as const;

const BATCH = 100;
const LAST = ['user.last_owner', 'user.last_administrator'];

/** The handler of `account.delete`. */
export const deletionHandler =
  (deps: DueDeps): JobHandler =>
  async () => {
    const failures: unknown[] = [];
    for (;;) {
      const due = await dueForDeletion(deps.db, deps.clock.now(), BATCH);
      let done = 0;
      for (const row of due) {
        // One that cannot go must not keep the others.
        if (await deleteDue(deps, row).catch((error: unknown) => void failures.push(error))) done += 1;
      }
      if (due.length < BATCH || done === 0) break;
    }
    if (failures.length > 0) throw failures[0];
  };

/** Answers whether the person is no longer due. */
async function deleteDue(deps: DueDeps, row: DueRow): Promise<boolean> {
  const scope = systemScope(row.home_tenant_id, 'account-deletion', ALL_PERMISSIONS);
  const tell = async (work: Work, news: AccountNews): Promise<void> => {
    if (row.email) await deps.tell(work, scope, news, { email: row.email, locale: row.locale ?? undefined, tenantId: row.home_tenant_id });
  };
  try {
    await deps.remove(scope, row.id, etagOf(`${row.version}.${row.member_version}`), (work) => tell(work, 'deleted'));
    return true;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    // They changed something, or decided otherwise, since the list was made: the next run looks again.
    if (error.status === 412 || error.status === 404) return false;
    if (!LAST.includes(error.code)) throw error;
    return stop(deps, scope, row, error.code, (work) => tell(work, 'deletion_stopped'));
  }
}

/** Somebody became the last owner meanwhile: the account stays, and they are told why. */
async function stop(deps: DueDeps, scope: Scope, { id }: DueRow, reason: string, tell: (work: Work) => Promise<void>): Promise<boolean> {
  await deps.transact(scope, async (work) => {
    await setDeletion(work.sql, id, undefined, deps.clock.now());
    work.record({ type: 'user.deletion_stopped', outcome: 'success', reason, target: { type: 'user', id }, personId: id });
    await tell(work);
  });
  return true;
}
