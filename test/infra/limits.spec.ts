import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import { AppError } from '#src/core/errors.ts';
import { addressKey, createLimits, type LimitRule, type Limits, RULES } from '#src/infra/limits.ts';
import { createLogger } from '#src/infra/log.ts';
import { type Database, openDatabase } from '#src/infra/postgres.ts';
import { createRedis, parseRedisUrl, type RedisClient } from '#src/infra/redis.ts';
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts';
import { skip } from '#test/support/skip.ts';

const rule = (over: Partial<LimitRule> = {}): LimitRule => ({
  name: 'test',
  points: 5,
  durationSeconds: 60,
  blockSeconds: 120,
  store: 'shared',
  ...over,
});

const isLimited = (error: unknown): boolean =>
  error instanceof AppError && error.status === 429 && Number(error.headers['retry-after']) > 0;

async function allowed(limits: Limits, by: LimitRule, key: string, tries: number): Promise<number> {
  const results = await Promise.allSettled(Array.from({ length: tries }, () => limits.consume(by, key)));
  for (const result of results) if (result.status === 'rejected') assert.ok(isLimited(result.reason), String(result.reason));
  return results.filter(({ status }) => status === 'fulfilled').length;
}

/** What holds wherever the points are counted. */
function countsExactly(open: () => Limits, store: LimitRule['store']): void {
  const by = rule({ name: `suite_${store}`, store });

  it('lets exactly so many through, also when all come at once, and says for how long the rest must wait', async () => {
    const limits = open();
    assert.equal(await allowed(limits, by, 'parallel', 30), 5);
    const wait = await limits.blockedFor(by, 'parallel');
    assert.ok(wait > 60 && wait <= 120, `${wait} s`);
    assert.equal(await limits.blockedFor(by, 'somebody else'), 0);
    assert.equal(await allowed(limits, by, 'somebody else', 5), 5);
  });

  it('forgets on demand and gives points back', async () => {
    const limits = open();
    await allowed(limits, by, 'k', 6);
    await limits.reset(by, 'k');
    assert.equal(await allowed(limits, by, 'k', 5), 5);
    await limits.refund(by, 'k', 2);
    assert.equal(await limits.blockedFor(by, 'k'), 0);
    assert.equal(await allowed(limits, by, 'k', 5), 2);
  });

  it('opens again when the window ends', async () => {
    const limits = open();
    const short = rule({ name: `short_${store}`, store, points: 1, durationSeconds: 1, blockSeconds: 0 });
    assert.equal(await allowed(limits, short, 'k', 3), 1);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    assert.equal(await allowed(limits, short, 'k', 3), 1);
  });
}

describe('limits', () => {
  let at: TestDatabase;
  let db: Database;

  before(async () => {
    at = await createTestDatabase();
    db = openDatabase({ url: at.url });
  });
  after(async () => {
    await db.close();
    await at.drop();
  });

  describe('in PostgreSQL', () => {
    countsExactly(() => createLimits({ db }), 'durable');

    it('are shared by nodes, and tell nobody who reads the table whom they count', async () => {
      const [one, two] = [createLimits({ db }), createLimits({ db })];
      await allowed(one, rule(), '203.0.113.9', 3);
      assert.equal(await allowed(two, rule(), '203.0.113.9', 5), 2);
      const rows = await db.query<{ key: string }>({ name: 'test-keys', text: 'select key from rate_limits' }, []);
      assert.ok(rows.length > 0 && rows.every(({ key }) => !key.includes('203.0.113.9')));
    });

    it('answer 503 where nobody can count', async () => {
      const away = openDatabase({ url: 'postgres://x@127.0.0.1:1/x', acquireTimeoutMs: 300 });
      const isUnavailable = (error: unknown): boolean => error instanceof AppError && error.status === 503;
      await assert.rejects(createLimits({ db: away }).consume(rule(), 'k'), isUnavailable);
      await assert.rejects(createLimits({ db: away }).blockedFor(rule(), 'k'), isUnavailable);
      await away.close();
    });
  });

  describe('in the process', () => countsExactly(() => createLimits({ db }), 'local'));

  describe('in Redis', () => {
    const log = createLogger({ level: 'silent' });
    let server: ChildProcess | undefined;
    let redis: RedisClient;

    before(async function () {
      const external = process.env['TEST_REDIS_URL'];
      const found = (process.env['PATH'] ?? '').split(path.delimiter).some((dir) => isExecutable(path.join(dir, 'redis-server')));
      if (!external && !found) skip(this, 'no redis-server on the PATH and no TEST_REDIS_URL');
      const port = await freePort();
      if (!external)
        server = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], {
          stdio: 'ignore',
        });
      redis = createRedis(external ?? `redis://127.0.0.1:${port}`, log);
      await new Promise<void>((resolve) => redis.once('ready', () => resolve()));
    });
    after(async () => {
      redis?.disconnect();
      if (server?.exitCode === null) server.kill('SIGKILL');
    });

    countsExactly(() => createLimits({ db, redis }), 'shared');

    it('are counted in the process while Redis is away, except those that must be exact', async function () {
      if (!server) skip(this, 'the Redis is not ours to stop');
      const limits = createLimits({ db, redis });
      const exit = once(server, 'exit');
      server.kill('SIGKILL');
      await exit;
      assert.equal(await allowed(limits, rule({ name: 'away' }), 'k', 8), 5);
      assert.equal(await allowed(limits, rule({ name: 'exact', store: 'durable' }), 'k', 8), 5);
    });
  });

  it('have a name and sane numbers each', () => {
    for (const [name, each] of Object.entries(RULES)) {
      assert.equal(each.name, name);
      assert.ok(each.points > 0 && each.durationSeconds > 0 && each.blockSeconds >= 0);
    }
    assert.equal(RULES.codeTryByAccount.store, 'durable');
  });

  it('count IPv4 as it is and IPv6 by its /64, however it is written', () => {
    assert.equal(addressKey('203.0.113.9'), '203.0.113.9');
    assert.equal(addressKey('::ffff:203.0.113.9'), '203.0.113.9');
    assert.equal(addressKey('::ffff:cb00:7109'), '203.0.113.9');
    assert.equal(addressKey('2001:db8:1:2:3:4:5:6'), addressKey('2001:DB8:1:2::9'));
    assert.notEqual(addressKey('2001:db8:1:2::1'), addressKey('2001:db8:1:3::1'));
    assert.equal(addressKey('2001:db8::1'), '2001:db8:0:0::/64');
    assert.equal(addressKey('fe80::1%eth0'), 'fe80:0:0:0::/64');
    assert.equal(addressKey('nonsense'), 'unknown');
  });

  it('find Redis, one or a cluster', () => {
    assert.deepEqual(parseRedisUrl('redis://localhost'), { nodes: [{ host: 'localhost', port: 6379 }], cluster: false, tls: false });
    assert.deepEqual(parseRedisUrl('rediss+cluster://u:p%40@a,b:7001,[::1]:7002'), {
      nodes: [
        { host: 'a', port: 6379 },
        { host: 'b', port: 7001 },
        { host: '::1', port: 7002 },
      ],
      cluster: true,
      tls: true,
      username: 'u',
      password: 'p@',
    });
    assert.throws(() => parseRedisUrl('redis://a,b'), TypeError);
    assert.throws(() => parseRedisUrl('http://a'), TypeError);
  });
});

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
