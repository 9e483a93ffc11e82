/** Lists, filters and searches of people; what lets them in, and how they came in. */
import assert from 'node:assert/strict';
import { newId } from '#src/core/ids.ts';
import { systemScope } from '#src/core/scope.ts';
import type { ApiAnswer, ApiHarness, Loose } from '#test/support/api.ts';
import { giveRole } from '#test/support/roles.ts';
import { startUsers } from './start.ts';

describe('lists of people', () => {
  let api: ApiHarness;
  let home: string;
  let root: string;
  let tenantId: string;
  const ids: string[] = [];

  const call = (signature: string, body?: unknown, as = home): Promise<ApiAnswer> =>
    api.call(as, signature, body === undefined ? {} : { body });
  const items = async (query: string): Promise<Loose[]> => {
    const answer = await call(`GET /api/users?${query}`);
    assert.equal(answer.status, 200, answer.text);
    return answer.body['items'] as unknown as Loose[];
  };
  const usernames = async (query: string): Promise<unknown[]> => (await items(query)).map((item) => item['username']);

  before(async function () {
    this.timeout(60_000);
    api = await startUsers();
    [tenantId] = api.tenants;
    home = api.tokenOf({ tenantId });
    root = api.tokenOf({ tenantId: api.rootTenantId });
    const people = [
      { username: 'zoe', givenName: 'Anna', familyName: 'Annandale' },
      { username: 'anna', givenName: 'Anna', phone: '+66812345678' },
      { username: 'bob', familyName: 'Ångström' },
      { username: 'carl', status: 'disabled' },
    ];
    for (const person of people) {
      const made = await call('POST /api/users', person);
      assert.equal(made.status, 201, made.text);
      ids.push(String(made.body['id']));
    }
  });
  after(() => api?.close());

  it('find each person once, by the first of their names, in the order of names, page by page', async () => {
    assert.deepEqual(await usernames('q=ann'), ['zoe', 'anna']);
    assert.deepEqual(await usernames(`q=${encodeURIComponent('ÅNG')}`), ['bob']);
    assert.deepEqual(await usernames('q=ann&sort=-createdAt'), ['anna', 'zoe']);
    assert.deepEqual(await usernames('q=ann&sort=createdAt'), ['zoe', 'anna']);
    const seen: unknown[] = [];
    let cursor = '';
    for (let pages = 0; pages < 9; pages += 1) {
      const { body } = await call(`GET /api/users?sort=name&limit=1${cursor}`);
      seen.push(...(body['items'] as unknown as { username: string }[]).map(({ username }) => username));
      if (!body['nextCursor']) break;
      cursor = `&cursor=${String(body['nextCursor'])}`;
    }
    assert.deepEqual(seen, ['anna', 'zoe', 'bob', 'carl'], 'numbers come before letters');
    assert.equal((await call(`GET /api/users?sort=createdAt${cursor}`)).status, 422, 'a cursor of another order');
  });

  it('filter by phone, status, role and group, together too', async () => {
    assert.deepEqual(await usernames('phone=%2B66%2081%20234%205678'), ['anna']);
    assert.deepEqual(await usernames('status=disabled'), ['carl']);
    await giveRole(api.owner, tenantId, ids[2]!, 'administrator');
    const groupId = newId();
    await api.owner.query(`insert into groups (id, tenant_id, name) values ($1, $2, 'g')`, [groupId, tenantId]);
    await api.owner.query('insert into group_members (tenant_id, group_id, user_id) values ($1, $2, $3)', [tenantId, groupId, ids[3]]);
    await api.owner.query(
      `insert into role_assignments (id, tenant_id, role_id, group_id) select $3, $1, id, $2 from roles where tenant_id = $1 and name = 'administrator'`,
      [tenantId, groupId, newId()],
    );
    assert.deepEqual(await usernames('roleName=administrator'), ['bob', 'carl']);
    assert.deepEqual(await usernames('roleName=administrator&status=active'), ['bob']);
    assert.deepEqual(await usernames(`groupId=${groupId}`), ['carl']);
    assert.deepEqual(await usernames(`roleName=none`), []);
    assert.deepEqual(await usernames(`groupId=${newId()}`), []);
    for (const query of ['roleId=x', 'groupId=1', 'sort=email', 'status=asleep', 'attribute.a=1', 'q='])
      assert.equal((await call(`GET /api/users?${query}`)).status, 422, query);
  });

  it('keep what is searched in step with what people are called', async () => {
    await call(`PATCH /api/users/${ids[2]}`, { familyName: 'Smith', username: 'robert' });
    assert.deepEqual([await usernames('q=robert'), await usernames('q=smi'), await usernames('q=bob')], [['robert'], ['robert'], []]);
  });

  it('show how a person was proven to be who they are; the home tenant says so', async () => {
    const verification = { level: 'ial2', method: 'id-card', verifiedAt: '2026-01-02T03:04:05.000Z' };
    const changed = await call(`PATCH /api/users/${ids[0]}`, { verification });
    assert.deepEqual(changed.body['verification'], verification);
    assert.deepEqual((await call(`GET /api/users/${ids[0]}`)).body['verification'], verification);
    for (const wrong of [
      { level: 'x' },
      { ...verification, level: 'Not An Id' },
      { ...verification, verifiedAt: 'yesterday' },
      { ...verification, more: 1 },
    ])
      assert.equal((await call(`PATCH /api/users/${ids[0]}`, { verification: wrong })).status, 422);
    assert.equal((await call(`PUT /api/users/${ids[0]}`, { verification: null })).body['verification'], null as never);
    const { rows } = await api.owner.query(`select data from audit_events where target_id = $1 and type = 'user.updated'`, [ids[0]]);
    assert.deepEqual(rows[0].data, { fields: ['verification'] });
  });

  it('show factors without what they hold, and take one or all, which ends access', async () => {
    const made = await call('POST /api/users', { username: 'factor', password: 'correct horse battery' });
    const id = String(made.body['id']);
    await api.owner.query(
      `insert into credentials (id, user_id, type, name, data, sealed) values ($1, $2, 'totp', 'Phone', '{"x": "secret-of-it"}', 'abc')`,
      [newId(), id],
    );
    const listed = await call(`GET /api/users/${id}/factors`);
    const factors = listed.body['items'] as unknown as { id: string; type: string }[];
    assert.deepEqual(factors.map(({ type }) => type).sort(), ['password', 'totp']);
    assert.doesNotMatch(listed.text, /argon2|secret-of-it|data|sealed/);
    const journey = (): Promise<unknown> =>
      api.owner.query(
        `insert into journeys (id, kind, user_id, state, expires_at) values ($1, 'login', $2, '{}', now() + interval '1 hour')`,
        [newId(), id],
      );
    const journeys = async (): Promise<number | null> =>
      (await api.owner.query('select 1 from journeys where user_id = $1', [id])).rowCount;
    await journey();
    const path = `/api/users/${id}/factors`;
    assert.equal((await call(`DELETE ${path}/${newId()}`)).status, 404);
    assert.equal(await journeys(), 1);
    assert.equal((await call(`DELETE ${path}/${factors.find(({ type }) => type === 'totp')!.id}`)).status, 200);
    assert.equal(await journeys(), 0);
    assert.deepEqual((await call(`DELETE ${path}`)).body, { id, deleted: true, ended: 1 });
    assert.deepEqual((await call(`DELETE ${path}`)).body, { id, deleted: true, ended: 0 });
    const { rows } = await api.owner.query(`select data from audit_events where target_id = $1 and type = 'factor.removed' order by at`, [
      id,
    ]);
    assert.deepEqual(
      rows.map(({ data }) => data),
      [{ types: ['totp'] }, { types: ['password'] }],
    );
  });

  it('show sign-in attempts to the home tenant wherever they were, to another those in itself, and none once erased', async () => {
    const id = ids[1]!;
    await api.owner.query('insert into memberships (tenant_id, user_id) values ($1, $2)', [api.tenants[1], id]);
    const other = api.tokenOf({ tenantId: api.tenants[1] });
    const attempt = (where: string, reason: string): Promise<void> =>
      api.audit.append(
        { ...systemScope(where, 'sign-in'), request: { id: 'r', address: '192.0.2.77', device: 'Device 7', issuer: '' } },
        { type: 'login.refused', outcome: 'failure', reason, target: { type: 'user', id }, personId: id, data: { method: 'password' } },
      );
    await attempt(api.rootTenantId, 'password.wrong');
    await attempt(tenantId, 'account.disabled');
    await attempt(api.tenants[1], 'password.wrong');
    const of = async (as: string): Promise<Loose[]> =>
      (await call(`GET /api/users/${id}/attempts`, undefined, as)).body['items'] as unknown as Loose[];
    const [all, some] = [await of(home), await of(other)];
    assert.deepEqual([all.length, some.length], [3, 1]);
    const { id: _id, time: _time, ...shown } = all[1]!;
    assert.deepEqual(shown, {
      address: '192.0.2.77',
      device: 'Device 7',
      method: 'password',
      outcome: 'failure',
      reason: 'account.disabled',
      clientId: null,
    });
    const first = (await call(`GET /api/users/${id}/attempts?limit=2`)).body;
    const rest = (await call(`GET /api/users/${id}/attempts?limit=2&cursor=${String(first['nextCursor'])}`)).body;
    assert.deepEqual([...(first['items'] as unknown as Loose[]), ...(rest['items'] as unknown as Loose[])], all);
    const events = (): Promise<{ rows: { id: string; person_id: string; sealed: Buffer }[] }> =>
      api.owner.query(`select id, person_id, sealed from audit_events where person_id = $1 and type = 'login.refused'`, [id]);
    for (const event of (await events()).rows) assert.equal((await api.openPersonal(event)).address, '192.0.2.77');
    assert.equal((await call(`DELETE /api/users/${id}`)).status, 200);
    const erased = (await events()).rows;
    assert.equal(erased.length, 3);
    for (const event of erased) assert.deepEqual(await api.openPersonal(event), {}, 'address and device are unreadable for good');
    assert.equal((await call(`GET /api/users/${id}/attempts`)).status, 404);
    assert.equal((await call('GET /api/users/x/attempts', undefined, root)).status, 404);
  });
});
