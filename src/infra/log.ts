/** The log: JSON lines on standard output, each with the request it belongs to, and without what must not be in a log. */
import pino from 'pino';
import { AppError } from '../core/errors.ts';
import { currentRequest } from '../core/scope.ts';

export type Logger = pino.Logger;

const SECRET_FIELDS = [
  'password',
  'new_password',
  'newPassword',
  'passwordHash',
  'secret',
  'client_secret',
  'clientSecret',
  'client_assertion',
  'otp',
  'token',
  'access_token',
  'refresh_token',
  'id_token',
  'authorization',
  'cookie',
  'set-cookie',
  'dpop',
  'email',
  'phone',
  'databaseUrl',
  'redisUrl',
  'smtpUrl',
];

// A name with a dash stands in brackets, without a dot before it.
const PATHS = ['', '*', '*.*'].flatMap((above) =>
  SECRET_FIELDS.map((name) => (name.includes('-') ? `${above}["${name}"]` : above ? `${above}.${name}` : name)),
);

/** `level` is one of pino's; `destination` is where lines go, standard output where nothing is said. */
export function createLogger(options: { level?: string; destination?: pino.DestinationStream } = {}): Logger {
  const settings: pino.LoggerOptions = {
    level: options.level ?? 'info',
    base: { service: 'gatehouse', pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    mixin: () => {
      const request = currentRequest.getStore();
      return request ? { requestId: request.id } : {};
    },
    redact: { paths: PATHS, censor: '[hidden]' },
    serializers: { err: describeError, error: describeError },
  };
  return pino(settings, options.destination ?? standardOutput());
}

const KEPT_BYTES = 8192;
const KEPT_MS = 100;

let stdout: pino.DestinationStream | undefined;

/** Standard output, a few lines at a time: one write for each request would be dearer than the line. The end of the process flushes, and so does `fatal`. */
function standardOutput(): pino.DestinationStream {
  if (stdout) return stdout;
  const stream = pino.destination({ fd: process.stdout.fd, minLength: KEPT_BYTES, periodicFlush: KEPT_MS, sync: true });
  process.once('exit', () => stream.flushSync());
  stdout = stream;
  return stream;
}

const CONNECTION_STRING = /\b([a-z][a-z+]*:\/\/)[^/\s@]*@/gi;

/**
 * What a log may hold of an error. PostgreSQL puts rows into `detail`, `where` and `hint`, so of its fields only codes and names are kept;
 * passwords in connection strings go out.
 */
export function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return typeof error === 'string' ? clean(error) : { type: typeof error };
  const { code, constraint, table, routine } = error as Error & Record<'code' | 'constraint' | 'table' | 'routine', unknown>;
  const kept = Object.fromEntries(
    Object.entries({ code, constraint, table, routine }).filter(([, value]) => typeof value === 'string' || typeof value === 'number'),
  );
  const nested = error instanceof AggregateError ? error.errors.slice(0, 5) : undefined;
  return {
    type: error.name,
    message: clean(error.message),
    stack: error.stack ? clean(error.stack) : undefined,
    ...kept,
    ...(error instanceof AppError ? { status: error.status } : {}),
    ...(error.cause !== undefined && depth < 4 ? { cause: describeError(error.cause, depth + 1) } : {}),
    ...(nested && depth < 4 ? { errors: nested.map((each) => describeError(each, depth + 1)) } : {}),
  };
}

const clean = (text: string): string => text.replace(CONNECTION_STRING, '$1[hidden]@');
