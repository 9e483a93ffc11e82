import { notFound } from '../../core/errors.ts';
import type { Scope } from '../../core/scope.ts';
import type { DeletionDeps } from './deletion.ts';
import { findMe, removePhone } from './store.ts';

/** Throws 404 where there is none. */
export async function forgetPhone(
  { db, clock, transact, tell }: Pick<DeletionDeps, 'db' | 'clock' | 'transact' | 'tell'>,
  scope: Scope,
  userId: string,
) {
  const before = await findMe(db, userId);
  if (!before?.phone) throw notFound('phone');
  const { email, locale, home_tenant_id: tenantId } = before;
  await transact(scope, async (work) => {
    await removePhone(work.sql, userId, clock.now());
    work.record({ type: 'phone.removed', outcome: 'success', target: { type: 'user', id: userId }, personId: userId });
    if (email) await tell(work, scope, 'phone_changed', { email, locale: locale ?? undefined, tenantId });
  });
}
