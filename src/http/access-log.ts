import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpLog } from './log.ts';

const templates = new WeakMap<IncomingMessage, string>();

/** Tells the access log what route this was; paths may hold ids and secrets, templates do not. */
export const setRouteTemplate = (request: IncomingMessage, template: string): void => void templates.set(request, template);

export interface Answered {
  method: string;
  route: string;
  status: number;
  seconds: number;
}

/** One line a request, when its answer is out or its client has gone: never the query, never a path with an id. */
export function logAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  address: string,
  log: HttpLog | undefined,
  onAnswered?: (answered: Answered) => void,
): void {
  const started = performance.now();
  response.once('close', () => {
    const route = templates.get(request) ?? templateOf(request.url ?? '', response.statusCode);
    const milliseconds = performance.now() - started;
    const answered = { method: request.method ?? '', route, status: response.statusCode };
    log?.info(
      { ...answered, ms: Math.round(milliseconds * 10) / 10, address, ...(response.writableFinished ? {} : { aborted: true }) },
      'answered',
    );
    onAnswered?.({ ...answered, seconds: milliseconds / 1000 });
  });
}

/** What is served without a declaration: pages, and the protocol's endpoints. */
const PATHS: ReadonlySet<string> = new Set([
  ...['/', '/account', '/account/password', '/account/sign-out', '/docs', '/openapi.json', '/dev/mailbox', '/dev/mailbox.json'],
  ...['/health/live', '/health/ready', '/.well-known/openid-configuration', '/.well-known/oauth-authorization-server', '/jwks'],
  ...['/auth', '/request', '/token', '/token/introspection', '/token/revocation', '/me'],
  ...['/session/end', '/session/end/confirm', '/session/end/success'],
]);
const WITH_ID = /^\/(auth|login|assets|docs|demo)\/[^/]+(?:\/(register|reset|restart|callback))?$/;

/** For what nobody named. Whatever a caller makes up is one, or a scanner would fill the log's vocabulary and the metrics' memory. */
function templateOf(url: string, status: number): string {
  if (status === 404 || status === 421) return '(unknown)';
  const path = url.split('?', 1)[0] ?? '';
  if (PATHS.has(path)) return path;
  const [, first, last] = WITH_ID.exec(path) ?? [];
  return first === undefined ? '(unknown)' : `/${first}/{id}${last === undefined ? '' : `/${last}`}`;
}
