import { systemClock } from '#src/core/clock.ts';
import type { TenantCache } from '#src/features/tenants/index.ts';
import { findTenantId, readTenant } from '#src/features/tenants/store.ts';
import type { Database } from '#src/infra/postgres.ts';

/** Tenants as they are in the database at each question. */
export const tenantsNow = (db: Database): TenantCache => ({
  find: (id) => readTenant(db, id),
  async findByName(name) {
    const found = await findTenantId(db, name);
    return readTenant(db, found?.id ?? name);
  },
  drop: () => {},
});

/** Tenants as processes keep them: read once each. */
export function tenantsKept(db: Database): TenantCache {
  const now = tenantsNow(db);
  const kept = new Map<string, Awaited<ReturnType<TenantCache['find']>>>();
  return {
    ...now,
    async find(id) {
      if (!kept.has(id)) kept.set(id, await now.find(id));
      return kept.get(id);
    },
    drop: (id) => void kept.delete(id),
  };
}

/** What the choice of a tenant takes, where nobody is kept out by address. */
export const choiceOf = (db: Database, rootTenantId: string) => ({
  clock: systemClock,
  tenants: tenantsKept(db),
  rootTenantId,
  homeClients: new Set<string>(),
  addressAllowed: () => true,
  assurance: { required: async () => 'urn:gatehouse:acr:1fa' },
});
