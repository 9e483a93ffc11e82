/** Mutual TLS (RFC 8705) from end to end: a real nginx ends TLS, real connections show certificates. */
import assert from 'node:assert/strict';
import http, { type OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import { freePort, type RunningApp, startTestApp } from '#test/support/app.ts';
import { type CertificateMaker, certificateMaker, type MadeCertificate, needOpenssl, shown } from '#test/support/certificates.ts';
import { type Nginx, needNginx, startNginx } from '#test/support/nginx.ts';

interface Answer {
  status: number;
  text: string;
  body: Record<string, unknown>;
}

interface Request {
  method?: string;
  headers?: OutgoingHttpHeaders;
  form?: Record<string, string>;
}

describe('mutual TLS behind nginx', function () {
  this.timeout(60_000);
  let maker: CertificateMaker;
  let app: RunningApp;
  let nginx: Nginx;
  let port: number;
  let upstream: number;
  let authority: MadeCertificate;
  const clients: Record<'good' | 'other' | 'stranger' | 'self', MadeCertificate> = {} as never;

  before(async function () {
    needNginx(this);
    needOpenssl(this);
    maker = await certificateMaker();
    authority = await maker.make({ subject: '/O=Example/CN=Example CA', authority: true });
    const stranger = await maker.make({ subject: '/O=Example/CN=Example CA', authority: true });
    const server = await maker.make({ subject: '/CN=localhost', alternatives: 'DNS:localhost,IP:127.0.0.1', by: authority });
    const subject = '/C=DE/O=Example, Inc./CN=payments';
    clients.good = await maker.make({ subject, alternatives: 'DNS:pay.example.test', by: authority });
    clients.other = await maker.make({ subject: '/C=DE/O=Example, Inc./CN=other', by: authority });
    clients.stranger = await maker.make({ subject, alternatives: 'DNS:pay.example.test', by: stranger });
    clients.self = await maker.make({ subject });
    port = await freePort();
    upstream = await freePort();
    app = await startTestApp({
      env: {
        ISSUER: `https://localhost:${port}`,
        PORT: String(upstream),
        TRUSTED_PROXIES: '127.0.0.1/32,::1/128',
        CLIENT_CERTIFICATE_HEADER: 'Client-Cert',
      },
    });
    nginx = await startNginx({
      port,
      upstream: `http://127.0.0.1:${upstream}`,
      certificate: server.files.certificate,
      key: server.files.key,
      authority: authority.files.certificate,
    });
  });
  after(async () => {
    await nginx?.stop();
    await app?.close();
    await maker?.remove();
  });

  const read = (request: http.ClientRequest, form?: Record<string, string>): Promise<Answer> =>
    new Promise((resolve, reject) => {
      request.once('error', reject).once('response', (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text, body: text.startsWith('{') ? JSON.parse(text) : {} }));
      });
      request.end(form && new URLSearchParams(form).toString());
    });
  const typed = ({ form, headers = {} }: Request): OutgoingHttpHeaders => ({
    ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
    ...headers,
  });
  /** Over TLS to nginx, with the certificate if there is one. */
  const send = (path: string, request: Request, certificate?: MadeCertificate): Promise<Answer> =>
    read(
      https.request({
        host: '127.0.0.1',
        servername: 'localhost',
        port,
        path,
        method: request.method ?? (request.form ? 'POST' : 'GET'),
        ca: authority.pem,
        agent: false,
        headers: { host: `localhost:${port}`, ...typed(request) },
        ...(certificate ? { cert: certificate.pem, key: certificate.key } : {}),
      }),
      request.form,
    );
  /** Past nginx, straight to the server, from an address that is no proxy's. */
  const straight = (path: string, request: Request): Promise<Answer> =>
    read(
      http.request({
        host: '127.0.0.1',
        localAddress: '127.0.0.9',
        port: upstream,
        path,
        method: request.form ? 'POST' : 'GET',
        agent: false,
        headers: { host: `localhost:${port}`, ...typed(request) },
      }),
      request.form,
    );
  const create = async (body: object): Promise<string> => {
    const made = await app.api('POST', '/api/clients', { client_name: 'Payments', grant_types: ['client_credentials'], ...body });
    assert.equal(made.status, 201, made.text);
    return String(made.body['client_id']);
  };
  const form = (clientId: string, more: Record<string, string> = {}): Record<string, string> => ({
    grant_type: 'client_credentials',
    client_id: clientId,
    ...more,
  });
  const DN = { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: 'CN=payments,O=Example\\, Inc.,C=DE' };

  it('gives tokens to the subject that is registered, from an authority that nginx trusts, and to nobody else', async () => {
    const byName = await create(DN);
    const byHost = await create({ token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'pay.example.test' });
    for (const clientId of [byName, byHost]) {
      const fine = await send('/token', { form: form(clientId) }, clients.good);
      assert.equal(fine.status, 200, `${fine.text}\n${await nginx.log()}`);
      for (const name of ['other', 'stranger', 'self'] as const) {
        const refused = await send('/token', { form: form(clientId) }, clients[name]);
        assert.deepEqual([refused.status, refused.body['error']], [401, 'invalid_client'], name);
      }
      assert.equal((await send('/token', { form: form(clientId) })).status, 401, 'no certificate');
    }
  });

  it('gives tokens to a self-signed certificate of the key set, by possession', async () => {
    const clientId = await create({ token_endpoint_auth_method: 'self_signed_tls_client_auth', jwks: { keys: [clients.self.jwk] } });
    const fine = await send('/token', { form: form(clientId) }, clients.self);
    assert.equal(fine.status, 200, fine.text);
    for (const name of ['good', 'stranger'] as const)
      assert.equal((await send('/token', { form: form(clientId) }, clients[name])).status, 401);
  });

  it('takes nobody’s word for a certificate: neither through nginx nor past it', async () => {
    const clientId = await create(DN);
    const pretence = shown(clients.good);
    assert.equal((await send('/token', { form: form(clientId), headers: pretence })).status, 401, 'through');
    assert.equal((await send('/token', { form: form(clientId), headers: pretence }, clients.other)).status, 401, 'through, beside another');
    assert.equal((await straight('/token', { form: form(clientId), headers: pretence })).status, 401, 'past');
  });

  it('binds tokens to the certificate: at our API they are good with it only', async () => {
    const clientId = await create({ ...DN, tls_client_certificate_bound_access_tokens: true, permissions: ['clients.read'] });
    const asked = form(clientId, { resource: `${app.issuer}/api`, scope: 'clients.read' });
    const given = await send('/token', { form: asked }, clients.good);
    assert.equal(given.status, 200, given.text);
    const access = String(given.body['access_token']);
    const payload = JSON.parse(Buffer.from(access.split('.')[1]!, 'base64url').toString()) as Record<string, unknown>;
    assert.deepEqual(payload['cnf'], { 'x5t#S256': clients.good.thumbprint });
    const headers = { authorization: `Bearer ${access}` };
    assert.equal((await send('/api/clients', { headers }, clients.good)).status, 200);
    for (const certificate of [undefined, clients.other, clients.stranger])
      assert.equal((await send('/api/clients', { headers }, certificate)).status, 401);
    assert.equal((await send('/api/clients', { headers: { ...headers, ...shown(clients.good) } })).status, 401, 'pretended through nginx');
    assert.equal((await straight('/api/clients', { headers: { ...headers, ...shown(clients.good) } })).status, 401, 'pretended past it');
    const introspection = await send('/token/introspection', { form: { token: access, client_id: clientId } }, clients.good);
    assert.deepEqual(introspection.body['cnf'], payload['cnf']);
  });
});
