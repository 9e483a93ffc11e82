/** Certificates, made by the machine's openssl. */
import { execFile } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { JWK } from 'jose';
import { skip } from './skip.ts';

export interface CertificateRequest {
  /** As openssl takes it, the most significant part first: `/C=DE/O=Example/CN=app`. */
  subject: string;
  /** `DNS:app.test,URI:urn:app`. */
  alternatives?: string;
  /** Who signs; itself where nobody is named. */
  by?: MadeCertificate;
  authority?: boolean;
  /** 0: self-signed, and over within a second. */
  days?: number;
}

export interface MadeCertificate {
  pem: string;
  key: string;
  der: Buffer;
  /** `x5t#S256` of RFC 8705. */
  thumbprint: string;
  /** The public key, with the certificate in `x5c`. */
  jwk: JWK;
  files: { certificate: string; key: string };
}

export interface CertificateMaker {
  folder: string;
  make(request: CertificateRequest): Promise<MadeCertificate>;
  remove(): Promise<void>;
}

const PROGRAM = ['/usr/bin/openssl', '/usr/local/bin/openssl'].find(existsSync);

/** Leaves out the running suite, with a printed reason, where the machine has no openssl. */
export function needOpenssl(context: Mocha.Context): void {
  if (!PROGRAM) skip(context, 'no openssl on this machine (Debian: openssl)');
}

export async function certificateMaker(): Promise<CertificateMaker> {
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-certificates-'));
  const config = path.join(folder, 'openssl.cnf');
  await writeFile(config, '[req]\ndistinguished_name = dn\nstring_mask = utf8only\n[dn]\n');
  let made = 0;
  return {
    folder,
    async make({ subject, alternatives, by, authority = false, days = 1 }) {
      made += 1;
      const files = { certificate: path.join(folder, `${made}.pem`), key: path.join(folder, `${made}.key`) };
      const options = ['req', '-x509', '-config', config, '-utf8', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
      options.push('-keyout', files.key, '-out', files.certificate, '-subj', subject, '-days', String(days || 1));
      options.push('-addext', `basicConstraints=critical,CA:${authority ? 'TRUE' : 'FALSE'}`);
      if (alternatives !== undefined) options.push('-addext', `subjectAltName=${alternatives}`);
      if (by) options.push('-CA', by.files.certificate, '-CAkey', by.files.key);
      await promisify(execFile)(PROGRAM!, options);
      // It makes none that is over by itself.
      const again = ['x509', '-in', files.certificate, '-signkey', files.key, '-days', '0', '-out', files.certificate];
      if (days === 0) await promisify(execFile)(PROGRAM!, again);
      const pem = await readFile(files.certificate, 'utf8');
      const certificate = new X509Certificate(pem);
      const der = certificate.raw;
      return {
        pem,
        key: await readFile(files.key, 'utf8'),
        der,
        thumbprint: createHash('sha256').update(der).digest('base64url'),
        jwk: { ...(certificate.publicKey.export({ format: 'jwk' }) as JWK), x5c: [der.toString('base64')] },
        files,
      };
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** RFC 9440 section 2.1. */
export const structured = ({ der }: Pick<MadeCertificate, 'der'>): string => `:${der.toString('base64')}:`;

/** What a proxy that trusts the issuer says of it. */
export const shown = (certificate: MadeCertificate, verified = 'SUCCESS'): Record<string, string> => ({
  'client-cert': structured(certificate),
  'x-ssl-client-verify': verified,
});
