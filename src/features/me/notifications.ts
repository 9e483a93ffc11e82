import type { Clock } from '../../core/clock.ts';
import { invalidInput, notFound } from '../../core/errors.ts';
import type { Scope } from '../../core/scope.ts';
import type { Transact } from '../audit/index.ts';
import type { Notifications } from './index.ts';
import { lockMe, type MeRow, setSettings } from './store.ts';

/** Cannot be switched off: whoever takes an account over would begin with it. */
export const ALWAYS = 'security';
/** What there is beside it, before an application adds names of its own. */
const DEFAULTS: Notifications = { news: true };

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Of which mails the person wants, by name; from the person's settings, `notifications.email`. */
export function notificationsOf({ settings }: Pick<MeRow, 'settings'>): Notifications {
  const { email } = isObject(settings['notifications']) ? settings['notifications'] : {};
  const own = Object.entries(isObject(email) ? email : {}).filter((entry): entry is [string, boolean] => typeof entry[1] === 'boolean');
  return { [ALWAYS]: true, ...DEFAULTS, ...Object.fromEntries(own.filter(([name]) => name !== ALWAYS)) };
}

/** Changes the named ones. Throws 422 where `security` is to be switched off. */
export async function changeNotifications(
  { clock, transact }: { clock: Clock; transact: Transact },
  scope: Scope,
  userId: string,
  wanted: Notifications,
): Promise<Notifications> {
  if (wanted[ALWAYS] === false) throw invalidInput([{ pointer: `/email/${ALWAYS}`, message: 'cannot be switched off' }]);
  return transact(scope, async ({ sql, record }) => {
    const me = await lockMe(sql, userId);
    if (!me) throw notFound('user');
    const before = notificationsOf(me);
    const after = { ...before, ...wanted };
    const names = Object.keys(after).filter((name) => before[name] !== after[name]);
    if (names.length === 0) return before;
    const { [ALWAYS]: _always, ...email } = after;
    const kept = isObject(me.settings['notifications']) ? me.settings['notifications'] : {};
    await setSettings(sql, userId, { ...me.settings, notifications: { ...kept, email } }, clock.now());
    record({
      type: 'user.updated',
      outcome: 'success',
      target: { type: 'user', id: userId },
      personId: userId,
      data: { fields: ['settings'] },
    });
    return after;
  });
}
