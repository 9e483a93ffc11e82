/** A cache in process memory of rows that are read by one key: bounded, one read at a time for a key, dropped by the change feed, never stale by time alone. */
import { LRUCache } from 'lru-cache';
import type { ChangeFeed } from './change-feed.ts';

export interface WatchedCache<T extends object> {
  /** The value under the key, or undefined. Reads past the cache while the feed is not fresh. */
  find(key: string): Promise<T | undefined>;
  /** Forgets one key, or everything; what is being read meanwhile is not kept either. */
  drop(key?: string): void;
  readonly size: number;
}

export interface WatchedCacheOptions<T> {
  feed: Pick<ChangeFeed, 'on' | 'isFresh'>;
  /** The kind whose changes name the key. */
  kind: string;
  /** Further kinds on which values depend, and the id of the row that a value depends on. */
  related?: readonly { kind: string; idOf(value: T): string }[];
  read(key: string): Promise<T | undefined>;
  max?: number;
  /** How many unknown keys are remembered. */
  maxUnknown?: number;
}

const UNKNOWN_MS = 5000;

export function createWatchedCache<T extends object>(options: WatchedCacheOptions<T>): WatchedCache<T> {
  const { feed, kind, related = [], read, max = 5000, maxUnknown = 1000 } = options;
  const values = new LRUCache<string, T>({ max });
  const unknown = new LRUCache<string, true>({ max: maxUnknown, ttl: UNKNOWN_MS });
  const reading = new Map<string, Promise<T | undefined>>();

  function drop(key?: string): void {
    if (key === undefined) {
      values.clear();
      unknown.clear();
      reading.clear();
    } else {
      values.delete(key);
      unknown.delete(key);
      reading.delete(key);
    }
  }

  async function load(key: string): Promise<T | undefined> {
    const one = read(key).then(
      (value) => {
        if (reading.get(key) === one) {
          reading.delete(key);
          if (value) values.set(key, value);
          else unknown.set(key, true);
        }
        return value;
      },
      (error: unknown) => {
        if (reading.get(key) === one) reading.delete(key);
        throw error;
      },
    );
    reading.set(key, one);
    return one;
  }

  feed.on(kind, ({ id }) => drop(id));
  for (const { kind: other, idOf } of related) {
    feed.on(other, ({ id }) => {
      if (id === undefined) return drop();
      reading.clear();
      for (const [key, value] of values.entries()) if (idOf(value) === id) values.delete(key);
    });
  }

  return {
    async find(key) {
      if (!feed.isFresh()) return read(key);
      const value = values.get(key);
      if (value) return value;
      if (unknown.has(key)) return undefined;
      return reading.get(key) ?? load(key);
    },
    drop,
    get size() {
      return values.size;
    },
  };
}
