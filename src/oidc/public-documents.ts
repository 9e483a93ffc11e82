/** Discovery and the key set as bodies that are made once: a provider's public documents do not change while it lives. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Provider } from 'oidc-provider';
import { sha256 } from '../core/ids.ts';
import { isUnchanged } from '../http/etag.ts';

const PATHS: ReadonlySet<string> = new Set(['/jwks', '/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']);

export interface PublicDocumentsOptions {
  /** For how long others may keep them (RFC 9111 section 5.2.2.1). */
  maxAgeSeconds: number;
  /** Further members of both discovery documents. */
  metadata?: Readonly<Record<string, unknown>> | undefined;
}

interface Kept {
  body: string;
  headers: Readonly<Record<string, string | number>>;
  etag: string;
}

const documents = new WeakMap<Provider, Map<string, Kept>>();

/** Registers the middleware that makes each document once and keeps it. GET and HEAD, with ETag and 304, readable from every origin. */
export function cachePublicDocuments(provider: Provider, { maxAgeSeconds, metadata = {} }: PublicDocumentsOptions): void {
  const kept = new Map<string, Kept>();
  documents.set(provider, kept);
  provider.use(async (ctx, next) => {
    if (!PATHS.has(ctx.path) || !isRead(ctx.method)) return next();
    await next();
    if (ctx.status !== 200 || typeof ctx.body !== 'object' || ctx.body === null) return;
    const body = JSON.stringify(ctx.path === '/jwks' ? ctx.body : published(ctx.body, metadata));
    const etag = `"${sha256(body).slice(0, 27)}"`;
    const headers = {
      'access-control-allow-origin': '*',
      'cache-control': `public, max-age=${maxAgeSeconds}, must-revalidate`,
      etag,
      'content-type': ctx.response.get('content-type'),
      'content-length': Buffer.byteLength(body),
    };
    kept.set(ctx.path, { body, headers, etag });
    ctx.respond = false;
    ctx.remove('vary');
    answerPublicDocument(provider, ctx.req, ctx.res);
  });
}

/** Answers with a document that was made already, before any framework looks at the request. False where the request is for something else. */
export function answerPublicDocument(provider: Provider, request: IncomingMessage, response: ServerResponse): boolean {
  const document = documents.get(provider)?.get(request.url?.split('?', 1)[0] ?? '');
  if (!document || !isRead(request.method)) return false;
  const unchanged = isUnchanged(request.headers['if-none-match'], document.etag);
  response.statusCode = unchanged ? 304 : 200;
  for (const [name, value] of Object.entries(document.headers))
    if (!unchanged || !name.startsWith('content-')) response.setHeader(name, value);
  response.end(unchanged || request.method === 'HEAD' ? undefined : document.body);
  return true;
}

const isRead = (method: string | undefined): boolean => method === 'GET' || method === 'HEAD';

/** Grants of ours are served by doors of their own, not by the token endpoint that discovery speaks of. */
function published(document: object, metadata: Readonly<Record<string, unknown>>): object {
  const grants: unknown = 'grant_types_supported' in document ? document.grant_types_supported : [];
  const shown = Array.isArray(grants) ? grants.filter((grant) => !String(grant).startsWith('urn:gatehouse:')) : [];
  return { ...document, grant_types_supported: shown, ...metadata };
}
