/** A key for each person, made when first needed and sealed under the installation's: destroying it erases what was sealed with it. */
import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Database, Sql } from '../../infra/postgres.ts';
import { createSecretBox, type SecretBox } from '../../infra/secret-box.ts';
import { addKey, destroyKey, findKey } from './store.ts';

export interface PersonKeys {
  /** The box of a person; undefined once they are erased. With `sql`, a missing key is made in that transaction. */
  get(userId: string, sql?: Sql): Promise<SecretBox | undefined>;
  /** The box of a person if they have one: reading makes none. */
  find(userId: string): Promise<SecretBox | undefined>;
  /** Destroys the key for good. Nothing that was sealed under it can be read again, and no new key is made for that person. */
  forget(userId: string, sql: Sql): Promise<void>;
  /** Drops what this process holds: of one person, or of all where nothing is said. For notifications of other nodes. */
  drop(userId?: string): void;
}

// A notification may be lost; after this long a destroyed key is gone from every process anyway.
const HELD_MS = 60_000;

export function createPersonKeys({ db, box }: { db: Database; box: SecretBox }): PersonKeys {
  const held = new LRUCache<string, SecretBox>({ max: 5000, ttl: HELD_MS });
  const context = (userId: string): string => `person-key:${userId}`;

  async function load(on: Database | Sql, userId: string): Promise<SecretBox | 'erased' | undefined> {
    const sealed = await findKey(on, userId);
    if (!sealed) return undefined;
    return sealed.length === 0 ? 'erased' : createSecretBox([box.open(sealed, context(userId))]);
  }

  async function loadAndHold(userId: string): Promise<SecretBox | 'erased' | undefined> {
    const known = held.get(userId) ?? (await load(db, userId));
    if (known && known !== 'erased') held.set(userId, known);
    return known;
  }

  return {
    async get(userId, sql) {
      const known = held.get(userId);
      if (known) return known;
      // What a transaction made may be rolled back, so it is not held.
      const look = sql ? () => load(sql, userId) : () => loadAndHold(userId);
      let found = await look();
      if (!found) {
        await addKey(sql ?? db, userId, box.seal(randomBytes(32), context(userId)));
        found = await look();
      }
      return found === 'erased' ? undefined : found;
    },

    async find(userId) {
      const found = await loadAndHold(userId);
      return found === 'erased' ? undefined : found;
    },

    async forget(userId, sql) {
      held.delete(userId);
      await destroyKey(sql, userId);
    },

    drop(userId) {
      if (userId === undefined) held.clear();
      else held.delete(userId);
    },
  };
}
