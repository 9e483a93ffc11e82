import type { IncomingMessage } from 'node:http';
import { newId } from '../core/ids.ts';
import type { ShownCertificate } from '../core/scope.ts';
import { clientAddress, type IsTrusted, normaliseAddress } from './addresses.ts';
import { type CertificateHeaders, takeCertificate } from './client-certificate.ts';

/** What is known before it is known which issuer is asked. */
export interface RawFacts {
  id: string;
  address: string;
  device: string;
  /** Of the request as the client made it, lower case, default port left out; `''` where there is none. */
  host: string;
  /** As a trusted proxy says; undefined where nobody we trust said anything. */
  protocol: 'http' | 'https' | undefined;
  /** The path and query, starting with `/`; an absolute-form target is taken apart. */
  target: string;
  certificate: ShownCertificate | undefined;
}

const SANE_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/;
const HOST = /^(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/;
const FROM_OUTSIDE =
  /^(?:forwarded|x-forwarded-.*|x-real-ip|x-original-.*|x-rewrite-url|x-client-ip|x-cluster-client-ip|true-client-ip|x-http-method.*)$/;

/** Reads a request's facts. `X-Forwarded-*` and certificates count only from a trusted peer; the headers of certificates are gone afterwards. */
export function readFacts(request: IncomingMessage, isTrusted: IsTrusted, certificates?: CertificateHeaders): RawFacts {
  const peer = normaliseAddress(request.socket.remoteAddress ?? '') ?? '';
  const trusted = isTrusted(peer);
  const forwarded = (name: string): string => (trusted ? headerOf(request, name) : '');
  const id = headerOf(request, 'x-request-id');
  const protocol = lastOf(forwarded('x-forwarded-proto')).toLowerCase();
  const { host, target } = targetOf(request, lastOf(forwarded('x-forwarded-host')));
  return {
    id: SANE_ID.test(id) ? id : newId(),
    address: trusted ? clientAddress(peer, forwarded('x-forwarded-for'), isTrusted) : peer,
    device: headerOf(request, 'user-agent').slice(0, 512),
    host,
    protocol: protocol === 'http' || protocol === 'https' ? protocol : undefined,
    target,
    certificate: certificates && takeCertificate(request, trusted, certificates),
  };
}

/**
 * Leaves the inner code one truth: what proxies (or pretenders) said is taken away, and the issuer's own host and scheme and the
 * client's address stand in the headers from which Koa and the provider make URLs.
 */
export function settleHeaders(request: IncomingMessage, facts: { address: string; issuer: string; target: string }): void {
  const { host, scheme } = partsOf(facts.issuer);
  for (const name of Object.keys(request.headers)) if (FROM_OUTSIDE.test(name)) delete request.headers[name];
  request.headers.host = host;
  request.headers['x-forwarded-host'] = host;
  request.headers['x-forwarded-proto'] = scheme;
  request.headers['x-forwarded-for'] = facts.address;
  request.url = facts.target;
}

const issuers = new Map<string, { host: string; scheme: string }>();

/** Taken apart once: an installation has few issuers, and every request names one. */
function partsOf(issuer: string): { host: string; scheme: string } {
  let parts = issuers.get(issuer);
  if (!parts) {
    const { host, protocol } = new URL(issuer);
    parts = { host, scheme: protocol.slice(0, -1) };
    issuers.set(issuer, parts);
  }
  return parts;
}

/** RFC 9112 section 3.2.2: an absolute-form target's host counts, and the Host header must not be another. */
function targetOf(request: IncomingMessage, forwardedHost: string): { host: string; target: string } {
  const url = request.url ?? '/';
  const named = hostOf(forwardedHost || headerOf(request, 'host'));
  if (url.startsWith('/')) return { host: countHosts(request) > 1 ? '' : named, target: url };
  const absolute = /^https?:\/\/([^/?#]*)([^#]*)$/i.exec(url);
  if (!absolute) return { host: '', target: '/' };
  const host = hostOf(absolute[1]!);
  const rest = absolute[2]!;
  return { host: host === named ? host : '', target: rest.startsWith('/') ? rest : `/${rest}` };
}

/** Names and values in turn. */
function countHosts({ rawHeaders }: IncomingMessage): number {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (rawHeaders[at]!.length === 4 && rawHeaders[at]!.toLowerCase() === 'host') hosts += 1;
  return hosts;
}

const hostOf = (text: string): string => {
  const host = text.toLowerCase();
  return HOST.test(host) ? host.replace(/:(?:80|443)$/, '') : '';
};

/** Each proxy appends; the last word is that of the one we trust. */
const lastOf = (header: string): string => header.slice(header.lastIndexOf(',') + 1).trim();

function headerOf(request: IncomingMessage, name: string): string {
  const value = request.headers[name];
  return (Array.isArray(value) ? value.join(',') : value) ?? '';
}
