/** What is counted as it is used: decisions at their routes, messages as they are queued. */
import { limitOf } from '../../core/errors.ts';
import type { Scope } from '../../core/scope.ts';
import type { Route } from '../../http/route.ts';
import type { QueueMail } from '../../infra/mail.ts';
import type { Meter } from './index.ts';

/** For all routes: each call that asks for a decision counts for the tenant; throws 429 `limit.reached` past its limit. */
export const createSpend =
  (meter: Pick<Meter, 'count' | 'allows'>) =>
  async (scope: Scope, { spec }: Route): Promise<void> => {
    if (spec.access !== 'decisions.evaluate') return;
    if (!(await meter.allows(scope.tenantId, 'decisions'))) throw limitOf('decisions', undefined, 429);
    meter.count(scope.tenantId, 'decisions');
  };

/** For messages that can wait for a better plan: throws 409 `limit.reached`. Codes and resets are counted, and always sent. */
export const withinLimit =
  (meter: Pick<Meter, 'allows'>, queueMail: QueueMail): QueueMail =>
  async (mail, sql, options = {}) => {
    if (options.tenantId !== undefined && !(await meter.allows(options.tenantId, 'messages'))) throw limitOf('messages');
    await queueMail(mail, sql, options);
  };
