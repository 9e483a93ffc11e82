/** Discovery and the key set as bodies that are made once: a provider's public documents do not change while it lives. */
import { createHash } from 'node:crypto';
import type { Provider } from 'oidc-provider';
import { isUnchanged } from '../http/etag.ts';

const PATHS: ReadonlySet<string> = new Set(['/jwks', '/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']);

export interface PublicDocumentsOptions {
  /** For how long others may keep them (RFC 9111 section 5.2.2.1). */
  maxAgeSeconds: number;
  /** Further members of both discovery documents. */
  metadata?: Readonly<Record<string, unknown>> | undefined;
}

interface Kept {
  body: Buffer;
  etag: string;
  type: string;
}

/** Registers the middleware. GET and HEAD, with ETag and 304, readable from every origin. */
export function cachePublicDocuments(provider: Provider, { maxAgeSeconds, metadata = {} }: PublicDocumentsOptions): void {
  const kept = new Map<string, Kept>();
  provider.use(async (ctx, next) => {
    if (!PATHS.has(ctx.path) || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next();
    let document = kept.get(ctx.path);
    if (!document) {
      await next();
      if (ctx.status !== 200 || typeof ctx.body !== 'object' || ctx.body === null) return;
      const body = Buffer.from(JSON.stringify(ctx.path === '/jwks' ? ctx.body : published(ctx.body, metadata)));
      const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`;
      document = { body, etag, type: ctx.response.get('content-type') };
      kept.set(ctx.path, document);
    }
    ctx.status = 200;
    ctx.remove('vary');
    ctx.set({
      'access-control-allow-origin': '*',
      'cache-control': `public, max-age=${maxAgeSeconds}, must-revalidate`,
      etag: document.etag,
      'content-type': document.type,
    });
    ctx.body = document.body;
    if (isUnchanged(ctx.get('if-none-match'), document.etag)) {
      ctx.status = 304;
      ctx.body = null;
    }
  });
}

/** Grants of ours are served by doors of their own, not by the token endpoint that discovery speaks of. */
function published(document: object, metadata: Readonly<Record<string, unknown>>): object {
  const grants: unknown = 'grant_types_supported' in document ? document.grant_types_supported : [];
  const shown = Array.isArray(grants) ? grants.filter((grant) => !String(grant).startsWith('urn:gatehouse:')) : [];
  return { ...document, grant_types_supported: shown, ...metadata };
}
