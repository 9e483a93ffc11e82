/** What a certificate says whose it is: read from its own bytes, since the printed forms of names can be made to lie. */
import type { X509Certificate } from 'node:crypto';
import { childrenOf, type DerNode, oidOf, readDer } from '../core/der.ts';
import { type DistinguishedName, isSameName, parseDistinguishedName, readDistinguishedName } from '../core/distinguished-name.ts';
import { normaliseAddress } from '../http/addresses.ts';

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';

export interface CertificateNames {
  subject: DistinguishedName | undefined;
  dns: readonly string[];
  uris: readonly string[];
  /** In the spelling of `normaliseAddress`. */
  addresses: readonly string[];
  emails: readonly string[];
}

/** RFC 5280 sections 4.1.2.6 and 4.2.1.6. */
export function namesOf(certificate: X509Certificate): CertificateNames {
  const [toBeSigned] = childrenOf(readDer(certificate.raw));
  // The version may be left out; serial number, algorithm, issuer and validity come before the subject.
  const fields = childrenOf(toBeSigned).filter(({ tag }) => tag !== 0xa0);
  const alternatives = alternativeNames(fields.find(({ tag }) => tag === 0xa3));
  const texts = (tag: number): string[] => alternatives.filter((name) => name.tag === tag).map(({ value }) => value.toString('latin1'));
  return {
    subject: fields[4]?.tag === 0x30 ? readDistinguishedName(fields[4]) : undefined,
    emails: texts(0x81),
    dns: texts(0x82),
    uris: texts(0x86),
    addresses: alternatives.filter(({ tag }) => tag === 0x87).flatMap(({ value }) => addressOf(value) ?? []),
  };
}

/** The metadata of RFC 8705 section 2.1.2, and whether the certificate has what is registered. Wildcards match nothing. */
const MATCHES = new Map<string, (names: CertificateNames, expected: string) => boolean>(
  Object.entries({
    tls_client_auth_subject_dn: ({ subject }, expected) => {
      const name = parseDistinguishedName(expected);
      return subject !== undefined && name !== undefined && isSameName(name, subject);
    },
    tls_client_auth_san_dns: ({ dns }, expected) => dns.some((name) => name.toLowerCase() === expected.toLowerCase()),
    tls_client_auth_san_uri: ({ uris }, expected) => uris.includes(expected),
    tls_client_auth_san_ip: ({ addresses }, expected) => addresses.includes(normaliseAddress(expected) ?? 'none'),
    tls_client_auth_san_email: ({ emails }, expected) => emails.some((email) => mailbox(email) === mailbox(expected)),
  }),
);

/** False for a property nobody knows. */
export const hasRegisteredName = (certificate: X509Certificate, property: string, expected: string): boolean =>
  MATCHES.get(property)?.(namesOf(certificate), expected) ?? false;

function alternativeNames(extensions: DerNode | undefined): readonly DerNode[] {
  const [list] = childrenOf(extensions);
  for (const extension of childrenOf(list)) {
    const parts = childrenOf(extension);
    if (oidOf(parts[0]) !== SUBJECT_ALTERNATIVE_NAME) continue;
    // Between them may stand whether it is critical.
    const octets = parts.at(-1);
    return octets?.tag === 0x04 ? childrenOf(readDer(octets.value)) : [];
  }
  return [];
}

function addressOf(octets: Buffer): string | undefined {
  if (octets.length === 4) return [...octets].join('.');
  return octets.length === 16 ? normaliseAddress(octets.toString('hex').replaceAll(/(.{4})(?=.)/g, '$1:')) : undefined;
}

/** Only the host's letters may be of either case (RFC 5280 section 7.5). */
const mailbox = (address: string): string => {
  const at = address.lastIndexOf('@');
  return address.slice(0, at + 1) + address.slice(at + 1).toLowerCase();
};
