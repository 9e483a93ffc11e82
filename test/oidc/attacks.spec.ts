import assert from 'node:assert/strict';
import { Browser } from '#test/support/browser.ts';
import {
  authorization,
  authorize,
  basic,
  CB,
  encode,
  type Form,
  MACHINE,
  PUBLIC,
  startIssuer,
  type TestIssuer,
} from '#test/support/oidc.ts';

describe('redirect URIs', () => {
  let issuer: TestIssuer;
  before(async () => {
    issuer = await startIssuer();
    await issuer.addClient('web', { redirect_uris: ['https://rp.test/cb'] });
    await issuer.addClient('several', { redirect_uris: ['https://rp.test/cb', 'https://rp.test/cb?tenant=1'] });
    const native = { ...PUBLIC, application_type: 'native' };
    await issuer.addClient('native', { ...native, redirect_uris: ['http://127.0.0.1/cb', 'http://[::1]/cb', 'test.app:/cb'] });
    await issuer.addClient('none', { ...MACHINE, grant_types: ['client_credentials'] });
  });
  after(() => issuer.close());
  afterEach(() => assert.deepEqual(issuer.state.errors, []));

  const ask = (client: string, redirect_uri: string | undefined, extra: Form = {}) =>
    issuer.get(authorization(client, { redirect_uri, ...extra }).path, { accept: 'text/html' });
  const EVIL = [
    'https://a@b@rp.test@evil.test/cb',
    'https://rp.test@evil.test/cb',
    'https://evil.test/https://rp.test/cb',
    'https://rp.test.evil.test/cb',
    'https://rpXtest/cb',
    'https://RP.test/cb',
    'https://rp.test/CB',
    'https://rp.test/cb/',
    'https://rp.test/cb?x=1',
    'https://rp.test/cb#x',
    'https://rp.test:443/cb',
    'https://rp.test/./cb',
    'https://rp.test/%63b',
    'https://rp.test/x/../cb',
    'https://rp.test/cb%00',
    'https://rp.test\\@evil.test/cb',
    '//evil.test/cb',
    '/cb',
    'http://rp.test/cb',
    'http://127.0.0.1/cb',
    'javascript:alert(1)',
    'data:text/html,x',
    '',
  ];

  it('are compared as strings: whatever is not registered gets an error page and is never gone to', async () => {
    for (const uri of EVIL) {
      for (const mode of [undefined, 'query', 'fragment', 'form_post', 'form_post.jwt', 'web_message']) {
        const { status, headers, text } = await ask('web', uri, { response_mode: mode });
        assert.ok(status >= 400 && status < 500, `${uri} ${mode}: ${status}`);
        assert.equal(headers.get('location'), null, uri);
        assert.doesNotMatch(text, /<form|<script|alert\(1\)/, uri);
      }
    }
    assert.equal((await ask('web', 'https://rp.test/cb')).status, 303);
  });

  it('are refused at the pushed request too', async () => {
    for (const uri of EVIL) {
      const form = Object.fromEntries(new URL(authorization('web', { redirect_uri: uri }).path, issuer.url).searchParams);
      const { status } = await issuer.post('/request', form, basic('web'));
      assert.equal(status, 400, uri);
    }
  });

  it('may be left out by nobody, not even where one is registered', async () => {
    const { status, headers } = await ask('web', undefined);
    assert.deepEqual([status, headers.get('location')], [400, null]);
    for (const client of ['none', 'unknown']) {
      const answer = await ask(client, 'https://rp.test/cb');
      assert.deepEqual([answer.status, answer.headers.get('location')], [400, null], client);
    }
  });

  it('keep their query, which is part of the comparison', async () => {
    assert.equal((await ask('several', 'https://rp.test/cb?tenant=1')).status, 303);
    assert.equal((await ask('several', 'https://rp.test/cb?tenant=2')).status, 400);
    const { form } = await authorize(issuer, 'several', { redirect_uri: 'https://rp.test/cb?tenant=1' });
    assert.equal((await issuer.token({ ...form, redirect_uri: 'https://rp.test/cb' }, basic('several'))).body.error, 'invalid_grant');
    assert.equal((await issuer.token(form, basic('several'))).status, 200);
  });

  it('of native apps may differ in the port of a loopback address, and in nothing else', async () => {
    for (const uri of ['http://127.0.0.1:51004/cb', 'http://[::1]:8080/cb', 'http://127.0.0.1/cb', 'test.app:/cb'])
      assert.equal((await ask('native', uri)).status, 303, uri);
    for (const uri of [
      'http://127.0.0.1:1/cb?x',
      'http://127.0.0.1:1/other',
      'http://127.0.0.1.evil.test/cb',
      'http://127.0.0.1:80@evil.test/cb',
      'https://127.0.0.1:1/cb',
      'http://localhost:1/cb',
      'http://127.0.0.1:99999x/cb',
      'test.app:/other',
    ]) {
      const { status, headers } = await ask('native', uri);
      assert.deepEqual([status, headers.get('location')], [400, null], uri);
    }
  });

  it('after signing out are gone to only where the client registered them', async () => {
    const browser = new Browser(issuer.url);
    await authorize(issuer, 'web', { redirect_uri: 'https://rp.test/cb' }, browser);
    for (const query of ['post_logout_redirect_uri=https://evil.test/', 'client_id=web&post_logout_redirect_uri=https://evil.test/']) {
      const response = await browser.request(`/session/end?${query}`);
      assert.equal(response.headers.get('location'), null);
      assert.doesNotMatch(await response.text(), /evil/);
    }
    const still = await browser.go(authorization('web', { redirect_uri: 'https://rp.test/cb', prompt: 'none' }).path);
    assert.ok(still.location?.searchParams.get('code'), 'a visit signs nobody out');
  });
});

describe('authorization requests', () => {
  let issuer: TestIssuer;
  before(async () => {
    issuer = await startIssuer();
    await issuer.addClient('conf');
    await issuer.addClient('pub', PUBLIC);
    await issuer.addClient('lifted', { require_pkce: false });
    await issuer.addClient('lifted-pub', { ...PUBLIC, require_pkce: false });
    await issuer.addClient('spa', PUBLIC, { allowed_origins: ['https://spa.test'] });
  });
  after(() => issuer.close());
  afterEach(() => assert.deepEqual(issuer.state.errors, []));

  const errorOf = async (client: string, extra: Form): Promise<string | null> => {
    const { location, page } = await new Browser(issuer.url).go(authorization(client, extra).path);
    const answered = location && new URLSearchParams(location.hash ? location.hash.slice(1) : location.search);
    return answered ? answered.get('error') : `${page?.status}`;
  };
  const without = { code_challenge: undefined, code_challenge_method: undefined };

  it('need PKCE with S256, of confidential clients too', async () => {
    for (const client of ['conf', 'pub', 'lifted-pub']) {
      assert.equal(await errorOf(client, without), 'invalid_request', client);
      assert.equal(await errorOf(client, { ...without, nonce: 'n' }), 'invalid_request', client);
      assert.equal(await errorOf(client, { code_challenge_method: 'plain' }), 'invalid_request', client);
      assert.equal(await errorOf(client, { code_challenge_method: undefined }), 'invalid_request', client);
      assert.equal(await errorOf(client, {}), null, client);
    }
  });

  it('do without PKCE where an administrator lifted it for a confidential client that sends a nonce', async () => {
    assert.equal(await errorOf('lifted', without), 'invalid_request');
    assert.equal(await errorOf('lifted', { ...without, nonce: '' }), 'invalid_request');
    const { form } = await authorize(issuer, 'lifted', { ...without, nonce: 'n-1' });
    const { code_verifier: verifier, ...bare } = form;
    assert.equal(
      (await issuer.token({ ...bare, code_verifier: verifier }, basic('lifted'))).body.error,
      'invalid_grant',
      'a verifier without a challenge: downgrade',
    );
    assert.equal((await issuer.token(bare, basic('lifted'))).status, 200);
  });

  it('with a challenge give codes that only its verifier redeems', async () => {
    const { form } = await authorize(issuer, 'conf');
    const { code_verifier: _verifier, ...bare } = form;
    for (const wrong of [bare, { ...bare, code_verifier: '' }, { ...bare, code_verifier: 'x'.repeat(43) }]) {
      assert.equal((await issuer.token(wrong, basic('conf'))).body.error, 'invalid_grant');
    }
    assert.equal((await issuer.token(form, basic('conf'))).status, 200);
  });

  it('know one response type, and carry the issuer in every answer', async () => {
    for (const type of ['token', 'id_token', 'code token', 'code id_token', 'none'])
      assert.equal(await errorOf('conf', { response_type: type }), 'unsupported_response_type', type);
    const { location } = await new Browser(issuer.url).go(authorization('conf', { state: 's' }).path);
    assert.deepEqual([location?.searchParams.get('iss'), location?.searchParams.get('state')], [issuer.url, 's']);
    const refused = await new Browser(issuer.url).go(authorization('conf', { prompt: 'none' }).path);
    assert.equal(refused.location?.searchParams.get('iss'), issuer.url);
  });

  it('may name a parameter once, and no request object', async () => {
    const { path } = authorization('conf');
    const twice = await issuer.get(`${path}&scope=openid`, { accept: 'text/html' });
    assert.ok(twice.status === 400 || /error=invalid_request/.test(twice.headers.get('location') ?? ''));
    assert.equal(await errorOf('conf', { request: 'eyJhbGciOiJub25lIn0.e30.' }), 'request_not_supported');
  });

  it('that were pushed are used once, also when two tabs use one at the same instant', async () => {
    const { path } = authorization('conf');
    const form = Object.fromEntries(new URL(path, issuer.url).searchParams);
    const { browser } = await authorize(issuer, 'conf');
    for (let round = 0; round < 3; round += 1) {
      const { body } = await issuer.post('/request', form, basic('conf'));
      const visit = `/auth?${encode({ client_id: 'conf', request_uri: String(body['request_uri']) })}`;
      const visits = await Promise.all(Array.from({ length: 5 }, () => browser.clone().go(visit)));
      assert.equal(visits.filter(({ location }) => location?.searchParams.get('code')).length, 1);
    }
    const { body } = await issuer.post('/request', form, basic('conf'));
    const foreign = await issuer.get(`/auth?${encode({ client_id: 'pub', request_uri: String(body['request_uri']) })}`, {
      accept: 'text/html',
    });
    assert.equal(foreign.headers.get('location'), null, 'another client’s');
  });

  it('know no password grant and no other old ways', async () => {
    for (const grant of ['password', 'implicit', 'urn:ietf:params:oauth:grant-type:jwt-bearer']) {
      const { body } = await issuer.token({ grant_type: grant, username: 'a', password: 'b' }, basic('conf'));
      assert.equal(body.error, 'unsupported_grant_type');
    }
    const { body } = await issuer.get('/.well-known/openid-configuration');
    assert.deepEqual(body['response_types_supported'], ['code']);
    assert.deepEqual(body['code_challenge_methods_supported'], ['S256']);
    assert.deepEqual(body['token_endpoint_auth_methods_supported'], [
      'client_secret_basic',
      'client_secret_post',
      'private_key_jwt',
      'tls_client_auth',
      'self_signed_tls_client_auth',
      'none',
    ]);
    assert.doesNotMatch(JSON.stringify(body), /HS256|HS384|HS512/);
    assert.equal(body['authorization_response_iss_parameter_supported'], true);
  });

  it('have no CORS; the token endpoint has it for the origins that the client was given, exactly', async () => {
    const preflight = await fetch(new URL(authorization('spa').path, issuer.url), {
      method: 'OPTIONS',
      headers: { origin: 'https://spa.test', 'access-control-request-method': 'GET' },
    });
    assert.equal(preflight.headers.get('access-control-allow-origin'), null);
    for (const [origin, allowed] of [
      ['https://spa.test', true],
      ['https://SPA.test', false],
      ['https://spa.test.evil.test', false],
      ['https://app.test', false],
      ['null', false],
    ] as const) {
      const { form } = await authorize(issuer, 'spa');
      const { status, headers } = await issuer.token({ ...form, client_id: 'spa' }, { origin });
      assert.deepEqual([status, headers.get('access-control-allow-origin')], allowed ? [200, origin] : [400, null], origin);
    }
    assert.equal(CB, 'https://app.test/cb', 'a redirect URI allows no origin');
  });
});
