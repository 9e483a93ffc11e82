/** A database that is away is 503 with Retry-After, wherever in the protocol it is met: never 500, and never a refusal that tells a client to give up. */
import type { Context } from 'koa';
import { errors, type Provider } from 'oidc-provider';
import { AppError, unavailable } from '../core/errors.ts';
import { currentRequest } from '../core/scope.ts';
import { sendProblem } from '../http/problem.ts';

export interface ProtocolErrorPage {
  status: number;
  error: string;
  description?: string | undefined;
}

export interface OutageDeps {
  pages: { error(ctx: Context, page: ProtocolErrorPage): void | Promise<void> };
  log: { error(details: object, message: string): void };
}

// Endpoints that programs call; everything else is visited by browsers.
const PROGRAMS: ReadonlySet<string> = new Set(['/token', '/token/introspection', '/token/revocation', '/request', '/me', '/jwks']);

const away = new WeakMap<object, unknown>();

const isOutage = (error: unknown): boolean => error instanceof AppError && error.status === 503;

/** Registers the middleware that turns outages into 503. It has to be outside everything that may write. */
export function useOutage(provider: Provider, deps: OutageDeps): void {
  provider.on('server_error', (ctx, error) => {
    if (isOutage(error)) away.set(ctx, error);
    else deps.log.error({ err: error }, 'the protocol failed');
  });
  provider.use(async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      // Sessions are saved outside the library's own handling of errors.
      if (error instanceof errors.OIDCProviderError && error.statusCode < 500) return answer(ctx, deps, 400, error.error);
      if (!isOutage(error)) deps.log.error({ err: error }, 'the protocol failed');
      if (!isOutage(error)) return answer(ctx, deps, 500, 'server_error');
      away.set(ctx, error);
    }
    if (away.has(ctx)) await answerUnavailable(ctx, deps, away.get(ctx));
  });
}

/** 503, and nothing of what the request would have given: no token, no cookie, no address to go to. */
export async function answerUnavailable(ctx: Context, deps: OutageDeps, error: unknown): Promise<void> {
  if (!isOutage(error)) deps.log.error({ err: error }, 'the protocol could not store what it did');
  ctx.set('retry-after', '1');
  await answer(ctx, deps, 503, 'temporarily_unavailable');
}

/** 429 in the words of whoever asked: a page for a browser, JSON for a program, a problem document at our own API. */
export async function answerLimited(ctx: Context, deps: Pick<OutageDeps, 'pages'>, error: AppError): Promise<void> {
  ctx.set(error.headers);
  if (ctx.path.startsWith('/api/')) sendProblem(ctx, error, currentRequest.getStore()?.id ?? '');
  else await answer(ctx, deps, 429, 'temporarily_unavailable');
}

async function answer(ctx: Context, deps: Pick<OutageDeps, 'pages'>, status: 400 | 429 | 500 | 503, error: string): Promise<void> {
  for (const name of ['set-cookie', 'location', 'content-type', 'www-authenticate']) ctx.remove(name);
  ctx.set('cache-control', 'no-store');
  if (ctx.state['answersProblems'] === true) {
    sendProblem(ctx, problemFor(status, error), currentRequest.getStore()?.id ?? '');
    return;
  }
  const forPrograms = PROGRAMS.has(ctx.path) || /^\/(\.well-known|api)\//.test(ctx.path) || ctx.accepts('json', 'html') !== 'html';
  ctx.body = forPrograms ? { error } : null;
  ctx.status = status;
  if (!forPrograms) await deps.pages.error(ctx, { status, error });
}

function problemFor(status: number, error: string): AppError {
  if (status === 503) return unavailable();
  return status === 400
    ? new AppError(`oauth.${error}`, 400, 'The request was refused')
    : new AppError('server.error', 500, 'Something went wrong on our side');
}
