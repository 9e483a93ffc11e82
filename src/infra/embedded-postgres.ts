/**
 * The database for trial and development: the PostgreSQL that npm installed, on loopback, durable. Any number of processes may share
 * one data directory: the first starts the server, the others attach, the last to leave stops it.
 */
import path from 'node:path';
import pg from 'pg';
import { serverAccount } from './embedded-postgres/account.ts';
import { exists, findBinaries } from './embedded-postgres/binaries.ts';
import { type Cluster, findPostmaster, initialise, launch, shutDown } from './embedded-postgres/cluster.ts';
import { type Lock, lock, tryLock } from './embedded-postgres/lock.ts';
import { clusterAccount, makeState, prepareDataDir, readState, type State, startLock, useLock } from './embedded-postgres/state.ts';

export interface EmbeddedPostgres {
  /** Of the database `gatehouse`, as its owner, who is no superuser. */
  connectionString: string;
  /** Whether the server ran already. */
  attached: boolean;
  /** Where the cluster is: `DATA_DIR/postgres`, or below /var/lib/gatehouse where PostgreSQL's account cannot reach that. */
  dataDir: string;
  pid: number;
  /** Leaves; the server stops where no other process uses it. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** `DATA_DIR`: also holds the passwords (postgres.json, readable by its owner only) and the locks. */
  dataDir: string;
  /** False only for tests: a crash of the machine may then lose the data. */
  durable?: boolean;
  maxConnections?: number;
  /** Asked for first; another is taken where it is not free. */
  port?: number;
  log?: (message: string) => void;
}

const OWNER = 'gatehouse_owner';
const DATABASE = 'gatehouse';

/**
 * Starts the server of this data directory or attaches to the one that runs: after a kill -9 of ours it has survived.
 * Throws where this machine has no embedded PostgreSQL, where the directory is not ours, or where the server does not start.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const dataDir = path.resolve(options.dataDir);
  const durable = options.durable ?? true;
  const account = await serverAccount();
  await prepareDataDir(dataDir, account);
  const starting = await lock(startLock(dataDir), 'exclusive');
  let using: Lock | undefined;
  let launched: Cluster | undefined;
  try {
    const state = (await readState(dataDir)) ?? (await makeState(dataDir, account));
    const cluster = await openCluster(dataDir, state);
    if (!(await exists(path.join(state.directory, 'PG_VERSION')))) await initialise(cluster, state.superuserPassword, durable);
    const running = await findPostmaster(cluster);
    const { pid, port } =
      running ?? (await launch(cluster, { durable, maxConnections: options.maxConnections ?? 100, port: options.port }));
    using = await lock(useLock(dataDir), 'shared', 5000);
    await makeDatabase(superuserUrl(state, port), state.ownerPassword);
    options.log?.(
      `embedded PostgreSQL ${running ? 'found' : 'started'} on 127.0.0.1:${port} (pid ${pid}), data in ${state.directory}; for trial and development only`,
    );
    const held = using;
    return {
      connectionString: `postgres://${OWNER}:${state.ownerPassword}@127.0.0.1:${port}/${DATABASE}`,
      attached: running !== undefined,
      dataDir: state.directory,
      pid,
      stop: async () => {
        held.release();
        await stopIfUnused(dataDir);
      },
    };
  } catch (error) {
    using?.release();
    // Nobody else can have come to use it: we hold the start lock.
    if (launched) await shutDown(launched).catch(() => undefined);
    throw error;
  } finally {
    starting.release();
  }
}

/** Stops the server of a data directory unless a process uses it; true where none runs any more. */
export async function stopIfUnused(dataDir: string): Promise<boolean> {
  const starting = await lock(startLock(dataDir), 'exclusive');
  try {
    const alone = tryLock(useLock(dataDir), 'exclusive');
    if (!alone) return false;
    try {
      const state = await readState(dataDir);
      if (state && (await exists(state.directory))) await shutDown(await openCluster(dataDir, state));
      return true;
    } finally {
      alone.release();
    }
  } finally {
    starting.release();
  }
}

/** The superuser's login to the cluster's `postgres` database; the server never works as it. */
export const superuserUrl = (state: State, port: number): string =>
  `postgres://postgres:${state.superuserPassword}@127.0.0.1:${port}/postgres`;

async function openCluster(dataDir: string, state: State): Promise<Cluster> {
  const account = await clusterAccount(state.directory, await serverAccount());
  return { directory: state.directory, native: await findBinaries(account, dataDir), account };
}

/** The owner may make roles, which migrations need, and work as the roles it made. */
async function makeDatabase(url: string, ownerPassword: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'gatehouse-start', connectionTimeoutMillis: 5000 });
  await client.connect();
  try {
    const { rows } = await client.query<{ role: boolean; database: boolean }>(
      'select exists (select from pg_roles where rolname = $1) as role, exists (select from pg_database where datname = $2) as database',
      [OWNER, DATABASE],
    );
    if (!rows[0]?.role) {
      const password = pg.escapeLiteral(ownerPassword);
      await client.query(
        `create role ${OWNER} login createrole password ${password}; alter role ${OWNER} set createrole_self_grant = 'set'`,
      );
    }
    if (!rows[0]?.database) await client.query(`create database ${DATABASE} owner ${OWNER}`);
  } finally {
    await client.end();
  }
}
