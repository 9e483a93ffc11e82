/** Certificates of clients as a trusted proxy's headers say them; a real proxy is in test/clients/nginx-mtls.spec.ts. */
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { currentRequest } from '#src/core/scope.ts';
import { hasRegisteredName } from '#src/oidc/certificate-names.ts';
import { createCertificates, parseCertificate } from '#src/oidc/certificates.ts';
import { ADMIN, newAddress, type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import {
  type CertificateMaker,
  certificateMaker,
  type MadeCertificate,
  needOpenssl,
  shown,
  structured,
} from '#test/support/certificates.ts';
import { visit } from '#test/support/person.ts';

const SUBJECT = '/C=DE/O=Example/CN=payments';
const TLS = { grant_types: ['client_credentials'], token_endpoint_auth_method: 'tls_client_auth' };
const DN = { ...TLS, tls_client_auth_subject_dn: 'CN=payments,O=Example,C=DE' };

describe('certificates of clients', function () {
  this.timeout(60_000);
  let maker: CertificateMaker;
  let app: RunningApp;
  let good: MadeCertificate;
  let other: MadeCertificate;
  let published: http.Server;

  before(async function () {
    needOpenssl(this);
    maker = await certificateMaker();
    good = await maker.make({
      subject: SUBJECT,
      alternatives: 'DNS:Pay.example.test,DNS:*.wild.test,URI:urn:example:pay,IP:192.0.2.7,IP:2001:db8::7,email:Ops@Example.test',
    });
    other = await maker.make({ subject: '/C=DE/O=Example/CN=somebody', alternatives: 'DNS:evil.test' });
    const keys = JSON.stringify({
      keys: [
        { ...good.jwk, kid: 'a' },
        { ...other.jwk, kid: 'b', x5c: undefined },
      ],
    });
    published = http.createServer((_request, response) => response.setHeader('content-type', 'application/json').end(keys));
    await new Promise<void>((resolve) => published.listen(0, 'localhost', resolve));
    const host = `localhost:${(published.address() as AddressInfo).port}`;
    app = await startTestApp({
      env: { TRUSTED_PROXIES: '127.0.0.1/32,::1/128', OUTBOUND_ALLOW_HOSTS: host, CLIENT_CERTIFICATE_HEADER: 'Client-Cert' },
    });
  });
  after(async () => {
    await app?.close();
    published?.close();
    await maker?.remove();
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

  describe('by their names', () => {
    const NAMES: readonly [string, string, readonly string[]][] = [
      [
        'tls_client_auth_subject_dn',
        'cn=Payments, o=example, c=DE',
        ['CN=payments', 'CN=payments,O=Example', 'CN=payments,O=Example,C=DE,DC=test', 'CN=payments/O=Example'],
      ],
      ['tls_client_auth_san_dns', 'pay.example.test', ['example.test', 'a.wild.test', 'pay.example.test.evil.test']],
      ['tls_client_auth_san_uri', 'urn:example:pay', ['urn:example:PAY', 'urn:example:pa']],
      ['tls_client_auth_san_ip', '2001:DB8:0::7', ['192.0.2.8', '2001:db8::8']],
      ['tls_client_auth_san_email', 'Ops@example.TEST', ['ops@example.test', 'Ops@example.org']],
    ];
    for (const [property, expected, wrong] of NAMES)
      it(`match ${property}, and nothing near it`, () => {
        const certificate = new X509Certificate(good.pem);
        assert.equal(hasRegisteredName(certificate, property, expected), true);
        for (const text of wrong) assert.equal(hasRegisteredName(certificate, property, text), false, text);
        assert.equal(hasRegisteredName(new X509Certificate(other.pem), property, expected), false);
      });

    it('match no property nobody knows', () => {
      assert.equal(hasRegisteredName(new X509Certificate(good.pem), 'toString', 'x'), false);
    });

    it('cannot be made to look like several: a comma, a line break or a plus in one value stays in it', async () => {
      const liar = await maker.make({ subject: '/CN=payments\\,O=Example\\,C=DE' });
      const plus = await maker.make({ subject: '/C=DE/O=Example\\+CN=payments' });
      const lines = await maker.make({ subject: '/CN=payments\nO=Example\nC=DE' });
      const dns = await maker.make({ subject: '/CN=x', alternatives: 'URI:http://x/?DNS:pay.example.test' });
      for (const { pem } of [liar, plus, lines])
        assert.equal(hasRegisteredName(new X509Certificate(pem), 'tls_client_auth_subject_dn', DN.tls_client_auth_subject_dn), false);
      assert.equal(hasRegisteredName(new X509Certificate(dns.pem), 'tls_client_auth_san_dns', 'pay.example.test'), false);
    });
  });

  it('are read from both forms of the header, and only where there is one and nothing else', () => {
    for (const text of [structured(good), encodeURIComponent(good.pem), encodeURIComponent(good.pem).replaceAll('%2B', '+')])
      assert.equal(parseCertificate(text)?.raw.equals(good.der), true, text);
    const long = Buffer.concat([good.der, Buffer.from('more')]);
    for (const text of [
      '',
      ':',
      '::',
      ':!:',
      good.der.toString('base64'),
      `:${good.der.toString('base64')}`,
      `:${long.toString('base64')}:`,
      `${structured(good)}, ${structured(other)}`,
      encodeURIComponent(good.pem + other.pem),
      encodeURIComponent(good.pem.replace('CERTIFICATE', 'PRIVATE KEY')),
      '%',
      '%00',
      '-----BEGIN%20CERTIFICATE-----%0AAAAA%0A-----END%20CERTIFICATE-----',
    ])
      assert.equal(parseCertificate(text), undefined, text);
  });

  it('count within their time only, by our clock', () => {
    const at = (time: number): X509Certificate | undefined =>
      currentRequest.run({ id: 'x', address: '', device: '', issuer: '', certificate: { text: structured(good), verified: true } }, () =>
        createCertificates({ clock: { now: () => new Date(time) } }).getCertificate(),
      );
    const { validFromDate, validToDate } = new X509Certificate(good.pem);
    assert.ok(at(validFromDate.getTime()) && at(validToDate.getTime()));
    assert.equal(at(validFromDate.getTime() - 1000), undefined, 'not yet');
    assert.equal(at(validToDate.getTime() + 1000), undefined, 'no more');
  });

  it('open for a client of tls_client_auth where the proxy verified them and the subject is its own', async () => {
    const clientId = await create(DN);
    const fine = await token(clientId, shown(good));
    assert.equal(fine.status, 200, fine.text);
    assert.equal((await token(clientId, { ...shown(good), 'client-cert': encodeURIComponent(good.pem) })).status, 200);
    const refused: readonly [string, Record<string, string>, string][] = [
      ['none', {}, 'client_certificate_was_not_provided'],
      ['unverified', { 'client-cert': structured(good) }, 'client_certificate_was_not_verified'],
      ['failed', shown(good, 'FAILED:self-signed certificate'), 'client_certificate_was_not_verified'],
      ['almost', shown(good, 'success'), 'client_certificate_was_not_verified'],
      ['another', shown(other), 'certificate_subject_value_does_not_match_the_registered_one'],
      ['garbage', { ...shown(good), 'client-cert': ':AAAA:' }, 'client_certificate_was_not_provided'],
      ['oversized', { ...shown(good), 'client-cert': `:${'A'.repeat(13_000)}:` }, 'client_certificate_was_not_provided'],
    ];
    for (const [name, headers, detail] of refused) {
      const id = `certificate-${name}`;
      const answer = await token(clientId, { ...headers, 'x-request-id': id });
      assert.deepEqual([answer.status, answer.body['error']], [401, 'invalid_client'], `${name}: ${answer.text}`);
      assert.deepEqual(await details(id), [{ type: 'client.authentication_failed', detail }], name);
    }
  });

  it('open by every kind of alternative name', async () => {
    for (const [member, value] of Object.entries({
      tls_client_auth_san_dns: 'pay.example.test',
      tls_client_auth_san_uri: 'urn:example:pay',
      tls_client_auth_san_ip: '192.0.2.7',
      tls_client_auth_san_email: 'Ops@example.test',
    })) {
      const clientId = await create({ ...TLS, [member]: value });
      assert.equal((await token(clientId, shown(good))).status, 200, member);
      assert.equal((await token(clientId, shown(other))).status, 401, member);
    }
  });

  it('open for a client of self_signed_tls_client_auth where they are those of its key set, verified or not', async () => {
    const self = {
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'self_signed_tls_client_auth',
      jwks: { keys: [good.jwk] },
    };
    const clientId = await create(self);
    assert.equal((await token(clientId, shown(good, 'FAILED:self-signed certificate'))).status, 200);
    const twin = await maker.make({ subject: SUBJECT });
    for (const one of [twin, other]) assert.equal((await token(clientId, shown(one))).status, 401);
    assert.equal((await token(clientId, {})).status, 401);
  });

  it('open for a client whose key set is at an address of its own', async () => {
    const method = { grant_types: ['client_credentials'], token_endpoint_auth_method: 'self_signed_tls_client_auth' };
    const clientId = await create({ ...method, jwks_uri: `http://localhost:${(published.address() as AddressInfo).port}/jwks` });
    const fine = await token(clientId, shown(good, 'NONE'));
    assert.equal(fine.status, 200, fine.text);
    assert.equal((await token(clientId, shown(other, 'NONE'))).status, 401);
  });

  it('that are over open nothing', async () => {
    const over = await maker.make({ subject: SUBJECT, days: 0 });
    const keys = { token_endpoint_auth_method: 'self_signed_tls_client_auth', jwks: { keys: [over.jwk] } };
    const clients = [await create(DN), await create({ grant_types: ['client_credentials'], ...keys })];
    while (new X509Certificate(over.pem).validToDate.getTime() >= Date.now()) await new Promise((resolve) => setTimeout(resolve, 100));
    for (const clientId of clients) assert.equal((await token(clientId, shown(over))).status, 401);
  });

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

  it('are nobody’s word but a trusted proxy’s, said once', async () => {
    const clientId = await create(DN);
    const { port } = new URL(app.issuer);
    assert.equal(await raw(port, '127.0.0.1', clientId, said(good)), 200);
    assert.equal(await raw(port, '127.0.0.9', clientId, said(good)), 401, 'a peer that is no proxy');
    assert.equal(await raw(port, '127.0.0.9', clientId, [...said(good), 'X-Forwarded-For', '127.0.0.1']), 401);
    assert.equal(await raw(port, '127.0.0.1', clientId, said(good, good)), 401, 'twice');
    assert.equal(await raw(port, '127.0.0.1', clientId, said(good, other)), 401, 'two');
    assert.equal(await raw(port, '127.0.0.1', clientId, [...said(good), 'X-SSL-Client-Verify', 'SUCCESS']), 401, 'verified twice');
    assert.equal(await raw(port, '127.0.0.1', clientId, ['Client-Cert', '', 'X-SSL-Client-Verify', 'NONE']), 401);
  });

  it('are nobody’s word where no proxy is trusted, and come in other headers where the settings say so', async () => {
    const alone = await startTestApp({ env: { TRUSTED_PROXIES: '', CLIENT_CERTIFICATE_HEADER: 'Client-Cert' } });
    const silent = await startTestApp();
    const named = await startTestApp({ env: { CLIENT_CERTIFICATE_HEADER: 'X-SSL-Cert', CLIENT_CERTIFICATE_VERIFIED_HEADER: 'X-SSL-OK' } });
    try {
      const ids = [];
      for (const one of [alone, named, silent])
        ids.push(String((await one.api('POST', '/api/clients', { client_name: 'x', ...DN })).body['client_id']));
      assert.equal(await raw(new URL(alone.issuer).port, '127.0.0.1', ids[0]!, said(good)), 401);
      assert.equal(await raw(new URL(silent.issuer).port, '127.0.0.1', ids[2]!, said(good)), 401, 'nobody said which header it is');
      const { port } = new URL(named.issuer);
      assert.equal(await raw(port, '127.0.0.1', ids[1]!, said(good)), 401);
      assert.equal(await raw(port, '127.0.0.1', ids[1]!, ['X-SSL-Cert', encodeURIComponent(good.pem), 'X-SSL-OK', 'SUCCESS']), 200);
    } finally {
      for (const one of [alone, named, silent]) await one.close();
    }
  });

  it('that are wrong too often have to wait like wrong secrets', async () => {
    const clientId = await create(DN);
    const from = { 'x-forwarded-for': newAddress() };
    for (let n = 0; n < 30; n += 1) assert.equal((await token(clientId, { ...from, ...shown(other) })).status, 401, String(n));
    const refused = await token(clientId, { ...from, ...shown(other) });
    assert.equal(refused.status, 429);
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
  });

  describe('that tokens are bound to', () => {
    const BOUND = { ...DN, tls_client_certificate_bound_access_tokens: true, permissions: ['clients.read'] };
    let clientId: string;
    before(async () => {
      clientId = await create(BOUND);
    });
    const bound = async (): Promise<string> => {
      const answer = await token(clientId, shown(good), { resource: `${app.issuer}/api`, scope: 'clients.read' });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.body['token_type'], 'Bearer');
      return String(answer.body['access_token']);
    };
    const call = (authorization: string, headers: Record<string, string> = {}): Promise<Reply> =>
      app.api('GET', '/api/clients?limit=1', undefined, { ...headers, authorization });

    it('have to come with them to our API', async () => {
      const access = await bound();
      assert.equal((await call(`Bearer ${access}`, shown(good))).status, 200);
      assert.equal((await call(`Bearer ${access}`, shown(good, 'FAILED:unknown'))).status, 200, 'possession is enough');
      for (const headers of [{}, shown(other), { 'client-cert': ':AAAA:' }]) {
        const refused = await call(`Bearer ${access}`, headers);
        assert.deepEqual([refused.status, refused.body['code']], [401, 'token.invalid'], refused.text);
        assert.match(refused.headers.get('www-authenticate') ?? '', /^Bearer error="invalid_token"/);
      }
      assert.equal((await call(`DPoP ${access}`, shown(good))).status, 401);
    });

    it('show in introspection and validation', async () => {
      const access = await bound();
      const cnf = { 'x5t#S256': good.thumbprint };
      const asked = await fetch(`${app.issuer}/token/introspection`, {
        method: 'POST',
        headers: shown(good),
        body: new URLSearchParams({ token: access, client_id: clientId }),
      });
      const body = (await asked.json()) as Record<string, unknown>;
      assert.deepEqual([body['active'], body['token_type'], body['cnf']], [true, 'Bearer', cnf]);
      const seen = await app.api('POST', '/api/sessions/validate', { token: access });
      assert.deepEqual([seen.status, seen.body['token_type'], seen.body['cnf']], [200, 'Bearer', cnf], seen.text);
    });

    it('show of opaque tokens too', async () => {
      const identifier = 'https://opaque.example.test';
      const made = await app.api('POST', '/api/resources', { identifier, name: 'Opaque', accessTokenFormat: 'opaque', scopes: [] });
      assert.equal(made.status, 201, made.text);
      const answer = await token(clientId, shown(good), { resource: identifier });
      assert.equal(answer.status, 200, answer.text);
      const seen = await app.api('POST', '/api/sessions/validate', { token: String(answer.body['access_token']) });
      assert.deepEqual([seen.body['token_type'], seen.body['cnf']], ['Bearer', { 'x5t#S256': good.thumbprint }], seen.text);
    });

    it('are the ones that the client shows: none, no token', async () => {
      const open = await app.api('POST', '/api/clients', {
        client_name: 'Secret',
        grant_types: ['client_credentials'],
        tls_client_certificate_bound_access_tokens: true,
      });
      const client = { id: String(open.body['client_id']), secret: String(open.body['client_secret']) };
      const refused = await app.token({ grant_type: 'client_credentials' }, client);
      assert.deepEqual([refused.status, refused.body['error']], [400, 'invalid_grant'], refused.text);
      assert.equal((await app.token({ grant_type: 'client_credentials' }, client, shown(other, 'NONE'))).status, 200);
    });

    it('have to come with them to userinfo, and refresh tokens of public clients to the token endpoint', async () => {
      const redirect = 'https://app.test/cb';
      const id = await create({
        redirect_uris: [redirect],
        grant_types: ['authorization_code', 'refresh_token'],
        token_endpoint_auth_method: 'none',
        first_party: true,
        tls_client_certificate_bound_access_tokens: true,
      });
      const verifier = 'v'.repeat(43);
      const challenge = createHash('sha256').update(verifier).digest('base64url');
      const query = { client_id: id, redirect_uri: redirect, response_type: 'code', scope: 'openid', code_challenge_method: 'S256' };
      const url = `${app.issuer}/auth?${new URLSearchParams({ ...query, code_challenge: challenge, state: 'x' })}`;
      const { location, page } = await visit(app.browser(), url, { login: ADMIN.email, password: ADMIN.password });
      assert.ok(location, page?.text);
      const code = String(location.searchParams.get('code'));
      const redeem = { grant_type: 'authorization_code', client_id: id, code, redirect_uri: redirect, code_verifier: verifier };
      assert.equal((await app.token(redeem)).status, 400, 'no certificate, no token, and the code is good still');
      const given = await app.token(redeem, undefined, shown(other, 'NONE'));
      assert.equal(given.status, 200, given.text);
      const userinfo = async (headers: Record<string, string>): Promise<number> =>
        (await fetch(`${app.issuer}/me`, { headers: { authorization: `Bearer ${String(given.body['access_token'])}`, ...headers } }))
          .status;
      assert.deepEqual([await userinfo(shown(other, 'NONE')), await userinfo({}), await userinfo(shown(good))], [200, 401, 401]);
      const refresh = { grant_type: 'refresh_token', client_id: id, refresh_token: String(given.body['refresh_token']) };
      for (const headers of [{}, shown(good)]) assert.equal((await app.token(refresh, undefined, headers)).body['error'], 'invalid_grant');
      assert.equal((await app.token(refresh, undefined, shown(other, 'NONE'))).status, 200);
    });

    it('make two refreshes different, and one with the same certificate the same again', async () => {
      const id = await create({
        token_endpoint_auth_method: 'self_signed_tls_client_auth',
        grant_types: ['refresh_token'],
        jwks: {
          keys: [
            { ...good.jwk, kid: 'a' },
            { ...other.jwk, kid: 'b' },
          ],
        },
        tls_client_certificate_bound_access_tokens: true,
        direct_login: true,
        first_party: true,
      });
      const post = async (path: string, body: object, one: MadeCertificate): Promise<Pick<Reply, 'status' | 'text' | 'body'>> => {
        const answer = await fetch(app.issuer + path, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...shown(one, 'NONE') },
          body: JSON.stringify({ client_id: id, ...body }),
        });
        const text = await answer.text();
        return { status: answer.status, text, body: JSON.parse(text) as Record<string, unknown> };
      };
      const login = { username: ADMIN.email, password: ADMIN.password, scope: 'openid offline_access' };
      const first = await post('/api/auth/login', login, good);
      assert.equal(first.status, 200, first.text);
      const refresh = { refresh_token: String(first.body['refresh_token']) };
      const again = [await post('/api/sessions/refresh', refresh, good), await post('/api/sessions/refresh', refresh, good)];
      assert.deepEqual(
        again.map(({ status }) => status),
        [200, 200],
        again[1]!.text,
      );
      assert.equal(again[0]!.body['access_token'], again[1]!.body['access_token']);
      const third = await post('/api/sessions/refresh', refresh, other);
      assert.equal(third.status, 200, third.text);
      assert.notEqual(third.body['access_token'], again[0]!.body['access_token']);
      const of = async (reply: Pick<Reply, 'body'>): Promise<unknown> =>
        (await app.api('POST', '/api/sessions/validate', { token: String(reply.body['access_token']) })).body['cnf'];
      assert.deepEqual(await of(third), { 'x5t#S256': other.thumbprint });
      assert.deepEqual(await of(again[1]!), { 'x5t#S256': good.thumbprint });
    });
  });

  describe('in the registration', () => {
    const self = { grant_types: ['client_credentials'], token_endpoint_auth_method: 'self_signed_tls_client_auth' };
    const faults: readonly [string, () => object, string][] = [
      ['no name', () => TLS, '/token_endpoint_auth_method'],
      ['two names', () => ({ ...DN, tls_client_auth_san_dns: 'a.test' }), '/token_endpoint_auth_method'],
      ['no distinguished name', () => ({ ...TLS, tls_client_auth_subject_dn: '/C=DE/CN=x' }), '/tls_client_auth_subject_dn'],
      ['a wildcard', () => ({ ...TLS, tls_client_auth_san_dns: '*.a.test' }), '/tls_client_auth_san_dns'],
      ['no URI', () => ({ ...TLS, tls_client_auth_san_uri: 'a b' }), '/tls_client_auth_san_uri'],
      ['no address', () => ({ ...TLS, tls_client_auth_san_ip: '1.2.3' }), '/tls_client_auth_san_ip'],
      ['no mail address', () => ({ ...TLS, tls_client_auth_san_email: 'abc' }), '/tls_client_auth_san_email'],
      ['a name without its method', () => ({ ...DN, token_endpoint_auth_method: 'client_secret_basic' }), '/tls_client_auth_subject_dn'],
      ['self-signed without a key set', () => self, '/jwks'],
      ['self-signed without a certificate', () => ({ ...self, jwks: { keys: [{ ...good.jwk, x5c: undefined }] } }), '/jwks'],
      ['a certificate of another key', () => ({ ...self, jwks: { keys: [{ ...good.jwk, x5c: other.jwk.x5c }] } }), '/jwks/keys/0/x5c'],
      [
        'two kinds of binding',
        () => ({ ...DN, tls_client_certificate_bound_access_tokens: true, dpop_bound_access_tokens: true }),
        '/tls_client_certificate_bound_access_tokens',
      ],
    ];
    for (const [name, body, pointer] of faults)
      it(`are refused: ${name}`, async () => {
        const refused = await app.api('POST', '/api/clients', { client_name: 'x', ...body() });
        assert.equal(refused.status, 422, refused.text);
        const errors = refused.body['errors'] as { pointer: string }[];
        assert.ok(
          errors.some((error) => error.pointer === pointer),
          refused.text,
        );
      });

    it('stay as they were given, and may be exchanged', async () => {
      const made = await app.api('POST', '/api/clients', { client_name: 'x', ...DN });
      assert.equal(made.body['tls_client_auth_subject_dn'], DN.tls_client_auth_subject_dn);
      const changed = await app.api(
        'PATCH',
        `/api/clients/${String(made.body['client_id'])}`,
        { tls_client_auth_subject_dn: null, tls_client_auth_san_dns: 'pay.example.test' },
        { 'content-type': 'application/merge-patch+json', 'if-match': made.headers.get('etag') ?? '*' },
      );
      assert.equal(changed.status, 200, changed.text);
      assert.equal(changed.body['tls_client_auth_subject_dn'], undefined);
      assert.equal((await token(String(made.body['client_id']), shown(good))).status, 200);
    });

    it('are enough for FAPI 2.0, which binds to them instead of a key', async () => {
      const fapi2 = await create({ ...DN, profile: 'fapi2', tls_client_certificate_bound_access_tokens: true });
      const answer = await token(fapi2, shown(good));
      assert.deepEqual([answer.status, answer.body['token_type']], [200, 'Bearer'], answer.text);
      const keyed = await create({ ...DN, profile: 'fapi2' });
      assert.equal((await token(keyed, shown(good))).status, 400, 'without either');
    });

    it('are advertised', async () => {
      const discovery = (await (await fetch(`${app.issuer}/.well-known/openid-configuration`)).json()) as Record<string, unknown>;
      const methods = discovery['token_endpoint_auth_methods_supported'] as string[];
      assert.ok(methods.includes('tls_client_auth') && methods.includes('self_signed_tls_client_auth'));
      assert.equal(discovery['tls_client_certificate_bound_access_tokens'], true);
    });
  });
});
