/** Which providers a sign-in offers, and what happens with an identity once the account beside it is proven. */
import { AppError } from '../../core/errors.ts';
import type { Scope } from '../../core/scope.ts';
import type { Connection } from '../../features/connections/index.ts';
import type { TenantCache, TenantFacts } from '../../features/tenants/index.ts';
import { parseEmail } from '../identifiers.ts';
import { loginSettingsOf, type TenantLoginSettings } from '../policy.ts';
import { type LinkDeps, linkIdentity } from './link.ts';
import { byName, mayUse, type Offered } from './offered.ts';
import { domainOf, openLink } from './resolve.ts';
import { sealProvider } from './sign-out.ts';
import { tenantOfDomain } from './store.ts';

/** Where somebody signs in, and what the authorization request says. */
export interface Asking {
  tenantId: string;
  settings: Pick<TenantLoginSettings, 'methods'>;
  params: Readonly<Record<string, unknown>>;
}

export interface SocialDoor {
  /**
   * Those of the tenant that is signed in at, in their order. Only where that is the installation's own: also those of the tenant that the
   * request names.
   */
  offered(asking: Asking): Promise<readonly Offered[]>;
  /** Where people of that address's domain sign in: exactly that domain, proven by its tenant. `tenantId` is the one that is signed in at. */
  byAddress(tenantId: string, typed: string): Promise<Offered | undefined>;
  /** What the request asks for by `connection` or `idp_hint`: a key or an id among those that are offered. */
  asked(asking: Asking): Promise<Offered | undefined>;
  find(id: string): Promise<Offered | undefined>;
  /** The name of the provider whose identity waits for the proof of an account. */
  waiting(link: string | undefined): Promise<string | undefined>;
  /** Links what waited for the proof of this account; nothing where somebody else was proven. Answers as `sealProvider` does. */
  complete(scope: Scope, link: string, accountId: string): Promise<string | undefined>;
}

export function createSocialDoor(deps: LinkDeps & { tenants: TenantCache; rootTenantId: string }): SocialDoor {
  const { connections, tenants, rootTenantId } = deps;
  const shown = ({ id, key, kind, name, domains }: Connection): Offered => ({ id, key, kind, name, leads: domains.length > 0 });
  const usable = async (tenantId: string, settings: Pick<TenantLoginSettings, 'methods'>): Promise<Offered[]> =>
    (await connections.ofTenant(tenantId)).filter((one) => one.enabled && mayUse(settings, one)).map(shown);
  /** A tenant's own issuer and applications are for its people: whatever a request names there, no other tenant's connections are reached. */
  const reaches = (tenantId: string, other: TenantFacts | undefined): other is TenantFacts =>
    other?.status === 'active' && (other.id === tenantId || tenantId === rootTenantId);
  const offered: SocialDoor['offered'] = async ({ tenantId, settings, params }) => {
    const { tenant: named } = params;
    const own = await usable(tenantId, settings);
    const other = typeof named === 'string' ? await tenants.findByName(named) : undefined;
    if (!reaches(tenantId, other) || other.id === tenantId) return own;
    return [...own, ...(await usable(other.id, loginSettingsOf(other.settings)))];
  };

  return {
    offered,
    async byAddress(tenantId, typed) {
      const address = parseEmail(typed);
      if (address === undefined) return undefined;
      const domain = domainOf(address);
      const ownerId = await tenantOfDomain(deps.db, domain);
      const owner = ownerId === undefined ? undefined : await tenants.find(ownerId);
      if (!reaches(tenantId, owner)) return undefined;
      const leading = (await connections.ofTenant(owner.id)).find(({ enabled, domains }) => enabled && domains.includes(domain));
      return leading && mayUse(loginSettingsOf(owner.settings), leading) ? shown(leading) : undefined;
    },
    async asked(asking) {
      const { connection, idp_hint: hint } = asking.params;
      const name = [connection, hint].find((one) => typeof one === 'string' && one !== '');
      return name === undefined ? undefined : byName(await offered(asking), name);
    },
    async find(id) {
      const found = await connections.find(id);
      return found?.enabled ? shown(found) : undefined;
    },
    async waiting(link) {
      const pending = link === undefined ? undefined : openLink(deps.box, link);
      return pending && (await connections.find(pending.identity.connectionId))?.name;
    },
    async complete(scope, link, accountId) {
      const pending = openLink(deps.box, link);
      if (pending?.userId !== accountId) return undefined;
      const actor = { type: 'user', id: accountId } as const;
      try {
        await linkIdentity(deps, { ...scope, actor }, accountId, pending.identity);
        return await sealProvider(deps, accountId, pending.identity);
      } catch (error) {
        // Linked or taken meanwhile, or the connection is gone: the sign-in was good all the same.
        if (!(error instanceof AppError) || error.status >= 500) throw error;
        await deps.audit.append(scope, {
          type: 'identity.refused',
          outcome: 'failure',
          reason: error.code,
          target: { type: 'connection', id: pending.identity.connectionId },
          personId: accountId,
        });
        return undefined;
      }
    },
  };
}
