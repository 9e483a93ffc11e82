/** A resource server: it knows the provider's address and its own name, and nothing else. Tokens are verified here, without asking anybody. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';

export interface ApiOptions {
  issuer: string;
  port: number;
  /** The identifier it is registered under: the `aud` of its tokens. Its own address where nothing is said. */
  identifier?: string;
  /** Pages that may call it from a browser. */
  allowedOrigins?: readonly string[];
}

/** What RFC 6750 section 3.1 answers. */
class Refused extends Error {
  readonly status: 401 | 403;
  readonly challenge: string;
  constructor(status: 401 | 403, challenge: string) {
    super(challenge);
    this.status = status;
    this.challenge = challenge;
  }
}

/** What is wrong with a token; anything else, such as keys that cannot be fetched, is not its bearer's fault. */
const FAULTS_OF_TOKENS = [
  errors.JWTInvalid,
  errors.JWTExpired,
  errors.JWTClaimValidationFailed,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JWKSNoMatchingKey,
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
];

/** Starts it on the loopback address; answers its address and how to stop it. */
export async function startApi(options: ApiOptions): Promise<{ url: string; identifier: string; close(): Promise<void> }> {
  const notes = new Map<string, string[]>();
  let keys: Promise<JWTVerifyGetKey> | undefined;
  let identifier = options.identifier ?? '';

  /** The provider's keys, found by discovery when first needed; jose fetches them again when a token names a new one. */
  const keysOf = (): Promise<JWTVerifyGetKey> => {
    keys ??= discover(options.issuer).catch((error: unknown) => {
      keys = undefined;
      throw error;
    });
    return keys;
  };

  /** The claims of the request's token, if it is good for `scope` (RFC 9068 section 4, RFC 6750). */
  const authorize = async (request: IncomingMessage, scope: string): Promise<JWTPayload> => {
    const token = /^Bearer ([\w.~+/=-]+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) throw new Refused(401, 'Bearer');
    const claims = await verify(token, await keysOf());
    const granted = String(claims['scope'] ?? '').split(' ');
    if (!granted.includes(scope)) throw new Refused(403, `Bearer error="insufficient_scope", scope="${scope}"`);
    return claims;
  };

  const verify = async (token: string, found: JWTVerifyGetKey): Promise<JWTPayload> => {
    try {
      const verified = await jwtVerify(token, found, {
        issuer: options.issuer,
        audience: identifier,
        typ: 'at+jwt',
        algorithms: ['RS256', 'ES256', 'EdDSA', 'Ed25519'],
        requiredClaims: ['exp', 'sub', 'client_id', 'jti'],
      });
      return verified.payload;
    } catch (error) {
      if (FAULTS_OF_TOKENS.some((fault) => error instanceof fault)) throw new Refused(401, 'Bearer error="invalid_token"');
      throw error;
    }
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? '').split('?', 1)[0];
    if (path === '/.well-known/oauth-protected-resource')
      return send(response, 200, {
        resource: identifier,
        authorization_servers: [options.issuer],
        scopes_supported: ['notes.read', 'notes.write'],
      });
    if (path !== '/notes') return send(response, 404, { error: 'not_found' });
    if (request.method === 'GET') {
      const { sub } = await authorize(request, 'notes.read');
      return send(response, 200, { notes: notes.get(sub!) ?? [] });
    }
    if (request.method === 'POST') {
      const { sub } = await authorize(request, 'notes.write');
      notes.set(sub!, [...(notes.get(sub!) ?? []), await readText(request)]);
      return send(response, 201, { notes: notes.get(sub!) });
    }
    response.setHeader('allow', 'GET, POST');
    return send(response, 405, { error: 'method_not_allowed' });
  };

  const server = createServer((request, response) => {
    if (allowCaller(request, response, options.allowedOrigins ?? [])) return void response.writeHead(204).end();
    handle(request, response).catch((error: unknown) => {
      if (error instanceof Refused) {
        response.setHeader('www-authenticate', error.challenge);
        send(response, error.status, { error: error.status === 401 ? 'invalid_token' : 'insufficient_scope' });
      } else send(response, 503, { error: 'temporarily_unavailable' });
    });
  });
  const url = await listen(server, options.port);
  identifier ||= url;
  return { url, identifier, close: () => new Promise((resolve) => void server.close(() => resolve()).closeAllConnections()) };
}

async function discover(issuer: string): Promise<JWTVerifyGetKey> {
  const answer = await fetch(`${issuer}/.well-known/openid-configuration`, { signal: AbortSignal.timeout(5000) });
  const metadata: unknown = await answer.json();
  if (!isMetadata(metadata) || metadata.issuer !== issuer) throw new Error(`${issuer} does not say that it is an issuer`);
  return createRemoteJWKSet(new URL(metadata.jwks_uri));
}

const isMetadata = (value: unknown): value is { issuer: string; jwks_uri: string } =>
  typeof value === 'object' && value !== null && 'issuer' in value && 'jwks_uri' in value && typeof value.jwks_uri === 'string';

/** Answers whether the request is a preflight, and with it answered. */
function allowCaller(request: IncomingMessage, response: ServerResponse, origins: readonly string[]): boolean {
  const { origin } = request.headers;
  response.setHeader('vary', 'Origin');
  if (origin !== undefined && origins.includes(origin)) {
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('access-control-allow-headers', 'authorization, content-type');
    response.setHeader('access-control-allow-methods', 'GET, POST');
    response.setHeader('access-control-expose-headers', 'WWW-Authenticate');
  }
  return request.method === 'OPTIONS';
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text = `${text}${String(chunk)}`.slice(0, 1000);
  return text;
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(body));
}

function listen(server: Server, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, 'localhost', () => resolve(`http://localhost:${(server.address() as AddressInfo).port}`));
  });
}

if (import.meta.main) {
  const issuer = process.env['ISSUER'] ?? 'http://localhost:3000';
  const { url, identifier } = await startApi({
    issuer,
    port: Number(process.env['PORT'] ?? 4000),
    allowedOrigins: [process.env['SPA_ORIGIN'] ?? 'http://localhost:5173'],
    ...(process.env['RESOURCE'] ? { identifier: process.env['RESOURCE'] } : {}),
  });
  const registration = {
    identifier,
    name: 'Notes',
    scopes: [
      { name: 'notes.read', description: 'Read your notes' },
      { name: 'notes.write', description: 'Write notes' },
    ],
  };
  console.log(`The example API listens on ${url}. Register it once. On the machine of ${issuer}, make a client that may:

npm run gatehouse -- client create --id setup --name Setup --grant client_credentials --permission resources.write

and with the secret that prints:

TOKEN=$(curl -s -u "setup:$SECRET" -d grant_type=client_credentials -d resource=${issuer}/api ${issuer}/token | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
curl -X POST ${issuer}/api/resources -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
  -d '${JSON.stringify(registration)}'
`);
}
