import type { Clock } from '../../core/clock.ts';
import type { Scope } from '../../core/scope.ts';
import { type Metric, monthOf } from '../../core/tenant-limits.ts';
import { ID_PARAMS, type Route, route } from '../../http/route.ts';
import type { Database } from '../../infra/postgres.ts';
import type { TenantCache } from '../tenants/index.ts';
import { USAGE, USAGE_QUERY } from './schema.ts';
import { countedOf, totalsOf } from './store.ts';

export interface UsageDeps {
  db: Database;
  clock: Clock;
  tenants: Pick<TenantCache, 'find'>;
  inTenant(scope: Scope, id: string): Promise<Scope>;
}

/** What a tenant uses, and how much of it it may. */
export const usageRoutes = (deps: UsageDeps): Route[] => [
  route('GET /api/tenants/{id}/usage', {
    summary: 'See what a tenant uses',
    description: 'Members, API keys and open invitations as they are; the rest is metered by the month and some seconds late.',
    tag: 'Plans',
    access: 'tenants.read',
    params: ID_PARAMS,
    query: USAGE_QUERY,
    reply: USAGE,
    load: (scope, { id }) => deps.inTenant(scope, id),
    handle: async (_scope, { loaded: { tenantId }, query }) => {
      const period = query.period === undefined ? monthOf(deps.clock.now()) : `${query.period}-01`;
      const counted = await deps.db.transaction((sql) => countedOf(sql, tenantId), { tenantId });
      const metered = await totalsOf(deps.db, tenantId, period);
      const limits = (await deps.tenants.find(tenantId))?.limits ?? {};
      const of = (metric: Metric, used: number) => ({ used, limit: limits[metric] ?? null });
      return {
        tenantId,
        period: period.slice(0, 7),
        metrics: {
          members: of('members', counted.members),
          apiKeys: of('apiKeys', counted.apiKeys),
          invitations: of('invitations', counted.invitations),
          monthlyActiveUsers: of('monthlyActiveUsers', metered.monthlyActiveUsers ?? 0),
          decisions: of('decisions', metered.decisions ?? 0),
          messages: of('messages', metered.messages ?? 0),
        },
      };
    },
  }),
];
