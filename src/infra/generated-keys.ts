/** Keys that a development server makes for itself, in DATA_DIR, where only its owner can read them. */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';

/**
 * The content of `DATA_DIR/<name>`: 32 random bytes in base64, made where the file does not exist yet. Processes that start at once agree on one.
 * Throws where the file or the directory is open to others, or cannot be written.
 */
export function generatedKey(dataDir: string, name: string): string {
  const file = path.join(dataDir, name);
  prepareDirectory(dataDir);
  if (!existsSync(file)) make(file);
  if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0) throw new Error(`${file} can be read by others: chmod 600 it`);
  const key = readFileSync(file, 'utf8').trim();
  if (Buffer.from(key, 'base64').length !== 32) throw new Error(`${file} is damaged`);
  return key;
}

function prepareDirectory(dataDir: string): void {
  if (!existsSync(dataDir)) {
    mkdirSync(dataDir, { recursive: true });
    // Root's PostgreSQL runs as another account, which must pass through; it cannot list the directory.
    chmodSync(dataDir, process.getuid?.() === 0 ? 0o711 : 0o700);
  }
  if (process.platform !== 'win32' && (statSync(dataDir).mode & 0o002) !== 0) throw new Error(`${dataDir} may be written to by everybody`);
}

/** Written aside and linked into place: the name appears with its whole content, and only the first of two gets it. */
function make(file: string): void {
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  const handle = openSync(draft, 'wx', 0o600);
  try {
    writeSync(handle, `${randomBytes(32).toString('base64')}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(draft);
  }
}
