import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { checkOnlyRootWrites } from '#src/infra/embedded-postgres/account.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '#src/infra/embedded-postgres.ts';
import { createTestDatabase, makeTestDirectory, removeTestDirectory, startPrivateCluster, testCluster } from '#test/support/database.ts';
import { skip } from '#test/support/skip.ts';

const start = (dataDir: string): Promise<EmbeddedPostgres> => startEmbeddedPostgres({ dataDir, durable: false, maxConnections: 20 });

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}

/** A process that nobody waited for stays as a zombie; what counts is that nobody answers any more. */
const assertStopped = (url: string): Promise<void> => assert.rejects(query(url, 'select 1'), { code: 'ECONNREFUSED' });

interface Started {
  pid: number;
  attached: boolean;
  connectionString: string;
}

/** Another process of ours that starts the database, says how that went, and stops when its input ends. */
function startElsewhere(dataDir: string): { child: ChildProcess; started: Promise<Started> } {
  const code = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(import.meta.resolve('#src/infra/embedded-postgres.ts'))});
    const { pid, attached, connectionString, stop } = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)}, durable: false, maxConnections: 20 });
    console.log(JSON.stringify({ pid, attached, connectionString }));
    process.stdin.resume().once('end', stop);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['pipe', 'pipe', 'inherit'] });
  const started = once(createInterface(child.stdout), 'line').then(([line]) => JSON.parse(String(line)) as Started);
  return { child, started };
}

async function leave(child: ChildProcess): Promise<void> {
  child.stdin?.end();
  if (child.exitCode === null) await once(child, 'exit');
  assert.equal(child.exitCode, 0);
}

describe('the embedded PostgreSQL', () => {
  const made: string[] = [];
  let home: string;

  async function makeDirectory(): Promise<string> {
    const directory = await makeTestDirectory();
    made.push(directory);
    return directory;
  }

  before(async () => {
    home = await makeDirectory();
  });

  after(async () => {
    for (const directory of made) await removeTestDirectory(directory);
  });

  it('starts in an empty directory and hands out a login that owns its database and is no superuser', async () => {
    const database = await start(home);
    assert.equal(database.attached, false);
    const [row] = await query(
      database.connectionString,
      `select rolsuper, rolbypassrls, rolreplication, rolcreatedb, current_database() as database,
         (select pg_get_userbyid(datdba) from pg_database where datname = current_database()) = current_user as owner
       from pg_roles where rolname = current_user`,
    );
    assert.deepEqual(row, {
      rolsuper: false,
      rolbypassrls: false,
      rolreplication: false,
      rolcreatedb: false,
      database: 'gatehouse',
      owner: true,
    });
    await query(database.connectionString, 'create role made_by_owner; set role made_by_owner; reset role; drop role made_by_owner');
    await database.stop();
    await assertStopped(database.connectionString);
  });

  it('keeps the passwords where only its owner can read them, and listens on loopback only', async () => {
    const database = await start(home);
    try {
      assert.equal((await stat(path.join(home, 'postgres.json'))).mode & 0o777, 0o600);
      assert.equal((await stat(database.dataDir)).mode & 0o777, 0o700);
      const kept: unknown = JSON.parse(await readFile(path.join(home, 'postgres.json'), 'utf8'));
      const { superuserPassword } = kept as { superuserPassword: string };
      const superuser = new URL(database.connectionString);
      Object.assign(superuser, { username: 'postgres', password: superuserPassword });
      assert.deepEqual(
        await query(
          superuser.href,
          `select current_setting('listen_addresses') as at, current_setting('unix_socket_directories') as sockets`,
        ),
        [{ at: '127.0.0.1', sockets: '' }],
      );
      const guessed = Object.assign(new URL(superuser), { password: 'postgres' }).href;
      await assert.rejects(query(guessed, 'select 1'), { code: '28P01' });
    } finally {
      await database.stop();
    }
  });

  it('is attached to by a second start, and stops with the last to leave, whoever started it', async () => {
    const first = await start(home);
    const second = await start(home);
    assert.deepEqual([first.attached, second.attached, second.pid], [false, true, first.pid]);
    await first.stop();
    assert.deepEqual(await query(second.connectionString, 'select 1 as one'), [{ one: 1 }]);
    await second.stop();
    await second.stop();
    await assertStopped(first.connectionString);
  });

  it('is shared by three processes that start at once on an empty directory', async () => {
    const empty = await makeDirectory();
    const all = [startElsewhere(empty), startElsewhere(empty), startElsewhere(empty)];
    const started = await Promise.all(all.map((one) => one.started));
    assert.equal(new Set(started.map(({ pid }) => pid)).size, 1);
    assert.equal(new Set(started.map(({ connectionString }) => connectionString)).size, 1);
    assert.equal(started.filter(({ attached }) => !attached).length, 1);
    const starter = all[started.findIndex(({ attached }) => !attached)]!;
    await leave(starter.child);
    assert.deepEqual(await query(started[0]!.connectionString, 'select 1 as one'), [{ one: 1 }]);
    await Promise.all(all.filter((one) => one !== starter).map(({ child }) => leave(child)));
    await assertStopped(started[0]!.connectionString);
  });

  it('survives a kill -9 of the process that started it, is attached to by the next, and stops with that one', async () => {
    const { child, started } = startElsewhere(home);
    const { pid, connectionString } = await started;
    await query(connectionString, 'create table kept (n int); insert into kept values (7)');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const next = await start(home);
    assert.deepEqual([next.attached, next.pid], [true, pid]);
    assert.deepEqual(await query(next.connectionString, 'select n from kept'), [{ n: 7 }]);
    await next.stop();
    await assertStopped(connectionString);
  });

  it('starts over a pid file left behind, even where its pid belongs to another program by now', async () => {
    const before = await start(home);
    const pidFile = path.join(before.dataDir, 'postmaster.pid');
    const lines = (await readFile(pidFile, 'utf8')).split('\n');
    await before.stop();
    for (const pid of [process.pid, 4_190_000]) {
      await writeFile(pidFile, [String(pid), ...lines.slice(1)].join('\n'));
      const database = await start(home);
      assert.equal(database.attached, false);
      assert.deepEqual(await query(database.connectionString, 'select 1 as one'), [{ one: 1 }]);
      await database.stop();
    }
  });

  it('begins anew where an earlier first start was cut off', async () => {
    const empty = await makeDirectory();
    await mkdir(path.join(empty, 'postgres.new-abcdef', 'data'), { recursive: true });
    await writeFile(path.join(empty, 'postgres.new-abcdef', 'data', 'PG_VERSION'), '18\n');
    const database = await start(empty);
    await assert.rejects(stat(path.join(empty, 'postgres.new-abcdef')), { code: 'ENOENT' });
    await database.stop();
  });

  it('refuses a directory that everybody may write to', async () => {
    const open = await makeDirectory();
    await chmod(open, 0o777);
    await assert.rejects(start(open), /may be written to by everybody/);
  });

  it('as root, runs nothing from a directory that somebody else could have prepared', async function () {
    if (process.getuid?.() !== 0) skip(this, 'not root: PostgreSQL runs as ourselves');
    await assert.rejects(checkOnlyRootWrites(home), /must be a directory of root's that nobody else may write to/);
    await checkOnlyRootWrites('/');
  });

  it('as root, keeps the cluster elsewhere where the unprivileged account cannot reach the data directory, and finds it again', async function () {
    if (process.getuid?.() !== 0) skip(this, 'not root: PostgreSQL runs as ourselves');
    const closed = await makeTestDirectory();
    await chmod(closed, 0o700);
    const first = await start(closed);
    assert.match(first.dataDir, /^\/var\/lib\/gatehouse\//);
    await first.stop();
    const second = await start(closed);
    assert.equal(second.dataDir, first.dataDir);
    await second.stop();
    await removeTestDirectory(closed);
    await assert.rejects(stat(first.dataDir), { code: 'ENOENT' });
  });
});

describe('the test databases', () => {
  it('are clones of one migrated template, apart from each other, also when asked for at once', async () => {
    const [a, b] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    assert.notEqual(a.name, b.name);
    await query(a.url, 'create table only_here (n int)');
    assert.deepEqual(await query(b.url, `select to_regclass('only_here') as it, to_regclass('migrations') is not null as migrated`), [
      { it: null, migrated: true },
    ]);
    const templates = await query(
      (await testCluster()).adminUrl,
      `select count(*)::int as n from pg_database where datname like 'gatehouse_template_%'`,
    );
    if (!process.env['TEST_DATABASE_URL']) assert.deepEqual(templates, [{ n: 1 }]);
    await Promise.all([a.drop(), b.drop()]);
    await assert.rejects(query(a.url, 'select 1'), { code: '3D000' });
  });

  it('can be private: killed, started again on the same port with what was committed, and removed', async () => {
    const cluster = await startPrivateCluster({ durable: true });
    await query(cluster.connectionString, 'create table kept (n int); insert into kept values (1)');
    await cluster.kill();
    await assert.rejects(query(cluster.connectionString, 'select pg_sleep(1)'));
    await cluster.restart();
    assert.deepEqual(await query(cluster.connectionString, 'select n from kept'), [{ n: 1 }]);
    await cluster.halt();
    await assert.rejects(query(cluster.connectionString, 'select 1'), { code: 'ECONNREFUSED' });
    await cluster.restart();
    assert.deepEqual(await query(cluster.connectionString, 'select n from kept'), [{ n: 1 }]);
    const { connectionString, dataDir } = cluster;
    await cluster.stop();
    await assertStopped(connectionString);
    await assert.rejects(stat(dataDir), { code: 'ENOENT' });
  });
});
