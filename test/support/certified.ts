/** A server behind a proxy that says which certificate a client came with, and certificates of all kinds. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Reply, startTestApp } from '#test/support/app.ts';
import { certificateMaker, type MadeCertificate, needOpenssl, structured } from '#test/support/certificates.ts';

export const SUBJECT = '/C=DE/O=Example/CN=payments';

export const TLS = { grant_types: ['client_credentials'], token_endpoint_auth_method: 'tls_client_auth' };

export const DN = { ...TLS, tls_client_auth_subject_dn: 'CN=payments,O=Example,C=DE' };

/** Everything the specs of it begin with; `close` ends it. */
export async function startCertified(context: Mocha.Context) {
  needOpenssl(context);
  const maker = await certificateMaker();
  const good = await maker.make({
    subject: SUBJECT,
    alternatives: 'DNS:Pay.example.test,DNS:*.wild.test,URI:urn:example:pay,IP:192.0.2.7,IP:2001:db8::7,email:Ops@Example.test',
  });
  const other = await maker.make({ subject: '/C=DE/O=Example/CN=somebody', alternatives: 'DNS:evil.test' });
  const keys = JSON.stringify({
    keys: [
      { ...good.jwk, kid: 'a' },
      { ...other.jwk, kid: 'b', x5c: undefined },
    ],
  });
  const published = http.createServer((_request, response) => response.setHeader('content-type', 'application/json').end(keys));
  await new Promise<void>((resolve) => published.listen(0, 'localhost', resolve));
  const host = `localhost:${(published.address() as AddressInfo).port}`;
  const app = await startTestApp({
    env: { TRUSTED_PROXIES: '127.0.0.1/32,::1/128', OUTBOUND_ALLOW_HOSTS: host, CLIENT_CERTIFICATE_HEADER: 'Client-Cert' },
  });

  const create = async (body: object): Promise<string> => {
    const made = await app.api('POST', '/api/clients', { client_name: 'Machine', ...body });
    assert.equal(made.status, 201, made.text);
    assert.equal(made.body['client_secret'], undefined);
    return String(made.body['client_id']);
  };
  const token = (clientId: string, headers: Record<string, string>, form: Record<string, string> = {}): Promise<Reply> =>
    app.token({ grant_type: 'client_credentials', client_id: clientId, ...form }, undefined, headers);
  const details = async (requestId: string): Promise<unknown[]> =>
    (await app.owner.query(`select type, data ->> 'detail' as detail from audit_events where request_id = $1`, [requestId])).rows;
  /** From an address and with headers of our choice. */
  const raw = (port: string, from: string, clientId: string, headers: readonly string[]): Promise<number> =>
    new Promise((resolve, reject) => {
      const body = `grant_type=client_credentials&client_id=${clientId}`;
      const fixed = [
        'Content-Type',
        'application/x-www-form-urlencoded',
        'Content-Length',
        String(body.length),
        'Host',
        `localhost:${port}`,
      ];
      http
        .request(
          { host: '127.0.0.1', port, localAddress: from, method: 'POST', path: '/token', headers: [...fixed, ...headers] },
          (answer) => {
            answer.resume().once('end', () => resolve(answer.statusCode ?? 0));
          },
        )
        .once('error', reject)
        .end(body);
    });
  const said = (...certificates: MadeCertificate[]): string[] => [
    ...certificates.flatMap((one) => ['Client-Cert', structured(one)]),
    'X-SSL-Client-Verify',
    'SUCCESS',
  ];

  const close = async () => {
    await app?.close();
    published?.close();
    await maker?.remove();
  };
  return { maker, app, good, other, published, create, token, details, raw, said, close };
}
export type Certified = Awaited<ReturnType<typeof startCertified>>;
