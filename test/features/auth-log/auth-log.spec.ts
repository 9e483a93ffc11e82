import assert from 'node:assert/strict';
import type { AuditEvent } from '#src/core/audit-event.ts';
import { systemClock } from '#src/core/clock.ts';
import { newId } from '#src/core/ids.ts';
import type { Scope } from '#src/core/scope.ts';
import { authLogRoutes } from '#src/features/auth-log/routes.ts';
import { type ApiAnswer, type ApiHarness, type Loose, startApi } from '#test/support/api.ts';

type Item = Record<string, unknown>;

describe('the log of authentications', () => {
  let api: ApiHarness;
  let tenantId: string;
  let token: string;
  let ada: string;
  let bob: string;

  before(async () => {
    api = await startApi((parts) => authLogRoutes({ ...parts, reads: parts.db, clock: systemClock }));
    tenantId = api.tenants[0];
    token = api.tokenOf({ tenantId });
    ada = await addPerson('ada', tenantId);
    bob = await addPerson('bob', tenantId);
  });
  after(() => api?.close());
  beforeEach(() => api.owner.query('delete from audit_events'));

  async function addPerson(name: string, home: string): Promise<string> {
    const id = newId();
    await api.owner.query('insert into users (id, home_tenant_id, username, username_key, status) values ($1, $2, $3, $3, $4)', [
      id,
      home,
      name,
      'active',
    ]);
    return id;
  }

  const get = (query: string, as = token): Promise<ApiAnswer> => api.call(as, `GET /api/logs/auth${query}`);
  const report = (body: object, as = token): Promise<ApiAnswer> => api.call(as, 'POST /api/logs/auth', { body });
  const listed = async (query: string, as = token): Promise<Item[]> => {
    const answer = await get(query, as);
    assert.equal(answer.status, 200, answer.text);
    return answer.body['items'] as unknown as Item[];
  };
  const invalid = (answer: ApiAnswer, pointer: string): void => {
    assert.equal(answer.status, 422, answer.text);
    const pointers = (answer.body['errors'] as unknown as Loose[]).map((error) => String(error['pointer']));
    assert.deepEqual([...new Set(pointers)], [pointer]);
  };

  const scopeAt = (address: string, clientId = 'app', where = tenantId): Scope => ({
    tenantId: where,
    actor: { type: 'anonymous' },
    clientId,
    request: { id: 'r', address, device: 'Browser', issuer: '' },
    permissions: new Set(),
    platform: false,
  });
  const record = (event: Partial<AuditEvent>, scope = scopeAt('198.51.100.1')): Promise<void> =>
    api.audit.append(scope, {
      type: 'login.refused',
      outcome: 'failure',
      reason: 'password.wrong',
      data: { method: 'password' },
      ...event,
    });
  const refusedFor = (personId: string | undefined, address: string): Promise<void> =>
    record(personId === undefined ? {} : { personId, target: { type: 'user', id: personId } }, scopeAt(address));
  /** Moves the newest row in time. */
  const shift = (interval: string): Promise<unknown> =>
    api.owner.query(`update audit_events set at = at - $1::interval where id = (select id from audit_events order by at desc limit 1)`, [
      interval,
    ]);

  it('keeps what another service reports as external, sealed, with one row, and shows it again', async () => {
    const sent = {
      type: 'login.succeeded',
      outcome: 'success',
      userId: ada,
      username: 'ada@partner.test',
      ip: '203.0.113.9',
      device: 'Kiosk 4',
      at: '2026-11-01T12:00:00+02:00',
      reason: 'badge',
      detail: 'door 3',
    };
    const made = await report(sent);
    assert.deepEqual([made.status, made.body['type'], made.body['source']], [201, 'external.login.succeeded', 'external'], made.text);
    const { rows } = await api.owner.query('select *, t::text as whole from audit_events t');
    assert.deepEqual([rows.length, rows[0].type, rows[0].person_id, rows[0].actor_id], [1, 'external.login.succeeded', ada, 'test-client']);
    for (const text of ['ada@partner.test', '203.0.113.9', 'Kiosk', 'badge', 'door 3']) {
      assert.ok(!rows[0].whole.includes(text), text);
      assert.ok(!rows[0].sealed.includes(text), text);
    }
    const [item] = await listed('');
    assert.deepEqual(
      { ...item, at: '' },
      {
        id: made.body['id'],
        at: '',
        reportedAt: '2026-11-01T10:00:00.000Z',
        type: 'external.login.succeeded',
        outcome: 'success',
        source: 'external',
        reason: 'badge',
        method: null,
        userId: ada,
        username: 'ada@partner.test',
        clientId: 'test-client',
        address: '203.0.113.9',
        device: 'Kiosk 4',
        detail: 'door 3',
        requestId: rows[0].request_id,
      },
    );
    assert.deepEqual(await listed('?type=login.succeeded'), [], 'it is none of our own');
    assert.equal((await listed('?ip=203.0.113.9')).length, 1);
  });

  it('answers alike whether the person is known, and links nobody who is no member', async () => {
    const foreign = await addPerson('foreign', api.tenants[1]);
    for (const userId of [foreign, newId(), 'employee 7']) {
      const made = await report({ type: 'login', outcome: 'failure', userId });
      assert.deepEqual([made.status, Object.keys(made.body).sort()], [201, ['id', 'outcome', 'source', 'type']]);
    }
    const { rows } = await api.owner.query('select person_id, target_id from audit_events');
    assert.deepEqual(rows, Array(3).fill({ person_id: null, target_id: null }));
    assert.deepEqual(
      (await listed('')).map(({ userId }) => userId === foreign || userId !== null),
      [true, true, true],
    );
    assert.deepEqual(await listed(`?userId=${foreign}`), []);
    assert.deepEqual(await listed('', api.tokenOf({ tenantId: api.tenants[1] })), []);
  });

  it('is not filed under the person who reports, and forgets with the person it tells of', async () => {
    const reporter = api.tokenOf({ tenantId, actor: { type: 'user', id: bob } });
    await report({ type: 'door', outcome: 'failure', username: 'somebody' }, reporter);
    const gone = await addPerson('gone', tenantId);
    await report({ type: 'door', outcome: 'failure', userId: gone, username: 'secret name', ip: '203.0.113.77', detail: 'all' }, reporter);
    const { rows } = await api.owner.query('select person_id from audit_events order by at');
    assert.deepEqual(
      rows.map(({ person_id }) => person_id),
      [null, gone],
    );
    await api.db.transaction((sql) => api.forget(gone, sql));
    const [item] = await listed(`?userId=${gone}`);
    assert.deepEqual([item?.['username'], item?.['address'], item?.['detail'], item?.['device']], [null, null, null, null]);
    const groups = await get('/failed/aggregates?by=address');
    assert.deepEqual(
      (groups.body['items'] as unknown as Item[]).map(({ key }) => key),
      [null, null],
    );
  });

  it('refuses reports that are none, records nothing of them, and takes them from nobody without the permission', async () => {
    const good = { type: 'login', outcome: 'success' };
    for (const type of ['Login', '', '1a', 'a b', 'a'.repeat(65), 'é']) invalid(await report({ ...good, type }), '/type');
    invalid(await report({ ...good, ip: '300.1.1.1' }), '/ip');
    invalid(await report({ ...good, at: 'yesterday' }), '/at');
    invalid(await report({ ...good, outcome: 'maybe' }), '/outcome');
    invalid(await report({ ...good, source: 'gatehouse' }), '/source');
    invalid(await report({ ...good, detail: 'x'.repeat(2001) }), '/detail');
    const { rows } = await api.owner.query(`select count(*)::integer as count from audit_events`);
    assert.equal(rows[0].count, 0);
    const reader = api.tokenOf({ tenantId, permissions: ['audit.read'] });
    assert.equal((await report(good, reader)).status, 403);
    const writer = api.tokenOf({ tenantId, permissions: ['logs.write'] });
    for (const path of ['', '/failed', '/failed/aggregates?by=user']) assert.equal((await get(path, writer)).status, 403);
    assert.equal((await report(good, writer)).status, 201);
  });

  it('tells of authentications only, newest first, and finds them by each filter', async () => {
    await record({});
    await record(
      { type: 'login.succeeded', outcome: 'success', reason: undefined, personId: ada, data: { method: 'totp' } },
      scopeAt('2001:db8::1', 'other'),
    );
    await record({ type: 'user.created', outcome: 'success' });
    await record({ type: 'token.issued', outcome: 'success', personId: ada });
    await record({ type: 'registration.started', outcome: 'success' }, scopeAt('198.51.100.2'));
    await record({}, scopeAt('198.51.100.1', 'app', api.tenants[1]));
    await report({ type: 'badge', outcome: 'success' });
    const typesOf = async (query: string): Promise<unknown[]> => (await listed(query)).map(({ type }) => type);
    assert.deepEqual(await typesOf(''), ['external.badge', 'registration.started', 'login.succeeded', 'login.refused']);
    const expected: Record<string, string[]> = {
      'type=login.refused': ['login.refused'],
      'type=external.badge': ['external.badge'],
      'type=user.created': [],
      'type=token.issued': [],
      [`userId=${ada}`]: ['login.succeeded'],
      'ip=2001:db8::1': ['login.succeeded'],
      'ip=198.51.100.2': ['registration.started'],
      'outcome=failure': ['login.refused'],
      'method=totp': ['login.succeeded'],
      'clientId=other': ['login.succeeded'],
      'source=external': ['external.badge'],
      'source=gatehouse&outcome=success': ['registration.started', 'login.succeeded'],
      'source=external&type=login.refused': [],
      'source=gatehouse&type=external.badge': [],
      'to=2020-01-01T00:00:00Z': [],
    };
    for (const [query, types] of Object.entries(expected)) assert.deepEqual(await typesOf(`?${query}`), types, query);
    invalid(await get('?ip=nowhere'), '/ip');
    invalid(await get('?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z'), '/to');
    invalid(await get(`?cursor=${Buffer.from('["1","x"]').toString('base64url')}`), '/cursor');
    assert.equal((await get('?userId=ada')).status, 422);
  });

  it('pages through everything once', async () => {
    for (let number = 0; number < 7; number += 1) {
      await record({});
      await report({ type: 'badge', outcome: 'failure' });
    }
    for (const path of ['', '/failed']) {
      const whole = (await listed(`${path}?limit=200`)).map(({ id }) => id);
      assert.equal(whole.length, 14);
      const seen: unknown[] = [];
      let cursor: unknown = '';
      while (cursor !== null) {
        const page = await get(`${path}?limit=4${cursor === '' ? '' : `&cursor=${String(cursor)}`}`);
        seen.push(...(page.body['items'] as unknown as Item[]).map(({ id }) => id));
        cursor = page.body['nextCursor'];
        if (path === '/failed') assert.equal((page.body['totals'] as Loose)['count'], 14);
      }
      assert.deepEqual(seen, whole);
    }
  });

  it('counts failed sign-ins over the whole filter: how many, of how many people, from how many addresses', async () => {
    await refusedFor(ada, '198.51.100.1');
    await shift('3 days');
    await refusedFor(ada, '198.51.100.1');
    await refusedFor(bob, '198.51.100.1');
    await refusedFor(undefined, '198.51.100.2');
    await record({ type: 'login.succeeded', outcome: 'success', personId: ada });
    await record({ type: 'registration.refused' });
    await report({ type: 'door', outcome: 'failure', userId: bob, ip: '203.0.113.1' });
    await report({ type: 'door', outcome: 'success', userId: bob, ip: '203.0.113.1' });
    const totals = async (query: string): Promise<unknown> => (await get(`/failed?limit=1${query}`)).body['totals'];
    assert.deepEqual(await totals(''), { count: 5, users: 2, addresses: 3, complete: true });
    assert.deepEqual(await totals(`&userId=${ada}`), { count: 2, users: 1, addresses: 1, complete: true });
    assert.deepEqual(await totals('&ip=198.51.100.1'), { count: 3, users: 2, addresses: 1, complete: true });
    const dayAgo = new Date(Date.now() - 86_400_000).toISOString();
    assert.deepEqual(await totals(`&from=${dayAgo}`), { count: 4, users: 2, addresses: 3, complete: true });
    assert.deepEqual(await totals(`&to=${dayAgo}`), { count: 1, users: 1, addresses: 1, complete: true });
    const other = await get('/failed', api.tokenOf({ tenantId: api.tenants[1] }));
    assert.deepEqual(other.body['totals'], { count: 0, users: 0, addresses: 0, complete: true });
  });

  it('groups failed sign-ins by person, address and hour, the greatest first', async () => {
    for (const address of ['198.51.100.1', '198.51.100.1', '198.51.100.2']) await refusedFor(ada, address);
    await refusedFor(bob, '198.51.100.2');
    await shift('2 hours');
    await refusedFor(undefined, '198.51.100.1');
    const groups = async (by: string, more = ''): Promise<unknown[][]> => {
      const answer = await get(`/failed/aggregates?by=${by}${more}`);
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.body['complete'], true);
      return (answer.body['items'] as unknown as Item[]).map(({ key, count, users, addresses }) => [key, count, users, addresses]);
    };
    assert.deepEqual(await groups('user'), [
      [ada, 3, 1, 2],
      [bob, 1, 1, 1],
      [null, 1, 0, 1],
    ]);
    assert.deepEqual(await groups('address'), [
      ['198.51.100.1', 3, 1, 1],
      ['198.51.100.2', 2, 2, 1],
    ]);
    const hours = await groups('hour');
    assert.equal(hours.length, 2);
    assert.match(String(hours[0]?.[0]), /^\d{4}-\d\d-\d\dT\d\d:00:00\.000Z$/);
    assert.ok(String(hours[0]?.[0]) < String(hours[1]?.[0]));
    assert.deepEqual(
      hours.map(([, count]) => count),
      [1, 4],
    );
    assert.deepEqual(
      await groups('user', '&ip=198.51.100.2'),
      [
        [ada, 1, 1, 1],
        [bob, 1, 1, 1],
      ].sort(),
    );
    assert.deepEqual(await groups('address', `&userId=${bob}`), [['198.51.100.2', 1, 1, 1]]);
  });

  it('groups no more than 31 days at once', async () => {
    const to = '2026-11-20T00:00:00Z';
    assert.equal((await get(`/failed/aggregates?by=hour&from=2026-10-20T00:00:00Z&to=${to}`)).status, 200);
    invalid(await get(`/failed/aggregates?by=hour&from=2026-10-19T23:59:59Z&to=${to}`), '/from');
    invalid(await get('/failed/aggregates?by=week'), '/by');
    assert.equal((await get('/failed/aggregates')).status, 422);
  });
});
