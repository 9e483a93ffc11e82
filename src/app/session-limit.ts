import { anonymousScope } from '../core/scope.ts';
import type { SessionCommandDeps } from '../features/sessions/commands.ts';
import { endOldest, LIMIT_JOB, limitedUser } from '../features/sessions/limit.ts';
import { findHomeTenant } from '../features/sessions/store.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import { settingsOf } from '../features/tenants/settings.ts';
import type { JobHandler } from '../infra/jobs.ts';
import type { Database } from '../infra/postgres.ts';

/** Ends the sessions that are too many by what the tenant says now. */
export const sessionLimitJobs = (
  deps: SessionCommandDeps & { db: Database; tenants: Pick<TenantCache, 'find'> },
): Record<string, JobHandler> => ({
  async [LIMIT_JOB](payload) {
    const userId = limitedUser(payload);
    const tenantId = await findHomeTenant(deps.db, userId);
    const home = tenantId === undefined ? undefined : await deps.tenants.find(tenantId);
    const most = home && settingsOf(home).sessions.max;
    if (home && most !== undefined) await endOldest(deps, anonymousScope(home.id), userId, most);
  },
});
