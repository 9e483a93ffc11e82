/** The way of every request, before any framework looks at it. */
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError, notFound } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { currentRequest } from '../core/scope.ts';
import { type Answered, logAnswer } from './access-log.ts';
import { type IsTrusted, trustOf } from './addresses.ts';
import type { CertificateHeaders } from './client-certificate.ts';
import { checkMethod, isBelow, isCanonical } from './gate.ts';
import type { Health } from './health.ts';
import type { HttpLog } from './log.ts';
import { misdirected } from './misdirected.ts';
import { asAppError, problemOf } from './problem.ts';
import { isUpload, offerAgain, PAGE_BODY_LIMIT, readBody } from './read-body.ts';
import { type RawFacts, readFacts, settleHeaders } from './request-facts.ts';
import { setSecurityHeaders } from './security-headers.ts';
import type { View } from './view.ts';

export type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

export interface ServerParts {
  /** The issuer URL that answers to a host (lower case, default port left out), by exact match; undefined means 421. */
  issuerOf(host: string): string | undefined | Promise<string | undefined>;
  /** Named by the 421 page. */
  baseIssuer: string;
  trustedProxies: readonly string[];
  /** Where those proxies say which certificate the client showed; nobody has one where nothing is said. */
  clientCertificate?: CertificateHeaders;
  health: Health;
  /** Our own Koa app's callback, for `ownPaths` and what is below them. */
  own: Handler;
  ownPaths: readonly string[];
  /** The provider of an issuer, for everything else. */
  protocol(issuer: string): Handler | Promise<Handler>;
  view: View;
  log?: HttpLog;
  /** For the line of each request, which holds nothing to be hidden; `log` where nothing is said. */
  accessLog?: HttpLog;
  onAnswered?: (answered: Answered) => void;
}

export interface HttpServer {
  /** Listens on each address; port 0 takes a free one, the same for all. Answers the port. */
  listen(hosts: readonly string[], port: number): Promise<number>;
  /** Takes no more connections, lets running requests end for `graceMs`, then cuts them. */
  close(graceMs?: number): Promise<void>;
}

/** Everything below `/` that is ours and not the provider's. */
export const OWN_PATHS: readonly string[] = [
  '/',
  '/api',
  '/login',
  '/account',
  '/admin',
  '/docs',
  '/openapi.json',
  '/demo',
  '/dev',
  '/assets',
  '/health',
  '/access',
  '/gateway',
  '/authorize-challenge',
  '/.well-known/authzen-configuration',
];

/** The handler of every request: facts, headers, method, health, host, path, size, dispatch. Never rejects. */
export function createHandler(parts: ServerParts): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const isTrusted: IsTrusted = trustOf(parts.trustedProxies);
  const baseIsHttps = parts.baseIssuer.startsWith('https:');
  return async (request, response) => {
    const facts = readFacts(request, isTrusted, parts.clientCertificate);
    setSecurityHeaders(response, facts.id, baseIsHttps);
    logAnswer(request, response, facts.address, parts.accessLog ?? parts.log, parts.onAnswered);
    const { id, address, device } = facts;
    await currentRequest.run({ id, address, device, issuer: parts.baseIssuer }, async () => {
      try {
        await pass(request, response, facts, parts);
      } catch (error) {
        answerError(response, asAppError(error), id, parts.log);
      }
    });
  };
}

async function pass(request: IncomingMessage, response: ServerResponse, facts: RawFacts, parts: ServerParts): Promise<void> {
  checkMethod(request.method ?? '');
  const path = facts.target.split('?', 1)[0]!;
  if (path === '/health/live' || path === '/health/ready') return answerHealth(request, response, path, parts.health);
  const issuer = await parts.issuerOf(facts.host);
  const wrongScheme = issuer !== undefined && facts.protocol !== undefined && !issuer.startsWith(`${facts.protocol}:`);
  if (issuer === undefined || wrongScheme) return misdirected(request, response, facts, parts);
  settleHeaders(request, { address: facts.address, issuer, target: facts.target });
  const { id, address, device, certificate } = facts;
  await currentRequest.run({ id, address, device, issuer, certificate }, async () => {
    if (isBelow(path, parts.ownPaths)) return parts.own(request, response);
    if (!isCanonical(path)) throw notFound('path');
    if (Number(request.headers['content-length'] ?? 0) > PAGE_BODY_LIMIT)
      throw new AppError('body.too_large', 413, 'The body is too large', { headers: { connection: 'close' } });
    // Of unknown length: read here, so that it is 413 too.
    if (request.headers['transfer-encoding'] !== undefined) offerAgain(request, await readBody(request, PAGE_BODY_LIMIT));
    return (await parts.protocol(issuer))(request, response);
  });
}

async function answerHealth(request: IncomingMessage, response: ServerResponse, path: string, health: Health): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    throw new AppError('method.not_allowed', 405, 'This method is not known here', { headers: { allow: 'GET, HEAD' } });
  const ok = path === '/health/live' || (await health.isReady());
  response.writeHead(ok ? 200 : 503, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    ...(ok ? {} : { 'retry-after': '1' }),
  });
  response.end(JSON.stringify({ status: ok ? 'ok' : 'unavailable' }));
}

function answerError(response: ServerResponse, error: AppError, requestId: string, log?: HttpLog): void {
  if (error.status >= 500) log?.error({ err: error.cause ?? error, code: error.code }, error.message);
  if (response.headersSent) return void response.destroy();
  response.writeHead(error.status, {
    ...error.headers,
    'content-type': 'application/problem+json; charset=utf-8',
    'cache-control': 'no-store',
  });
  response.end(JSON.stringify(problemOf(error, requestId)));
}

const BODY_MS = 30_000;

/** Node's own server with limits: 16 KiB of headers (431), 10 s for headers and 30 s for a request (408), malformed HTTP 400. */
export function createServer(parts: ServerParts): HttpServer {
  const handle = createHandler(parts);
  const servers: Server[] = [];
  const answering = new Set<ServerResponse>();
  let stopping = false;

  const open = (host: string, port: number): Promise<Server> => {
    const server = createHttpServer(
      {
        maxHeaderSize: 16_384,
        headersTimeout: 10_000,
        // Ours, below: Node's own knows no exception for uploads.
        requestTimeout: 0,
        keepAliveTimeout: 10_000,
        connectionsCheckingInterval: 2000,
      },
      (request, response) => {
        if (stopping) response.setHeader('connection', 'close');
        answering.add(response);
        response.once('close', () => answering.delete(response));
        cutSlowBody(request);
        void handle(request, response);
      },
    );
    server.on('clientError', answerClientError);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, ipv6Only: host === '::' }, () => {
        server.off('error', reject);
        server.on('error', (error) => parts.log?.error({ err: error }, 'the server had an error'));
        resolve(server);
      });
    });
  };

  return {
    async listen(hosts, port) {
      let taken = port;
      for (const host of hosts) {
        try {
          const server = await open(host, taken);
          servers.push(server);
          taken = (server.address() as AddressInfo).port;
        } catch (error) {
          // A machine without IPv6 is no reason not to start.
          const missing = ['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes((error as NodeJS.ErrnoException).code ?? '');
          if (!missing || !host.includes(':')) throw error;
          parts.log?.warn({ host }, 'this address does not exist here');
        }
      }
      if (servers.length === 0) throw new Error(`none of ${hosts.join(', ')} exists on this machine`);
      return taken;
    },
    async close(graceMs = 25_000) {
      stopping = true;
      parts.health.stop();
      for (const response of answering) if (!response.headersSent) response.setHeader('connection', 'close');
      const cut = setTimeout(() => {
        for (const server of servers) server.closeAllConnections();
      }, graceMs);
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
      clearTimeout(cut);
    },
  };
}

/** Cuts off who has not sent the whole body in time, an upload apart, whose reader knows how long is too long. */
function cutSlowBody(request: IncomingMessage): void {
  if (request.headers['content-length'] === undefined && request.headers['transfer-encoding'] === undefined) return;
  const timer = setTimeout(() => {
    if (request.complete || isUpload(request)) return;
    answerClientError(Object.assign(new Error('request timeout'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), request.socket);
  }, BODY_MS);
  for (const event of ['end', 'close']) request.once(event, () => clearTimeout(timer));
}

const CLIENT_ERRORS: Readonly<Record<string, [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'Content Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
};

/** What is no HTTP gets a short answer, then the connection ends. */
function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [status, title] = CLIENT_ERRORS[error.code ?? ''] ?? [400, 'Bad Request'];
  const requestId = newId();
  const body = JSON.stringify(problemOf(new AppError('request.malformed', status, title), requestId));
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\nConnection: close\r\nContent-Type: application/problem+json; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nX-Request-Id: ${requestId}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
