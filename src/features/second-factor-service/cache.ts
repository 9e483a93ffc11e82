/** Which service a tenant has, in process memory; dropped when the tenant changes. */
import type { ChangeFeed } from '../../infra/change-feed.ts';
import type { Database } from '../../infra/postgres.ts';
import type { SecretBox } from '../../infra/secret-box.ts';
import { createWatchedCache } from '../../infra/watched-cache.ts';
import { openToken } from './commands.ts';
import type { SecondFactorService, SecondFactorServices } from './index.ts';
import { serviceOf } from './store.ts';

export function createSecondFactorServices({ db, box, feed }: { db: Database; box: SecretBox; feed: ChangeFeed }): SecondFactorServices {
  // That there is none is kept too: it is so of most.
  const tenants = createWatchedCache<{ service: SecondFactorService | undefined }>({
    feed,
    kind: 'tenants',
    async read(tenantId) {
      const found = await serviceOf(db, tenantId);
      if (!found) return { service: undefined };
      const { tokenSealed, url, oidc, ...common } = found;
      const secret = openToken(box, tenantId, Buffer.from(tokenSealed, 'base64'));
      if (oidc) return { service: { ...common, ...oidc, kind: 'oidc', clientSecret: secret } };
      return { service: { ...common, kind: 'http', url: url ?? '', token: secret } };
    },
  });
  return { of: async (tenantId) => (await tenants.find(tenantId))?.service, drop: tenants.drop };
}
