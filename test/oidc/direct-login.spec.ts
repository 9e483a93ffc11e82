import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { decodeJwt, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { API, basic, dpopKey, MACHINE, OPAQUE_API, PUBLIC } from '#test/support/oidc.ts';
import { type ApiReply, type SessionApi, startSessionApi } from '#test/support/session-api.ts';

describe('direct login', function () {
  this.timeout(30_000);
  let api: SessionApi;
  let assertionKey: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
  const LOGIN = 'POST /api/auth/login';
  const right = { username: 'ada', password: 'right' };

  before(async () => {
    api = await startSessionApi();
    const { issuer } = api;
    const pair = await generateKeyPair('ES256', { extractable: true });
    assertionKey = pair.privateKey;
    const jwk: JWK = { ...(await exportJWK(pair.publicKey)), kid: 'c', alg: 'ES256' };
    await issuer.addClient('direct');
    await issuer.addClient('first', {}, { first_party: true });
    await issuer.addClient('spa', PUBLIC);
    await issuer.addClient('bound', { ...PUBLIC, dpop_bound_access_tokens: true });
    await issuer.addClient('signing', { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [jwk] } });
    await issuer.addClient('norefresh', { grant_types: ['authorization_code'] });
    await issuer.addClient('narrow', { scope: 'openid' });
    await issuer.addClient('off');
    await issuer.addClient('rs', MACHINE);
    await issuer.owner.query(`update clients set direct_login = true where client_id not in ('off', 'rs')`);
  });
  after(() => api.close());

  const login = (body: object | string = right, headers: Record<string, string> = basic('direct')): Promise<ApiReply> =>
    api.call(LOGIN, { body, headers });
  const text = (reply: ApiReply, name: string): string => String(reply.body[name]);

  it('answers the tokens of the token endpoint, for our own API where no other is named', async () => {
    const reply = await login();
    assert.equal(reply.status, 200, reply.text);
    assert.deepEqual(Object.keys(reply.body).sort(), ['access_token', 'expires_in', 'id_token', 'refresh_token', 'scope', 'token_type']);
    assert.equal(reply.headers.get('cache-control'), 'no-store');
    const access = decodeJwt(text(reply, 'access_token'));
    assert.deepEqual(
      [access.aud, access['client_id'], access.sub, access['acr'], access['tenant_id']],
      [`${api.issuer.url}/api`, 'direct', api.issuer.userId, 'urn:gatehouse:acr:1fa', api.issuer.tenantId],
    );
    assert.match(String(access['scope']), /\baccount\b/);
    const id = decodeJwt(text(reply, 'id_token'));
    assert.deepEqual([id.aud, id['sid'], id['amr']], ['direct', access['sid'], ['pwd']]);
  });

  it('gives tokens that are as good as those of a browser: API, refresh, and the end of the session', async () => {
    const reply = await login();
    const token = text(reply, 'access_token');
    const current = await api.call('GET /api/sessions/current', { token });
    assert.equal(current.status, 200, current.text);
    assert.equal(text(current, 'userId'), api.issuer.userId);
    const next = await api.call('POST /api/sessions/refresh', {
      body: { refresh_token: reply.body['refresh_token'] },
      headers: basic('direct'),
    });
    assert.equal(next.status, 200, next.text);
    assert.equal((await api.call('GET /api/sessions/current', { token: text(next, 'access_token') })).status, 200);
    assert.equal((await api.call('POST /api/sessions/logout', { body: { token } })).status, 200);
    for (const dead of [token, text(next, 'access_token')])
      assert.equal((await api.call('GET /api/sessions/current', { token: dead })).status, 401);
    const gone = await api.call('POST /api/sessions/refresh', {
      body: { refresh_token: next.body['refresh_token'] },
      headers: basic('direct'),
    });
    assert.deepEqual([gone.status, gone.body['code']], [401, 'session.inactive']);
  });

  it('reuse of a refresh token after its repetition was answered ends the family', async () => {
    const first = text(await login(), 'refresh_token');
    const refresh = (token: string): Promise<ApiReply> =>
      api.call('POST /api/sessions/refresh', { body: { refresh_token: token }, headers: basic('direct') });
    const second = await refresh(first);
    assert.equal(second.status, 200, second.text);
    await api.issuer.owner.query(`update oidc_objects set consumed_at = consumed_at - interval '1 minute' where consumed_at is not null`);
    assert.equal((await refresh(first)).status, 401);
    assert.equal((await refresh(text(second, 'refresh_token'))).status, 401);
  });

  it('works for a client without the refresh grant too, and for public ones', async () => {
    for (const headers of [basic('norefresh'), {}]) {
      const body = 'authorization' in headers ? right : { ...right, client_id: 'spa' };
      const reply = await login(body, headers as Record<string, string>);
      assert.equal(reply.status, 200, reply.text);
      assert.ok(reply.body['refresh_token']);
    }
  });

  it('takes private_key_jwt for the path that was called, once', async () => {
    const client_assertion = await new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', kid: 'c' })
      .setIssuer('signing')
      .setSubject('signing')
      .setAudience(`${api.issuer.url}/api/auth/login`)
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(assertionKey);
    const body = { ...right, client_assertion, client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' };
    assert.equal((await login(body, {})).status, 200);
    const again = await login(body, {});
    assert.deepEqual([again.status, again.body['code']], [401, 'client.authentication_failed']);
  });

  it('binds tokens to a DPoP key by a proof for the path that was called', async () => {
    const key = await dpopKey();
    const url = `${api.issuer.url}/api/auth/login`;
    const body = { ...right, client_id: 'bound' };
    assert.notEqual((await login(body, {})).status, 200);
    assert.notEqual((await login(body, { dpop: await key.proof(`${api.issuer.url}/token`) })).status, 200);
    const reply = await login(body, { dpop: await key.proof(url) });
    assert.deepEqual([reply.status, reply.body['token_type']], [200, 'DPoP'], reply.text);
    const token = text(reply, 'access_token');
    assert.equal((await api.call('GET /api/sessions/current', { token })).status, 401, 'not as a bearer token');
  });

  it('costs two statements beside the engine’s, once warm: the person, and one write', async () => {
    await login();
    assert.ok((await api.issuer.counted(() => login())) <= 2);
  });

  it('asks for the resource and the scopes that were named, and no more', async () => {
    const jwt = await login({ ...right, resource: API, scope: 'openid api:read' });
    const claims = decodeJwt(text(jwt, 'access_token'));
    assert.deepEqual([claims.aud, claims['scope']], [API, 'api:read']);
    const opaque = await login({ ...right, resource: OPAQUE_API, scope: 'api:read' });
    assert.deepEqual(
      [opaque.status, text(opaque, 'access_token').includes('.'), 'id_token' in opaque.body],
      [200, false, false],
      opaque.text,
    );
    const foreign = await login({ ...right, resource: 'https://nowhere.test/' });
    assert.deepEqual([foreign.status, foreign.body['code']], [400, 'oauth.invalid_target']);
    const wide = await login({ ...right, scope: 'openid profile' }, basic('narrow'));
    assert.deepEqual([wide.status, wide.body['code']], [400, 'oauth.invalid_scope']);
  });

  it('offline_access is for first-party clients, and outlives the session', async () => {
    const third = await login({ ...right, scope: 'openid offline_access' });
    assert.equal((await api.call('POST /api/sessions/logout', { body: { token: third.body['access_token'] } })).body['ended'], 1);
    const dead = { refresh_token: third.body['refresh_token'] };
    assert.equal((await api.call('POST /api/sessions/refresh', { body: dead, headers: basic('direct') })).status, 401);
    const first = await login({ ...right, scope: 'openid account offline_access' }, basic('first'));
    assert.equal((await api.call('POST /api/sessions/logout', { body: { token: first.body['access_token'] } })).body['ended'], 1);
    const refreshed = await api.call('POST /api/sessions/refresh', {
      body: { refresh_token: first.body['refresh_token'] },
      headers: basic('first'),
    });
    assert.equal(refreshed.status, 200, refreshed.text);
    const all = await api.call('POST /api/sessions/logout', { body: { token: refreshed.body['access_token'], all: true } });
    assert.equal(all.status, 200, all.text);
    assert.equal(
      (await api.call('POST /api/sessions/refresh', { body: { refresh_token: refreshed.body['refresh_token'] }, headers: basic('first') }))
        .status,
      401,
    );
  });

  it('refuses as the engine refuses, in a problem document, and stores nothing', async () => {
    const count = async (): Promise<number> =>
      (await api.issuer.owner.query(`select (select count(*) from oidc_sessions)::int + (select count(*) from oidc_grants)::int as n`))
        .rows[0].n;
    const before = await count();
    const table: [object, number, string, Record<string, unknown>][] = [
      [{ ...right, password: 'wrong' }, 401, 'auth.invalid_credentials', {}],
      [{ ...right, username: 'factor' }, 401, 'auth.mfa_required', { mfaToken: 'm', methods: ['totp'] }],
      [{ ...right, password: 'slow down' }, 429, 'auth.locked', { retryAfterSeconds: 30 }],
    ];
    for (const [body, status, code, extra] of table) {
      const reply = await login(body);
      assert.deepEqual([reply.status, reply.body['code'], reply.body['status']], [status, code, status], reply.text);
      for (const [name, value] of Object.entries(extra)) assert.deepEqual(reply.body[name], value);
      assert.match(reply.headers.get('content-type') ?? '', /^application\/problem\+json/);
    }
    assert.equal((await login({ ...right, password: 'slow down' })).headers.get('retry-after'), '30');
    const broken = await login({ ...right, password: 'broken' });
    assert.deepEqual(
      [broken.status, broken.body['code'], broken.headers.get('retry-after')],
      [503, 'service.unavailable', '1'],
      broken.text,
    );
    assert.equal(await count(), before);
  });

  it('is for clients that an administrator trusts with it, through its own door only', async () => {
    const off = await login(right, basic('off'));
    assert.deepEqual([off.status, off.body['code']], [403, 'auth.direct_login_off']);
    const door = await api.issuer.token({ grant_type: 'urn:gatehouse:params:oauth:grant-type:direct-login', ...right }, basic('direct'));
    assert.deepEqual([door.status, door.body.error], [400, 'unsupported_grant_type']);
    const password = await api.issuer.token({ grant_type: 'password', ...right }, basic('direct'));
    assert.deepEqual([password.status, password.body.error], [400, 'unsupported_grant_type']);
  });

  it('may be called by scripts of the client’s own origins, and of no other', async () => {
    await api.issuer.addClient('app-with-origin', PUBLIC, { allowed_origins: ['https://spa.test'] });
    await api.issuer.owner.query(`update clients set direct_login = true where client_id = 'app-with-origin'`);
    const origin = 'https://spa.test';
    const preflight = await api.call('OPTIONS /api/auth/login', {
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
    });
    assert.deepEqual([preflight.status, preflight.headers.get('access-control-allow-origin')], [204, origin]);
    const body = { ...right, client_id: 'app-with-origin' };
    assert.equal((await login(body, { origin })).headers.get('access-control-allow-origin'), origin);
    assert.equal((await login(body, { origin: 'https://evil.test' })).headers.get('access-control-allow-origin'), null);
  });

  it('authenticates the client before the engine sees a password', async () => {
    let asked = 0;
    const { answer } = api.engine;
    api.engine.answer = async (input) => {
      asked += 1;
      return answer(input);
    };
    const wrong = await login(right, basic('direct', 'wrong'));
    assert.deepEqual([wrong.status, wrong.body['code']], [401, 'client.authentication_failed']);
    assert.match(wrong.headers.get('www-authenticate') ?? '', /^Basic/);
    await login(right, {});
    await login(right, basic('off'));
    assert.equal(asked, 0);
    api.engine.answer = answer;
  });

  it('refuses what is not declared, and what no text can be', async () => {
    for (const body of [
      {},
      [],
      '"text"',
      { username: 'ada' },
      { ...right, grant_type: 'client_credentials' },
      { ...right, extra: '1' },
      { ...right, username: 1 },
      { ...right, username: '\ud800' },
      { ...right, password: 'a\0b' },
    ])
      assert.equal((await login(body)).status, 422, JSON.stringify(body));
    assert.equal(
      (await api.call(LOGIN, { body: '{"username":', headers: { ...basic('direct'), 'content-type': 'application/json' } })).status,
      400,
    );
    assert.equal(
      (
        await api.call(LOGIN, {
          body: 'username=ada',
          headers: { ...basic('direct'), 'content-type': 'application/x-www-form-urlencoded' },
        })
      ).status,
      415,
    );
    assert.equal((await login({ ...right, password: 'x'.repeat(70_000) })).status, 413);
  });

  it('is one token.issued in the audit log where it succeeds, and the engine’s own row alone where it does not', async () => {
    const good = await api.issuer.audited(() => login());
    assert.deepEqual(
      good.map(({ type, outcome, client_id, actor_id }) => [type, outcome, client_id, actor_id]),
      [['token.issued', 'success', 'direct', api.issuer.userId]],
    );
    assert.deepEqual(await api.issuer.audited(() => login({ ...right, password: 'wrong' })), []);
  });
});
