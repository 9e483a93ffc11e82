import type { Context } from 'koa';
import { AppError, type FieldError } from '../core/errors.ts';
import type { HttpLog } from './log.ts';

/** RFC 9457 problem document with the members of ours. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  requestId: string;
  errors?: readonly FieldError[];
  [member: string]: unknown;
}

/** What an unexpected error becomes: it says nothing, the log says all. */
const bug = (cause: unknown): AppError => new AppError('server.error', 500, 'Something went wrong on our side', { cause });

/** Koa's and Node's own refusals carry a status below 500 and may be shown; anything else is a bug. */
export function asAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const { status, expose } = (error ?? {}) as { status?: unknown; expose?: unknown };
  if (typeof status === 'number' && status >= 400 && status < 500 && expose === true)
    return new AppError(status === 404 ? 'path.not_found' : 'request.refused', status, 'The request cannot be answered', { cause: error });
  return bug(error);
}

export function problemOf(error: AppError, requestId: string): Problem {
  return {
    ...error.extra,
    type: `urn:gatehouse:problem:${error.code}`,
    title: error.message,
    status: error.status,
    detail: error.detail ?? error.message,
    code: error.code,
    requestId,
    ...(error.errors === undefined ? {} : { errors: error.errors }),
  };
}

/** Answers with the problem document of `error`, and logs what is ours to mend. */
export function sendProblem(ctx: Context, error: AppError, requestId: string, log?: HttpLog): Problem {
  if (error.status >= 500) log?.error({ err: error.cause ?? error, code: error.code }, error.message);
  const problem = problemOf(error, requestId);
  ctx.status = error.status;
  ctx.set(error.headers);
  ctx.set('content-type', 'application/problem+json; charset=utf-8');
  ctx.set('cache-control', 'no-store');
  ctx.body = JSON.stringify(problem);
  return problem;
}
