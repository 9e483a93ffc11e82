/** The database that the settings name, or the embedded one: brought up to date, and opened as the role that owns nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.ts';
import { AppError, unavailable } from '../core/errors.ts';
import type { Logger } from '../infra/log.ts';
import { migrate } from '../infra/migrate.ts';
import { type Database, openDatabase, translate } from '../infra/postgres.ts';
import { readRole } from '../infra/role.ts';

const RETRY_MS = 1000;
/** Design section 4: a node whose clock is further off is not ready. */
const MOST_SKEW_MS = 2000;

export interface WaitOptions {
  /** Gives up waiting. */
  signal?: AbortSignal | undefined;
  /** Called once where the database is not there yet; what it answers is called when the waiting is over. */
  onWaiting?: (() => Promise<() => Promise<void>>) | undefined;
}

export async function openDatabaseOf(
  config: Config,
  log: Logger,
  closers: (() => Promise<unknown>)[],
  { signal, onWaiting }: WaitOptions = {},
): Promise<Database> {
  const url = config.databaseUrl ?? (await startEmbedded(config, log, closers));
  await migrateWhenThere(config.migrationDatabaseUrl ?? url, log, { signal, onWaiting });
  const db = openDatabase({ url, poolSize: config.poolSize, log: (message, error) => log.warn({ err: error }, message) });
  closers.push(() => db.close());
  const role = await readRole(db);
  if (role.isSuperuser || role.bypassesRowSecurity || role.ownsTables)
    throw new Error(`The server must not work as ${role.name}, which owns tables or stands above row-level security`);
  return db;
}

/** The read replica that the settings name, for what may lag behind. */
export function openReplicaOf(config: Config, log: Logger, closers: (() => Promise<unknown>)[]): Database | undefined {
  if (config.databaseReplicaUrl === undefined) return undefined;
  const replica = openDatabase({
    url: config.databaseReplicaUrl,
    poolSize: config.poolSize,
    applicationName: 'gatehouse-replica',
    log: (message, error) => log.warn({ err: error }, message),
  });
  closers.push(() => replica.close());
  return replica;
}

/** Where the database is not there yet, as when everything starts at once, the server waits for it instead of dying. */
async function migrateWhenThere(url: string, log: Logger, { signal, onWaiting }: WaitOptions): Promise<void> {
  let done: (() => Promise<void>) | undefined;
  try {
    for (;;) {
      try {
        for (const name of await migrate(url)) log.info({ migration: name }, 'migrated');
        return;
      } catch (error) {
        if (!(translate(error) instanceof AppError)) throw error;
        log.warn({ err: error }, 'the database does not answer; trying again');
        done ??= await onWaiting?.();
        await sleep(RETRY_MS, undefined, signal && { signal });
      }
    }
  } finally {
    await done?.();
  }
}

async function startEmbedded(config: Config, log: Logger, closers: (() => Promise<unknown>)[]): Promise<string> {
  // Never needed, and never installed, in production.
  const { startEmbeddedPostgres } = await import('../infra/embedded-postgres.ts');
  const embedded = await startEmbeddedPostgres({ dataDir: config.dataDir, log: (message) => log.info(message) });
  closers.push(() => embedded.stop());
  return embedded.connectionString;
}

/** Throws where this node's clock and the database's disagree. */
export function checkClock(skewMs: number): void {
  if (Math.abs(skewMs) > MOST_SKEW_MS) throw unavailable(new Error(`the clock is ${Math.round(skewMs)} ms off the database's`));
}
