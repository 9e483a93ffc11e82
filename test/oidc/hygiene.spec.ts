/** What is thrown at the protocol's endpoints from outside, against the whole server: nothing of it gives anything, tells anything or breaks anything. */
import assert from 'node:assert/strict';
import { createPublicKey, randomUUID } from 'node:crypto';
import { type CryptoKey, decodeJwt, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { basicAuth, type Reply } from '#test/support/app.ts';
import { visit } from '#test/support/person.ts';
import { BYE, CALLBACK, JWT_API, type Outside, type Pairs, startOutside } from './outside.ts';

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const EVIL_ORIGINS = ['https://evil.test', 'null', 'https://spa.test.evil.test', 'http://spa.test', 'https://spa.test:8443'];

describe('from outside', () => {
  let app: Outside['app'];
  let web: Outside['web'];
  let other: Outside['other'];
  let rs: Outside['rs'];
  let key: Outside['key'];
  let publicJwk: Outside['publicJwk'];
  let person: Outside['person'];
  let second: Outside['second'];
  let created: Outside['created'];
  let request: Outside['request'];
  let authorize: Outside['authorize'];
  let signIn: Outside['signIn'];
  let send: Outside['send'];
  let form: Outside['form'];
  let introspect: Outside['introspect'];

  before(async function () {
    this.timeout(60_000);
    ({ app, web, other, rs, key, publicJwk, person, second, created, request, authorize, signIn, send, form, introspect } =
      await startOutside());
  });
  after(() => app.close());
  afterEach(() => assert.doesNotMatch(app.log(), /"level":"(error|fatal)"/, 'nothing of it is an error of ours'));

  const errorOf = ({ body }: Reply): unknown => body['error'];

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

  describe('tokens', () => {
    it('that are cut short, lengthened or written otherwise are none, at every door', async () => {
      const opaque = await signIn({ scope: 'openid' });
      const jwt = await signIn({ scope: 'openid things.read', resource: JWT_API });
      const code = await authorize(web.id);
      const changed = (token: string): string[] =>
        [
          ...[1, 2, 3, 4, 5, 6, 7, 8].map((n) => token.slice(0, -n)),
          `${token}x`,
          `x${token}`,
          `${token}.`,
          `${token}=`,
          token.toUpperCase(),
          token.toLowerCase(),
        ].filter((one) => one !== token);
      for (const token of changed(opaque['access_token']!)) {
        assert.equal(await introspect(token), false, token);
        assert.equal((await send('GET', '/me', { headers: { authorization: `Bearer ${token}` } })).status, 401, token);
      }
      for (const token of changed(jwt['access_token']!)) {
        if (token.startsWith('ey')) assert.equal(await introspect(token), false, token);
        assert.equal((await app.api('POST', '/api/sessions/validate', { token }, basicAuth(rs))).status, 401, token);
      }
      for (const token of changed(opaque['refresh_token']!))
        assert.equal(errorOf(await app.token({ grant_type: 'refresh_token', refresh_token: token }, web)), 'invalid_grant');
      for (const one of changed(code.code)) assert.equal(errorOf(await app.token({ ...code, code: one }, web)), 'invalid_grant');
      assert.equal((await app.token(code, web)).status, 200, 'nothing of it spent the code');
      assert.equal((await app.token({ grant_type: 'refresh_token', refresh_token: opaque['refresh_token']! }, web)).status, 200);
    });

    it('are good for one purpose: none passes for one of another kind or for another API', async () => {
      const jwt = await signIn({ scope: 'openid things.read', resource: JWT_API });
      const code = await authorize(web.id);
      const [access, refresh, id] = [jwt['access_token']!, jwt['refresh_token']!, jwt['id_token']!];
      for (const token of [access, refresh, id, code.code])
        for (const path of ['/me', '/api/me']) {
          const { status, headers } = await send('GET', path, { headers: { authorization: `Bearer ${token}` } });
          assert.equal(status, 401, path);
          assert.match(headers.get('www-authenticate') ?? '', /^Bearer/);
        }
      for (const token of [access, id, code.code])
        assert.equal(errorOf(await app.token({ grant_type: 'refresh_token', refresh_token: token }, web)), 'invalid_grant');
      for (const one of [access, id, refresh]) assert.equal(errorOf(await app.token({ ...code, code: one }, web)), 'invalid_grant');
      for (const token of [id, code.code]) assert.equal(await introspect(token), false);
    });

    it('with a key or an algorithm of their own are forgeries', async () => {
      const { access_token: access } = await signIn({ scope: 'openid things.read', resource: JWT_API });
      const claims = decodeJwt(access!);
      const [ours] = ((await (await fetch(`${app.issuer}/jwks`)).json()) as { keys: (JWK & { kid: string })[] }).keys;
      const pem = createPublicKey({ key: ours as never, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
      const sign = (header: Record<string, unknown>, by: CryptoKey | Uint8Array = key): Promise<string> =>
        new SignJWT({ ...claims, scope: 'things.write' }).setProtectedHeader({ typ: 'at+jwt', alg: 'RS256', ...header }).sign(by);
      const unsigned = (header: object): string => `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${access!.split('.')[1]}.`;
      for (const token of [
        await sign({ kid: ours!.kid }),
        await sign({ jwk: publicJwk }),
        await sign({ jku: 'https://evil.test/jwks', kid: 'c' }),
        await sign({ x5u: 'https://evil.test/x', kid: 'c' }),
        await sign({ kid: '../../../../dev/null' }),
        await sign({ alg: 'HS256', kid: ours!.kid }, Buffer.from(pem)),
        await sign({ alg: 'HS256', kid: ours!.kid }, Buffer.from(String(ours!['n'] ?? ours!['x']))),
        unsigned({ alg: 'none', typ: 'at+jwt' }),
        unsigned({ alg: 'NONE', typ: 'at+jwt' }),
      ]) {
        assert.equal(await introspect(token), false);
        assert.equal((await app.api('POST', '/api/sessions/validate', { token }, basicAuth(rs))).status, 401);
        assert.equal((await app.api('GET', '/api/users', undefined, { authorization: `Bearer ${token}` })).status, 401);
      }
      assert.equal(await introspect(access!), true);
    });

    it('in an address or twice in a request are refused', async () => {
      const opaque = (await signIn({ scope: 'openid' }))['access_token']!;
      const own = (await signIn({ scope: 'openid account', resource: `${app.issuer}/api` }))['access_token']!;
      for (const path of [`/me?access_token=${opaque}`, `/api/me?access_token=${own}`]) {
        const { status } = await send('GET', path);
        assert.ok(status === 400 || status === 401, `${path.split('?')[0]}: ${status}`);
      }
      const twice = await form('/me', { access_token: opaque }, { authorization: `Bearer ${opaque}` });
      assert.ok(twice.status >= 400 && twice.status < 500, String(twice.status));
      assert.equal(
        (await send('GET', `/token?grant_type=client_credentials&client_id=${rs.id}&client_secret=${rs.secret}`)).status >= 404,
        true,
      );
      const inQuery = await form(`/token?client_id=${rs.id}&client_secret=${rs.secret}`, {
        grant_type: 'client_credentials',
        resource: JWT_API,
      });
      assert.ok(inQuery.status >= 400 && inQuery.status < 500, 'no secret out of an address');
    });

    it('of a scope or an API that is gone, or wider than granted, are not given again', async () => {
      const gone = 'https://things.test/passing';
      const { id } = await created('/api/resources', {
        identifier: gone,
        name: 'P',
        scopes: [{ name: 'a' }, { name: 'b' }],
        clients: [rs.id],
      });
      const tokens = await signIn({ scope: 'openid a', resource: gone });
      const refresh = async (extra: Record<string, string> = {}): Promise<Reply> =>
        app.token({ grant_type: 'refresh_token', refresh_token: tokens['refresh_token']!, ...extra }, web);
      for (const [extra, error] of [
        [{ scope: 'openid a b' }, 'invalid_scope'],
        [{ scope: 'openid account' }, 'invalid_scope'],
        [{ resource: JWT_API }, 'invalid_target'],
        [{ resource: `${app.issuer}/api` }, 'invalid_target'],
      ] as const)
        assert.equal(errorOf(await refresh(extra)), error, JSON.stringify(extra));
      const changed = await app.api('PATCH', `/api/resources/${id}`, { scopes: [{ name: 'b' }] });
      assert.equal(changed.status, 200, changed.text);
      const next = await refresh();
      const scope = next.status === 200 ? String(decodeJwt(String(next.body['access_token']))['scope'] ?? '') : '';
      assert.doesNotMatch(scope, /\ba\b/, 'the scope was taken out of the API');
      assert.equal((await app.api('DELETE', `/api/resources/${id}`)).status, 200);
      const last = await app.token(
        { grant_type: 'refresh_token', refresh_token: String(next.body['refresh_token'] ?? tokens['refresh_token']) },
        web,
      );
      assert.notEqual(last.status === 200 && decodeJwt(String(last.body['access_token'])).aud === gone, true, 'the API is gone');
    });
  });

  describe('clients', () => {
    it('that have a secret get nothing without it, with a wrong one, or in two ways at once', async () => {
      const { refresh_token: refresh } = await signIn();
      const body = { grant_type: 'refresh_token', refresh_token: refresh! };
      for (const [pairs, headers] of [
        [{ client_id: web.id }, {}],
        [{ client_id: web.id, client_secret: '' }, {}],
        [{ client_id: web.id, client_secret: 'wrong' }, {}],
        [{}, basicAuth({ ...web, secret: 'wrong' })],
        [{}, basicAuth({ ...web, secret: '' })],
        [{ client_id: web.id, client_secret: web.secret }, basicAuth(web)],
        [{ client_id: other.id }, basicAuth(web)],
        [{ client_id: 'spa' }, {}],
        [{ client_assertion: 'x', client_assertion_type: JWT_BEARER }, basicAuth(web)],
      ] as const) {
        const { status, text } = await form('/token', { ...body, ...pairs }, { ...headers });
        assert.ok(status === 400 || status === 401, `${status} ${text}`);
        assert.doesNotMatch(text, /access_token/);
      }
      assert.equal((await app.token(body, web)).status, 200, 'nothing of it spent the token');
      for (const path of ['/token/introspection', '/token/revocation', '/request'])
        assert.ok([400, 401].includes((await form(path, { client_id: web.id, token: 'x' })).status), path);
    });

    it('sign with their key, for us alone, in the registered algorithm', async () => {
      const assertion = (claims: object = {}, header: object = {}, by: CryptoKey | Uint8Array = key): Promise<string> =>
        new SignJWT({ iss: 'signed', sub: 'signed', aud: app.issuer, jti: randomUUID(), ...claims })
          .setProtectedHeader({ alg: 'RS256', kid: 'c', ...header })
          .setIssuedAt()
          .setExpirationTime('1 minute')
          .sign(by);
      const ask = async (client_assertion: string): Promise<number> =>
        (await app.token({ grant_type: 'client_credentials', resource: JWT_API, client_assertion, client_assertion_type: JWT_BEARER }))
          .status;
      const pem = createPublicKey({ key: publicJwk as never, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
      assert.equal(await ask(await assertion()), 200);
      const refused: Record<string, string> = {
        'another algorithm of the same key': await assertion({}, { alg: 'PS256' }, await importAs('PS256')),
        'the public key as a secret': await assertion({}, { alg: 'HS256' }, Buffer.from(pem)),
        'a key that came along': await new SignJWT({ iss: 'signed', sub: 'signed', aud: app.issuer, jti: randomUUID(), exp: 9_999_999_999 })
          .setProtectedHeader({ alg: 'ES256', jwk: await exportJWK((await generateKeyPair('ES256', { extractable: true })).publicKey) })
          .sign((await generateKeyPair('ES256')).privateKey),
        'no signature': `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await assertion()).split('.')[1]}.`,
        'somebody else': await assertion({ aud: 'https://other.test' }),
        'somebody else, and us': await assertion({ aud: ['https://other.test', app.issuer] }),
        'our API': await assertion({ aud: `${app.issuer}/api` }),
        'one that lasts': await new SignJWT({ iss: 'signed', sub: 'signed', aud: app.issuer, jti: randomUUID(), exp: 1e15 })
          .setProtectedHeader({ alg: 'RS256', kid: 'c' })
          .sign(key),
        'no id': await assertion({ jti: undefined }),
      };
      for (const [name, one] of Object.entries(refused)) {
        const status = await ask(one);
        assert.ok(status === 400 || status === 401, `${name}: ${status}`);
      }
    });

    it('find no secret, no hash and no key in anything that can be read', async () => {
      const { body } = await app.api('GET', '/api/users');
      const [{ id }] = body['items'] as [{ id: string }];
      for (const path of [
        '/api/clients',
        `/api/clients/${web.id}`,
        '/api/users',
        `/api/users/${id}`,
        '/api/signing-keys',
        '/api/resources',
        `/api/users/${id}/sessions`,
        `/api/users/${id}/grants`,
        '/api/logs/auth',
        '/api/audit-events',
        '/openapi.json',
        '/jwks',
      ]) {
        const { status, text } = await app.api('GET', path);
        if (status === 404) continue;
        assert.equal(status, 200, path);
        assert.doesNotMatch(
          text,
          /secret_hash|(?<!custom_)password_hash|"passwordHash":"|\$argon2id\$v=\d+\$m=\d+|"sealed"|"d":"|"privateJwk"/,
          path,
        );
        for (const secret of [web.secret, other.secret, rs.secret]) assert.equal(text.includes(secret), false, path);
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

  async function importAs(alg: string): Promise<CryptoKey> {
    const jwk = await exportJWK(key);
    const { importJWK } = await import('jose');
    return (await importJWK({ ...jwk, alg }, alg)) as CryptoKey;
  }
});
