import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { sleep } from './run.ts';

export interface Lock {
  release(): void;
}

/** Keeps what is held from being collected, which would release it. */
const held = new Set<DatabaseSync>();

const BUSY = 5;

/**
 * A lock between processes that the system itself drops when its holder dies, however it dies: SQLite's lock on an empty
 * file, since Node has no flock. Undefined where somebody holds it in a way that excludes ours.
 */
export function tryLock(file: string, mode: 'exclusive' | 'shared'): Lock | undefined {
  createPrivately(file);
  const connection = new DatabaseSync(file, { timeout: 0 });
  try {
    connection.exec(mode === 'exclusive' ? 'begin exclusive' : 'begin; select count(*) from sqlite_master');
  } catch (error) {
    connection.close();
    if (((error as { errcode?: unknown }).errcode as number) === BUSY) return undefined;
    throw error;
  }
  held.add(connection);
  return {
    release() {
      if (held.delete(connection)) connection.close();
    },
  };
}

/** Waits for the lock. Throws after `timeoutMs`. */
export async function lock(file: string, mode: 'exclusive' | 'shared', timeoutMs = 120_000): Promise<Lock> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const taken = tryLock(file, mode);
    if (taken) return taken;
    if (performance.now() > deadline) throw new Error(`another process has held ${file} for ${timeoutMs / 1000} s`);
    await sleep(30 + Math.random() * 40);
  }
}

/** Only ever creates: to close a file that is there would drop the locks this process holds on it (POSIX fcntl). */
function createPrivately(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
