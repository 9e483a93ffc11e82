/** Certificates of clients as a trusted proxy's headers say them; a real proxy is in test/clients/nginx-mtls.spec.ts. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { currentRequest } from '#src/core/scope.ts';
import { hasRegisteredName } from '#src/oidc/certificate-names.ts';
import { createCertificates, parseCertificate } from '#src/oidc/certificates.ts';
import { newAddress, startTestApp } from '#test/support/app.ts';
import { shown, structured } from '#test/support/certificates.ts';
import { type Certified, DN, SUBJECT, startCertified, TLS } from '../support/certified.ts';

describe('certificates of clients', function () {
  this.timeout(60_000);
  let maker: Certified['maker'];
  let app: Certified['app'];
  let good: Certified['good'];
  let other: Certified['other'];
  let published: Certified['published'];
  let create: Certified['create'];
  let token: Certified['token'];
  let details: Certified['details'];
  let raw: Certified['raw'];
  let said: Certified['said'];
  let close: Certified['close'] | undefined;

  before(async function () {
    ({ maker, app, good, other, published, create, token, details, raw, said, close } = await startCertified(this));
  });
  after(() => close?.());

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
});
