import { createHash, randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Account, canReach } from './account.ts';
import { exists, makeSystemDirectory } from './binaries.ts';

/** What is kept of a cluster beside its data, in `DATA_DIR/postgres.json`, readable by its owner only. */
export interface State {
  /** Where the cluster is. */
  directory: string;
  superuserPassword: string;
  ownerPassword: string;
}

export const startLock = (dataDir: string): string => path.join(dataDir, 'postgres.start.lock');
export const useLock = (dataDir: string): string => path.join(dataDir, 'postgres.use.lock');
const stateFile = (dataDir: string): string => path.join(dataDir, 'postgres.json');

/** Makes the data directory, or throws where it is somebody else's: they could put a cluster of theirs in it. */
export async function prepareDataDir(dataDir: string, account: Account | undefined): Promise<void> {
  if (!(await exists(dataDir))) {
    await mkdir(dataDir, { recursive: true, mode: 0o755 });
    // With an account, it passes through to its own directory inside; it cannot list this one.
    await chmod(dataDir, account ? 0o711 : 0o700);
  }
  if (process.platform === 'win32') return;
  const { uid, mode } = await stat(dataDir);
  if (uid !== process.getuid?.() && uid !== account?.uid) throw new Error(`DATA_DIR ${dataDir} belongs to another user (uid ${uid})`);
  if ((mode & 0o002) !== 0) throw new Error(`DATA_DIR ${dataDir} may be written to by everybody`);
}

/** Undefined where no cluster was ever made here. Throws where the file is damaged. */
export async function readState(dataDir: string): Promise<State | undefined> {
  if (!(await exists(stateFile(dataDir)))) return undefined;
  const { directory, superuserPassword, ownerPassword } = JSON.parse(await readFile(stateFile(dataDir), 'utf8')) as Record<string, unknown>;
  if (typeof directory !== 'string' || typeof superuserPassword !== 'string' || typeof ownerPassword !== 'string')
    throw new Error(`${stateFile(dataDir)} is damaged`);
  return { directory: path.resolve(dataDir, directory), superuserPassword, ownerPassword };
}

/**
 * Chooses passwords and a place: `DATA_DIR/postgres`, or, where PostgreSQL's account cannot reach that, a directory of its own
 * below /var/lib/gatehouse. Remembered, so that deleting `DATA_DIR` starts afresh and never meets an older cluster.
 */
export async function makeState(dataDir: string, account: Account | undefined): Promise<State> {
  const inside = path.join(dataDir, 'postgres');
  if (await exists(path.join(inside, 'PG_VERSION')))
    throw new Error(`${inside} exists, but its passwords in ${stateFile(dataDir)} are missing`);
  const directory =
    !account || (await canReach(account, dataDir)) ? 'postgres' : path.join(await makeSystemDirectory(), uniqueName(dataDir));
  const secret = (): string => randomBytes(24).toString('base64url');
  const draft = `${stateFile(dataDir)}.${randomBytes(6).toString('hex')}`;
  const state = { directory, superuserPassword: secret(), ownerPassword: secret() };
  await writeFile(draft, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  await rename(draft, stateFile(dataDir));
  return { ...state, directory: path.resolve(dataDir, directory) };
}

const uniqueName = (dataDir: string): string =>
  `${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}-${randomBytes(4).toString('hex')}`;

/** Whose the cluster is; the account that made it stays the one it runs as. Undefined where that is us. Throws where we may not be it. */
export async function clusterAccount(directory: string, account: Account | undefined): Promise<Account | undefined> {
  if (process.platform === 'win32' || !(await exists(directory))) return account;
  const { uid, gid } = await lstat(directory);
  if (uid === process.getuid?.()) return account;
  if (account) return { uid, gid };
  throw new Error(`the database in ${directory} belongs to another user (uid ${uid}); run as that user, or set DATA_DIR or DATABASE_URL`);
}
