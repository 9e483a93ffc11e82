/** How sessions end, and what ends with them. */
import assert from 'node:assert/strict';
import { systemScope } from '#src/core/scope.ts';
import { endAccess, endSessions } from '#src/features/sessions/commands.ts';
import { Browser } from '#test/support/browser.ts';
import { API, authorize, basic } from '#test/support/oidc.ts';
import { type SessionScene, startSessionScene } from '../support/session-scene.ts';

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

  it('that their person ends from another leave nothing, what may act while they are away included', async () => {
    for (const all of [true, false]) {
      const userId = await api.issuer.addUser();
      const here = await signIn({ userId });
      api.issuer.state.accountId = userId;
      const there = await authorize(
        api.issuer,
        'other',
        { scope: 'openid account offline_access', prompt: 'consent' },
        new Browser(api.issuer.url),
      );
      const { body } = await api.issuer.token(there.form, basic('other'));
      const list = await api.call('GET /api/me/sessions', { token: here.access });
      const items = list.body['items'] as unknown as { id: string; current: boolean }[];
      const other = items.find(({ current }) => !current)?.id;
      assert.equal((await api.call(`DELETE /api/me/sessions${all ? '' : `/${other}`}`, { token: here.access })).status, 200);
      const again = await api.issuer.token({ grant_type: 'refresh_token', refresh_token: String(body.refresh_token) }, basic('other'));
      assert.equal(again.status, 400, all ? 'all others' : 'that one');
      assert.equal(await isSignedIn(here), true);
    }
  });

  it('show what a person agreed to also where nothing is held of it any more', async () => {
    const person = await signIn();
    await api.issuer.owner.query(`insert into consents (user_id, client_id, scope) values ($1, 'other', 'openid')`, [person.userId]);
    const { body } = await api.call('GET /api/me/grants', { token: person.access });
    const items = body['items'] as unknown as { clientId: string; scope: string; expiresAt: string | null; offline: boolean }[];
    assert.deepEqual(
      items.map(({ clientId, expiresAt }) => [clientId, expiresAt === null]),
      [
        ['other', true],
        ['web', false],
      ],
    );
    assert.deepEqual((await api.call('DELETE /api/me/grants/other', { token: person.access })).body, { id: 'other', deleted: true });
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
});
