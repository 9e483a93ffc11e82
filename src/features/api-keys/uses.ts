/** When keys were last used: noted in memory, written together, once a minute for each key and node. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../core/clock.ts';
import type { Database } from '../../infra/postgres.ts';
import type { ApiKeyUses } from './index.ts';
import { writeUses } from './store.ts';

const A_MINUTE_MS = 60_000;

export interface UsesDeps {
  db: Database;
  clock: Clock;
  log(message: string, error: unknown): void;
  /** How long uses wait for others; a second where nothing is said. */
  delayMs?: number;
}

export function createApiKeyUses({ db, clock, log, delayMs = 1000 }: UsesDeps): ApiKeyUses {
  const noted = new LRUCache<string, number>({ max: 20_000 });
  let waiting = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let writing = Promise.resolve();

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    if (waiting.size === 0) return;
    const ids = [...waiting];
    waiting = new Set();
    const at = clock.now();
    writing = writing
      .then(() => writeUses(db, ids, at))
      .catch((error: unknown) => {
        // The next use writes it again: nobody's request depends on it.
        for (const id of ids) noted.delete(id);
        log('could not write when API keys were used', error);
      });
  }

  return {
    note({ id, lastUsedAt }) {
      const now = clock.now().getTime();
      const last = Math.max(noted.get(id) ?? 0, (lastUsedAt ?? 0) * 1000);
      if (now - last < A_MINUTE_MS) return;
      noted.set(id, now);
      waiting.add(id);
      timer ??= setTimeout(flush, delayMs).unref();
    },
    async close() {
      flush();
      await writing;
    },
  };
}
