/** How sure sign-in has to be of a person, and how sure it can be: for the engine, and for the protocol that asks again. */
import type { Clock } from '../core/clock.ts';
import type { CachedClient } from '../features/clients/index.ts';
import type { RoleBooks } from '../features/roles/index.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import { settingsOf } from '../features/tenants/settings.ts';
import type { Database } from '../infra/postgres.ts';
import type { Required } from '../login/attempt.ts';
import { type LoginMethod, secondFactorsOf } from '../login/method.ts';
import { findAccount } from '../login/store.ts';
import type { Accounts } from '../oidc/accounts.ts';
import { actingTenantUnasked } from '../oidc/acting-tenant.ts';
import { ACR, type Assurance } from '../oidc/assurance.ts';

const [ONE_FACTOR, TWO_FACTORS, PHISHING_RESISTANT] = ACR;

export interface AssuranceParts {
  db: Database;
  clock: Clock;
  tenants: Pick<TenantCache, 'find'>;
  roles: Pick<RoleBooks, 'of'>;
  accounts: Pick<Accounts, 'findAccount'>;
  methods: readonly LoginMethod[];
  rootTenantId: string;
  findClient(clientId: string): Promise<Pick<CachedClient, 'metadata'> | undefined>;
}

export interface LoginAssurance extends Assurance {
  /** As `required`, of the client and in the tenant that are acted for; with `acting` in the tenant that a sign-in without pages will act in, too. */
  requiredAt: Required;
}

/** Whether the person has one of these roles in the tenant, themselves or by way of another. */
export async function holdsOneOf(
  { accounts, roles }: Pick<AssuranceParts, 'accounts' | 'roles'>,
  userId: string,
  tenantId: string,
  names: readonly string[],
): Promise<boolean> {
  if (names.length === 0) return false;
  const [account, book] = await Promise.all([accounts.findAccount(userId), roles.of(tenantId)]);
  const held = account?.memberships.find((membership) => membership.tenantId === tenantId)?.roles ?? [];
  const all = new Set(book.expand(held));
  return names.some((name) => all.has(name));
}

export function createAssurance(parts: AssuranceParts): LoginAssurance {
  async function required(userId: string, client: Pick<CachedClient, 'metadata'> | undefined, tenantId?: string): Promise<string> {
    if (client?.metadata['require_second_factor'] === true) return TWO_FACTORS;
    const tenant = tenantId === undefined ? undefined : await parts.tenants.find(tenantId);
    if (!tenant || tenantId === undefined) return ONE_FACTOR;
    const { secondFactor, secondFactorRoles = [] } = settingsOf(tenant);
    return secondFactor === 'required' || (await holdsOneOf(parts, userId, tenantId, secondFactorRoles)) ? TWO_FACTORS : ONE_FACTOR;
  }

  return {
    required,
    async requiredAt(userId, { tenantId, clientId }, acting) {
      const client = clientId === undefined ? undefined : await parts.findClient(clientId);
      const least = await required(userId, client, tenantId);
      // Clients of other tenants act in their own alone.
      if (!acting || least !== ONE_FACTOR || tenantId !== parts.rootTenantId) return least;
      const person = await parts.accounts.findAccount(userId);
      const choice = person && actingTenantUnasked({ client: { tenantId, isRoot: true }, requested: acting.tenant, person });
      return choice && 'tenantId' in choice && choice.tenantId !== tenantId ? required(userId, client, choice.tenantId) : least;
    },
    async reachable(userId) {
      const found = await findAccount(parts.db, userId, { now: parts.clock.now() });
      if (!found) return ONE_FACTOR;
      const { secondFactors } = await secondFactorsOf(parts.methods, found.account);
      const has = await Promise.all(parts.methods.map((method) => method.first && method.enrolled(found.account)));
      const usable = parts.methods.filter((method, index) => secondFactors.includes(method.id) || has[index]);
      if (usable.some(({ strong }) => strong)) return PHISHING_RESISTANT;
      const kinds = new Set(usable.map(({ id, factor, means = id }) => (factor === 'possession' ? means : factor)));
      return secondFactors.length > 0 && kinds.size > 1 ? TWO_FACTORS : ONE_FACTOR;
    },
  };
}
