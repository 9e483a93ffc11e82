import type { Scope } from '../../core/scope.ts';
import { DELETED, deleted } from '../../http/paging.ts';
import { answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { LIMITS_INPUT, LIMITS_VIEW, SUBSCRIPTION, SUBSCRIPTION_INPUT, type SubscriptionView } from './schema.ts';
import type { LimitsRow, SubscriptionRow } from './store.ts';
import {
  getLimits,
  getSubscription,
  putLimits,
  putSubscription,
  removeSubscription,
  type SubscriptionDeps,
  versionOfLimits,
} from './subscriptions.ts';

/** A tenant's subscription and limits: for itself to see, for the platform to change. */
export function subscriptionRoutes(deps: SubscriptionDeps & { inTenant(scope: Scope, id: string): Promise<Scope> }): Route[] {
  const common = {
    tag: 'Plans',
    params: ID_PARAMS,
    load: (scope: Scope, { id }: { id: string }): Promise<Scope> => deps.inTenant(scope, id),
  } as const;
  return [
    route('GET /api/tenants/{id}/subscription', {
      ...common,
      summary: 'See the subscription of a tenant',
      access: 'tenants.read',
      reply: SUBSCRIPTION,
      handle: async (_scope, { loaded }) => versioned(await getSubscription(deps, loaded)),
    }),
    route('PUT /api/tenants/{id}/subscription', {
      ...common,
      summary: 'Subscribe a tenant to a plan',
      description: 'The limits of the plan hold at once. What the tenant has above one stays; nothing more comes in.',
      access: 'plans.write',
      platform: true,
      body: SUBSCRIPTION_INPUT,
      reply: SUBSCRIPTION,
      handle: async (_scope, { loaded, body, ifMatch }) => versioned(await putSubscription(deps, loaded, body, ifMatch)),
    }),
    route('DELETE /api/tenants/{id}/subscription', {
      ...common,
      summary: 'End the subscription of a tenant',
      access: 'plans.write',
      platform: true,
      reply: DELETED,
      handle: async (_scope, { params, loaded, ifMatch }) => {
        await removeSubscription(deps, loaded, ifMatch);
        return deleted(params.id);
      },
    }),
    route('GET /api/tenants/{id}/limits', {
      ...common,
      summary: 'See the limits of a tenant',
      access: 'tenants.read',
      reply: LIMITS_VIEW,
      handle: async (_scope, { loaded }) => limitsOf(await getLimits(deps, loaded)),
    }),
    route('PUT /api/tenants/{id}/limits', {
      ...common,
      summary: 'Replace the tenant’s own limits',
      description: 'They win over the plan’s, one by one, and hold at once.',
      access: 'plans.write',
      platform: true,
      body: LIMITS_INPUT,
      reply: LIMITS_VIEW,
      handle: async (_scope, { loaded, body, ifMatch }) => limitsOf(await putLimits(deps, loaded, body.limits, ifMatch)),
    }),
  ];
}

const limitsOf = (row: LimitsRow): ReturnType<typeof answer> =>
  answer({ limits: row.own, plan: row.plan, effective: row.effective }, { version: versionOfLimits(row) });

const versioned = (row: SubscriptionRow): ReturnType<typeof answer> => answer(viewOf(row), { version: row.version });

const viewOf = (row: SubscriptionRow): SubscriptionView => ({
  tenantId: row.tenant_id,
  planId: row.plan_id,
  planName: row.plan_name,
  status: row.status,
  startsAt: row.starts_at.toISOString(),
  endsAt: row.ends_at?.toISOString() ?? null,
  features: row.features,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});
