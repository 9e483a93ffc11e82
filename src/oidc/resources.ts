/** The APIs that tokens are asked for, in process memory. */
import type { CachedResource } from '../features/resources/index.ts';
import { findForProtocol } from '../features/resources/store.ts';
import type { ChangeFeed } from '../infra/change-feed.ts';
import type { Database } from '../infra/postgres.ts';
import { createWatchedCache, type WatchedCache } from '../infra/watched-cache.ts';

export type { CachedResource } from '../features/resources/index.ts';
export type ResourceCache = WatchedCache<CachedResource>;

/** Finds APIs by identifier (RFC 8707 section 2); what cannot be one is unknown without a query. */
export function createResourceCache({ db, feed, max }: { db: Database; feed: ChangeFeed; max?: number }): ResourceCache {
  const cache = createWatchedCache<CachedResource>({
    feed,
    kind: 'resources',
    related: [{ kind: 'tenants', idOf: (resource) => resource.tenantId }],
    read: (identifier) => findForProtocol(db, identifier),
    ...(max === undefined ? {} : { max }),
  });
  return {
    find: async (identifier) => (/^[\x21-\x7e]{1,512}$/.test(identifier) ? cache.find(identifier) : undefined),
    drop: cache.drop,
    get size() {
      return cache.size;
    },
  };
}
