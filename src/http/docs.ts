/** `/docs`: the API reference, by swagger-ui from our own disk; nothing inline, nothing from elsewhere. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Middleware } from 'koa';

const FOLDER = path.dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

/** Swagger UI sets style attributes and data: pictures from its script; scripts are ours alone. */
const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "object-src 'none'",
].join('; ');

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gatehouse API reference</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<noscript>This reference needs JavaScript; the document itself is at <a href="/openapi.json">/openapi.json</a>.</noscript>
<main id="reference"></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#reference', deepLinking: true, docExpansion: 'list', defaultModelsExpandDepth: 0, tryItOutEnabled: false, validatorUrl: null });\n`;

const FILES: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};

/** Serves the reference. Files are read when first asked for and kept. */
export function apiReference(): Middleware {
  const kept = new Map<string, Buffer>();
  const file = (name: string): Buffer => {
    const body = kept.get(name) ?? readFileSync(path.join(FOLDER, name));
    kept.set(name, body);
    return body;
  };
  return async (ctx, next) => {
    if (ctx.path !== '/docs' && !ctx.path.startsWith('/docs/')) return next();
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD') {
      ctx.status = 405;
      ctx.set('allow', 'GET, HEAD');
      return;
    }
    const name = ctx.path.slice('/docs/'.length);
    const type = Object.hasOwn(FILES, name) ? FILES[name] : undefined;
    ctx.set('content-security-policy', CSP);
    if (name === '') {
      ctx.set({ 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache' });
      ctx.body = PAGE;
    } else if (name === 'start.js') {
      ctx.set({ 'content-type': 'text/javascript; charset=utf-8', 'cache-control': 'no-cache' });
      ctx.body = START;
    } else if (type) {
      ctx.set({ 'content-type': type, 'cache-control': 'public, max-age=3600' });
      ctx.body = file(name);
    } else ctx.status = 404;
  };
}
