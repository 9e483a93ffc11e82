/** What holds at each tenant in process memory, dropped when a notice of it changes. */
import type { ChangeFeed } from '../../infra/change-feed.ts';
import type { Database } from '../../infra/postgres.ts';
import { createWatchedCache } from '../../infra/watched-cache.ts';
import type { CurrentNotice, NoticeCache } from './index.ts';
import { currentNotices } from './store.ts';

export function createNoticeCache({ db, feed }: { db: Database; feed: ChangeFeed }): NoticeCache {
  const tenants = createWatchedCache<readonly CurrentNotice[]>({
    feed,
    kind: 'notices',
    read: (id) => currentNotices(db, id),
    max: 20_000,
  });
  return { of: async (tenantId) => (await tenants.find(tenantId)) ?? [], drop: (tenantId) => tenants.drop(tenantId) };
}
