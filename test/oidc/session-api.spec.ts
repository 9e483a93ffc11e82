import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '#src/core/ids.ts';
import { API, basic, MACHINE, OPAQUE_API } from '#test/support/oidc.ts';
import { endAllAccess } from '#test/support/session-api.ts';
import { type SessionScene, type SignedIn, startSessionScene } from '../support/session-scene.ts';

describe('sessions at our API', function () {
  this.timeout(40_000);
  let api: SessionScene['api'];
  let manager: SessionScene['manager'];
  let signIn: SessionScene['signIn'];
  let validate: SessionScene['validate'];
  let isSignedIn: SessionScene['isSignedIn'];
  let close: SessionScene['close'] | undefined;

  before(async () => {
    ({ api, manager, signIn, validate, isSignedIn, close } = await startSessionScene());
  });
  after(() => close?.());

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
});
