/** Which addresses a client may name. Comparison at run time is exact (RFC 9700 section 4.1.3), so what is let in here is what counts. */

export interface UriRules {
  applicationType: 'web' | 'native';
  /** The issuer is a loopback host: development, where web clients may be on loopback http too. */
  loopback: boolean;
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);
const FORBIDDEN_SCHEMES = new Set([
  'javascript:',
  'data:',
  'vbscript:',
  'file:',
  'blob:',
  'about:',
  'ftp:',
  'ws:',
  'wss:',
  'mailto:',
  'tel:',
]);
/** A redirect that carries these already would carry them twice. */
const RESPONSE_PARAMETERS = ['code', 'error', 'error_description', 'iss', 'state', 'id_token', 'access_token', 'response'];

/** What is wrong with a redirect URI (RFC 6749 section 3.1.2, RFC 8252 section 7, RFC 9700 section 2.1), or undefined. */
export function faultOfRedirectUri(text: string, rules: UriRules): string | undefined {
  const url = parse(text);
  if (typeof url === 'string') return url;
  for (const name of RESPONSE_PARAMETERS) if (url.searchParams.has(name)) return `must not carry the parameter ${name} of a response`;
  if (url.protocol === 'https:') return rules.loopback && LOOPBACK.has(url.hostname) ? undefined : faultOfHost(url);
  if (url.protocol === 'http:') {
    if (!LOOPBACK.has(url.hostname)) return 'must use https';
    if (rules.applicationType === 'native' || rules.loopback) return undefined;
    return 'must use https: plain http is for native applications on loopback';
  }
  if (rules.applicationType !== 'native') return 'must use https';
  if (FORBIDDEN_SCHEMES.has(url.protocol)) return 'has a scheme that is not allowed';
  return url.protocol.includes('.')
    ? undefined
    : 'must have a scheme in reverse domain notation, such as com.example.app (RFC 8252 section 7.1)';
}

/** What is wrong with an address that browsers are shown (home page, logo, terms), or undefined. */
export function faultOfPageUri(text: string, rules: Pick<UriRules, 'loopback'>): string | undefined {
  const url = parse(text);
  if (typeof url === 'string') return url;
  if (url.protocol === 'https:') return rules.loopback && LOOPBACK.has(url.hostname) ? undefined : faultOfHost(url);
  return url.protocol === 'http:' && rules.loopback && LOOPBACK.has(url.hostname) ? undefined : 'must use https';
}

/** What is wrong with an address that this server calls (keys, back-channel logout), or undefined; hosts of `allowHosts` may use plain http. */
export function faultOfServerUri(text: string, allowHosts: readonly string[]): string | undefined {
  const url = parse(text);
  if (typeof url === 'string') return url;
  const allowed = allowHosts.some((host) => host.toLowerCase() === url.hostname || host.toLowerCase() === url.host);
  if (url.protocol !== 'https:' && !(allowed && url.protocol === 'http:')) return 'must use https';
  return allowed ? undefined : (faultOfHost(url) ?? (isAddress(url.hostname) ? 'must name a host, not an address' : undefined));
}

/** What is wrong with an origin for CORS (RFC 6454 section 6.2), or undefined. */
export function faultOfOrigin(text: string, rules: Pick<UriRules, 'loopback'>): string | undefined {
  const url = parse(text);
  if (typeof url === 'string') return url;
  if (url.origin !== text) return 'must be an origin: scheme, host and port, nothing else';
  return faultOfPageUri(text, rules);
}

/** The URL, or what is wrong with it. Exotic spellings are refused, so that what is compared is what every parser reads. */
function parse(text: string): URL | string {
  if (!/^[\x21-\x7e]+$/.test(text) || /[\\"<>^`{|}]/.test(text)) return 'has characters that do not belong into a URI';
  if (!URL.canParse(text)) return 'must be an absolute URI';
  const url = new URL(text);
  if (text.includes('#')) return 'must not have a fragment';
  if (text.includes('*')) return 'must not have a wildcard';
  if (url.username || url.password || text.split(/[/?]/, 3).join('').includes('@')) return 'must not have user information';
  if (/(^|[/\\])\.{1,2}([/\\?]|$)|%2e|%2f|%5c/i.test(text.split('?', 1)[0]!)) return 'must not have dot segments or encoded separators';
  if (/^https?:/i.test(text) && !text.startsWith(`${url.protocol}//${url.hostname}`)) return 'must be written in its normal form';
  return url;
}

function faultOfHost(url: URL): string | undefined {
  if (LOOPBACK.has(url.hostname) || url.hostname.endsWith('.localhost') || url.hostname.endsWith('.')) return 'must name a public host';
  return url.hostname.length === 0 ? 'must name a host' : undefined;
}

const isAddress = (host: string): boolean => host.startsWith('[') || /^[\d.]+$/.test(host);
