import type { ChangeFeed } from '../../infra/change-feed.ts';
import type { Database } from '../../infra/postgres.ts';
import { createWatchedCache } from '../../infra/watched-cache.ts';
import type { LogoCache, Logos } from './index.ts';
import { logosOf } from './store.ts';

/** Which logos a tenant has, in process memory, dropped when one changes. */
export function createLogoCache({ db, feed, max = 20_000 }: { db: Database; feed: ChangeFeed; max?: number }): LogoCache {
  const byTenant = createWatchedCache<Logos>({ feed, kind: 'logos', read: (tenantId) => logosOf(db, tenantId), max });
  return {
    of: async (tenantId) => (await byTenant.find(tenantId)) ?? { tenant: null, clients: {} },
    drop: (tenantId) => byTenant.drop(tenantId),
  };
}
