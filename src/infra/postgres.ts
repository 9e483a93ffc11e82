/** PostgreSQL: one Knex pool, used by the query builder and, on hot paths, by named prepared statements on the same connections. */
import knexModule, { type Knex } from 'knex';
import pg from 'pg';
import { AppError, limitOf, unavailable } from '../core/errors.ts';

export interface Statement {
  /** Unique for its text: the name under which the server keeps the plan. */
  name: string;
  text: string;
}

export type Sql = Knex.Transaction;

export interface Database {
  /** One prepared statement on a pooled connection, committed by itself. Throws 503 where the database cannot be reached. */
  query<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row[]>;
  /** Runs `work` in one transaction; with `tenantId`, row-level security shows that tenant's rows only. */
  transaction<T>(work: (sql: Sql) => Promise<T>, options?: { tenantId?: string }): Promise<T>;
  /** Calls back for each NOTIFY on the channel, and after each reconnection, since notifications may have been lost meanwhile. */
  listen(channel: string, onMessage: (payload: string) => void, onReconnect: () => void): Promise<() => Promise<void>>;
  /** Milliseconds by which the database's clock is ahead of `now`; asked on a connection of its own, so that a full pool does not look like an outage. */
  clockSkewMs(now: () => number): Promise<number>;
  /** The pool that graphile-worker shares. */
  readonly url: string;
  /** How many statements were sent, BEGIN and COMMIT counted; tests and the bench take differences. */
  readonly statements: { count: number };
  close(): Promise<void>;
}

export interface DatabaseOptions {
  url: string;
  poolSize?: number;
  /** The role to work as; it owns nothing. */
  role?: string;
  applicationName?: string;
  acquireTimeoutMs?: number;
  statementTimeoutMs?: number;
  log?: (message: string, error?: unknown) => void;
}

interface RawConnection extends pg.Client {
  __knex__disposed?: string;
}

const settings = (role: string, statementTimeoutMs: number): string =>
  `set role ${pg.escapeIdentifier(role)}; set statement_timeout = ${statementTimeoutMs}; set lock_timeout = ${Math.min(5000, statementTimeoutMs)}; set idle_in_transaction_session_timeout = 30000`;

export function openDatabase(options: DatabaseOptions): Database {
  const {
    url,
    poolSize = 10,
    role = 'gatehouse_app',
    applicationName = 'gatehouse',
    acquireTimeoutMs = 1000,
    statementTimeoutMs = 5000,
  } = options;
  const connection = {
    connectionString: url,
    application_name: applicationName,
    connectionTimeoutMillis: 2000,
    query_timeout: statementTimeoutMs + 1000,
    keepAlive: true,
  };
  const statements = { count: 0 };
  const knex = knexModule({
    client: 'pg',
    connection,
    acquireConnectionTimeout: acquireTimeoutMs,
    pool: {
      min: 0,
      max: poolSize,
      idleTimeoutMillis: 30_000,
      createTimeoutMillis: 3000,
      propagateCreateError: false,
      afterCreate(raw: RawConnection, done: (error: Error | null, raw: RawConnection) => void) {
        raw.query(settings(role, statementTimeoutMs)).then(
          () => done(null, raw),
          (error: Error) => done(error, raw),
        );
      },
    },
    log: { warn: (message: unknown) => options.log?.(String(message)), error: (message: unknown) => options.log?.(String(message)) },
  });
  knex.on('query', () => {
    statements.count += 1;
  });

  beginWithTenant(knex.client);

  let side: Promise<pg.Client> | undefined;
  const sideClient = (): Promise<pg.Client> => {
    side ??= connectAside(connection, () => {
      side = undefined;
    });
    return side;
  };

  return {
    url,
    statements,

    async query<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
      let raw: RawConnection | undefined;
      try {
        raw = (await knex.client.acquireConnection()) as RawConnection;
        statements.count += 1;
        return (await raw.query<Row>({ name: statement.name, text: statement.text, values: [...values] })).rows;
      } catch (error) {
        if (raw && isOutage(error)) raw.__knex__disposed = 'outage';
        throw translate(error);
      } finally {
        if (raw) await knex.client.releaseConnection(raw);
      }
    },

    async transaction<T>(work: (sql: Sql) => Promise<T>, { tenantId }: { tenantId?: string } = {}): Promise<T> {
      let raw: RawConnection | undefined;
      const beginning: Beginning = { tenantId };
      try {
        return await knex.transaction(async (sql) => {
          raw = (await sql.client.acquireConnection()) as RawConnection;
          try {
            return await work(sql);
          } catch (error) {
            // A connection to what is no primary any more would fail the next one too.
            if (isOutage(error)) raw.__knex__disposed = 'outage';
            throw error;
          }
        }, beginning);
      } catch (error) {
        // The commit failed.
        if (raw && isOutage(error)) raw.__knex__disposed = 'outage';
        throw translate(error);
      }
    },

    async listen(channel, onMessage, onReconnect) {
      return listenForever(connection, channel, onMessage, onReconnect, options.log ?? (() => {}));
    },

    async clockSkewMs(now) {
      try {
        const client = await sideClient();
        const before = now();
        const { rows } = await client.query<{ at: string }>('select extract(epoch from clock_timestamp()) * 1000 as at');
        return Number(rows[0]!.at) - (before + now()) / 2;
      } catch (error) {
        side?.then((client) => client.end()).catch(() => {});
        side = undefined;
        throw translate(error);
      }
    },

    async close() {
      await side?.then((client) => client.end()).catch(() => {});
      await knex.destroy();
    },
  };
}

async function connectAside(connection: pg.ClientConfig, onEnd: () => void): Promise<pg.Client> {
  const client = new pg.Client({ ...connection, query_timeout: 1000 });
  client.on('error', onEnd);
  client.on('end', onEnd);
  await client.connect();
  return client;
}

async function listenForever(
  connection: pg.ClientConfig,
  channel: string,
  onMessage: (payload: string) => void,
  onReconnect: () => void,
  log: (message: string, error?: unknown) => void,
): Promise<() => Promise<void>> {
  let client: pg.Client | undefined;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  async function connect(first: boolean): Promise<void> {
    const next = new pg.Client({ ...connection, query_timeout: 5000 });
    next.on('error', () => {});
    try {
      await next.connect();
      await next.query(`listen ${pg.escapeIdentifier(channel)}`);
    } catch (error) {
      await next.end().catch(() => {});
      if (first) throw translate(error);
      retry();
      return;
    }
    if (stopped) {
      await next.end().catch(() => {});
      return;
    }
    client = next;
    next.on('notification', ({ payload }) => onMessage(payload ?? ''));
    next.on('end', () => {
      if (client === next) retry();
    });
    if (!first) onReconnect();
  }

  function retry(): void {
    client = undefined;
    if (stopped) return;
    log('lost the notification connection; connecting again');
    timer = setTimeout(() => void connect(false), 500);
  }

  await connect(true);
  return async () => {
    stopped = true;
    clearTimeout(timer);
    const last = client;
    client = undefined;
    await last?.end().catch(() => {});
  };
}

/** What Knex hands on to the transaction it makes, beside what it knows itself. */
interface Beginning extends Knex.TransactionConfig {
  tenantId: string | undefined;
}

interface Made {
  begin(connection: RawConnection): Promise<unknown>;
  query(connection: RawConnection, sql: string): Promise<unknown>;
  isCompleted(): boolean;
}

/** A transaction says its tenant in the message that begins it: one round trip less for each. Knex begins later than it makes the object. */
function beginWithTenant(client: { transaction(work: unknown, beginning: Beginning, outer?: unknown): Made }): void {
  const make = client.transaction;
  client.transaction = function (work, beginning, outer) {
    const made = make.call(this, work, beginning, outer);
    const { tenantId } = beginning;
    if (tenantId === undefined) return made;
    made.begin = async (connection) => {
      // Where it fails it may have begun: nobody gets that connection again. Knex goes on after such a failure, with a transaction that is over.
      connection.__knex__disposed = 'begin';
      await made.query(connection, `BEGIN; select set_config('app.tenant_id', ${pg.escapeLiteral(tenantId)}, true)`);
      if (!made.isCompleted()) delete connection.__knex__disposed;
    };
    return made;
  };
}

const OUTAGE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'EAI_AGAIN',
  'ENOENT',
  '57014',
  '25006',
  '55P03',
  '40P01',
  '40001',
]);

/** Whether the database, not the statement, is at fault. SQLSTATE classes 08, 53, 57P and 58; a lost socket; a full pool; a statement past its time. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' && (OUTAGE_CODES.has(code) || /^(08|53|57P|58)/.test(code))) return true;
  return (
    error.name === 'KnexTimeoutError' ||
    /Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Connection ended unexpectedly|aborted/.test(
      error.message,
    )
  );
}

/** Whether an audit event could not be stored, alone or within a larger statement: what it tells of did not happen either. */
const isUnrecorded = (error: unknown): boolean => /^audit_events/.test(String((error as { table?: unknown } | undefined)?.table ?? ''));

/** The metric whose limit a write ran into (SQLSTATE GH001, raised by the counting triggers), or undefined. */
export function limitReached(error: unknown): string | undefined {
  const { code, detail } = (error ?? {}) as { code?: unknown; detail?: unknown };
  return code === 'GH001' && typeof detail === 'string' ? detail : undefined;
}

/** An outage, and a refused audit event, become 503 `service.unavailable`, a limit of the tenant's 409 `limit.reached`; everything else stays what it is. */
export function translate(error: unknown): unknown {
  if (error instanceof AppError) return error;
  const metric = limitReached(error);
  if (metric !== undefined) return limitOf(metric, error);
  return isOutage(error) || isUnrecorded(error) ? unavailable(error) : error;
}

/** The constraint that a write ran into (SQLSTATE 23505), or undefined. */
export function violatedUnique(error: unknown): string | undefined {
  const { code, constraint } = (error ?? {}) as { code?: unknown; constraint?: unknown };
  return code === '23505' && typeof constraint === 'string' ? constraint : undefined;
}
