/** What requests and their answers may carry, from outside. */
import assert from 'node:assert/strict';
import { basicAuth } from '#test/support/app.ts';
import { visit } from '#test/support/person.ts';
import { EVIL_ORIGINS, type Hygiene, startHygiene } from '../support/hygiene.ts';
import { BYE, CALLBACK, JWT_API, type Pairs } from './outside.ts';

describe('from outside', function () {
  this.timeout(60_000);
  let app: Hygiene['app'];
  let web: Hygiene['web'];
  let other: Hygiene['other'];
  let rs: Hygiene['rs'];
  let person: Hygiene['person'];
  let second: Hygiene['second'];
  let request: Hygiene['request'];
  let authorize: Hygiene['authorize'];
  let signIn: Hygiene['signIn'];
  let send: Hygiene['send'];
  let form: Hygiene['form'];
  let close: Hygiene['close'] | undefined;

  before(async () => {
    ({ app, web, other, rs, person, second, request, authorize, signIn, send, form, close } = await startHygiene());
  });
  after(() => close?.());
  afterEach(() => assert.doesNotMatch(app.log(), /"level":"(error|fatal)"/, 'nothing of it is an error of ours'));

  describe('redirect URIs', () => {
    it('with wildcards, fragments, scripts, user names, plain http or a code of their own cannot be registered', async () => {
      for (const uri of [
        'https://app.test*',
        'https://*.app.test/cb',
        'https://app.test/cb#x',
        'javascript:alert(1)',
        'data:text/html,x',
        'https://user@app.test/cb',
        'http://app.test/cb',
        '/cb',
        'https://app.test/cb?code=x',
      ]) {
        const { status } = await app.api('POST', '/api/clients', { client_name: 'A', redirect_uris: [uri] });
        assert.equal(status, 422, uri);
      }
    });

    it('take along no markup of the request, neither in the address nor in the body of the redirect', async () => {
      const { url } = request(web.id, { prompt: 'none', state: `"><script>alert(1)</script>`, nonce: '<img src=x>' });
      const { status, headers, text } = await send('GET', url);
      assert.equal(status, 303);
      assert.doesNotMatch((headers.get('location') ?? '') + text, /<script|<img/);
    });

    it('after a sign-out belong to the client that is named, whoever the hint is of', async () => {
      const browser = app.browser();
      const { id_token: hint } = await signIn({}, browser);
      const otherBrowser = app.browser();
      const { id_token: foreign } = await signIn({}, otherBrowser, second);
      for (const query of [
        { id_token_hint: hint!, post_logout_redirect_uri: 'https://evil.test/' },
        { id_token_hint: hint!, post_logout_redirect_uri: 'https://other.test/bye' },
        { id_token_hint: hint!, client_id: other.id, post_logout_redirect_uri: 'https://other.test/bye' },
        { id_token_hint: `${hint!.slice(0, -6)}AAAAAA`, post_logout_redirect_uri: BYE },
        { id_token_hint: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${hint!.split('.')[1]}.`, post_logout_redirect_uri: BYE },
      ]) {
        const response = await browser.request(`/session/end?${new URLSearchParams(query)}`);
        assert.deepEqual([response.status, response.headers.get('location')], [400, null], JSON.stringify(query));
        await response.text();
      }
      const page = await browser.request(`/session/end?${new URLSearchParams({ id_token_hint: foreign! })}`);
      assert.equal(page.headers.get('location'), null, 'the hint of somebody else signs nobody out by itself');
      const { url } = request(web.id, { prompt: 'none' });
      assert.ok((await browser.go(url)).location?.searchParams.has('code'), 'still signed in');
    });
  });

  describe('authorization requests', () => {
    it('neither go anywhere nor fetch anything for a request_uri of others, and take no parameter past a pushed one', async () => {
      for (const request_uri of ['https://evil.test/request.jwt', 'urn:ietf:params:oauth:request_uri:unknown', 'file:///etc/passwd']) {
        const { location, page } = await app.browser().go(request(web.id, { request_uri }).url);
        assert.ok(
          ['request_uri_not_supported', 'invalid_request_uri'].includes(location?.searchParams.get('error') ?? '') || page?.status === 400,
        );
        assert.equal(location?.origin ?? 'https://app.test', 'https://app.test');
      }
      const { url } = request(web.id);
      const pushed = await form('/request', Object.fromEntries(new URL(url, app.issuer).searchParams), basicAuth(web));
      const { request_uri } = JSON.parse(pushed.text) as { request_uri: string };
      const query = new URLSearchParams({ client_id: web.id, request_uri, redirect_uri: 'https://evil.test/', scope: 'openid account' });
      const { location, page } = await visit(app.browser(), `/auth?${query}`, person);
      assert.equal(location?.origin ?? 'https://app.test', 'https://app.test', page?.text);
    });

    it('with prompt=none are answered silently or with an error, never by another person’s session', async () => {
      const browser = app.browser();
      await signIn({}, browser);
      const { id_token: foreign } = await signIn({}, app.browser(), second);
      const silent = async (extra: Pairs): Promise<string | null | undefined> =>
        (await browser.go(request(web.id, { prompt: 'none', ...extra }).url)).location?.searchParams.get('error');
      assert.equal(await silent({}), null);
      assert.equal(await silent({ max_age: '0' }), 'login_required');
      assert.equal(await silent({ id_token_hint: foreign! }), 'login_required');
      assert.equal(await silent({ prompt: 'none login' }), 'invalid_request');
      assert.equal(await silent({ id_token_hint: 'nonsense' }), 'invalid_request');
      assert.equal(await silent({ scope: 'openid things.write', resource: JWT_API }), 'consent_required');
    });

    it('have none of the endpoints that are not ours to offer', async () => {
      for (const path of ['/reg', '/reg/web', '/device', '/device/auth', '/backchannel', '/token/exchange', '/interaction/x', '/session'])
        for (const method of ['GET', 'POST']) {
          const { status } = await send(method, path);
          assert.ok([404, 405].includes(status), `${method} ${path}: ${status}`);
        }
    });
  });

  it('no other origin reads anything that belongs to somebody', async () => {
    const browser = app.browser();
    const code = await authorize('spa', { scope: 'openid' }, browser);
    const answer = await app.token({ ...code, client_id: 'spa' }, undefined, { origin: 'https://spa.test' });
    assert.equal(answer.headers.get('access-control-allow-origin'), 'https://spa.test');
    const authorization = `Bearer ${answer.body['access_token']}`;
    const good = await send('GET', '/me', { headers: { origin: 'https://spa.test', authorization } });
    assert.deepEqual([good.status, good.headers.get('access-control-allow-origin')], [200, 'https://spa.test']);
    for (const origin of EVIL_ORIGINS) {
      const tries: [string, { headers: Headers; text: string }][] = [
        ['token', await form('/token', { grant_type: 'refresh_token', refresh_token: 'x', client_id: 'spa' }, { origin })],
        ['userinfo', await send('GET', '/me', { headers: { origin, authorization } })],
        ['introspection', await form('/token/introspection', { token: 'x' }, { origin, ...basicAuth(rs) })],
        ['revocation', await form('/token/revocation', { token: 'x', client_id: 'spa' }, { origin })],
        ['API', await app.api('GET', '/api/users', undefined, { origin })],
        ['account', await send('GET', '/account', { headers: { origin } })],
        ['authorization', await send('GET', request('spa').url, { headers: { origin } })],
        ['end session', await send('GET', '/session/end', { headers: { origin } })],
      ];
      for (const [name, { headers, text }] of tries) {
        assert.equal(headers.get('access-control-allow-origin'), null, `${name} for ${origin}`);
        assert.equal(headers.get('access-control-allow-credentials'), null, name);
        if (name === 'userinfo') assert.doesNotMatch(text, /"sub"/, 'nor does it hear who the token is of');
      }
    }
    for (const path of ['/jwks', '/.well-known/openid-configuration'])
      assert.equal(
        (await send('GET', path, { headers: { origin: 'https://anybody.test' } })).headers.get('access-control-allow-origin'),
        '*',
      );
  });

  it('bytes that no database takes, and more of them than anybody needs, are the sender’s fault', async () => {
    const long = 'x'.repeat(40_000);
    for (const bad of ['a\0b', '\0', "' or 1=1 --", '../../etc/passwd', '💥', '\uFFFE', long]) {
      const tries = [
        await form(
          '/token',
          { grant_type: 'authorization_code', code: bad, redirect_uri: CALLBACK, code_verifier: 'x'.repeat(43) },
          basicAuth(web),
        ),
        await form('/token', { grant_type: 'refresh_token', refresh_token: bad }, basicAuth(web)),
        await form('/token', { grant_type: 'client_credentials', resource: bad }, basicAuth(rs)),
        await form('/token', { grant_type: 'client_credentials', scope: bad, resource: JWT_API }, basicAuth(rs)),
        await form('/token', { grant_type: bad }, basicAuth(rs)),
        await form('/token', { grant_type: 'client_credentials', client_id: bad, client_secret: bad }),
      ];
      for (const { status, text } of tries) assert.ok(status >= 400 && status < 500, `${status} ${text.slice(0, 200)}`);
      assert.ok((await form('/token/introspection', { token: bad }, basicAuth(rs))).status < 500);
      assert.ok((await form('/token/revocation', { token: bad }, basicAuth(web))).status < 500);
      if (bad === long) continue;
      for (const name of [
        'client_id',
        'redirect_uri',
        'scope',
        'state',
        'nonce',
        'login_hint',
        'ui_locales',
        'acr_values',
        'claims',
        'resource',
        'tenant',
        'connection',
        'prompt',
        'max_age',
      ]) {
        const { status } = await send('GET', request(web.id, { [name]: bad }).url);
        assert.ok(status < 500, `${name}=${JSON.stringify(bad)}: ${status}`);
      }
    }
    for (const [type, body] of [
      ['application/json', '{"grant_type":"client_credentials"}'],
      ['text/plain', 'grant_type=client_credentials'],
      ['multipart/form-data; boundary=x', '--x--'],
      ['application/x-www-form-urlencoded', 'grant_type=client_credentials&grant_type=refresh_token'],
      ['application/x-www-form-urlencoded', 'grant_type[]=client_credentials'],
      ['application/x-www-form-urlencoded', '__proto__[x]=1&grant_type=client_credentials%00'],
    ]) {
      const { status } = await send('POST', '/token', { headers: { 'content-type': type!, ...basicAuth(rs) }, body: body! });
      assert.ok(status >= 400 && status < 500, `${type} ${body}: ${status}`);
    }
  });
});
