import type { Context, Middleware } from 'koa';
import { AppError } from '../core/errors.ts';
import type { MessageKey } from '../core/messages/catalogue.ts';
import { currentRequest } from '../core/scope.ts';
import { isBelow } from './gate.ts';
import type { HttpLog } from './log.ts';
import { asAppError, sendProblem } from './problem.ts';
import { showCommonPage, type View } from './view.ts';

export interface ErrorHandlerOptions {
  view: View;
  log?: HttpLog;
}

/** The outermost middleware: whatever is thrown becomes a page for a browser and a problem document (RFC 9457) for anything else. */
export const errorHandler = ({ view, log }: ErrorHandlerOptions): Middleware => {
  return async (ctx, next) => {
    try {
      await next();
      if (ctx.status === 404 && ctx.body == null && ctx.respond !== false)
        throw new AppError('path.not_found', 404, 'There is nothing here');
      if (ctx.status === 405 && ctx.body == null) throw new AppError('method.not_allowed', 405, 'This method is not known here');
    } catch (error) {
      showError(ctx, view, asAppError(error), log);
    }
  };
};

/** Answers with an error as a page or as a problem document. */
export function showError(ctx: Context, view: View, error: AppError, log?: HttpLog): void {
  const requestId = currentRequest.getStore()?.id ?? '';
  if (!wantsPage(ctx)) {
    sendProblem(ctx, error, requestId, log);
    return;
  }
  if (error.status >= 500) log?.error({ err: error.cause ?? error, code: error.code }, error.message);
  ctx.set(error.headers);
  const retryAfterSeconds = Number(error.headers['retry-after'] ?? 0);
  if (error.status === 429) showCommonPage(ctx, view, 'limited', { retryAfterSeconds, retryUrl: againUrl(ctx) }, { status: 429 });
  else {
    const [title, explanation] = wordsFor(error);
    showCommonPage(
      ctx,
      view,
      'error',
      {
        title,
        explanation,
        detail: error.status < 500 ? error.detail : undefined,
        requestId,
        retryUrl: error.status >= 500 ? againUrl(ctx) : undefined,
      },
      { status: error.status },
    );
  }
}

/** Where the same can be asked for again. What was posted is not sent again by a link, and `//` or `/\\` would lead to another host. */
export const againUrl = ({ method, url }: Context): string | undefined => (method === 'GET' && /^\/(?![/\\])/.test(url) ? url : undefined);

function wordsFor({ status, code }: AppError): [MessageKey, MessageKey] {
  if (code === 'csrf.invalid') return ['error.csrf', 'error.csrf_explanation'];
  if (status === 404) return ['error.not_found', 'error.not_found_explanation'];
  if (status === 403) return ['error.forbidden', 'error.forbidden_explanation'];
  if (status === 503) return ['error.unavailable', 'error.unavailable_explanation'];
  return status < 500 ? ['error.request', 'error.request_explanation'] : ['error.title', 'error.explanation'];
}

const wantsPage = (ctx: Context): boolean =>
  !isBelow(ctx.path, ['/api', '/access', '/gateway', '/health']) && ctx.accepts('json', 'html') === 'html';
