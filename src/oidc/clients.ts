/** The clients that are in use, in process memory. */
import { errors, type Provider } from 'oidc-provider';
import { invalidInput } from '../core/errors.ts';
import type { CachedClient } from '../features/clients/index.ts';
import { findForProtocol } from '../features/clients/store.ts';
import type { ChangeFeed } from '../infra/change-feed.ts';
import type { Database } from '../infra/postgres.ts';
import { createWatchedCache, type WatchedCache } from '../infra/watched-cache.ts';
import { validateMetadata } from './client-models.ts';

export type { CachedClient } from '../features/clients/index.ts';
export type ClientCache = WatchedCache<CachedClient>;

const POSSIBLE = /^[A-Za-z0-9_.~:-]{1,256}$/;

/** Finds clients by id, disabled ones too; what cannot be a client id is unknown without a query. */
export function createClientCache({ db, feed, max }: { db: Database; feed: ChangeFeed; max?: number }): ClientCache {
  const cache = createWatchedCache<CachedClient>({
    feed,
    kind: 'clients',
    related: [{ kind: 'tenants', idOf: (client) => client.tenantId }],
    read: (clientId) => findForProtocol(db, clientId),
    ...(max === undefined ? {} : { max }),
  });
  return {
    find: async (clientId) => (POSSIBLE.test(clientId) ? cache.find(clientId) : undefined),
    drop: cache.drop,
    get size() {
      return cache.size;
    },
  };
}

/** For features/clients: throws 422 where the library could not work with the metadata, so that nothing unusable is stored. */
export const createMetadataCheck =
  (provider: () => Provider) =>
  async (client: Pick<CachedClient, 'clientId' | 'metadata' | 'profile'>): Promise<void> => {
    try {
      validateMetadata(provider(), client);
    } catch (error) {
      if (!(error instanceof errors.OIDCProviderError)) throw error;
      const message = error.error_description ?? 'cannot be used';
      const member = Object.keys(client.metadata).find((name) => message.startsWith(`${name} `));
      throw invalidInput([{ pointer: member === undefined ? '' : `/${member}`, message }]);
    }
  };
