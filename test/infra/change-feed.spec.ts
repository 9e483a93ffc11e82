import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { newId } from '#src/core/ids.ts';
import { type ChangeFeed, createChangeFeed } from '#src/infra/change-feed.ts';
import { type Database, openDatabase } from '#src/infra/postgres.ts';
import { createWatchedCache } from '#src/infra/watched-cache.ts';
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts';

const until = async (holds: () => boolean, ms = 2000): Promise<void> => {
  const end = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > end) throw new Error('it did not happen in time');
    await sleep(10);
  }
};

describe('change feed', () => {
  let database: TestDatabase;
  let db: Database;
  let owner: pg.Client;
  const feeds: ChangeFeed[] = [];

  before(async () => {
    database = await createTestDatabase();
    db = openDatabase({ url: database.url, poolSize: 2 });
    owner = new pg.Client({ connectionString: database.url });
    await owner.connect();
  });
  after(async () => {
    for (const feed of feeds) await feed.stop();
    await owner.end();
    await db.close();
    await database.drop();
  });

  const addTenant = async (): Promise<string> => {
    const id = newId();
    await owner.query(`insert into tenants (id, slug, name, type) values ($1, $2, 'T', 'team')`, [id, `t-${id}`]);
    return id;
  };
  const open = async (on: Database = db, options = {}): Promise<ChangeFeed> => {
    const feed = await createChangeFeed(on, options);
    feeds.push(feed);
    return feed;
  };

  it('names the row that another connection changed', async () => {
    const feed = await open();
    const heard: (string | undefined)[] = [];
    feed.on('tenants', ({ id }) => heard.push(id));
    const id = await addTenant();
    await until(() => heard.length > 0);
    assert.deepEqual(heard, [id]);
    await feed.check();
    assert.deepEqual(heard, [id], 'the revision check finds nothing that was not told');
  });

  it('tells that anything may have changed when notifications were lost', async () => {
    const deaf: Database = { ...db, listen: async () => async () => {} };
    const feed = await open(deaf, { intervalMs: 60_000 });
    const heard: (string | undefined)[] = [];
    feed.on('tenants', ({ id }) => heard.push(id));
    await addTenant();
    await feed.check();
    assert.deepEqual(heard, [undefined]);
  });

  it('sees a gap between two notifications', async () => {
    let speak: (payload: string) => void = () => {};
    const muffled: Database = {
      ...db,
      listen: async (_channel, onMessage) => {
        speak = onMessage;
        return async () => {};
      },
    };
    const feed = await open(muffled, { intervalMs: 60_000 });
    const heard: (string | undefined)[] = [];
    feed.on('things', ({ id }) => heard.push(id));
    const say = (id: string, revision: number): void => speak(JSON.stringify({ kind: 'things', id, revision }));
    say('a', 1);
    say('b', 2);
    say('d', 4);
    say('e', 5);
    assert.deepEqual(heard, ['a', 'b', undefined, 'e']);
    speak('not json');
    assert.deepEqual(heard.at(-1), undefined);
  });

  it('is not fresh once its checks fail for too long, and is again when they succeed', async () => {
    let away = false;
    const shaky: Database = {
      ...db,
      query: (statement, values) => (away ? Promise.reject(new Error('away')) : db.query(statement, values)),
    };
    const feed = await open(shaky, { intervalMs: 20, maxAgeMs: 100 });
    assert.equal(feed.isFresh(), true);
    away = true;
    await until(() => !feed.isFresh());
    away = false;
    await until(() => feed.isFresh());
  });

  describe('a cache that watches it', () => {
    it('on two nodes: what one changes, the other reads again at once', async () => {
      const read = async (id: string) =>
        (await owner.query('select name from tenants where id = $1', [id])).rows[0] as { name: string } | undefined;
      const nodes = await Promise.all([open(db, { intervalMs: 60_000 }), open(db, { intervalMs: 60_000 })]).then((pair) =>
        pair.map((feed) => createWatchedCache({ feed, kind: 'tenants', read })),
      );
      const id = await addTenant();
      await sleep(50);
      for (const node of nodes) assert.equal((await node.find(id))?.name, 'T');
      await owner.query(`update tenants set name = 'U' where id = $1`, [id]);
      for (const node of nodes) {
        const end = performance.now() + 5000;
        while ((await node.find(id))?.name !== 'U') {
          assert.ok(performance.now() < end, 'not told');
          await sleep(5);
        }
      }
    });

    it('reads once for many who ask at the same time, and remembers what does not exist', async () => {
      let reads = 0;
      const read = async (id: string): Promise<{ id: string } | undefined> => {
        reads += 1;
        await sleep(20);
        return id === 'there' ? { id } : undefined;
      };
      const cache = createWatchedCache({ feed: { on: () => () => {}, isFresh: () => true }, kind: 'x', read });
      await Promise.all(Array.from({ length: 20 }, () => cache.find('there')));
      assert.equal(reads, 1);
      assert.equal(await cache.find('gone'), undefined);
      assert.equal(await cache.find('gone'), undefined);
      assert.equal(reads, 2);
    });

    it('does not keep what was read before a change and arrived after it', async () => {
      let tell: (change: { id: string | undefined }) => void = () => {};
      let value = 'old';
      let answer: (() => void) | undefined;
      const read = async (): Promise<{ value: string }> => {
        const seen = { value };
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
        return seen;
      };
      const feed = {
        on(_kind: string, listener: typeof tell) {
          tell = listener;
          return () => {};
        },
        isFresh: () => true,
      };
      const cache = createWatchedCache({ feed, kind: 'x', read });
      const early = cache.find('k');
      const release = answer;
      value = 'new';
      tell({ id: 'k' });
      release?.();
      assert.equal((await early)?.value, 'old', 'who asked before the change may see what was before');
      const late = cache.find('k');
      answer?.();
      assert.equal((await late)?.value, 'new');
    });

    it('drops what belongs to a row of another kind, and reads past itself while the feed is not fresh', async () => {
      const listeners = new Map<string, (change: { id: string | undefined }) => void>();
      let fresh = true;
      let reads = 0;
      const feed = {
        on(kind: string, listener: (change: { id: string | undefined }) => void) {
          listeners.set(kind, listener);
          return () => {};
        },
        isFresh: () => fresh,
      };
      const cache = createWatchedCache({
        feed,
        kind: 'clients',
        related: [{ kind: 'tenants', idOf: (client: { tenant: string }) => client.tenant }],
        read: async (key) => {
          reads += 1;
          return { tenant: key };
        },
      });
      await cache.find('a');
      await cache.find('b');
      listeners.get('tenants')?.({ id: 'a' });
      assert.equal(cache.size, 1);
      await cache.find('b');
      assert.equal(reads, 2);
      fresh = false;
      await cache.find('b');
      assert.equal(reads, 3);
    });
  });
});
