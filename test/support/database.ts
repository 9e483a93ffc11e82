import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { exists } from '#src/infra/embedded-postgres/binaries.ts';
import { readState } from '#src/infra/embedded-postgres/state.ts';
import {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
  stopIfUnused,
  superuserUrl,
} from '#src/infra/embedded-postgres.ts';

export interface TestDatabase {
  /** As the owner; the server under test changes to its own role by itself. */
  url: string;
  name: string;
  /** Drops it, ending whatever connections are left. */
  drop(): Promise<void>;
}

export interface TestCluster {
  /** A login that may create databases. */
  adminUrl: string;
  /** Undefined where TEST_DATABASE_URL names the server. */
  dataDir: string | undefined;
  pid: number | undefined;
}

interface RunningCluster extends TestCluster {
  /** A connection string of the databases' owner, less the database. */
  ownerUrl: string;
  stop(): Promise<void>;
}

const PREFIX = 'gatehouse-test-';
const ABANDONED_AFTER_MS = 120_000;

const external = process.env['TEST_DATABASE_URL'];
const created = new Set<string>();
let cluster: Promise<RunningCluster> | undefined;
let template: Promise<string> | undefined;

/** The one cluster of this run, started when first asked for. */
export function testCluster(): Promise<TestCluster> {
  return runningCluster();
}

/** A fresh, migrated database of its own, cloned from a template that is made once a run. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { ownerUrl, adminUrl } = await runningCluster();
  template ??= makeTemplate();
  const from = await template;
  const name = uniqueName('t');
  await createDatabase(adminUrl, ownerUrl, name, from);
  return { url: withDatabase(ownerUrl, name), name, drop: () => dropDatabase(adminUrl, name) };
}

/** A fresh database without our schema, for tests of the migrations themselves. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  const { ownerUrl, adminUrl } = await runningCluster();
  const name = uniqueName('e');
  await createDatabase(adminUrl, ownerUrl, name);
  return { url: withDatabase(ownerUrl, name), name, drop: () => dropDatabase(adminUrl, name) };
}

/** Drops what was created and stops the cluster; for the root hook. */
export async function stopTestCluster(): Promise<void> {
  const running = await cluster?.catch(() => undefined);
  cluster = undefined;
  template = undefined;
  await running?.stop();
}

export interface PrivateCluster extends EmbeddedPostgres {
  /** Kills the server at once, without a goodbye, as a crash would. */
  kill(): Promise<void>;
  /** Stops the server in order, while this test goes on. */
  halt(): Promise<void>;
  /** Starts it again on the same port, with the data it has. Answers once it accepts connections. */
  restart(): Promise<void>;
}

/** A cluster of the test's own, to stop or kill; durable where asked for. Its database `gatehouse` is empty: migrate it. `stop` removes it. */
export async function startPrivateCluster(options: Omit<Partial<EmbeddedPostgresOptions>, 'dataDir'> = {}): Promise<PrivateCluster> {
  const home = await makeTestDirectory();
  let running = await startEmbeddedPostgres({ durable: false, ...options, dataDir: home });
  const port = Number(new URL(running.connectionString).port);
  return {
    ...running,
    get pid() {
      return running.pid;
    },
    kill: async () => {
      process.kill(running.pid, 'SIGKILL');
    },
    halt: () => running.stop(),
    restart: async () => {
      const again = await startEmbeddedPostgres({ durable: false, ...options, dataDir: home, port });
      if (again.pid !== running.pid) await running.stop();
      running = again;
      if (new URL(again.connectionString).port !== String(port)) throw new Error(`port ${port} was taken meanwhile`);
    },
    stop: async () => {
      await running.stop();
      await removeTestDirectory(home);
    },
  };
}

/** An empty directory for a cluster; the unprivileged account that root's PostgreSQL runs as can reach it. */
export async function makeTestDirectory(): Promise<string> {
  const home = await mkdtemp(path.join(tmpdir(), PREFIX));
  await chmod(home, 0o711);
  return home;
}

/** Removes a directory of `makeTestDirectory`, once nothing uses the cluster in it. */
export async function removeTestDirectory(home: string): Promise<void> {
  if (!(await exists(home))) return;
  const state = await readState(home);
  if (!(await stopIfUnused(home))) return;
  if (state) await rm(state.directory, { recursive: true, force: true });
  await rm(home, { recursive: true, force: true });
}

function runningCluster(): Promise<RunningCluster> {
  cluster ??= external ? useExternal(external) : startCluster();
  return cluster;
}

async function startCluster(): Promise<RunningCluster> {
  await removeAbandoned();
  const home = await makeTestDirectory();
  const started = await startEmbeddedPostgres({ dataDir: home, durable: false, maxConnections: 200 }).catch(async (error: unknown) => {
    await removeTestDirectory(home);
    throw error;
  });
  const state = await readState(home);
  if (!state) throw new Error(`no passwords were kept in ${home}`);
  return {
    adminUrl: superuserUrl(state, Number(new URL(started.connectionString).port)),
    ownerUrl: started.connectionString,
    dataDir: started.dataDir,
    pid: started.pid,
    async stop() {
      await started.stop();
      await removeTestDirectory(home);
    },
  };
}

async function useExternal(url: string): Promise<RunningCluster> {
  return {
    adminUrl: url,
    ownerUrl: url,
    dataDir: undefined,
    pid: undefined,
    async stop() {
      for (const name of created) await dropDatabase(url, name);
    },
  };
}

/** Clusters of runs that were killed: nobody holds their lock, and they are not just being made. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const home = path.join(tmpdir(), name);
    const found = await stat(home).catch(() => undefined);
    if (!found || found.uid !== (process.getuid?.() ?? found.uid) || Date.now() - found.mtimeMs < ABANDONED_AFTER_MS) continue;
    await removeTestDirectory(home).catch(() => undefined);
  }
}

async function makeTemplate(): Promise<string> {
  const { migrate } = await import('#src/infra/migrate.ts');
  const { adminUrl, ownerUrl } = await runningCluster();
  const name = uniqueName('template');
  await createDatabase(adminUrl, ownerUrl, name);
  await migrate(withDatabase(ownerUrl, name));
  return name;
}

async function createDatabase(adminUrl: string, ownerUrl: string, name: string, from = 'template0'): Promise<void> {
  const owner = decodeURIComponent(new URL(ownerUrl).username);
  await admin(adminUrl, `create database ${name} template ${from} owner ${pg.escapeIdentifier(owner)}`);
  created.add(name);
}

async function dropDatabase(adminUrl: string, name: string): Promise<void> {
  await admin(adminUrl, `drop database if exists ${name} with (force)`);
  created.delete(name);
}

async function admin(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

const uniqueName = (kind: string): string => `gatehouse_${kind}_${randomBytes(6).toString('hex')}`;
