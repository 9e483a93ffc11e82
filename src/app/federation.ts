/** Sign-in with other providers, with what it runs on. */
import type { Context, Middleware } from 'koa';
import type { OwnIdentities } from '../account/identities.ts';
import type { Clock } from '../core/clock.ts';
import { ownPerson } from '../core/permissions.ts';
import type { Scope } from '../core/scope.ts';
import type { Audit } from '../features/audit/record.ts';
import { createConnectionCache } from '../features/connections/cache.ts';
import type { ConnectionCache } from '../features/connections/index.ts';
import { ownIdentityRoutes } from '../features/connections/me-routes.ts';
import { demandOf } from '../features/factors/demand.ts';
import { findFactors } from '../features/factors/store.ts';
import { endSessions, type SessionCommandDeps } from '../features/sessions/commands.ts';
import { listSessions, type SessionQueryDeps } from '../features/sessions/queries.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import { requireAssurance } from '../http/assurance.ts';
import type { Route } from '../http/route.ts';
import type { View } from '../http/view.ts';
import type { ChangeFeed } from '../infra/change-feed.ts';
import type { Limits } from '../infra/limits.ts';
import type { Database } from '../infra/postgres.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import type { createDirectDoor } from '../login/direct-door.ts';
import type { EngineDeps } from '../login/engine.ts';
import type { ExternalIdentity, LoginMethod } from '../login/method.ts';
import { socialMethod } from '../login/methods/social.ts';
import { loginSettingsOf } from '../login/policy.ts';
import { type LoginRoutesDeps, loginRoutes } from '../login/routes.ts';
import { backchannelLogout, type ReplayGuard } from '../login/social/backchannel.ts';
import { authenticateSocial } from '../login/social/direct.ts';
import { createSocialDoor, type SocialDoor } from '../login/social/door.ts';
import { broughtIdentity, type LinkDeps, linkIdentity, listIdentities, unlinkIdentity } from '../login/social/link.ts';
import { socialPages } from '../login/social/pages.ts';
import { type InvitedTo, type Purpose, type Resolved, resolveIdentity } from '../login/social/resolve.ts';
import { leaveForProvider, type SignedOut, sealProvider, signedOutPages } from '../login/social/sign-out.ts';
import { createUpstreams, type Upstreams } from '../login/social/upstreams.ts';
import { storageKey } from '../oidc/storage-key.ts';
import { findPerson, forgetOnce, rememberOnce } from '../oidc/store.ts';

export interface FederationParts {
  db: Database;
  clock: Clock;
  box: SecretBox;
  view: View;
  feed: ChangeFeed;
  limits: Limits;
  audit: Audit;
  tenants: TenantCache;
  rootTenantId: string;
  /** The tenant of the issuer that the request came to, where that is a tenant's own. */
  ownTenant(): string | undefined;
  /** Guarded; what goes to providers goes through it. */
  fetch: typeof globalThis.fetch;
  onRegistered?: EngineDeps['onRegistered'];
}

export interface Federation {
  connections: ConnectionCache;
  upstreams: Upstreams;
  method: LoginMethod;
  /** Whose an identity is: the only way from one to a person. */
  resolve(this: void, scope: Scope, identity: ExternalIdentity, invited?: InvitedTo): Promise<Resolved>;
  door: SocialDoor;
  links: LinkDeps;
  /** What it adds to the direct login, by path. */
  direct: NonNullable<Parameters<typeof createDirectDoor>[1]>;
  /** Sends a browser that has signed out on to the provider that its person came by. */
  leaving: { leaveForProvider(this: void, ctx: Context, signedOut: SignedOut): Promise<boolean> };
  /** What providers call, and where they send a browser back to that has signed out there. */
  answers(sessions: SessionCommandDeps & SessionQueryDeps): Middleware[];
  /** For the account page. */
  account: Federation['leaving'] & { identities: OwnIdentities };
  /** `/api/me/identities`. */
  routes: Route[];
}

/** Everything below `/login`: the ways to other providers and back come first. */
export const signInPages = (deps: LoginRoutesDeps): Middleware[] => [socialPages(deps), loginRoutes(deps)];

export function createFederation(parts: FederationParts): Federation {
  const { db, clock, box, view, feed, limits, audit, tenants, rootTenantId, ownTenant, fetch, onRegistered } = parts;
  const connections = createConnectionCache({ db, box, feed });
  const upstreams = createUpstreams({ fetch, clock });
  const { transact } = audit;
  const settingsOf = async (tenantId: string) => loginSettingsOf((await tenants.find(tenantId))?.settings);
  const resolving = {
    clock,
    box,
    limits,
    transact,
    connections,
    rootTenantId,
    onRegistered,
    settingsOf,
    tenantsOf: async (userId: string) => (await findPerson(db, userId))?.memberships.map(({ tenantId }) => tenantId) ?? [],
  };
  const resolveFor = (purpose: Purpose, scope: Scope, identity: ExternalIdentity, invited?: InvitedTo) =>
    resolveIdentity(resolving, scope, identity, purpose, invited);
  const links: LinkDeps = { db, clock, box, audit: audit.audit, transact, connections, settingsOf };
  const door = createSocialDoor({ ...links, tenants, rootTenantId });
  const leaving: Federation['leaving'] = {
    leaveForProvider: (ctx, signedOut) => leaveForProvider({ ...links, upstreams, view }, ctx, signedOut),
  };
  return {
    connections,
    upstreams,
    method: socialMethod({ connections, upstreams }),
    async resolve(scope, identity, invited) {
      const whose = await resolveFor('sign-in', scope, identity, invited);
      return 'refused' in whose ? whose : { ...whose, upstream: await sealProvider(links, whose.userId, identity) };
    },
    leaving,
    door,
    links,
    direct: { '/api/auth/login/social': authenticateSocial({ door, settingsOf }) },
    account: {
      ...leaving,
      identities: {
        async offered(homeTenantId) {
          const tenantId = ownTenant() ?? homeTenantId;
          return door.offered({ tenantId, settings: await settingsOf(tenantId), params: {} });
        },
        find: connections.find,
        list: (userId) => listIdentities(links, userId),
        link: (scope, userId, identity) => linkIdentity(links, scope, userId, identity),
        unlink: (scope, userId, id) => unlinkIdentity(links, scope, userId, id),
        upstreams,
      },
    },
    routes: ownIdentityRoutes({
      list: (userId) => listIdentities(links, userId),
      link: async (scope, userId, brought) =>
        linkIdentity(links, scope, userId, await broughtIdentity({ ...links, door, upstreams }, scope, brought, connections)),
      unlink: (scope, userId, id) => unlinkIdentity(links, scope, userId, id),
      checkFresh: async (scope) => requireAssurance({ clock }, scope, demandOf(await findFactors(db, ownPerson(scope)))),
    }),
    answers: (sessions) => [
      signedOutPages({ box, clock, view }),
      backchannelLogout({
        db,
        audit: audit.audit,
        limits,
        connections,
        upstreams,
        whose: (scope, identity) => resolveFor('logout', scope, identity),
        once: replayGuard(db),
        async endSessionsOf(scope, userId) {
          const ids = (await listSessions(sessions, userId)).map(({ id }) => id);
          if (ids.length > 0) await endSessions(sessions, scope, userId, ids);
        },
      }),
    ],
  };
}

/** Logout tokens by connection and `jti`, kept beside those of client assertions. */
function replayGuard(db: Database): ReplayGuard {
  const keyOf = (connectionId: string, jti: string): string => storageKey(connectionId, 'ReplayDetection', jti);
  return {
    first: (connectionId, jti, until) => rememberOnce(db, keyOf(connectionId, jti), until),
    forget: (connectionId, jti) => forgetOnce(db, keyOf(connectionId, jti)),
  };
}
