import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError } from '../core/errors.ts';
import type { MisdirectedPage } from './pages.ts';
import { problemOf } from './problem.ts';
import type { RawFacts } from './request-facts.ts';
import { pageCsp, type View } from './view.ts';

/** 421 (RFC 9110 section 15.5.20): says which address to use, or which setting to change; a page for browsers. */
export function misdirected(
  request: IncomingMessage,
  response: ServerResponse,
  { host, id, address }: RawFacts,
  { baseIssuer, view }: { baseIssuer: string; view: View },
): void {
  const asked = host || 'an unreadable host';
  // Strangers need not know how the server is set up.
  const setting = address === '::1' || address.startsWith('127.') ? 'ISSUER' : undefined;
  const page: MisdirectedPage = { host: asked, issuer: baseIssuer, setting };
  response.statusCode = 421;
  response.setHeader('cache-control', 'no-store');
  if ((request.headers.accept ?? '').includes('text/html')) {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.setHeader('content-security-policy', pageCsp());
    response.end(view.render('misdirected', page));
    return;
  }
  const error = new AppError('host.unknown', 421, 'This server does not answer to that host', {
    detail: `Use ${baseIssuer}${setting ? `, or set ${setting} to the address that was used` : ''}`,
    extra: { issuer: baseIssuer },
  });
  response.setHeader('content-type', 'application/problem+json; charset=utf-8');
  response.end(JSON.stringify(problemOf(error, id)));
}
