import Koa, { type Middleware } from 'koa';
import { type ErrorHandlerOptions, errorHandler } from './error-handler.ts';

/** Our own Koa app: errors first, then the parts in their order. The server has settled host, scheme and address before. */
export function createOwnApp(parts: readonly Middleware[], options: ErrorHandlerOptions): Koa {
  const app = new Koa({ proxy: true });
  app.silent = true;
  app.on('error', (error) => options.log?.error({ err: error }, 'an answer broke off'));
  app.use(errorHandler(options));
  for (const part of parts) app.use(part);
  return app;
}
