/** What makes the metadata of RFC 8705 consistent. */
import { createPublicKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { parseDistinguishedName } from '../../core/distinguished-name.ts';
import type { FieldError } from '../../core/errors.ts';
import type { ClientInput } from './schema.ts';

const HOST = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*$/i;

/** By member: what may be wrong with its value. */
const SUBJECTS = {
  tls_client_auth_subject_dn: (text) => (parseDistinguishedName(text) ? undefined : 'must be a distinguished name as in RFC 4514'),
  tls_client_auth_san_dns: (text) => (HOST.test(text) ? undefined : 'must be the name of a host, without wildcards'),
  tls_client_auth_san_uri: (text) => (/^[\x21-\x7e]+$/.test(text) && URL.canParse(text) ? undefined : 'must be an absolute URI'),
  tls_client_auth_san_ip: (text) => (isIP(text) ? undefined : 'must be an IPv4 or IPv6 address'),
  tls_client_auth_san_email: (text) =>
    /^[\x21-\x3f\x41-\x7e]+@[^@]+$/.test(text) && HOST.test(hostOf(text)) ? undefined : 'must be an e-mail address',
} as const satisfies Record<string, (text: string) => string | undefined>;

const hostOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1);

type Subject = keyof typeof SUBJECTS;
const NAMES = Object.keys(SUBJECTS) as Subject[];

/** Section 2: one name of the subject for certificates of an authority, the certificates themselves where they are self-signed. Section 3: what tokens are bound to. */
export function faultsOfMutualTls(input: ClientInput): FieldError[] {
  const errors: FieldError[] = [];
  const method = input.token_endpoint_auth_method;
  const given = NAMES.filter((name) => input[name] !== undefined);
  for (const name of given) {
    const message = method === 'tls_client_auth' ? SUBJECTS[name](input[name]!) : 'goes with tls_client_auth only';
    if (message) errors.push({ pointer: `/${name}`, message });
  }
  if (method === 'tls_client_auth' && given.length !== 1)
    errors.push({ pointer: '/token_endpoint_auth_method', message: `tls_client_auth needs exactly one of ${NAMES.join(', ')}` });
  if (method === 'self_signed_tls_client_auth') errors.push(...faultsOfCertificates(input));
  if (input.tls_client_certificate_bound_access_tokens && input.dpop_bound_access_tokens)
    errors.push({ pointer: '/tls_client_certificate_bound_access_tokens', message: 'must not stand beside dpop_bound_access_tokens' });
  return errors;
}

function faultsOfCertificates({ jwks, jwks_uri: uri }: ClientInput): FieldError[] {
  if (!jwks) return uri === undefined ? [{ pointer: '/jwks', message: 'self_signed_tls_client_auth needs jwks or jwks_uri' }] : [];
  const errors: FieldError[] = [];
  for (const [index, key] of jwks.keys.entries()) {
    if (key['x5c'] !== undefined && !isOfKey(key))
      errors.push({ pointer: `/jwks/keys/${index}/x5c`, message: 'must begin with a certificate of this very key' });
  }
  if (!jwks.keys.some((key) => key['x5c'] !== undefined))
    errors.push({ pointer: '/jwks', message: 'self_signed_tls_client_auth needs a key with its certificate in x5c' });
  return errors;
}

/** RFC 7517 section 4.7. */
function isOfKey({ x5c, ...key }: Readonly<Record<string, string | string[]>>): boolean {
  const first = x5c?.[0];
  if (!Array.isArray(x5c) || first === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(first)) return false;
  try {
    const { publicKey } = new X509Certificate(Buffer.from(first, 'base64'));
    return publicKey.equals(createPublicKey({ key, format: 'jwk' }));
  } catch {
    return false;
  }
}
