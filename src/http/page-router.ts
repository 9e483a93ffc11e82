import { Router } from '@koa/router';
import type { Middleware } from 'koa';

/** A router for pages: a path is matched as it is written, and a GET answers HEAD too. */
export const pageRouter = (): Router => new Router({ sensitive: true, strict: true });

/** Answers the router's paths, with 405 and `Allow` for a method that one of them does not know; lets other paths pass. */
export function servePages(router: Router): Middleware {
  const [routes, allowedMethods] = [router.routes() as Middleware, router.allowedMethods() as Middleware];
  return (ctx, next) => allowedMethods(ctx, async () => routes(ctx, next));
}
