/** What a setting may not be, beyond its type. Each check answers what is wrong, in words that follow the setting's name, or undefined. */
import { isIP } from 'node:net';

const LOOPBACK_NAME = /^(localhost|[a-z0-9-]+(\.[a-z0-9-]+)*\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** Whether a URL's host is this machine. */
export function isLoopbackUrl(url: string): boolean {
  return URL.canParse(url) && LOOPBACK_NAME.test(new URL(url).hostname);
}

/** The issuer is an origin, as it is (OpenID Connect Discovery 1.0 section 3); `http` is for loopback hosts only. */
export function checkIssuer(issuer: string): string | undefined {
  if (!URL.canParse(issuer)) return 'is not a URL';
  const url = new URL(issuer);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must begin with https://';
  if (url.username || url.password) return 'must not hold a user name or password';
  if (url.search || url.hash || issuer.includes('?') || issuer.includes('#')) return 'must not have a query or fragment';
  if (issuer.endsWith('/')) return 'must not end in a slash';
  if (url.pathname !== '/') return 'must not have a path';
  if (url.protocol === 'http:' && !isLoopbackUrl(issuer)) return 'must begin with https://; http is for a loopback host only';
  return url.origin === issuer ? undefined : `must be written as ${url.origin}`;
}

const SAMPLES = /change[-_ ]?(me|this|it)|replace[-_ ]?(me|this)|your[-_ ]?(key|secret|password)|<[^>]*>|^(\$\{|%)/i;
const COMMON =
  /^(my|a|the|super|top|some|very|cookie|session|client|app|admin|test|dev|default)*(secret|password|passwd|pass|key|keyboardcat|gatehouse|admin|test|example|sample|default|demo)s?\d*$/i;

/** Whether a text is what documentation and examples put where a secret belongs. */
export const isSample = (text: string): boolean => SAMPLES.test(text) || COMMON.test(text.replaceAll(/[^a-z0-9]/gi, ''));

/** A secret somebody chose: long enough, varied enough and no sample. */
export function checkSecret(text: string, minLength: number): string | undefined {
  if (isSample(text)) return 'is a sample value; make one with `openssl rand -base64 32`';
  if (text.length < minLength) return `is too short: at least ${minLength} characters`;
  return new Set(text).size < 8 ? 'repeats too few different characters; make one with `openssl rand -base64 32`' : undefined;
}

/** 32 random bytes as base64. */
export function checkEncryptionKey(text: string): string | undefined {
  const hint = 'make one with `openssl rand -base64 32`';
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== 32 || bytes.toString('base64').replace(/=+$/, '') !== text.replace(/=+$/, ''))
    return `must be 32 bytes in base64; ${hint}`;
  const steps = new Set(bytes.subarray(1).map((byte, index) => byte - bytes[index]!));
  if (new Set(bytes).size < 12 || steps.size < 8) return `is not random; ${hint}`;
  const text256 = bytes.toString('latin1');
  return /^[\x20-\x7e]+$/.test(text256) ? `is a text, not random bytes; ${hint}` : undefined;
}

/** An address or a range of addresses in CIDR notation. */
export function checkCidr(text: string): string | undefined {
  const [address = '', bits, ...rest] = text.split('/');
  const family = isIP(address);
  const narrowest = /^::ffff:/i.test(address) ? 96 : 0;
  const wide = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) >= narrowest && Number(bits) <= (family === 4 ? 32 : 128));
  return family !== 0 && wide && rest.length === 0 ? undefined : `holds "${text}", which is no address range like 10.0.0.0/8`;
}

/** Those that say something else; a header for one purpose is taken away from the request. */
const SPOKEN_FOR =
  /^(accept.*|authorization|proxy-.*|connection|content-.*|cookie|dpop|expect|forwarded|host|idempotency-key|if-.*|origin|referer|sec-.*|te|trailer|transfer-encoding|upgrade|user-agent|via|x-csrf-token|x-forwarded-.*|x-real-ip|x-request-id|x-tenant-id)$/;

/** A header that a proxy is to set for us. */
export const checkHeaderName = (name: string): string | undefined => (SPOKEN_FOR.test(name) ? 'must be a header of its own' : undefined);
