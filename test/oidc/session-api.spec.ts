import assert from 'node:assert/strict';
import { createHash, createHmac, createPublicKey } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import { newId } from '#src/core/ids.ts';
import { systemScope } from '#src/core/scope.ts';
import { endAccess, endSessions } from '#src/features/sessions/commands.ts';
import { Browser } from '#test/support/browser.ts';
import { API, type Authorized, authorize, basic, dpopKey, MACHINE, OPAQUE_API, PUBLIC } from '#test/support/oidc.ts';
import { type ApiReply, endAllAccess, type SessionApi, startSessionApi } from '#test/support/session-api.ts';

describe('sessions at our API', function () {
  this.timeout(40_000);
  let api: SessionApi;
  let manager: string;

  before(async () => {
    api = await startSessionApi();
    const { issuer } = api;
    await issuer.addClient('web', {}, { first_party: true });
    await issuer.addClient('other', {}, { first_party: true });
    await issuer.addClient('rs', MACHINE);
    await issuer.addClient('bound', { ...PUBLIC, dpop_bound_access_tokens: true }, { first_party: true });
    await issuer.addClient('manager', MACHINE, { permissions: ['sessions.read', 'sessions.write', 'tokens.validate'] });
    manager = await managementToken();
  });
  after(() => api.close());

  const managementToken = async (): Promise<string> =>
    String(
      (await api.issuer.token({ grant_type: 'client_credentials', resource: `${api.issuer.url}/api` }, basic('manager'))).body.access_token,
    );

  interface SignedIn extends Authorized {
    userId: string;
    access: string;
    refresh: string;
    sid: string;
  }
  /** A person of their own, signed in at a browser, with tokens for `resource`. */
  async function signIn({
    resource = `${api.issuer.url}/api`,
    scope = 'openid account',
    clientId = 'web',
    browser = new Browser(api.issuer.url),
    userId = '',
  } = {}): Promise<SignedIn> {
    const { issuer } = api;
    const id = userId || (await issuer.addUser());
    issuer.state.accountId = id;
    const authorized = await authorize(issuer, clientId, { scope, ...(resource === '' ? {} : { resource }) }, browser);
    const { body, text } = await issuer.token({ ...authorized.form, ...(resource === '' ? {} : { resource }) }, basic(clientId));
    assert.ok(body.access_token, text);
    return {
      ...authorized,
      userId: id,
      access: body.access_token,
      refresh: String(body.refresh_token),
      sid: String(decodeJwt(String(body.id_token))['sid']),
    };
  }
  const validate = (token: string, headers: Record<string, string> = basic('web')): Promise<ApiReply> =>
    api.call('POST /api/sessions/validate', { body: { token }, headers });
  const isSignedIn = async ({ browser }: { browser: Browser }): Promise<boolean> => {
    const cookie = [...browser.jar].map(([key, { value }]) => `${key.split('|')[0]}=${value}`).join('; ');
    return (await api.sessionOf(cookie)) !== null;
  };

  it('show the caller’s own, with what is known of it', async () => {
    const person = await signIn();
    const { status, body, text } = await api.call('GET /api/sessions/current', { token: person.access });
    assert.equal(status, 200, text);
    assert.deepEqual(
      [body['userId'], body['sid'], body['current'], body['acr'], body['amr']],
      [person.userId, person.sid, true, 'urn:gatehouse:acr:1fa', ['pwd']],
    );
    assert.equal(body['address'], '127.0.0.1');
    assert.equal((await api.call('GET /api/sessions/current')).status, 401);
    assert.equal((await api.call('GET /api/sessions/current', { token: manager })).status, 404, 'a client has no session');
  });

  it('show any with sessions.read, by its id or a client’s sid, and none that is at home elsewhere', async () => {
    const person = await signIn();
    const bySid = await api.call(`GET /api/sessions/${person.sid}`, { token: manager });
    const byId = await api.call(`GET /api/sessions/${String(bySid.body['id'])}`, { token: manager });
    assert.deepEqual([bySid.status, byId.status, byId.body['userId']], [200, 200, person.userId]);
    assert.equal((await api.call(`GET /api/sessions/${person.sid}`, { token: person.access })).status, 403);
    assert.equal((await api.call('GET /api/sessions/nonsense', { token: manager })).status, 404);
    assert.ok(!bySid.text.includes([...person.browser.jar.values()][0]!.value), 'what the browser holds is not shown');

    const { owner } = api.issuer;
    const [away, stranger] = [newId(), 'stranger'];
    await owner.query(`insert into tenants (id, slug, name, type) values ($1, 'away', 'Away', 'team')`, [away]);
    await api.issuer.addClient(stranger, MACHINE, { tenant_id: away, permissions: ['sessions.read', 'sessions.write', 'tokens.validate'] });
    const token = String(
      (await api.issuer.token({ grant_type: 'client_credentials', resource: `${api.issuer.url}/api` }, basic(stranger))).body.access_token,
    );
    assert.equal((await api.call(`GET /api/sessions/${person.sid}`, { token })).status, 404);
    assert.equal((await api.call(`GET /api/users/${person.userId}/sessions`, { token })).status, 404);
    assert.equal((await api.call(`DELETE /api/users/${person.userId}/sessions`, { token })).status, 404);
    assert.equal((await api.call('POST /api/sessions/validate', { token, body: { token: person.access } })).status, 401);
    assert.equal((await api.call('POST /api/sessions/logout', { token, body: { token: person.access } })).status, 401);
    assert.equal(await isSignedIn(person), true);
  });

  it('validate tokens of every kind and sids, for the client, the resource server and tokens.validate', async () => {
    const own = await signIn();
    const jwt = await signIn({ resource: API, scope: 'openid api:read' });
    const opaque = await signIn({ resource: OPAQUE_API, scope: 'openid api:read' });
    const userinfo = await signIn({ resource: '', scope: 'openid' });
    for (const { access, userId, sid } of [own, jwt, opaque, userinfo]) {
      const { status, body, text } = await validate(access);
      assert.deepEqual([status, body['active'], body['sub'], body['client_id'], body['sid']], [200, true, userId, 'web', sid], text);
      assert.equal('gid' in body || 'suid' in body, false);
      assert.equal((await validate(access, { authorization: `Bearer ${manager}` })).status, 200);
      assert.equal((await validate(access, basic('other'))).body['code'], 'session.inactive', 'not its business');
      assert.equal((await validate(sid)).status, 200);
      assert.equal((await validate(sid, basic('other'))).status, 401);
    }
    for (const { access } of [jwt, opaque]) assert.equal((await validate(access, basic('rs'))).status, 200, 'its resource server');
    assert.equal((await validate(own.access, basic('rs'))).status, 401);
    assert.equal((await validate(own.access, basic('web', 'wrong'))).body['code'], 'client.authentication_failed');
    assert.equal((await validate(own.access, {})).status, 401);
    assert.equal(
      (await api.call('POST /api/sessions/validate', { token: own.access, body: { token: own.access } })).status,
      403,
      'a person is no client',
    );
    for (const garbage of [
      'x',
      'a.b.c',
      `${own.access}x`,
      own.access.slice(0, -2),
      opaque.access.slice(0, -1),
      [...own.browser.jar.values()][0]!.value,
    ])
      assert.equal((await validate(garbage)).status === 200, false, garbage);
  });

  describe('a token is dead at every door on the next call, after', () => {
    const causes: Record<string, (person: SignedIn) => Promise<unknown>> = {
      'its refresh token was revoked': ({ refresh }) => api.issuer.post('/token/revocation', { token: refresh }, basic('web')),
      'it was revoked itself': ({ access }) => api.issuer.post('/token/revocation', { token: access }, basic('web')),
      'an administrator ended the session': ({ userId, sid }) =>
        api.call(`DELETE /api/users/${userId}/sessions/${sid}`, { token: manager }),
      'an administrator ended all sessions': ({ userId }) => api.call(`DELETE /api/users/${userId}/sessions`, { token: manager }),
      'the person signed out everywhere': ({ access }) => api.call('POST /api/sessions/logout', { body: { token: access, all: true } }),
      'the client signed the person out': ({ access }) => api.call('POST /api/sessions/logout', { body: { token: access } }),
      'the person took back what the application holds': ({ userId }) =>
        api.call(`DELETE /api/users/${userId}/grants/web`, { token: manager }),
      'the person was disabled': ({ userId }) => api.issuer.owner.query(`update users set status = 'disabled' where id = $1`, [userId]),
      'the person was deleted': ({ userId }) => api.issuer.owner.query('delete from users where id = $1', [userId]),
      'everything of the person was ended, as after a reset': ({ userId }) => endAllAccess(api, userId),
    };
    for (const [cause, act] of Object.entries(causes)) {
      it(cause, async () => {
        for (const resource of [`${api.issuer.url}/api`, OPAQUE_API]) {
          const person = await signIn({ resource, scope: 'openid account api:read' });
          const ours = resource.startsWith(api.issuer.url);
          assert.equal((await validate(person.access)).status, 200);
          await act(person);
          assert.equal((await validate(person.access)).status, 401, 'validate');
          const { body } = await api.issuer.post('/token/introspection', { token: person.access }, basic('web'));
          assert.equal(body['active'], false, 'introspection');
          if (ours) assert.equal((await api.call('GET /api/sessions/current', { token: person.access })).status, 401, 'our API');
          assert.equal(
            (await api.issuer.token({ grant_type: 'refresh_token', refresh_token: person.refresh }, basic('web'))).status,
            400,
            'refresh',
          );
        }
      });
    }

    it('the person’s home tenant was suspended, and lives again with it', async () => {
      const { owner, tenantId } = api.issuer;
      const home = newId();
      await owner.query(`insert into tenants (id, slug, name, type) values ($1, 'home', 'Home', 'team')`, [home]);
      const userId = await api.issuer.addUser({ roles: ['member'] });
      await owner.query('insert into memberships (tenant_id, user_id) values ($1, $2) on conflict do nothing', [tenantId, userId]);
      await owner.query('update users set home_tenant_id = $1 where id = $2', [home, userId]);
      const [own, opaque] = [await signIn({ userId }), await signIn({ userId, resource: '', scope: 'openid email' })];
      const doors = async (refresh: string): Promise<unknown[]> => [
        (await api.call('GET /api/sessions/current', { token: own.access })).status === 200,
        (await validate(opaque.access)).status === 200,
        (await api.issuer.post('/token/introspection', { token: opaque.access }, basic('web'))).body['active'],
        (await api.issuer.get('/me', { authorization: `Bearer ${opaque.access}` })).status === 200,
        await isSignedIn(own),
        (await api.issuer.token({ grant_type: 'refresh_token', refresh_token: refresh }, basic('web'))).status === 200,
      ];
      assert.deepEqual(await doors(own.refresh), Array(6).fill(true));
      await owner.query(`update tenants set status = 'suspended' where id = $1`, [home]);
      assert.deepEqual(await doors(opaque.refresh), Array(6).fill(false));
      await owner.query(`update tenants set status = 'active' where id = $1`, [home]);
      assert.deepEqual(await doors(opaque.refresh), Array(6).fill(true));
    });

    it('the client was disabled, or its tenant suspended', async () => {
      const { owner, tenantId } = api.issuer;
      const off: [string, string, string[]][] = [
        [`update clients set enabled = false where client_id = $1`, `update clients set enabled = true where client_id = $1`, ['web']],
        [`update tenants set status = 'suspended' where id = $1`, `update tenants set status = 'active' where id = $1`, [tenantId]],
      ];
      for (const [close, open, values] of off) {
        const person = await signIn();
        await owner.query(close, values);
        assert.equal((await api.call('GET /api/sessions/current', { token: person.access })).status, 401);
        await owner.query(open, values);
        await sleep(50);
        assert.equal((await api.call('GET /api/sessions/current', { token: person.access })).status, 200);
      }
    });
  });

  it('that an administrator or the person ends are over in the browser too, and in no other', async () => {
    const person = await signIn();
    const elsewhere = await signIn({ userId: person.userId, browser: new Browser(api.issuer.url) });
    assert.deepEqual([await isSignedIn(person), await isSignedIn(elsewhere)], [true, true]);
    const list = await api.call('GET /api/me/sessions', { token: person.access });
    const items = list.body['items'] as unknown as { sid: string; current: boolean }[];
    assert.deepEqual(items.map(({ sid }) => sid).sort(), [person.sid, elsewhere.sid].sort());
    assert.deepEqual(
      items.filter(({ current }) => current).map(({ sid }) => sid),
      [person.sid],
    );
    const ended = await api.call('DELETE /api/me/sessions', { token: person.access });
    assert.equal(ended.body['ended'], 1, ended.text);
    assert.deepEqual([await isSignedIn(person), await isSignedIn(elsewhere)], [true, false]);
    const rows = await api.issuer.audited(() => api.call(`DELETE /api/users/${person.userId}/sessions/${person.sid}`, { token: manager }));
    assert.deepEqual(
      rows.map(({ type, actor_type, actor_id }) => [type, actor_type, actor_id]),
      [['session.ended', 'client', 'manager']],
    );
    assert.equal(await isSignedIn(person), false);
    assert.equal((await api.call(`DELETE /api/users/${person.userId}/sessions/${person.sid}`, { token: manager })).status, 404);
  });

  it('end with their audit row, or not at all', async () => {
    const person = await signIn();
    const { owner } = api.issuer;
    await owner.query(`alter table audit_events add constraint broken check (type <> 'session.ended') not valid`);
    try {
      assert.equal((await api.call(`DELETE /api/users/${person.userId}/sessions/${person.sid}`, { token: manager })).status, 503);
      assert.equal(await isSignedIn(person), true);
      assert.equal((await validate(person.access)).status, 200);
    } finally {
      await owner.query('alter table audit_events drop constraint broken');
    }
  });

  it('take along what other clients hold of the same session, and tell each by a job of its own', async () => {
    const person = await signIn();
    const second = await signIn({ clientId: 'other', userId: person.userId, browser: person.browser });
    await api.issuer.owner.query('delete from graphile_worker._private_jobs');
    assert.equal((await api.call('POST /api/sessions/logout', { token: person.access, body: {} })).body['ended'], 1);
    assert.equal((await validate(second.access, basic('other'))).status, 401);
    const { rows } = await api.issuer.owner.query(`select payload from graphile_worker._private_jobs order by payload ->> 'clientId'`);
    assert.deepEqual(
      rows.map(({ payload }) => payload),
      [
        { issuer: api.issuer.url, clientId: 'other', userId: person.userId, sid: second.sid },
        { issuer: api.issuer.url, clientId: 'web', userId: person.userId, sid: person.sid },
      ],
    );
  });

  it('that end while they are being used leave no token behind, and no request without an answer', async () => {
    for (let round = 0; round < 5; round += 1) {
      const person = await signIn();
      const refresh = (): Promise<{ status: number; body: { refresh_token?: string; access_token?: string } }> =>
        api.issuer.token({ grant_type: 'refresh_token', refresh_token: person.refresh }, basic('web'));
      const [ended, ...answers] = await Promise.all([
        api.call(`DELETE /api/users/${person.userId}/sessions`, { token: manager }),
        refresh(),
        refresh(),
        authorize(api.issuer, 'web', { scope: 'openid account', prompt: 'none' }, person.browser).then(
          () => undefined,
          () => undefined,
        ),
        refresh(),
      ]);
      assert.equal(ended.status, 200, ended.text);
      for (const answer of answers) {
        if (!answer) continue;
        assert.ok([200, 400].includes(answer.status), String(answer.status));
        if (answer.body.access_token) assert.equal((await validate(answer.body.access_token)).status, 401);
      }
      assert.equal(await isSignedIn(person), false);
      const { rows } = await api.issuer.owner.query('select count(*)::int as left from oidc_grants where user_id = $1', [person.userId]);
      const { rows: sessions } = await api.issuer.owner.query('select count(*)::int as left from oidc_sessions where user_id = $1', [
        person.userId,
      ]);
      assert.deepEqual([rows[0].left, sessions[0].left], [0, 0]);
    }
  });

  it('one session may go on while everything else of the person ends, also what outlived the session it was given in', async () => {
    const scope = 'openid account offline_access';
    const userId = await api.issuer.addUser();
    api.issuer.state.accountId = userId;
    const offline = await authorize(api.issuer, 'other', { scope, prompt: 'consent' }, new Browser(api.issuer.url));
    const { body } = await api.issuer.token(offline.form, basic('other'));
    const refresh = (token: unknown, client: string): Promise<{ status: number }> =>
      api.issuer.token({ grant_type: 'refresh_token', refresh_token: String(token) }, basic(client));
    const past = await api.issuer.db.transaction((sql) => sql('oidc_sessions').where({ user_id: userId }).select('uid'));
    await endSessions(
      api.deps,
      systemScope(api.issuer.tenantId, 'test'),
      userId,
      past.map(({ uid }) => uid as string),
    );
    const again = await api.issuer.token({ grant_type: 'refresh_token', refresh_token: String(body.refresh_token) }, basic('other'));
    assert.equal(again.status, 200, 'offline access outlives the session');
    const here = await signIn({ userId });
    const [row] = await api.issuer.db.transaction((sql) => sql('oidc_sessions').where({ user_id: userId }).select('uid'));
    await api.issuer.db.transaction((sql) => endAccess(api.deps, userId, sql, { exceptSession: row.uid }));
    assert.equal((await refresh(again.body.refresh_token, 'other')).status, 400);
    assert.deepEqual([(await refresh(here.refresh, 'web')).status, await isSignedIn(here)], [200, true]);
  });

  it('a client of another tenant is no resource server here, though it goes by the id of one that was', async () => {
    const { owner, tenantId } = api.issuer;
    const person = await signIn({ resource: API, scope: 'openid api:read' });
    const elsewhere = newId();
    await owner.query(`insert into tenants (id, slug, name, type) values ($1, 'elsewhere', 'Elsewhere', 'team')`, [elsewhere]);
    await owner.query(`update resources set clients = '{rs,squatter}' where identifier = $1 and tenant_id = $2`, [API, tenantId]);
    await api.issuer.addClient('squatter', MACHINE, { tenant_id: elsewhere });
    const active = async (client: string): Promise<unknown> =>
      (await api.issuer.post('/token/introspection', { token: person.access }, basic(client))).body['active'];
    await sleep(200);
    assert.deepEqual([await active('rs'), await active('squatter')], [true, false]);
    assert.deepEqual(
      [(await validate(person.access, basic('rs'))).status, (await validate(person.access, basic('squatter'))).status],
      [200, 401],
    );
  });

  it('a sign-out is in the audit log, where it takes back a client’s own token and where it is refused, too', async () => {
    const machine = await api.issuer.token({ grant_type: 'client_credentials', resource: API }, basic('rs'));
    const token = String(machine.body.access_token);
    const signOut = async (): Promise<unknown[]> => {
      let status = 0;
      const rows = await api.issuer.audited(async () => {
        status = (await api.call('POST /api/sessions/logout', { body: { token } })).status;
      });
      return [status, ...rows.map(({ type, outcome, reason }) => [type, outcome, reason])];
    };
    assert.deepEqual(await signOut(), [200, ['token.revoked', 'success', null]]);
    assert.deepEqual(await signOut(), [401, ['session.refused', 'failure', 'session.inactive']]);
  });

  it('nobody is signed out by somebody else’s token', async () => {
    const [person, mallory] = [await signIn(), await signIn()];
    assert.equal((await api.call('POST /api/sessions/logout', { token: mallory.access, body: { token: person.access } })).status, 401);
    assert.equal((await api.call('POST /api/sessions/logout', { token: mallory.access, body: { token: person.sid } })).status, 401);
    assert.equal((await api.call('POST /api/sessions/logout', { body: { token: person.sid } })).status, 401, 'a sid is no credential');
    assert.equal((await api.call('POST /api/sessions/logout', { body: {} })).status, 401);
    assert.equal((await api.call(`DELETE /api/me/sessions/${person.sid}`, { token: mallory.access })).status, 404);
    assert.equal(await isSignedIn(person), true);
    assert.equal((await api.call('POST /api/sessions/logout', { token: manager, body: { token: person.access, all: true } })).status, 200);
    assert.equal(await isSignedIn(person), false);
  });

  it('people see what applications hold of them, and take it back', async () => {
    const person = await signIn();
    const { body } = await api.call('GET /api/me/grants', { token: person.access });
    assert.deepEqual(
      (body['items'] as unknown as { clientId: string }[]).map(({ clientId }) => clientId),
      ['web'],
    );
    assert.equal((await api.call('DELETE /api/me/grants/other', { token: person.access })).status, 404);
    assert.deepEqual((await api.call('DELETE /api/me/grants/web', { token: person.access })).body, { id: 'web', deleted: true });
    assert.equal((await api.call('GET /api/me/grants', { token: person.access })).status, 401);
  });

  describe('the caller', () => {
    const current = (token: string, headers: Record<string, string> = {}): Promise<ApiReply> =>
      api.call('GET /api/sessions/current', { headers: { authorization: `Bearer ${token}`, ...headers } });

    it('is not known by forged, foreign or confused tokens', async () => {
      const { access, form, refresh } = await signIn();
      const [head, payload, signature] = access.split('.') as [string, string, string];
      const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
      const jwk = ((await (await fetch(`${api.issuer.url}/jwks`)).json()) as { keys: { kid: string }[] }).keys.find(
        ({ kid }) => kid === decodeProtectedHeader(access).kid,
      );
      const pem = createPublicKey({ key: jwk as never, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
      const hmac = (input: string): string => createHmac('sha256', pem).update(input).digest('base64url');
      const hs = `${encode({ alg: 'HS256', typ: 'at+jwt', kid: decodeProtectedHeader(access).kid })}.${payload}`;
      const foreignAudience = (await signIn({ resource: API, scope: 'openid api:read' })).access;
      const opaque = (await signIn({ resource: '', scope: 'openid' })).access;
      const idToken = String((await api.issuer.token({ grant_type: 'refresh_token', refresh_token: refresh }, basic('web'))).body.id_token);
      const forged: Record<string, string> = {
        'no algorithm': `${encode({ alg: 'none', typ: 'at+jwt' })}.${payload}.`,
        None: `${encode({ alg: 'None', typ: 'at+jwt' })}.${payload}.${signature}`,
        'the public key as a secret': `${hs}.${hmac(hs)}`,
        'another payload': `${head}.${encode({ ...decodeJwt(access), scope: 'users.write account' })}.${signature}`,
        'a key of its own': await new SignJWT({ ...decodeJwt(access) })
          .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: '../../dev/null' })
          .sign(new Uint8Array(32)),
        'a token for another API': foreignAudience,
        'an opaque token': opaque,
        'an ID token': idToken,
        'a refresh token': refresh,
        'an authorization code': String(form['code']),
        'an API key that does not exist': 'gh_0123456789abcdef',
        'too long': `${access}${'x'.repeat(20_000)}`,
      };
      for (const [name, token] of Object.entries(forged)) {
        const reply = await current(token).catch(() => undefined);
        if (name === 'too long') continue;
        assert.deepEqual([reply?.status, reply?.body['code']], [401, 'token.invalid'], name);
        assert.match(reply?.headers.get('www-authenticate') ?? '', /error="invalid_token"/, name);
      }
      assert.equal((await current(access)).status, 200);
    });

    it('may at most what the token says and the roles give at this moment', async () => {
      const admin = await api.issuer.addUser({ roles: ['administrator'] });
      const person = await signIn({ userId: admin, scope: 'openid account sessions.read' });
      const list = (): Promise<ApiReply> => api.call(`GET /api/users/${admin}/sessions`, { token: person.access });
      assert.equal((await list()).status, 200);
      assert.equal((await api.call(`DELETE /api/users/${admin}/sessions`, { token: person.access })).status, 403, 'not asked for');
      await api.issuer.owner.query('delete from role_assignments where user_id = $1', [admin]);
      assert.equal((await list()).status, 403, 'the role was taken away');
      await api.issuer.owner.query(`update clients set permissions = '{tokens.validate}' where client_id = 'manager'`);
      assert.equal((await api.call(`GET /api/users/${admin}/sessions`, { token: manager })).status, 403);
      await api.issuer.owner.query(
        `update clients set permissions = '{sessions.read,sessions.write,tokens.validate}' where client_id = 'manager'`,
      );
    });

    it('proves the possession of the key that a token is bound to, once for each call', async () => {
      const key = await dpopKey();
      const { issuer } = api;
      issuer.state.accountId = await issuer.addUser();
      const { form } = await authorize(issuer, 'bound', { scope: 'openid account', resource: `${issuer.url}/api` });
      const { body } = await issuer.token(
        { ...form, client_id: 'bound', resource: `${issuer.url}/api` },
        { dpop: await key.proof(`${issuer.url}/token`) },
      );
      const token = String(body.access_token);
      const ath = createHash('sha256').update(token).digest('base64url');
      const url = `${issuer.url}/api/sessions/current`;
      const send = (proof: string | undefined, scheme = 'DPoP'): Promise<ApiReply> =>
        api.call('GET /api/sessions/current', {
          headers: { authorization: `${scheme} ${token}`, ...(proof === undefined ? {} : { dpop: proof }) },
        });
      const good = await key.proof(url, { htm: 'GET', ath });
      assert.equal((await send(good)).status, 200);
      const bad: Record<string, string | undefined> = {
        'no proof': undefined,
        'the same proof again': good,
        'another method': await key.proof(url, { ath }),
        'another address': await key.proof(`${issuer.url}/api/sessions/validate`, { htm: 'GET', ath }),
        'another token': await key.proof(url, { htm: 'GET', ath: 'x' }),
        'no token': await key.proof(url, { htm: 'GET' }),
        'another key': await (await dpopKey()).proof(url, { htm: 'GET', ath }),
        'no JWT': 'nonsense',
      };
      for (const [name, proof] of Object.entries(bad)) {
        const reply = await send(proof);
        assert.equal(reply.status, 401, name);
        assert.match(reply.headers.get('www-authenticate') ?? '', /^DPoP error="invalid_dpop_proof"/);
      }
      assert.equal((await send(await key.proof(url, { htm: 'GET', ath }), 'Bearer')).status, 401, 'as a bearer token');
      const once = await key.proof(url, { htm: 'GET', ath });
      const parallel = await Promise.all(Array.from({ length: 8 }, () => send(once)));
      assert.deepEqual(parallel.filter(({ status }) => status === 200).length, 1);
      assert.equal((await api.call('POST /api/sessions/logout', { body: { token } })).status, 401, 'a bound token alone is no authority');
    });

    it('costs one statement beside what is asked for', async () => {
      const person = await signIn();
      const statements = await api.issuer.counted(() => api.call('GET /api/sessions/current', { token: person.access }));
      assert.equal(statements, 2, 'who calls, and the session');
    });
  });
});
