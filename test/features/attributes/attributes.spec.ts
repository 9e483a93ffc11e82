import assert from 'node:assert/strict';
import { newId } from '#src/core/ids.ts';
import { checkAttributes } from '#src/features/attributes/check.ts';
import { createDefinitions } from '#src/features/attributes/commands.ts';
import type { AttributeDefinition } from '#src/features/attributes/index.ts';
import { checkUserValues } from '#src/features/attributes/values.ts';
import { addMember } from '#test/features/roles/start.ts';
import type { ApiAnswer, ApiHarness, Loose } from '#test/support/api.ts';
import { startAttributes } from './start.ts';

describe('attributes', () => {
  let api: ApiHarness;
  let tenant: string;
  let other: string;
  let token: string;
  let foreign: string;
  let ada: string;

  before(async () => {
    api = await startAttributes();
    [tenant, other] = api.tenants;
    token = api.tokenOf({ tenantId: tenant });
    foreign = api.tokenOf({ tenantId: other });
    ada = await addMember(api, tenant);
  });
  after(() => api.close());

  const call = (signature: string, body?: object, headers: Record<string, string> = {}, as = token): Promise<ApiAnswer> =>
    api.call(as, signature, { headers, ...(body ? { body } : {}) });
  const define = async (path: string, type: string, more: object = {}): Promise<string> => {
    const made = await call('POST /api/attributes', { path, type, ...more });
    assert.equal(made.status, 201, made.text);
    return String(made.body['id']);
  };
  const pointers = (answer: ApiAnswer): unknown[] => (answer.body['errors'] as unknown as Loose[]).map(({ pointer }) => pointer);
  const items = (answer: ApiAnswer): Loose[] => answer.body['items'] as unknown as Loose[];
  const changes = async (): Promise<number> =>
    (await api.owner.query(`select count(*)::int as count from audit_events where outcome = 'success'`)).rows[0].count;
  /** Something of each kind in the tenant. */
  async function entitiesOf(tenantId: string): Promise<[path: string, code: string][]> {
    const [user, group, resource, client] = [await addMember(api, tenantId), newId(), newId(), `client-${newId()}`];
    await api.owner.query('insert into groups (id, tenant_id, name) values ($1, $2, $3)', [group, tenantId, `group ${group}`]);
    await api.owner.query(`insert into resources (id, tenant_id, identifier, name) values ($1, $2, $3, 'R')`, [
      resource,
      tenantId,
      `https://${resource}.test/`,
    ]);
    await api.owner.query(`insert into clients (client_id, tenant_id, metadata) values ($1, $2, '{}')`, [client, tenantId]);
    return [
      [`users/${user}`, 'user'],
      [`groups/${group}`, 'group'],
      [`resources/${resource}`, 'resource'],
      [`clients/${client}`, 'client'],
      [`tenants/${tenantId}`, 'tenant'],
    ];
  }

  it('of people, groups, clients, resources and tenants change by name, null removes, and each change is recorded once', async () => {
    for (const [path, entity] of await entitiesOf(tenant)) {
      const empty = await call(`GET /api/${path}/attributes`);
      assert.deepEqual([empty.status, empty.body], [200, {}], path);
      const before = await changes();
      const set = await call(`PUT /api/${path}/attributes`, { level: 3, tags: ['a', 'b'] }, { 'if-match': empty.headers.get('etag')! });
      assert.deepEqual([set.status, set.body], [200, { level: 3, tags: ['a', 'b'] }], set.text);
      assert.equal((await call(`PUT /api/${path}/attributes`, { level: 4 }, { 'if-match': '"0"' })).status, 412);
      const next = await call(`PUT /api/${path}/attributes`, { level: null, name: 'x' }, { 'if-match': set.headers.get('etag')! });
      assert.deepEqual([next.status, next.body], [200, { tags: ['a', 'b'], name: 'x' }]);
      await call(`PUT /api/${path}/attributes`, { name: 'x', gone: null });
      assert.equal((await changes()) - before, 2, 'what changes nothing is no change');
      const read = await call(`GET /api/${path}/attributes`);
      assert.deepEqual([read.body, read.headers.get('etag')], [next.body, next.headers.get('etag')]);
      const { rows } = await api.owner.query(`select data from audit_events where type = $1 order by at`, [`${entity}.attributes_changed`]);
      assert.deepEqual(rows, [{ data: { names: ['level', 'tags'] } }, { data: { names: ['level', 'name'] } }]);
    }
  });

  it('of what belongs to another tenant are unknown, by the same words as of what is not there', async () => {
    const unknown: Record<string, string> = { user: newId(), group: newId(), resource: newId(), client: 'nobody', tenant: newId() };
    for (const [path, entity] of await entitiesOf(other)) {
      const before = await changes();
      for (const [signature, body] of [
        [`GET /api/${path}/attributes`, undefined],
        [`PUT /api/${path}/attributes`, { a: 1 }],
      ] as const) {
        const theirs = await call(signature, body);
        const none = await call(signature.replace(/[^/]+(?=\/attributes)/, unknown[entity]!), body);
        const shown = [theirs, none].map(({ status, text }) => `${status} ${text.replace(/"requestId":"[^"]*"/, '')}`);
        assert.match(shown[0]!, new RegExp(`^404 .*"${entity}.not_found"`), signature);
        assert.equal(shown[0], shown[1]);
      }
      assert.equal(await changes(), before);
    }
    assert.equal((await call(`GET /api/users/nonsense/attributes`)).status, 404);
  });

  it('of a person are each tenant’s own', async () => {
    const bob = await addMember(api, other);
    await api.owner.query('insert into memberships (tenant_id, user_id) values ($1, $2)', [tenant, bob]);
    await call(`PUT /api/users/${bob}/attributes`, { section: 'HR' });
    await call(`PUT /api/users/${bob}/attributes`, { section: 'Sales' }, {}, foreign);
    assert.deepEqual((await call(`GET /api/users/${bob}/attributes`)).body, { section: 'HR' });
    assert.deepEqual((await call(`GET /api/users/${bob}/attributes`, undefined, {}, foreign)).body, { section: 'Sales' });
  });

  it('of a tenant are changed from within it, and by the platform', async () => {
    const platform = api.tokenOf({ tenantId: api.rootTenantId });
    assert.equal((await call(`PUT /api/tenants/${other}/attributes`, { region: 'eu' }, {}, platform)).status, 200);
    assert.deepEqual((await call(`GET /api/tenants/${other}/attributes`, undefined, {}, foreign)).body, { region: 'eu' });
    assert.equal((await call(`GET /api/tenants/${other}/attributes`)).status, 404);
  });

  it('are as their definitions say', async () => {
    await define('user.department', 'string');
    await define('user.badges', 'number', { cardinality: 'many' });
    await define('resource.opens', 'time');
    await define('resource.asked', 'string', { source: 'request' });
    const before = await changes();
    const bad = await call(`PUT /api/users/${ada}/attributes`, { department: 5, badges: 7, free: ['of', 'form'] });
    assert.deepEqual([bad.status, pointers(bad)], [422, ['/department', '/badges']]);
    assert.deepEqual((await call(`GET /api/users/${ada}/attributes`)).body, {});
    assert.equal((await call(`PUT /api/users/${ada}/attributes`, { department: 'HR', badges: [7], free: true })).status, 200);
    assert.deepEqual(pointers(await call(`PUT /api/tenants/${tenant}/attributes`, { opens: '25:00', asked: 'x' })), ['/opens', '/asked']);
    assert.equal((await call(`PUT /api/tenants/${tenant}/attributes`, { opens: '09:00', department: 5 })).status, 200);
    assert.equal((await changes()) - before, 2);
    const writing = (values: Record<string, unknown>) =>
      api.db.transaction((sql) => checkUserValues(sql, tenant, values), { tenantId: tenant });
    await writing({ department: 'HR', other: 1 });
    for (const strange of [{ a: {} }, { a: Number.POSITIVE_INFINITY }, { 'a b': 1 }, { a: 'x'.repeat(1001) }])
      await assert.rejects(writing(strange), { code: 'input.invalid' });
    await assert.rejects(writing({ department: 1 }), {
      code: 'input.invalid',
      errors: [{ pointer: '/attributes/department', message: 'must be of the type string' }],
    });
  });

  it('are bounded: names, texts, lists and how many there are', async () => {
    const bob = await addMember(api, tenant);
    const put = (body: object): Promise<ApiAnswer> => call(`PUT /api/users/${bob}/attributes`, body);
    for (const body of [
      { 'a b': 1 },
      { [`a${'b'.repeat(64)}`]: 1 },
      { a: 'x'.repeat(1001) },
      { a: Array.from({ length: 101 }, () => 1) },
      { a: { b: 1 } },
      { a: [['x']] },
      Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`a${n}`, n])),
    ])
      assert.equal((await put(body)).status, 422, JSON.stringify(body).slice(0, 60));
    assert.equal((await put(Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`a${n}`, n])))).status, 200);
    assert.deepEqual(pointers(await put({ more: 1 })), ['']);
    assert.equal((await put({ more: 1, a0: null })).status, 200);
  });

  it('of a member are listed by path, with what is defined', async () => {
    const listed = await call(`GET /api/attributes?userId=${ada}`);
    assert.deepEqual(
      items(listed).map(({ path, value, type }) => [path, value, type]),
      [
        ['user.badges', [7], 'number'],
        ['user.department', 'HR', 'string'],
        ['user.free', true, null],
      ],
    );
    const first = await call(`GET /api/attributes?userId=${ada}&limit=2`);
    const second = await call(`GET /api/attributes?userId=${ada}&limit=2&cursor=${String(first.body['nextCursor'])}`);
    assert.deepEqual([...items(first), ...items(second)], items(listed));
    assert.equal((await call(`GET /api/attributes?userId=${ada}`, undefined, {}, foreign)).status, 404);
    assert.equal((await call(`GET /api/attributes?userId=${ada}&path=user.free`)).status, 422);
    assert.deepEqual(
      items(await call('GET /api/attributes?path=user.badges')).map(({ cardinality }) => cardinality),
      ['many'],
    );
  });

  it('that have values keep their definition as it is; its other members may change', async () => {
    const [{ id }] = items(await call('GET /api/attributes?path=user.department')) as [Loose];
    for (const body of [{ type: 'number' }, { cardinality: 'many' }, { path: 'user.division' }]) {
      const answer = await call(`PATCH /api/attributes/${String(id)}`, body);
      assert.deepEqual([answer.status, answer.body['code']], [409, 'attribute.in_use']);
    }
    assert.equal((await call(`DELETE /api/attributes/${String(id)}`)).body['code'], 'attribute.in_use');
    assert.equal((await call(`PATCH /api/attributes/${String(id)}`, { description: 'Where they work' })).status, 200);
    await call(`PUT /api/users/${ada}/attributes`, { department: null });
    assert.equal((await call(`PATCH /api/attributes/${String(id)}`, { type: 'number' })).status, 200);
    assert.equal((await call(`DELETE /api/attributes/${String(id)}`)).status, 200);
  });

  it('never get a value of a type that their definition just lost', async () => {
    const bob = await addMember(api, tenant);
    for (let round = 0; round < 5; round += 1) {
      const id = await define(`user.raced${round}`, 'string');
      const [value, type] = await Promise.all([
        call(`PUT /api/users/${bob}/attributes`, { [`raced${round}`]: 'text' }),
        call(`PATCH /api/attributes/${id}`, { type: 'number' }),
      ]);
      assert.ok((value.status === 200) !== (type.status === 200), `${value.status} ${type.status}`);
    }
  });

  it('are shown in groups, which stay while something is in them', async () => {
    const group = await call('POST /api/attribute-groups', { name: 'Work' });
    const groupId = String(group.body['id']);
    const id = await define('user.desk', 'string', { attributeGroupId: groupId });
    assert.deepEqual(
      items(await call(`GET /api/attributes?attributeGroupId=${groupId}`)).map(({ path }) => path),
      ['user.desk'],
    );
    const used = await call(`DELETE /api/attribute-groups/${groupId}`);
    assert.deepEqual([used.status, used.body['code']], [409, 'attribute_group.in_use']);
    const theirs = await call('POST /api/attribute-groups', { name: 'Work' }, {}, foreign);
    assert.deepEqual(pointers(await call(`PATCH /api/attributes/${id}`, { attributeGroupId: theirs.body['id'] })), ['/attributeGroupId']);
    assert.equal((await call(`PATCH /api/attributes/${id}`, { attributeGroupId: null })).status, 200);
    assert.equal((await call(`DELETE /api/attribute-groups/${groupId}`)).status, 200);
  });

  it('go with what they are of', async () => {
    for (const [path] of (await entitiesOf(tenant)).slice(1, 4)) await call(`PUT /api/${path}/attributes`, { doomed: true });
    const count = async (): Promise<number> =>
      (await api.owner.query(`select count(*)::int as count from attribute_values where attributes ? 'doomed'`)).rows[0].count;
    assert.equal(await count(), 3);
    for (const table of ['groups', 'resources', 'clients']) await api.owner.query(`delete from ${table} where tenant_id = $1`, [tenant]);
    assert.equal(await count(), 0);
  });

  it('of a template are defined together', async () => {
    const definitions = [
      { path: 'user.costCenter', type: 'string', personalData: true },
      { path: 'env.device', type: 'string' },
    ] as const;
    await api.db.transaction((sql) => createDefinitions(sql, other, definitions), { tenantId: other });
    assert.deepEqual(
      items(await call('GET /api/attributes', undefined, {}, foreign)).map(({ path, source, personalData }) => [
        path,
        source,
        personalData,
      ]),
      [
        ['user.costCenter', 'stored', true],
        ['env.device', 'request', false],
      ],
    );
  });

  it('know their types', () => {
    const good: Record<AttributeDefinition['type'], (string | number | boolean)[]> = {
      string: ['', 'x'],
      number: [0, -1.5],
      boolean: [true, false],
      time: ['00:00', '23:59:59'],
      date: ['2026-02-28', '2024-02-29'],
      datetime: ['2026-02-28T12:00:00Z', '2026-02-28T12:00:00.123+02:00'],
      ip: ['192.0.2.1', '2001:db8::1'],
    };
    const bad: typeof good = {
      string: [1, true],
      number: ['1', true],
      boolean: ['true', 0],
      time: ['24:00', '9:00', '09:60', 'x', 9],
      date: ['2026-02-29', '2026-2-1', '2026-13-01', 'x', 20260101],
      datetime: ['2026-02-28', '2026-02-29T12:00:00Z', '2026-02-28T12:00:00', '2026-02-28T25:00:00Z'],
      ip: ['256.0.0.1', 'fe80::1%eth0', '192.0.2.0/24', 1],
    };
    const faults = (type: AttributeDefinition['type'], value: string | number | boolean): number =>
      checkAttributes([{ path: 'user.a', type, cardinality: 'one', source: 'stored' }], 'user', { a: value }).length;
    for (const type of Object.keys(good) as AttributeDefinition['type'][]) {
      for (const value of good[type]) assert.equal(faults(type, value), 0, `${type} ${value}`);
      for (const value of bad[type]) assert.equal(faults(type, value), 1, `${type} ${value}`);
    }
  });
});
