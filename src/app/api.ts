/** Every route of the API with what it runs on. */
import type { Config } from '../config.ts';
import type { Clock } from '../core/clock.ts';
import { invalidInput, unavailable } from '../core/errors.ts';
import { DEFAULT_LOCALE, message } from '../core/messages/catalogue.ts';
import type { ApiKeyPolicy } from '../features/api-keys/commands.ts';
import { apiKeyRoutes } from '../features/api-keys/routes.ts';
import type { Audit } from '../features/audit/record.ts';
import { auditRoutes } from '../features/audit/routes.ts';
import { authLogRoutes } from '../features/auth-log/routes.ts';
import type { ClientDeps } from '../features/clients/commands.ts';
import { knownClients } from '../features/clients/queries.ts';
import { clientRoutes } from '../features/clients/routes.ts';
import { setImportedPassword, setPassword } from '../features/credentials/commands.ts';
import type { Passwords } from '../features/credentials/passwords.ts';
import { wordsOf } from '../features/credentials/policy.ts';
import { resourceRoutes } from '../features/resources/routes.ts';
import { bookOf } from '../features/roles/book.ts';
import type { RoleBooks } from '../features/roles/index.ts';
import { endAccess, type SessionCommandDeps } from '../features/sessions/commands.ts';
import { personRoutes } from '../features/sessions/person-routes.ts';
import type { SessionQueryDeps } from '../features/sessions/queries.ts';
import { sessionRoutes } from '../features/sessions/routes.ts';
import { signingKeyRoutes } from '../features/signing-keys/routes.ts';
import type { TenantDeps } from '../features/tenants/commands.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import { ipRuleRoutes } from '../features/tenants/ip-rules-routes.ts';
import { memberRoutes } from '../features/tenants/members-routes.ts';
import { tenantRoutes } from '../features/tenants/routes.ts';
import { settingsOf } from '../features/tenants/settings.ts';
import type { AccessDeps } from '../features/users/access.ts';
import type { UserDeps } from '../features/users/commands.ts';
import { meRoutes } from '../features/users/me.ts';
import { userRoutes } from '../features/users/routes.ts';
import type { Route } from '../http/route.ts';
import type { Database } from '../infra/postgres.ts';
import { deleteJourneysOf } from '../login/journey-store.ts';
import { tenantWords } from '../login/people-store.ts';
import type { ApiKeyDoor } from '../oidc/api-keys.ts';
import { createMetadataCheck } from '../oidc/clients.ts';
import { directRoutes } from '../oidc/direct-routes.ts';
import { createTokenDoor } from '../oidc/token-door.ts';
import type { Invitations } from './invitations.ts';
import type { Protocol } from './protocol.ts';
import { rightsRoutes } from './rights.ts';

export interface ApiParts {
  config: Config;
  clock: Clock;
  db: Database;
  /** For long lists that may lag behind: a replica, where there is one. */
  reads: Database;
  audit: Audit;
  passwords: Passwords;
  protocol: Protocol;
  sessions: SessionQueryDeps & SessionCommandDeps;
  roles: RoleBooks;
  tenants: TenantCache;
  keys: ApiKeyDoor;
  invitations: Invitations;
  /** Ids of the ways to sign in. */
  methods: readonly string[];
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
  invitations,
}: ApiParts) {
  const { transact, forget, openPersonal } = audit;
  const users: UserDeps & AccessDeps & { db: Database } = {
    db,
    reads,
    openPersonal,
    tenants,
    invite: invitations.inviteOrFind,
    clock,
    transact,
    forget,
    roles,
    async checkPassword(password, about, tenantId) {
      const fault = await passwords.judge(password, wordsOf(...about, ...(await tenantWords(db, tenantId))));
      return fault && message(DEFAULT_LOCALE, fault.key, fault.values);
    },
    hashPassword: passwords.hash,
    setPassword: (work, input) => setPassword({ clock }, work, input),
    setImportedPassword: (work, input) => setImportedPassword({ clock }, work, input),
    async endAccess({ sql }, userId) {
      await deleteJourneysOf(sql, userId);
      await endAccess(sessions, userId, sql);
    },
  };
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
  const tenantDeps: TenantDeps & { db: Database } = {
    db,
    transact,
    tenants,
    roles,
    methods,
    graceDays: config.tenantDeletionGraceDays,
    openTemplate: async () => {
      throw invalidInput([{ pointer: '/templateId', message: 'is no template of this installation' }]);
    },
    inviteOwner: invitations.inviteOwner,
  };
  const routes: Route[] = [
    ...tenantRoutes(tenantDeps),
    ...ipRuleRoutes(tenantDeps),
    ...memberRoutes({ ...tenantDeps, bookOf }),
    ...rightsRoutes({ db, clock, transact, roles, tenants, rootTenantId: protocol.rootTenantId }),
    ...invitations.routes,
    ...userRoutes(users),
    ...meRoutes(users),
    ...clientRoutes(clients),
    ...resourceRoutes({
      db,
      transact,
      issuer: config.issuer,
      knownClients: (scope, ids) => knownClients({ db }, scope, ids),
      changed: protocol.resources.drop,
    }),
    ...apiKeyRoutes({ db, clock, transact, policyOf: (tenantId) => apiKeyPolicy(tenants, tenantId) }),
    ...signingKeyRoutes(protocol.keyDeps),
    ...sessionRoutes({ ...sessions, ...door }),
    ...personRoutes(sessions),
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
  return { routes, users, clients };
}

async function apiKeyPolicy(tenants: TenantCache, tenantId: string): Promise<ApiKeyPolicy> {
  const facts = await tenants.find(tenantId);
  const security = facts && settingsOf(facts).security;
  return { allowed: security?.apiKeys !== false, maxSeconds: security?.apiKeyMaxSeconds };
}
