/** What is thrown at the protocol's endpoints from outside, against the whole server: nothing of it gives anything, tells anything or breaks anything. */
import assert from 'node:assert/strict';
import { createPublicKey, randomUUID } from 'node:crypto';
import { type CryptoKey, decodeJwt, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { basicAuth, type Reply } from '#test/support/app.ts';
import { type Hygiene, JWT_BEARER, startHygiene } from '../support/hygiene.ts';
import { JWT_API } from './outside.ts';

describe('from outside', function () {
  this.timeout(60_000);
  let app: Hygiene['app'];
  let web: Hygiene['web'];
  let other: Hygiene['other'];
  let rs: Hygiene['rs'];
  let key: Hygiene['key'];
  let publicJwk: Hygiene['publicJwk'];
  let created: Hygiene['created'];
  let authorize: Hygiene['authorize'];
  let signIn: Hygiene['signIn'];
  let send: Hygiene['send'];
  let form: Hygiene['form'];
  let introspect: Hygiene['introspect'];
  let errorOf: Hygiene['errorOf'];
  let importAs: Hygiene['importAs'];
  let close: Hygiene['close'] | undefined;

  before(async () => {
    ({ app, web, other, rs, key, publicJwk, created, authorize, signIn, send, form, introspect, errorOf, importAs, close } =
      await startHygiene());
  });
  after(() => close?.());
  afterEach(() => assert.doesNotMatch(app.log(), /"level":"(error|fatal)"/, 'nothing of it is an error of ours'));

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
});
