/** Connections in process memory by tenant, dropped when one of the tenant's changes. */
import { LRUCache } from 'lru-cache';
import type { ChangeFeed } from '../../infra/change-feed.ts';
import type { Database } from '../../infra/postgres.ts';
import type { SecretBox } from '../../infra/secret-box.ts';
import { createWatchedCache } from '../../infra/watched-cache.ts';
import type { Connection, ConnectionCache } from './index.ts';
import { openSecrets } from './secrets.ts';
import { connectionsOf, tenantOfConnection } from './store.ts';

export function createConnectionCache({ db, box, feed }: { db: Database; box: SecretBox; feed: ChangeFeed }): ConnectionCache {
  const tenants = createWatchedCache<readonly Connection[]>({
    feed,
    kind: 'connections',
    async read(tenantId) {
      return (await connectionsOf(db, tenantId)).map(({ secretSealed, issuer, ...rest }): Connection => {
        const { clientSecret, privateKey } = openSecrets(box, rest.id, secretSealed === null ? null : Buffer.from(secretSealed, 'base64'));
        return { ...rest, issuer: issuer ?? undefined, clientSecret, privateKey };
      });
    },
  });
  // A connection stays its tenant's for as long as there is one; whether there still is, says what the tenant has.
  const tenantOf = new LRUCache<string, string>({ max: 10_000 });
  const ofTenant = async (tenantId: string): Promise<readonly Connection[]> => (await tenants.find(tenantId)) ?? [];
  return {
    ofTenant,
    async find(id) {
      const tenantId = tenantOf.get(id) ?? (await tenantOfConnection(db, id));
      if (tenantId === undefined) return undefined;
      tenantOf.set(id, tenantId);
      return (await ofTenant(tenantId)).find((one) => one.id === id);
    },
    drop: (tenantId) => tenants.drop(tenantId),
  };
}
