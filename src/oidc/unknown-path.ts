import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import { notFound } from '../core/errors.ts';
import { currentRequest } from '../core/scope.ts';
import { sendProblem } from '../http/problem.ts';
import type { ProtocolErrorPage } from './outage.ts';

export interface UnknownPathDeps {
  pages: { error(ctx: Context, page: ProtocolErrorPage): void | Promise<void> };
}

/** Registers the middleware for what no endpoint of the library answers: a page for browsers, a problem document for programs, as everywhere here. */
export function useUnknownPath(provider: Provider, { pages }: UnknownPathDeps): void {
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.status !== 404 || ctx.body != null) return;
    if (ctx.accepts('json', 'html') === 'html') await pages.error(ctx, { status: 404, error: 'not_found' });
    else sendProblem(ctx, notFound('path'), currentRequest.getStore()?.id ?? '');
  });
}
