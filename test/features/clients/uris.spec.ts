import assert from 'node:assert/strict';
import { faultOfOrigin, faultOfPageUri, faultOfRedirectUri, faultOfServerUri } from '#src/features/clients/uris.ts';

const WEB = { applicationType: 'web', loopback: false } as const;
const NATIVE = { applicationType: 'native', loopback: false } as const;
const DEVELOPMENT = { applicationType: 'web', loopback: true } as const;

const GOOD: [string, Parameters<typeof faultOfRedirectUri>[1]][] = [
  ['https://rp.test/cb', WEB],
  ['https://rp.test/cb?tenant=a', WEB],
  ['https://rp.test:8443/cb', WEB],
  ['https://rp.test', WEB],
  ['https://app.example/claimed', NATIVE],
  ['http://127.0.0.1/cb', NATIVE],
  ['http://[::1]/cb', NATIVE],
  ['http://localhost:3000/cb', NATIVE],
  ['com.example.app:/cb', NATIVE],
  ['com.example.app://cb', NATIVE],
  ['http://localhost:5173/cb', DEVELOPMENT],
  ['http://127.0.0.1:5173/cb', DEVELOPMENT],
];

const BAD: [string, Parameters<typeof faultOfRedirectUri>[1]][] = [
  ['/cb', WEB],
  ['', WEB],
  ['//rp.test/cb', WEB],
  ['http://rp.test/cb', WEB],
  ['http://rp.test/cb', DEVELOPMENT],
  ['http://rp.test/cb', NATIVE],
  ['http://127.0.0.1/cb', WEB],
  ['http://localhost/cb', WEB],
  ['https://localhost/cb', WEB],
  ['https://rp.test./cb', WEB],
  ['https://rp.test/cb#f', WEB],
  ['https://rp.test/cb#', WEB],
  ['https://*.rp.test/cb', WEB],
  ['https://rp.test*', WEB],
  ['https://rp.test/*', WEB],
  ['https://user@rp.test/cb', WEB],
  ['https://a@b@rp.test@evil.test/cb', WEB],
  ['http://127.0.0.1:80@evil.test/cb', NATIVE],
  ['http://127.0.0.1.evil.test/cb', NATIVE],
  ['https://RP.test/cb', WEB],
  ['https://rp.test/../cb', WEB],
  ['https://rp.test/./cb', WEB],
  ['https://rp.test/%2e%2e/cb', WEB],
  ['https://rp.test/a%2fb', WEB],
  ['https://rp.test\\@evil.test/cb', WEB],
  ['https:rp.test/cb', WEB],
  ['https:/rp.test/cb', WEB],
  ['https://rp.test/c b', WEB],
  ['https://rp.test/c\tb', WEB],
  ['https://rp.tést/cb', WEB],
  ['https://2130706433/cb', WEB],
  ['https://rp.test/cb?code=x', WEB],
  ['https://rp.test/cb?a=1&state=x', WEB],
  ['https://rp.test/cb?iss=x', WEB],
  ['javascript:alert(1)', WEB],
  ['javascript:alert(1)', NATIVE],
  ['data:text/html,x', NATIVE],
  ['vbscript:x', NATIVE],
  ['file:///etc/passwd', NATIVE],
  ['blob:https://rp.test/x', NATIVE],
  ['com.example.app:/cb', WEB],
  ['myapp:/cb', NATIVE],
];

describe('addresses of a client', () => {
  for (const [uri, rules] of GOOD)
    it(`${uri} may be redirected to (${rules.applicationType}${rules.loopback ? ', development' : ''})`, () =>
      assert.equal(faultOfRedirectUri(uri, rules), undefined));
  for (const [uri, rules] of BAD)
    it(`${JSON.stringify(uri)} may not (${rules.applicationType}${rules.loopback ? ', development' : ''})`, () =>
      assert.equal(typeof faultOfRedirectUri(uri, rules), 'string'));

  it('pages are https, and plain http on loopback in development only', () => {
    assert.equal(faultOfPageUri('https://rp.test/terms', WEB), undefined);
    assert.equal(faultOfPageUri('http://localhost:3000/terms', DEVELOPMENT), undefined);
    for (const uri of ['http://rp.test/terms', 'javascript:alert(1)', 'http://localhost/x'])
      assert.equal(typeof faultOfPageUri(uri, WEB), 'string', uri);
  });

  it('what this server calls is https and a public name, unless it is on the list', () => {
    assert.equal(faultOfServerUri('https://rp.test/logout', []), undefined);
    assert.equal(faultOfServerUri('http://rp.internal:8080/logout', ['rp.internal:8080']), undefined);
    assert.equal(faultOfServerUri('https://127.0.0.1/logout', ['127.0.0.1']), undefined);
    for (const uri of [
      'http://rp.test/x',
      'https://localhost/x',
      'https://127.0.0.1/x',
      'https://[::1]/x',
      'https://169.254.169.254/x',
      'https://0x7f.1/x',
      'ftp://rp.test/x',
      'http://rp.internal/x',
    ])
      assert.equal(typeof faultOfServerUri(uri, ['rp.internal:8080']), 'string', uri);
  });

  it('an origin is scheme, host and port, and nothing else', () => {
    assert.equal(faultOfOrigin('https://spa.test', WEB), undefined);
    assert.equal(faultOfOrigin('https://spa.test:8443', WEB), undefined);
    for (const origin of ['https://spa.test/', '*', 'null', 'https://*.test', 'http://spa.test', 'https://spa.test/x', 'https://SPA.test'])
      assert.equal(typeof faultOfOrigin(origin, WEB), 'string', origin);
  });
});
