import type { Context, Middleware, Next } from 'koa';
import { LRUCache } from 'lru-cache';
import { isId } from '../../core/ids.ts';
import type { Database } from '../../infra/postgres.ts';
import { readImage } from './store.ts';

const PREFIX = '/assets/images/';
const KEPT_BYTES = 16_777_216;
// Whatever a picture might be taken for, it runs nothing and loads nothing.
const CSP = "default-src 'none'; style-src 'none'; sandbox; base-uri 'none'; frame-ancestors 'none'";

/**
 * Serves `/assets/images/<id>` to anybody: what it shows stands on sign-in pages. A picture never changes under its id, so it is kept for a
 * year; one that was replaced is gone here. 404 for what is none, 405 for methods other than GET and HEAD.
 */
export function images({ db }: { db: Database }): Middleware {
  const kept = new LRUCache<string, NonNullable<Awaited<ReturnType<typeof readImage>>>>({
    maxSize: KEPT_BYTES,
    sizeCalculation: ({ bytes }) => bytes.length + 200,
  });
  return async (ctx: Context, next: Next) => {
    if (!ctx.path.startsWith(PREFIX)) return next();
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD') {
      ctx.set('allow', 'GET, HEAD');
      ctx.status = 405;
      return;
    }
    const id = ctx.path.slice(PREFIX.length);
    const image = isId(id) ? (kept.get(id) ?? (await readImage(db, id))) : undefined;
    if (!image) {
      ctx.status = 404;
      ctx.set('cache-control', 'no-store');
      return;
    }
    kept.set(id, image);
    ctx.set('content-security-policy', CSP);
    ctx.set('x-content-type-options', 'nosniff');
    ctx.set('cross-origin-resource-policy', 'same-origin');
    ctx.set('cache-control', 'public, max-age=31536000, immutable');
    ctx.set('etag', `"${id}"`);
    ctx.status = 200;
    ctx.set('content-type', image.type);
    if (ctx.fresh) ctx.status = 304;
    else ctx.body = image.bytes;
  };
}
