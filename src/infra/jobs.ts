/** Work that happens later: graphile-worker, in the same database, added in the transaction of its cause. */
import { parseCronItems, type Runner, run, type TaskList, Logger as WorkerLogger } from 'graphile-worker';
import pg from 'pg';
import type { Logger } from './log.ts';
import type { Database, Sql } from './postgres.ts';

export interface Job {
  /** `noun.verb`: which handler runs it. */
  name: string;
  payload: object;
  runAt?: Date;
  /** A waiting job with the same key is replaced. */
  key?: string;
  /** How often it is tried before it stays as failed; 12 takes about two days. */
  maxAttempts?: number;
}

/** Runs a job; `payload` is what was added, not yet validated. To throw is to be tried again later. */
export type JobHandler = (payload: unknown, helpers: { attempt: number }) => Promise<void>;

/** A job that comes again and again; `at` is `minute hour day month weekday`, in UTC. */
export interface Scheduled {
  name: string;
  at: string;
}

export interface Jobs {
  /** Adds a job; with `sql` it exists when, and only when, that transaction commits. */
  add(job: Job, sql?: Sql): Promise<void>;
  /** Begins to work, and adds what is scheduled at its times. */
  start(handlers: Readonly<Record<string, JobHandler>>, schedule?: readonly Scheduled[]): Promise<void>;
  /** Takes no more jobs and waits for those under way, ten seconds at most; the rest go back. */
  stop(): Promise<void>;
}

const ADD = (mark: (position: number) => string): string =>
  `select graphile_worker.add_job(${mark(1)}::text, payload := ${mark(2)}::json, run_at := ${mark(3)}::timestamptz, max_attempts := ${mark(4)}::integer, job_key := ${mark(5)}::text)`;
const ADD_ALONE = { name: 'job-add', text: ADD((position) => `$${position}`) };
const ADD_HERE = ADD(() => '?');

const DEFAULT_ATTEMPTS = 12;

/** Adds the jobs in the JSON array `parameter` within a larger statement, one row each; `gate` is what they wait for there. Refer to the rows, or nothing is added. */
export const addJobsText = (parameter: string, gate: string): string =>
  `select (graphile_worker.add_job(j.name, payload := j.payload, run_at := j.run_at, max_attempts := j.attempts, job_key := j.key)).id
  from ${gate}, jsonb_to_recordset(${parameter}::jsonb) as j(name text, payload json, run_at timestamptz, attempts integer, key text)`;

/** What `addJobsText` reads. */
export const jobRow = ({ name, payload, runAt, key, maxAttempts = DEFAULT_ATTEMPTS }: Job): object => ({
  name,
  payload,
  run_at: runAt,
  attempts: maxAttempts,
  key,
});
const STOP_WITHIN_MS = 10_000;

export function createJobs(db: Database, log: Logger, options: { concurrency?: number; pollMs?: number; role?: string } = {}): Jobs {
  const { concurrency = 3, pollMs = 2000, role = 'gatehouse_app' } = options;
  let runner: Runner | undefined;
  let pool: pg.Pool | undefined;

  return {
    async add({ name, payload, runAt, key, maxAttempts = DEFAULT_ATTEMPTS }, sql) {
      const values = [name, JSON.stringify(payload), runAt ?? null, maxAttempts, key ?? null];
      if (sql) await sql.raw(ADD_HERE, values as never[]);
      else await db.query(ADD_ALONE, values);
    },

    async start(handlers, schedule = []) {
      pool = openPool(db.url, concurrency + 2, role, log);
      runner = await run({
        pgPool: pool,
        taskList: tasksOf(handlers),
        parsedCronItems: parseCronItems(
          schedule.map(({ name, at }) => ({ task: name, match: at, options: { maxAttempts: 3, backfillPeriod: 0 } })),
        ),
        concurrency,
        pollInterval: pollMs,
        noHandleSignals: true,
        logger: workerLogger(log),
      });
      runner.promise.catch((error: unknown) => log.error({ err: error }, 'the job queue stopped'));
    },

    async stop() {
      const [was, its] = [runner, pool];
      runner = undefined;
      pool = undefined;
      if (was) {
        const timer = new Promise<void>((resolve) => setTimeout(resolve, STOP_WITHIN_MS).unref());
        await Promise.race([was.stop().catch((error: unknown) => log.warn({ err: error }, 'the job queue did not stop cleanly')), timer]);
      }
      await its?.end().catch(() => {});
    },
  };
}

function tasksOf(handlers: Readonly<Record<string, JobHandler>>): TaskList {
  return Object.fromEntries(
    Object.entries(handlers).map(([name, handle]) => [
      name,
      async (payload: unknown, { job }: { job: { attempts: number } }) => handle(payload, { attempt: job.attempts }),
    ]),
  );
}

/** A pool of its own, so that jobs never keep requests waiting; each connection works as the server's role. */
function openPool(url: string, max: number, role: string, log: Logger): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max,
    application_name: 'gatehouse-jobs',
    connectionTimeoutMillis: 5000,
    keepAlive: true,
    idleTimeoutMillis: 30_000,
    onConnect: async (client) => {
      await client.query(
        `set role ${pg.escapeIdentifier(role)}; set statement_timeout = 60000; set idle_in_transaction_session_timeout = 60000`,
      );
    },
  });
  pool.on('error', (error) => log.warn({ err: error }, 'a database connection of the job queue was lost'));
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

const LEVELS = { error: 'error', warning: 'warn', info: 'debug', debug: 'trace' } as const;

/** The queue's own lines; a job's payload and a handler's error are not among them, since both may hold secrets. */
function workerLogger(log: Logger): WorkerLogger {
  return new WorkerLogger((scope) => (level, message, meta) => {
    const error = (meta as { error?: unknown } | undefined)?.error;
    log[LEVELS[level]]({ jobs: scope, ...(error ? { err: error } : {}) }, message);
  });
}
