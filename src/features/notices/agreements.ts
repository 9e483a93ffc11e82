/** What people agreed to: kept with the instant, and taken back where they say so. */
import type { Clock } from '../../core/clock.ts';
import { notFound } from '../../core/errors.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import type { Transact, Work } from '../audit/index.ts';
import type { CurrentNotice, NoticeCache } from './index.ts';
import { agree, agreedOf, lockPerson, withdraw } from './store.ts';

export interface AgreementDeps {
  db: Database;
  clock: Clock;
  notices: Pick<NoticeCache, 'of'>;
}

/** What holds at the tenant and the person has not agreed to, or has taken back. */
export async function openNotices(
  { db, notices }: Omit<AgreementDeps, 'clock'>,
  userId: string,
  tenantId: string,
): Promise<CurrentNotice[]> {
  const current = await notices.of(tenantId);
  if (current.length === 0) return [];
  const agreed = await agreedOf(
    db,
    userId,
    current.map(({ id }) => id),
  );
  return current.filter(({ id }) => !agreed.includes(id));
}

/** Keeps that the person agrees to these, in the transaction of `work`, and records it: one event for all of them. */
export async function recordAgreement(
  { clock }: Pick<AgreementDeps, 'clock'>,
  work: Work,
  userId: string,
  noticeIds: readonly string[],
): Promise<void> {
  const agreed = noticeIds.length === 0 ? [] : await agree(work.sql, userId, noticeIds, clock.now());
  if (agreed.length === 0) return;
  const target = { type: 'user', id: userId };
  work.record({ type: 'agreement.given', outcome: 'success', target, personId: userId, data: { notices: agreed } });
}

export interface WithdrawalDeps extends Pick<AgreementDeps, 'clock'> {
  transact: Transact;
  /** Ends everything that lets the person in. */
  endAccess(work: Work, userId: string): Promise<void>;
}

/**
 * Takes an agreement back. Nobody goes on under terms they do not agree to: every session and every token of the person ends with it, and the next
 * sign-in where the notice holds asks again. Throws 404 where there is no such agreement.
 */
export async function withdrawAgreement(deps: WithdrawalDeps, scope: Scope, userId: string, noticeId: string): Promise<void> {
  await deps.transact(scope, async (work) => {
    await lockPerson(work.sql, userId);
    if (!(await withdraw(work.sql, userId, noticeId, deps.clock.now()))) throw notFound('agreement');
    await deps.endAccess(work, userId);
    const target = { type: 'user', id: userId };
    work.record({ type: 'agreement.withdrawn', outcome: 'success', target, personId: userId, data: { notices: [noticeId] } });
  });
}
