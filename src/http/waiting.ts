/** What answers while the server waits for its database: alive, not ready, and everything else 503. */
import { createServer, type Server } from 'node:http';
import { unavailable } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { problemOf } from './problem.ts';

/** Listens on each address that exists; the answered function closes them again, before the server itself takes the port. */
export async function listenWhileWaiting(hosts: readonly string[], port: number): Promise<() => Promise<void>> {
  const servers = (await Promise.all(hosts.map((host) => listen(host, port)))).filter((server) => server !== undefined);
  return async () => {
    await Promise.all(
      servers.map((server) => {
        const closed = new Promise((resolve) => server.close(resolve));
        server.closeAllConnections();
        return closed;
      }),
    );
  };
}

/** Undefined where the address cannot be had: the server itself says so when its turn comes. */
function listen(host: string, port: number): Promise<Server | undefined> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (request, response) => {
    request.resume();
    const alive = request.url?.split('?', 1)[0] === '/health/live';
    const isProbe = alive || request.url?.split('?', 1)[0] === '/health/ready';
    const id = newId();
    response.writeHead(alive ? 200 : 503, {
      'content-type': isProbe ? 'application/json; charset=utf-8' : 'application/problem+json; charset=utf-8',
      'cache-control': 'no-store',
      'x-request-id': id,
      connection: 'close',
      ...(alive ? {} : { 'retry-after': '1' }),
    });
    response.end(JSON.stringify(isProbe ? { status: alive ? 'ok' : 'unavailable' } : problemOf(unavailable(), id)));
  });
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen({ host, port, ipv6Only: host === '::' }, () => resolve(server));
  });
}
