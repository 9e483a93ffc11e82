/** Every route of the API with what it runs on. */
import type { Config } from '../config.ts';
import type { Clock } from '../core/clock.ts';
import type { ApiKeyPolicy } from '../features/api-keys/commands.ts';
import { apiKeyRoutes } from '../features/api-keys/routes.ts';
import { createDefinitions } from '../features/attributes/commands.ts';
import type { Audit } from '../features/audit/record.ts';
import { auditRoutes } from '../features/audit/routes.ts';
import { authLogRoutes } from '../features/auth-log/routes.ts';
import type { ClientDeps } from '../features/clients/commands.ts';
import { knownClients } from '../features/clients/queries.ts';
import { clientRoutes } from '../features/clients/routes.ts';
import type { ConnectionCache } from '../features/connections/index.ts';
import { connectionRoutes } from '../features/connections/routes.ts';
import type { Passwords } from '../features/credentials/passwords.ts';
import type { Billing } from '../features/plans/billing.ts';
import { resourceRoutes } from '../features/resources/routes.ts';
import type { RoleBooks } from '../features/roles/index.ts';
import { personRoutes } from '../features/sessions/person-routes.ts';
import { sessionRoutes } from '../features/sessions/routes.ts';
import { signingKeyRoutes } from '../features/signing-keys/routes.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import { settingsOf } from '../features/tenants/settings.ts';
import type { Route } from '../http/route.ts';
import type { Database } from '../infra/postgres.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import type { ApiKeyDoor } from '../oidc/api-keys.ts';
import { createMetadataCheck } from '../oidc/clients.ts';
import { directRoutes } from '../oidc/direct-routes.ts';
import { createTokenDoor } from '../oidc/token-door.ts';
import { brandingRoutes } from './branding.ts';
import type { Invitations } from './invitations.ts';
import { createPeople, type PeopleParts } from './people.ts';
import type { Protocol } from './protocol.ts';
import { rightsRoutes } from './rights.ts';
import { createTenancy } from './tenancy.ts';

export interface ApiParts {
  config: Config;
  clock: Clock;
  db: Database;
  /** For long lists that may lag behind: a replica, where there is one. */
  reads: Database;
  audit: Audit;
  passwords: Passwords;
  protocol: Protocol;
  sessions: PeopleParts['sessions'];
  roles: RoleBooks;
  tenants: TenantCache;
  keys: ApiKeyDoor;
  /** A person's own factors. */
  factors: readonly Route[];
  invitations: Invitations;
  /** Ids of the ways to sign in. */
  methods: readonly string[];
  billing: Billing | undefined;
  box: SecretBox;
  connections: ConnectionCache;
  tellOfTaken: PeopleParts['tellOfTaken'];
}

export function createApi({
  config,
  clock,
  db,
  reads,
  audit,
  passwords,
  protocol,
  sessions,
  roles,
  tenants,
  methods,
  keys,
  factors,
  invitations,
  billing,
  box,
  connections,
  tellOfTaken,
}: ApiParts) {
  const { transact, openPersonal } = audit;
  const people = createPeople({
    clock,
    db,
    reads,
    audit,
    passwords,
    sessions,
    roles,
    tenants,
    invite: invitations.inviteOrFind,
    tellOfTaken,
  });
  const clients: ClientDeps & { db: Database } = {
    db,
    transact,
    rules: { loopback: config.loopback, outboundAllowHosts: config.outboundAllowHosts },
    validateMetadata: createMetadataCheck(protocol.providerNow),
    changed: protocol.clients.drop,
  };
  const door = createTokenDoor({
    db,
    clock,
    baseIssuer: config.issuer,
    tokens: protocol.tokens,
    clients: protocol.clients,
    resources: protocol.resources,
    failures: protocol.failures,
    audit: audit.audit,
    keys,
    tenantId: protocol.rootTenantId,
  });
  const tenancy = createTenancy({
    rootTenantId: protocol.rootTenantId,
    billing,
    config,
    clock,
    db,
    audit,
    roles,
    tenants,
    methods,
    inviteOwner: invitations.inviteOwner,
    endAccess: people.users.endAccess,
    createDefinitions,
  });
  const routes: Route[] = [
    ...tenancy.routes,
    ...rightsRoutes({ db, clock, transact, roles, tenants, rootTenantId: protocol.rootTenantId }),
    ...invitations.routes,
    ...people.routes,
    ...clientRoutes(clients),
    ...brandingRoutes({ db, transact, tenants, branding: protocol.branding }),
    ...resourceRoutes({
      db,
      transact,
      issuer: config.issuer,
      knownClients: (scope, ids) => knownClients({ db }, scope, ids),
      changed: protocol.resources.drop,
    }),
    ...connectionRoutes({
      db,
      box,
      transact,
      domainsOf: async (tenantId) => (await tenants.find(tenantId))?.domains ?? [],
      outboundAllowHosts: config.outboundAllowHosts,
      changed: connections.drop,
    }),
    ...apiKeyRoutes({ db, clock, transact, policyOf: (tenantId) => apiKeyPolicy(tenants, tenantId) }),
    ...signingKeyRoutes(protocol.keyDeps),
    ...sessionRoutes({ ...sessions, ...door }),
    ...personRoutes(sessions),
    ...factors,
    ...directRoutes(),
    ...auditRoutes({ db: reads, openPersonal }),
    ...authLogRoutes({
      db,
      reads,
      clock,
      openPersonal,
      keep: audit.keep,
      addressHashes: audit.addressHashes,
    }),
  ];
  return { routes, users: people.users, handlers: { ...people.handlers, ...tenancy.handlers }, clients };
}

async function apiKeyPolicy(tenants: TenantCache, tenantId: string): Promise<ApiKeyPolicy> {
  const facts = await tenants.find(tenantId);
  const security = facts && settingsOf(facts).security;
  return { allowed: security?.apiKeys !== false, maxSeconds: security?.apiKeyMaxSeconds };
}
