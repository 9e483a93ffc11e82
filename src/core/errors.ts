/** One field that is wrong: `pointer` is an RFC 6901 JSON pointer into the body, query or path. */
export interface FieldError {
  pointer: string;
  message: string;
}

export interface AppErrorOptions {
  /** Safe to show to whoever asked. */
  detail?: string;
  errors?: readonly FieldError[];
  /** Further members of the problem document (RFC 9457 section 3.2). */
  extra?: Record<string, unknown>;
  headers?: Record<string, string>;
  /** Hidden from the caller, kept for the log. */
  cause?: unknown;
}

/**
 * An error with a stable code (`noun.problem`), an HTTP status and a message that may be shown.
 * Anything that is thrown and is not one is a bug and becomes a 500 that says nothing.
 */
export class AppError extends Error {
  readonly code: string;
  readonly status: number;
  readonly detail: string | undefined;
  readonly errors: readonly FieldError[] | undefined;
  readonly extra: Record<string, unknown>;
  readonly headers: Record<string, string>;

  constructor(code: string, status: number, title: string, options: AppErrorOptions = {}) {
    super(title, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.status = status;
    this.detail = options.detail;
    this.errors = options.errors;
    this.extra = options.extra ?? {};
    this.headers = options.headers ?? {};
  }
}

export const invalidInput = (errors: readonly FieldError[], detail?: string): AppError =>
  new AppError('input.invalid', 422, 'The request contains invalid values', { errors, ...(detail ? { detail } : {}) });

export const malformed = (detail: string): AppError => new AppError('input.malformed', 400, 'The request is malformed', { detail });

export const notFound = (noun: string): AppError => new AppError(`${noun}.not_found`, 404, 'Not found');

export const forbidden = (permission: string): AppError =>
  new AppError('permission.missing', 403, 'The permission for this is missing', { extra: { permission } });

export const unavailable = (cause?: unknown): AppError =>
  new AppError('service.unavailable', 503, 'Temporarily unavailable', { headers: { 'retry-after': '1' }, cause });

export const limited = (retryAfterSeconds: number, code = 'limit.exceeded'): AppError =>
  new AppError(code, 429, 'Too many requests', {
    headers: { 'retry-after': String(Math.max(1, Math.ceil(retryAfterSeconds))) },
    extra: { retryAfterSeconds: Math.max(1, Math.ceil(retryAfterSeconds)) },
  });

/** A limit of the tenant's plan: 409 where rows are counted, 429 where calls are, 403 for who signs in. `limit` names the metric. */
export const limitOf = (metric: string, cause?: unknown, status: 403 | 409 | 429 = 409): AppError =>
  new AppError('limit.reached', status, 'The limit of the tenant is reached', {
    detail: `The tenant has reached its limit of ${metric}.`,
    extra: { limit: metric },
    ...(status === 429 ? { headers: { 'retry-after': '3600' } } : {}),
    cause,
  });
