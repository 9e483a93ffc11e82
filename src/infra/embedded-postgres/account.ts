import { lstat, stat } from 'node:fs/promises';
import path from 'node:path';
import { run } from './run.ts';

/** Whom PostgreSQL runs as, where that is not us. */
export interface Account {
  uid: number;
  gid: number;
}

/** PostgreSQL refuses to run as root: then an unprivileged account that exists; undefined where we are not root. */
export async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', '_postgres', 'nobody']) {
    const [user, group] = await Promise.all([run('id', ['-u', name], undefined), run('id', ['-g', name], undefined)]);
    const [uid, gid] = [Number(user.output), Number(group.output)];
    if (user.code === 0 && group.code === 0 && uid > 0 && gid > 0) return { uid, gid };
  }
  throw new Error('PostgreSQL does not run as root, and there is neither a postgres nor a nobody account; set DATABASE_URL');
}

/** Whether `account` may pass through every directory down to and including `directory`. Access control lists are not asked. */
export async function canReach(account: Account, directory: string): Promise<boolean> {
  for (let at = path.resolve(directory); ; at = path.dirname(at)) {
    const { uid, gid, mode } = await stat(at);
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (at === path.dirname(at)) return true;
  }
}

/** Throws unless `directory` and everything above it is root's and nobody else may write there: what lies in it was put there by root. */
export async function checkOnlyRootWrites(directory: string): Promise<void> {
  for (let at = path.resolve(directory); ; at = path.dirname(at)) {
    const { uid, mode } = await lstat(at);
    if (uid !== 0 || (mode & 0o170_000) !== 0o040_000 || (mode & 0o022) !== 0)
      throw new Error(`${at} must be a directory of root's that nobody else may write to`);
    if (at === path.dirname(at)) return;
  }
}
