/** Second factors that tenants have proven at services of their own, with what that runs on. */
import type { Config } from '../config.ts';
import type { Clock } from '../core/clock.ts';
import type { Audit } from '../features/audit/record.ts';
import type { OrganizationFactor } from '../features/factors/index.ts';
import type { RoleBooks } from '../features/roles/index.ts';
import { unknownRoles } from '../features/roles/named.ts';
import { createSecondFactorServices } from '../features/second-factor-service/cache.ts';
import type { SecondFactorService } from '../features/second-factor-service/index.ts';
import { secondFactorServiceRoutes } from '../features/second-factor-service/routes.ts';
import { tenantInPath } from '../features/tenants/in-path.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import type { Route } from '../http/route.ts';
import type { ChangeFeed } from '../infra/change-feed.ts';
import { createOutboundFetch } from '../infra/outbound-http.ts';
import type { Database } from '../infra/postgres.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import type { Account, LoginMethod } from '../login/method.ts';
import { EXTERNAL_2FA, external2faMethod } from '../login/methods/external-2fa.ts';
import { EXTERNAL_OIDC, externalOidcMethod } from '../login/methods/external-oidc.ts';
import { createProviderClient, hostOf } from '../login/second-factor-provider.ts';
import { createServiceClient, SERVICE_MAX_BYTES, SERVICE_TIMEOUT_MS } from '../login/second-factor-service.ts';
import { createUpstreams } from '../login/social/upstreams.ts';
import type { Accounts } from '../oidc/accounts.ts';
import { holdsOneOf } from './assurance.ts';

export interface OutsideFactorParts {
  config: Pick<Config, 'outboundAllowHosts'>;
  db: Database;
  clock: Clock;
  box: SecretBox;
  feed: ChangeFeed;
  audit: Audit;
  tenants: TenantCache;
  roles: Pick<RoleBooks, 'of'>;
  accounts: Pick<Accounts, 'findAccount'>;
}

export interface OutsideFactor {
  /** Asked by HTTP, and by OpenID Connect. */
  methods: LoginMethod[];
  /** Whether the tenant has people sent to a provider of its own. */
  asksElsewhere(this: void, tenantId: string): Promise<boolean>;
  /** What the person is told of it. */
  organizationFactor(this: void, person: Pick<Account, 'id' | 'homeTenantId'>): Promise<OrganizationFactor | undefined>;
  routes: Route[];
  close(): Promise<void>;
}

export function createOutsideFactor({ config, db, clock, box, feed, audit, tenants, roles, accounts }: OutsideFactorParts): OutsideFactor {
  const { outboundAllowHosts } = config;
  const services = createSecondFactorServices({ db, box, feed });
  const fetch = createOutboundFetch({ allowHosts: outboundAllowHosts, timeoutMs: SERVICE_TIMEOUT_MS, maxBytes: SERVICE_MAX_BYTES });
  const client = createServiceClient({ fetch });
  const provider = createProviderClient({ fetch, upstreams: createUpstreams({ fetch, clock }) });
  const serviceOf = async ({ id, homeTenantId }: Pick<Account, 'id' | 'homeTenantId'>): Promise<SecondFactorService | undefined> => {
    const service = await services.of(homeTenantId);
    if (!service || service.roles.length === 0) return service;
    return (await holdsOneOf({ accounts, roles }, id, homeTenantId, service.roles)) ? service : undefined;
  };
  const methods = [external2faMethod({ serviceOf, client }), externalOidcMethod({ serviceOf, client: provider })];
  return {
    methods: methods as unknown as LoginMethod[],
    async organizationFactor(person) {
      const service = await serviceOf(person);
      if (!service) return undefined;
      const [method, address] =
        service.kind === 'oidc' ? ([EXTERNAL_OIDC, service.issuer] as const) : ([EXTERNAL_2FA, service.url] as const);
      return { method, host: hostOf(address) };
    },
    asksElsewhere: async (tenantId) => (await services.of(tenantId))?.kind === 'oidc',
    routes: secondFactorServiceRoutes({
      db,
      box,
      transact: audit.transact,
      outboundAllowHosts,
      unknownRoles,
      changed: services.drop,
      inTenant: (scope, id) => tenantInPath({ tenants }, scope, id),
    }),
    async close() {
      client.close();
      provider.close();
      await fetch.close();
    },
  };
}
