/**
 * Clients' certificates (RFC 8705), as the TLS-terminating proxy hands them on: `Client-Cert` of RFC 9440, or PEM in percent encoding, as nginx has it
 * in `$ssl_client_escaped_cert`. The HTTP layer has seen to it that nobody but a trusted proxy said so.
 */
import { X509Certificate } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { currentRequest, type ShownCertificate } from '../core/scope.ts';
import { hasRegisteredName } from './certificate-names.ts';

/** `features.mTLS` of the library; each is about the request that the running code belongs to. */
export interface Certificates {
  /** Undefined where none was shown, what was shown is none, or its time is over or not come yet. */
  getCertificate(): X509Certificate | undefined;
  /** Whether the proxy found it to come from an authority that it trusts. */
  certificateAuthorized(): boolean;
  certificateSubjectMatches(ctx: unknown, property: string, expected: string): boolean;
}

export function createCertificates({ clock }: { clock: Clock }): Certificates {
  const getCertificate = (): X509Certificate | undefined => goodCertificate(clock);
  return {
    getCertificate,
    certificateAuthorized: () => currentRequest.getStore()?.certificate?.verified === true,
    certificateSubjectMatches(_ctx, property, expected) {
      const certificate = getCertificate();
      return certificate !== undefined && hasRegisteredName(certificate, property, expected);
    },
  };
}

/** Whether this request comes with the certificate whose SHA-256 thumbprint (`x5t#S256`, base64url) this is. */
export const comesWithCertificate = (clock: Clock, thumbprint: string): boolean =>
  goodCertificate(clock) !== undefined && shownThumbprint() === thumbprint;

/** Of the request's certificate, in base64url, whether it is good or not; undefined where there is none. RFC 8705 section 3.1. */
export function shownThumbprint(): string | undefined {
  const hex = shownCertificate()?.fingerprint256.replaceAll(':', '');
  return hex === undefined ? undefined : Buffer.from(hex, 'hex').toString('base64url');
}

function goodCertificate(clock: Clock): X509Certificate | undefined {
  const certificate = shownCertificate();
  if (!certificate) return undefined;
  const now = clock.now();
  return certificate.validFromDate <= now && now <= certificate.validToDate ? certificate : undefined;
}

const read = new WeakMap<ShownCertificate, { certificate: X509Certificate | undefined }>();

/** Read once for each request, and only where somebody asks. */
function shownCertificate(): X509Certificate | undefined {
  const shown = currentRequest.getStore()?.certificate;
  if (!shown) return undefined;
  let known = read.get(shown);
  if (!known) {
    known = { certificate: parseCertificate(shown.text) };
    read.set(shown, known);
  }
  return known.certificate;
}

const STRUCTURED = /^:([A-Za-z0-9+/]+={0,2}):$/;
const PEM = /^\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$/;

/** The one certificate that the header's value is; undefined where it is anything else, such as two. */
export function parseCertificate(text: string): X509Certificate | undefined {
  try {
    const base64 = STRUCTURED.exec(text)?.[1] ?? PEM.exec(decodeURIComponent(text))?.[1];
    if (base64 === undefined) return undefined;
    const der = Buffer.from(base64, 'base64');
    const certificate = new X509Certificate(der);
    // The thumbprint is that of all bytes, so that there must be none behind it.
    return certificate.raw.equals(der) ? certificate : undefined;
  } catch {
    return undefined;
  }
}
