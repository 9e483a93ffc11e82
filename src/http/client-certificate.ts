/** The certificate that a proxy says the client showed it. */
import type { IncomingMessage } from 'node:http';
import type { ShownCertificate } from '../core/scope.ts';

/** Names of headers, in lower case. */
export interface CertificateHeaders {
  /** Undefined where no certificate is to count. */
  certificate: string | undefined;
  verified: string;
}

/** More than any certificate of a client has, and less than all headers together may have. */
const LONGEST = 12_288;

/**
 * Takes the certificate's headers away from the request, so that nobody reads them again, and answers what they say. Undefined where the peer is not
 * trusted, and where the certificate is named twice: one of the two is not the proxy's.
 */
export function takeCertificate(request: IncomingMessage, trusted: boolean, names: CertificateHeaders): ShownCertificate | undefined {
  if (names.certificate === undefined) return undefined;
  const text = onlyValue(request, names.certificate);
  const verified = onlyValue(request, names.verified);
  delete request.headers[names.certificate];
  delete request.headers[names.verified];
  if (!trusted || text === undefined || text.length > LONGEST) return undefined;
  return { text, verified: verified === 'SUCCESS' };
}

function onlyValue({ headers, rawHeaders }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  if (typeof value !== 'string' || value === '') return undefined;
  const count = rawHeaders.filter((other, index) => index % 2 === 0 && other.toLowerCase() === name).length;
  return count === 1 ? value.trim() : undefined;
}
