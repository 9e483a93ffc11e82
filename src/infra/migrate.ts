/** Migrations: run as the owner, one process at a time (advisory lock), each statement waiting a bounded time for locks. */
import { readdir } from 'node:fs/promises';
import { runMigrations } from 'graphile-worker';
import knexModule, { type Knex } from 'knex';
import pg from 'pg';

const DIRECTORY = new URL('../../migrations/', import.meta.url);
const LOCK = 4_710_302_619;
const LOCK_TIMEOUT_MS = 5000;

export interface MigrateOptions {
  /** How long to wait for another process that is migrating. */
  waitMs?: number;
  log?: (message: string) => void;
}

const source: Knex.MigrationSource<string> = {
  getMigrations: async () => (await readdir(DIRECTORY)).filter((name) => /^\d{14}-.*\.ts$/.test(name)).sort(),
  getMigrationName: (name) => name.replace(/\.ts$/, ''),
  getMigration: async (name) => (await import(new URL(name, DIRECTORY).href)) as Knex.Migration,
};

/**
 * Brings the schema up to date; returns the names of the migrations that ran. Several processes may call it at once.
 * Throws what the database threw; what ran before the failing migration stays, and a later call goes on from there.
 */
export async function migrate(databaseUrl: string, options: MigrateOptions = {}): Promise<string[]> {
  return withLock(databaseUrl, options, async (knex) => {
    const [, pending] = (await knex.migrate.list()) as [unknown, unknown[]];
    let ran: string[] = [];
    if (pending.length > 0) {
      await knex.migrate.forceFreeMigrationsLock();
      [, ran] = (await knex.migrate.latest()) as [number, string[]];
      for (const name of ran) options.log?.(`migrated ${name}`);
    }
    await migrateJobs(knex, databaseUrl);
    return ran;
  });
}

/** Takes every migration back, newest first; for tests and for leaving. */
export async function migrateDown(databaseUrl: string, options: MigrateOptions = {}): Promise<void> {
  await withLock(databaseUrl, options, async (knex) => {
    await knex.migrate.forceFreeMigrationsLock();
    await knex.migrate.rollback(undefined, true);
    await knex.raw('drop schema if exists graphile_worker cascade');
  });
}

/** The job queue's own schema, and the server's rights in it: its tables have row-level security without a policy. */
async function migrateJobs(knex: Knex, databaseUrl: string): Promise<void> {
  const done = await knex.raw(`select obj_description(to_regnamespace('graphile_worker'), 'pg_namespace') as mark`);
  const mark = `gatehouse:${JOBS_REVISION}`;
  if (done.rows[0]?.mark === mark) return;
  const pgPool = new pg.Pool({ connectionString: databaseUrl, max: 1 });
  pgPool.on('error', () => {});
  pgPool.on('connect', (client) => client.on('error', () => {}));
  try {
    await runMigrations({ pgPool, logger: undefined as never });
  } finally {
    await pgPool.end();
  }
  await knex.raw(`
    grant usage on schema graphile_worker to gatehouse_app;
    grant select, insert, update, delete on all tables in schema graphile_worker to gatehouse_app;
    grant usage on all sequences in schema graphile_worker to gatehouse_app;
    grant execute on all functions in schema graphile_worker to gatehouse_app;
    do $$ declare t text; begin
      for t in select relname from pg_class where relnamespace = 'graphile_worker'::regnamespace and relkind = 'r' and relrowsecurity loop
        execute format('drop policy if exists gatehouse on graphile_worker.%I', t);
        execute format('create policy gatehouse on graphile_worker.%I to gatehouse_app using (true) with check (true)', t);
      end loop;
    end $$;
    comment on schema graphile_worker is '${mark}';
  `);
}

/** Raise with each new version of graphile-worker, so that its migrations run. */
const JOBS_REVISION = '0.18.0';

async function withLock<T>(databaseUrl: string, { waitMs = 60_000 }: MigrateOptions, work: (knex: Knex) => Promise<T>): Promise<T> {
  const holder = new pg.Client({ connectionString: databaseUrl, application_name: 'gatehouse-migrate', connectionTimeoutMillis: 5000 });
  await holder.connect();
  const knex = knexModule({
    client: 'pg',
    connection: { connectionString: databaseUrl, application_name: 'gatehouse-migrate', options: `-c lock_timeout=${LOCK_TIMEOUT_MS}` },
    pool: { min: 0, max: 2 },
    migrations: { migrationSource: source, tableName: 'migrations' },
    log: { warn() {}, error() {} },
  });
  try {
    await holder.query(`set lock_timeout = ${Math.trunc(waitMs)}`);
    await holder.query('select pg_advisory_lock($1)', [LOCK]);
    return await work(knex);
  } finally {
    await knex.destroy();
    await holder.end();
  }
}
