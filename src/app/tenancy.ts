/** Tenants, their templates, plans, members and address rules, with what they run on. */
import type { Config } from '../config.ts';
import type { Clock } from '../core/clock.ts';
import type { Scope } from '../core/scope.ts';
import type { Audit } from '../features/audit/record.ts';
import type { Billing } from '../features/plans/billing.ts';
import { PLAN_JOB, planHandler } from '../features/plans/plans.ts';
import { planRoutes } from '../features/plans/routes.ts';
import { subscriptionRoutes } from '../features/plans/subscription-routes.ts';
import { SUBSCRIPTION_JOB, SUBSCRIPTION_SCHEDULE, type SubscriptionDeps, subscriptionHandler } from '../features/plans/subscriptions.ts';
import { bookOf } from '../features/roles/book.ts';
import type { RoleBooks } from '../features/roles/index.ts';
import { unknownRoles } from '../features/roles/named.ts';
import { createRoles } from '../features/roles/templates.ts';
import type { TenantDeps } from '../features/tenants/commands.ts';
import { tenantInPath } from '../features/tenants/in-path.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import { ipRuleRoutes } from '../features/tenants/ip-rules-routes.ts';
import { memberRoutes } from '../features/tenants/members-routes.ts';
import { PERSONAL_JOB, personalTenantHandler } from '../features/tenants/personal.ts';
import { PURGE_JOB, PURGE_SCHEDULE, type PurgeDeps, purgeHandler } from '../features/tenants/purge.ts';
import { tenantRoutes } from '../features/tenants/routes.ts';
import { openTemplate, type TemplateParts } from '../features/tenants/templates.ts';
import { templateRoutes } from '../features/tenants/templates-routes.ts';
import { usageRoutes } from '../features/usage/routes.ts';
import { sweepPeople, USAGE_SWEEP_JOB, USAGE_SWEEP_SCHEDULE } from '../features/usage/store.ts';
import type { Route } from '../http/route.ts';
import type { Database } from '../infra/postgres.ts';

export interface TenancyParts {
  config: Pick<Config, 'tenantDeletionGraceDays'>;
  clock: Clock;
  db: Database;
  rootTenantId: string;
  audit: Audit;
  roles: RoleBooks;
  tenants: TenantCache;
  /** Ids of the ways to sign in. */
  methods: readonly string[];
  billing: Billing | undefined;
  inviteOwner: TenantDeps['inviteOwner'];
  endAccess: PurgeDeps['endAccess'];
  createDefinitions: TemplateParts['createDefinitions'];
}

export function createTenancy({
  config,
  clock,
  db,
  rootTenantId,
  audit,
  roles,
  tenants,
  methods,
  billing,
  inviteOwner,
  endAccess,
  createDefinitions,
}: TenancyParts) {
  const { transact } = audit;
  const deps: TenantDeps & { db: Database } = {
    db,
    transact,
    tenants,
    roles,
    methods,
    unknownRoles,
    graceDays: config.tenantDeletionGraceDays,
    openTemplate: (work, id) => openTemplate({ createRoles, createDefinitions }, work, id),
    inviteOwner,
  };
  const changed = (tenantId: string): void => {
    tenants.drop(tenantId);
    roles.drop(tenantId);
  };
  const subscriptions: SubscriptionDeps = { db, transact, changed: tenants.drop, ...(billing ? { confirm: billing.confirm } : {}) };
  const inTenant = (scope: Scope, id: string): Promise<Scope> => tenantInPath(deps, scope, id);
  const routes: Route[] = [
    ...tenantRoutes(deps),
    ...ipRuleRoutes(deps),
    ...memberRoutes({ ...deps, bookOf }),
    ...templateRoutes(deps),
    ...planRoutes(deps),
    ...subscriptionRoutes({ ...subscriptions, inTenant }),
    ...usageRoutes({ db, clock, tenants, inTenant }),
  ];
  return {
    routes,
    handlers: {
      [PLAN_JOB]: planHandler({ db }),
      [SUBSCRIPTION_JOB]: subscriptionHandler(subscriptions),
      [PURGE_JOB]: purgeHandler({ db, transact, forget: audit.forget, endAccess, changed }),
      [PERSONAL_JOB]: personalTenantHandler(deps, rootTenantId),
      [USAGE_SWEEP_JOB]: async () => void (await sweepPeople(db)),
    },
  };
}

/** What of it comes by the clock. */
export const TENANCY_SCHEDULE = [SUBSCRIPTION_SCHEDULE, PURGE_SCHEDULE, USAGE_SWEEP_SCHEDULE];
