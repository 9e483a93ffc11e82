/** Names of domains: lower case, as DNS has them (RFC 1035 section 2.3.1, RFC 5890 for the `xn--` form). */

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
// Names that belong to everybody below a country's domain: nobody's own.
const SHARED = /^(?:ac|co|com|edu|gov|go|mil|ne|net|or|org)\.[a-z]{2}$/;

export interface DomainRules {
  /** The base issuer's URL. */
  issuer: string;
  /** Names below `localhost` may be had: for trying things out on one machine. */
  localhost: boolean;
}

/** What speaks against claiming the domain; undefined where nothing does. */
export function faultOfDomain(domain: string, { issuer, localhost }: DomainRules): string | undefined {
  const labels = domain.split('.');
  const last = labels.at(-1) ?? '';
  if (domain.length > 253 || !labels.every((label) => LABEL.test(label)))
    return 'is no domain name; write names of other scripts in punycode';
  if (labels.some((label) => label.slice(2, 4) === '--' && !label.startsWith('xn--'))) return 'is no domain name';
  if (labels.length < 2) return 'needs at least two labels';
  if (/^\d+$/.test(last)) return 'must not be an address';
  if (SHARED.test(domain)) return 'belongs to everybody';
  if (last === 'localhost' && !localhost) return 'must not be below localhost';
  if (domain === new URL(issuer).hostname) return 'is the address of this server';
  return undefined;
}

/** The address that a domain has as an issuer: scheme and port are the base issuer's. */
export function issuerUrlOf(domain: string, baseIssuer: string): string {
  const { protocol, port } = new URL(baseIssuer);
  return `${protocol}//${domain}${port === '' ? '' : `:${port}`}`;
}

export const challengeName = (domain: string): string => `_gatehouse-challenge.${domain}`;
export const challengeValue = (challenge: string): string => `gatehouse-domain-verification=${challenge}`;
