/** Sign-in with other providers, with what it runs on. */
import type { Middleware } from 'koa';
import type { Clock } from '../core/clock.ts';
import type { Scope } from '../core/scope.ts';
import type { Audit } from '../features/audit/record.ts';
import { createConnectionCache } from '../features/connections/cache.ts';
import type { ConnectionCache } from '../features/connections/index.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import type { ChangeFeed } from '../infra/change-feed.ts';
import type { Limits } from '../infra/limits.ts';
import type { Database } from '../infra/postgres.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import type { EngineDeps } from '../login/engine.ts';
import type { ExternalIdentity, LoginMethod } from '../login/method.ts';
import { socialMethod } from '../login/methods/social.ts';
import { loginSettingsOf } from '../login/policy.ts';
import { type LoginRoutesDeps, loginRoutes } from '../login/routes.ts';
import { createSocialDoor, type SocialDoor } from '../login/social/door.ts';
import type { LinkDeps } from '../login/social/link.ts';
import { socialPages } from '../login/social/pages.ts';
import { type Purpose, type Resolved, resolveIdentity } from '../login/social/resolve.ts';
import { createUpstreams, type Upstreams } from '../login/social/upstreams.ts';

export interface FederationParts {
  db: Database;
  clock: Clock;
  box: SecretBox;
  feed: ChangeFeed;
  limits: Limits;
  audit: Audit;
  tenants: TenantCache;
  /** Guarded; what goes to providers goes through it. */
  fetch: typeof globalThis.fetch;
  onRegistered?: EngineDeps['onRegistered'];
}

export interface Federation {
  connections: ConnectionCache;
  upstreams: Upstreams;
  method: LoginMethod;
  /** Whose an identity is: the only way from one to a person. */
  resolve(this: void, scope: Scope, identity: ExternalIdentity, purpose?: Purpose): Promise<Resolved>;
  door: SocialDoor;
  links: LinkDeps;
}

/** Everything below `/login`: the ways to other providers and back come first. */
export const signInPages = (deps: LoginRoutesDeps): Middleware[] => [socialPages(deps), loginRoutes(deps)];

export function createFederation({ db, clock, box, feed, limits, audit, tenants, fetch, onRegistered }: FederationParts): Federation {
  const connections = createConnectionCache({ db, box, feed });
  const upstreams = createUpstreams({ fetch, clock });
  const { transact } = audit;
  const resolving = {
    clock,
    box,
    limits,
    transact,
    connections,
    onRegistered,
    settingsOf: async (tenantId: string) => loginSettingsOf((await tenants.find(tenantId))?.settings),
  };
  const links: LinkDeps = { db, clock, box, audit: audit.audit, transact, connections };
  return {
    connections,
    upstreams,
    method: socialMethod({ connections, upstreams }),
    resolve: (scope, identity, purpose = 'sign-in') => resolveIdentity(resolving, scope, identity, purpose),
    door: createSocialDoor({ ...links, tenants }),
    links,
  };
}
