/** Tenants in process memory, dropped when they, their domains, address rules or subscription change. */
import { isId } from '../../core/ids.ts';
import type { ChangeFeed } from '../../infra/change-feed.ts';
import type { Database } from '../../infra/postgres.ts';
import { createWatchedCache } from '../../infra/watched-cache.ts';
import type { TenantCache, TenantFacts } from './index.ts';
import { findTenantId, readTenant } from './store.ts';

const SLUG = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9]|)$/;

export function createTenantCache({ db, feed, max = 20_000 }: { db: Database; feed: ChangeFeed; max?: number }): TenantCache {
  const byId = createWatchedCache<TenantFacts>({ feed, kind: 'tenants', read: (id) => readTenant(db, id), max });
  // A slug may be given to another tenant; the id that it led to is compared at each look.
  const bySlug = createWatchedCache<{ id: string }>({
    feed,
    kind: 'tenant-slugs',
    related: [{ kind: 'tenants', idOf: ({ id }) => id }],
    read: (slug) => findTenantId(db, slug),
    max,
  });
  const find = async (id: string): Promise<TenantFacts | undefined> => (isId(id) ? byId.find(id) : undefined);
  return {
    find,
    async findByName(name) {
      if (isId(name)) return find(name);
      const id = SLUG.test(name) ? (await bySlug.find(name))?.id : undefined;
      const tenant = id === undefined ? undefined : await find(id);
      return tenant?.slug === name ? tenant : undefined;
    },
    // Also to whatever else is kept of a tenant here, its clients first of all.
    drop: (id) => feed.announce('tenants', id),
  };
}
