/** Serves the single-page app as it is: no build, no secret, nothing but files. */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SpaOptions {
  issuer: string;
  clientId: string;
  port: number;
  /** The address of examples/api, which is also the resource its tokens are asked for. */
  api?: string | undefined;
}

export interface RunningSpa {
  url: string;
  close(): Promise<void>;
}

const file = (name: string): Buffer => readFileSync(new URL(`./public/${name}`, import.meta.url));
/** The bundle for browsers, which defines `oidc`. */
const library = (): Buffer => readFileSync(new URL('../browser/oidc-client-ts.min.js', import.meta.resolve('oidc-client-ts')));

/** How the app is registered (RFC 7591): a public client with PKCE, whose origin may call the token endpoint from a browser. */
export const spaClient = (origin: string): Record<string, unknown> => ({
  client_name: 'Example single-page app',
  redirect_uris: [`${origin}/callback`],
  post_logout_redirect_uris: [`${origin}/`],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
  allowed_origins: [origin],
});

/** Starts it on the loopback address; port 0 takes a free one. */
export async function startSpa({ issuer, clientId, port, api }: SpaOptions): Promise<RunningSpa> {
  const page = { body: file('index.html'), type: 'text/html; charset=utf-8' };
  const files = new Map([
    ['/', page],
    ['/callback', page],
    ['/app.css', { body: file('app.css'), type: 'text/css; charset=utf-8' }],
    ['/app.js', { body: file('app.js'), type: 'text/javascript; charset=utf-8' }],
    ['/oidc-client-ts.js', { body: library(), type: 'text/javascript; charset=utf-8' }],
    ['/config.json', { body: Buffer.from(JSON.stringify({ issuer, clientId, api })), type: 'application/json' }],
  ]);
  const server = createServer((request, response) => {
    const found = files.get((request.url ?? '').split('?', 1)[0] ?? '');
    if (!found) return void response.writeHead(404).end();
    response.writeHead(200, {
      'content-type': found.type,
      'cache-control': 'no-cache',
      'content-security-policy': `default-src 'self'; img-src data:; connect-src 'self' ${issuer}${api ? ` ${api}` : ''}; base-uri 'none'; frame-ancestors 'none'`,
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
    response.end(found.body);
  });
  const url = await listen(server, port);
  return { url, close: () => new Promise((resolve) => void server.close(() => resolve()).closeAllConnections()) };
}

function listen(server: Server, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, 'localhost', () => resolve(`http://localhost:${(server.address() as AddressInfo).port}`));
  });
}

if (import.meta.main) {
  const issuer = process.env['ISSUER'] ?? 'http://localhost:3000';
  const clientId = process.env['CLIENT_ID'] ?? 'example-spa';
  const { url } = await startSpa({ issuer, clientId, port: Number(process.env['PORT'] ?? 5173), api: process.env['API'] });
  console.log(`The example app is on ${url}. Register it once, on the machine of ${issuer}:

npm run gatehouse -- client create --id ${clientId} --name "Example single-page app" --public \\
  --redirect-uri ${url}/callback --post-logout-redirect-uri ${url}/ --allowed-origin ${url}
`);
}
