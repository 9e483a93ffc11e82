import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Context, Middleware, Next } from 'koa';
import { themeAt } from './theme.ts';

interface Asset {
  url: string;
  hash: string;
  type: string;
  body: Buffer;
}

const NAMES = { 'app.css': 'text/css; charset=utf-8', 'app.js': 'text/javascript; charset=utf-8', 'logo.svg': 'image/svg+xml' } as const;
export type AssetName = keyof typeof NAMES;

const hashOf = (body: string | Buffer): string => createHash('sha256').update(body).digest('hex').slice(0, 16);
const ASSETS: ReadonlyMap<string, Asset> = new Map(Object.entries(NAMES).map(([name, type]) => [name, load(name, type)]));
const PATH = /^\/assets\/([a-z]+)-([0-9a-f]{16})\.(css|js|svg)$/;

/** The address of a style, script or picture of the pages; it changes whenever the content does. */
export const assetUrl = (name: AssetName): string => ASSETS.get(name)!.url;

/**
 * Serves `/assets/<name>-<hash>.<ext>` from memory. Content under its own hash never changes and is kept for a year; under
 * another hash (a page of the release before, during an update) the present content is given, to be asked for again.
 * Paths below `/assets/` that are not known are 404, methods other than GET and HEAD 405.
 */
export function assets(): Middleware {
  return async (ctx: Context, next: Next) => {
    if (!ctx.path.startsWith('/assets/')) return next();
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD') {
      ctx.set('allow', 'GET, HEAD');
      ctx.status = 405;
      return;
    }
    const found = find(ctx.path);
    if (!found) {
      ctx.status = 404;
      ctx.set('cache-control', 'no-store');
      return;
    }
    const { asset, current } = found;
    ctx.set('x-content-type-options', 'nosniff');
    ctx.set('cross-origin-resource-policy', 'same-origin');
    ctx.set('cache-control', current ? 'public, max-age=31536000, immutable' : 'no-cache');
    ctx.set('etag', `"${asset.hash}"`);
    ctx.status = 200;
    ctx.set('content-type', asset.type);
    if (ctx.fresh) ctx.status = 304;
    else ctx.body = asset.body;
  };
}

/** An asset, or the stylesheet of a colour, which is computed rather than kept: anybody may ask for any. */
function find(path: string): { asset: Omit<Asset, 'url'>; current: boolean } | undefined {
  const theme = themeAt(path);
  if (theme) return { asset: { hash: hashOf(theme.css), type: NAMES['app.css'], body: Buffer.from(theme.css) }, current: theme.current };
  const [, name, hash, extension] = PATH.exec(path) ?? [];
  const asset = ASSETS.get(`${name}.${extension}`);
  return asset && { asset, current: hash === asset.hash };
}

function load(name: string, type: string): Asset {
  const body = readFileSync(new URL(`./assets/${name}`, import.meta.url));
  const hash = hashOf(body);
  return { url: `/assets/${name.replace('.', `-${hash}.`)}`, hash, type, body };
}
