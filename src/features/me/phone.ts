import type { Clock } from '../../core/clock.ts';
import { AppError, notFound } from '../../core/errors.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database, Sql } from '../../infra/postgres.ts';
import type { Transact } from '../audit/index.ts';
import type { Tell } from './deletion.ts';
import { findMe, hasWayInWithoutPhone, lockMe, removePhone } from './store.ts';

export interface PhoneDeps {
  db: Database;
  clock: Clock;
  transact: Transact;
  tell: Tell;
  /** Ends what is under way by way of the number: sign-ins, resets, devices that are trusted. */
  endUnderWay(sql: Sql, userId: string): Promise<void>;
}

/** Throws 404 where there is none, 409 `phone.last_way_in` where nothing else would open the account. */
export async function forgetPhone({ db, clock, transact, tell, endUnderWay }: PhoneDeps, scope: Scope, userId: string): Promise<void> {
  const tenantId = (await findMe(db, userId))?.home_tenant_id;
  if (tenantId === undefined) throw notFound('phone');
  const atHome = { ...scope, tenantId };
  await transact(atHome, async (work) => {
    const me = await lockMe(work.sql, userId);
    if (!me?.phone || me.home_tenant_id !== tenantId) throw notFound('phone');
    if (me.phone_verified_at && !(await hasWayInWithoutPhone(work.sql, userId)))
      throw new AppError('phone.last_way_in', 409, 'This number is the only way into the account', {
        detail: 'Prove an e-mail address, or set up a passkey, before you take it away.',
      });
    await removePhone(work.sql, userId, clock.now());
    await endUnderWay(work.sql, userId);
    work.record({ type: 'phone.removed', outcome: 'success', target: { type: 'user', id: userId }, personId: userId });
    if (me.email) await tell(work, atHome, 'phone_changed', { email: me.email, locale: me.locale ?? undefined, tenantId });
  });
}
