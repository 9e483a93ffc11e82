import { lchown, mkdtemp, readdir, readFile, readlink, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import type { Account } from './account.ts';
import { binary } from './binaries.ts';
import { run, sleep } from './run.ts';

export interface Cluster {
  directory: string;
  native: string;
  account: Account | undefined;
}

export interface Postmaster {
  pid: number;
  port: number;
}

export interface LaunchOptions {
  durable: boolean;
  maxConnections: number;
  port?: number | undefined;
}

const START_SECONDS = 60;

const logFile = (cluster: Cluster): string => path.join(cluster.directory, 'server.log');
const pidFile = (cluster: Cluster): string => path.join(cluster.directory, 'postmaster.pid');

/** Makes the cluster, complete or not at all: initdb works in a draft, which is then renamed. Only one process may do so at a time. */
export async function initialise(cluster: Cluster, password: string, durable: boolean): Promise<void> {
  const { directory, account } = cluster;
  for (const name of await readdir(path.dirname(directory))) {
    if (name.startsWith(`${path.basename(directory)}.new-`))
      await rm(path.join(path.dirname(directory), name), { recursive: true, force: true });
  }
  const draft = await mkdtemp(`${directory}.new-`);
  try {
    const passwordFile = path.join(draft, 'password');
    const data = path.join(draft, 'data');
    await writeFile(passwordFile, password, { mode: 0o600, flag: 'wx' });
    if (account) for (const file of [passwordFile, draft]) await lchown(file, account.uid, account.gid);
    const options = [
      '-U',
      'postgres',
      '-A',
      'scram-sha-256',
      `--pwfile=${passwordFile}`,
      '-E',
      'UTF8',
      '--locale=C',
      ...(durable ? [] : ['--no-sync']),
    ];
    const made = await run(binary(cluster.native, 'initdb'), ['-D', data, ...options], account, draft);
    if (made.code !== 0) throw new Error(`initdb failed: ${made.output}`);
    await rename(data, directory);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/**
 * The postmaster that serves this cluster, once it is ready; undefined where there is none, and then a pid file left by one is gone.
 * Only the process that holds the start lock may call it. Throws where one is neither ready nor gone after a minute.
 */
export async function findPostmaster(cluster: Cluster): Promise<Postmaster | undefined> {
  const deadline = performance.now() + START_SECONDS * 1000;
  do {
    const lines = (await readFile(pidFile(cluster), 'utf8').catch(() => '')).split('\n').map((line) => line.trim());
    const [pid, port] = [Number(lines[0]), Number(lines[3])];
    if (lines[0] && (await isPostmaster(cluster, pid))) {
      if (lines[7] === 'ready' && port > 0) return { pid, port };
    } else if (!(await hasProcesses(cluster))) {
      await rm(pidFile(cluster), { force: true });
      return undefined;
    }
    await sleep(50);
  } while (performance.now() < deadline);
  throw new Error(`a PostgreSQL in ${cluster.directory} neither became ready nor ended; see ${logFile(cluster)}`);
}

/**
 * Whether that pid is PostgreSQL at work on this directory. PostgreSQL itself only asks whether the pid exists, which a recycled pid
 * or a zombie answers; nor may a password be sent to whoever listens on a dead server's port now.
 */
async function isPostmaster(cluster: Cluster, pid: number): Promise<boolean> {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  if (process.platform === 'linux') return (await workingDirectory(pid)) === (await realpath(cluster.directory));
  if ((await run(binary(cluster.native, 'pg_ctl'), ['status', '-D', cluster.directory], cluster.account, cluster.directory)).code !== 0)
    return false;
  return process.platform === 'win32' || /postgres$/.test((await run('ps', ['-p', String(pid), '-o', 'comm='], undefined)).output);
}

/** Whether any process of this cluster is left; a killed postmaster's children end by themselves, but not at once. */
async function hasProcesses(cluster: Cluster): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const directory = await realpath(cluster.directory);
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  return (await Promise.all(pids.map(workingDirectory))).includes(directory);
}

/** Every PostgreSQL process works in its data directory; a zombie has none. */
const workingDirectory = (pid: number | string): Promise<string> => readlink(`/proc/${pid}/cwd`).catch(() => '');

/** Starts the server on loopback and waits until it is ready. Throws with the end of its log where it does not start. */
export async function launch(cluster: Cluster, options: LaunchOptions): Promise<Postmaster> {
  const log = logFile(cluster);
  for (let attempt = 1; ; attempt += 1) {
    const port = attempt === 1 && options.port ? options.port : await freePort();
    await rename(log, `${log}.1`).catch(() => undefined);
    const args = ['start', '-w', '-t', String(START_SECONDS), '-D', cluster.directory, '-l', log, '-o', flags(port, options)];
    const started = await run(binary(cluster.native, 'pg_ctl'), args, cluster.account, cluster.directory);
    if (started.code === 0) {
      const postmaster = await findPostmaster(cluster);
      if (postmaster) return postmaster;
    }
    const said = (await readFile(log, 'utf8').catch(() => '')).trim().split('\n').slice(-8).join('\n') || started.output;
    const taken = /could not (bind|create any TCP)/.test(said);
    if (!taken || attempt === 5) throw new Error(`the embedded PostgreSQL did not start:\n${said}`);
  }
}

function flags(port: number, { durable, maxConnections }: LaunchOptions): string {
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: maxConnections,
    shared_buffers: '64MB',
    jit: 'off',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', wal_level: 'minimal', max_wal_senders: 0 }),
  };
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(' ');
}

/** Ends the server: transactions under way are rolled back. Does nothing where it does not run. */
export async function shutDown(cluster: Cluster): Promise<void> {
  if (!(await findPostmaster(cluster))) return;
  const stopped = await run(
    binary(cluster.native, 'pg_ctl'),
    ['stop', '-m', 'fast', '-w', '-t', '60', '-D', cluster.directory],
    cluster.account,
    cluster.directory,
  );
  if (stopped.code !== 0 && (await findPostmaster(cluster))) throw new Error(`the embedded PostgreSQL did not stop: ${stopped.output}`);
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no free port'))));
    });
  });
