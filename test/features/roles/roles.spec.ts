import assert from 'node:assert/strict';
import { faultOfLineage } from '#src/features/roles/lineage.ts';
import { createRoles } from '#src/features/roles/templates.ts';
import type { ApiAnswer, ApiHarness, Loose } from '#test/support/api.ts';
import { addMember, idOfRole, startRoles } from './start.ts';

describe('roles', () => {
  let api: ApiHarness;
  let tenant: string;
  let token: string;
  let weak: string;

  before(async () => {
    api = await startRoles();
    tenant = api.tenants[0];
    token = api.tokenOf({ tenantId: tenant });
    weak = api.tokenOf({ tenantId: tenant, permissions: ['roles.read', 'roles.write', 'users.read'] });
  });
  after(() => api.close());

  const create = (body: object, as = token): Promise<ApiAnswer> => api.call(as, 'POST /api/roles', { body });
  const patch = (id: unknown, body: object, as = token): Promise<ApiAnswer> => api.call(as, `PATCH /api/roles/${String(id)}`, { body });
  const made = async (roleName: string, more: object = {}): Promise<string> => {
    const answer = await create({ roleName, ...more });
    assert.equal(answer.status, 201, answer.text);
    return String(answer.body['id']);
  };
  const names = (answer: ApiAnswer): unknown[] => (answer.body['items'] as unknown as Loose[]).map(({ roleName }) => roleName);

  it('carry what their parents carry, named by name or id, and follow them', async () => {
    const base = await made('base', { permissions: ['users.read'] });
    const middle = await made('middle', { parents: [base], permissions: ['audit.read'] });
    const top = await made('top', { parents: ['middle'] });
    const read = await api.call(token, `GET /api/roles/${top}`);
    assert.deepEqual([read.body['parents'], read.body['effectivePermissions']], [['middle'], ['audit.read', 'users.read']]);
    await patch(base, { permissions: ['sessions.read'], roleName: 'ground' });
    const after = await api.call(token, `GET /api/roles/${top}`, { headers: { 'if-none-match': read.headers.get('etag')! } });
    assert.deepEqual([after.status, after.body['effectivePermissions']], [200, ['audit.read', 'sessions.read']]);
    assert.equal((await api.call(token, `DELETE /api/roles/${middle}`)).status, 200);
    assert.deepEqual((await api.call(token, `GET /api/roles/${top}`)).body['parents'], []);
  });

  it('have what null clears, by PUT as by PATCH', async () => {
    for (const method of ['PUT', 'PATCH']) {
      const id = await made(`cleared by ${method}`, { description: 'x', permissions: ['users.read'], parents: ['member'] });
      const answer = await api.call(token, `${method} /api/roles/${id}`, { body: { description: null, permissions: null, parents: null } });
      const { description, permissions, parents, roleName } = answer.body;
      assert.deepEqual([description, permissions, parents, roleName], [null, [], [], `cleared by ${method}`]);
    }
  });

  it('are born with the tenant, and stay as they are', async () => {
    for (const name of ['owner', 'administrator', 'member']) {
      const id = await idOfRole(api, tenant, name);
      for (const answer of [await patch(id, { description: 'x' }), await api.call(token, `DELETE /api/roles/${id}`)])
        assert.deepEqual([answer.status, answer.body['code']], [409, 'role.built_in']);
      assert.equal((await api.call(token, `GET /api/roles/${id}`)).body['builtIn'], name);
    }
  });

  it('make no loop and no more than eight generations', async () => {
    const ids = [await made('g0')];
    for (let generation = 1; generation <= 8; generation += 1) ids.push(await made(`g${generation}`, { parents: [`g${generation - 1}`] }));
    for (const answer of [
      await create({ roleName: 'g9', parents: ['g8'] }),
      await patch(ids[0], { parents: ['g8'] }),
      await patch(ids[3], { parents: ['g3'] }),
    ]) {
      assert.equal(answer.status, 422, answer.text);
      assert.deepEqual((answer.body['errors'] as unknown as Loose[])[0]?.['pointer'], '/parents');
    }
    assert.equal((await patch(ids[0], { parents: ['member'] })).status, 422, 'one more above all of them');
    assert.equal(
      faultOfLineage([
        { name: 'a', parents: ['b'] },
        { name: 'b', parents: [] },
      ]),
      undefined,
    );
  });

  it('make no loop when two are re-parented at the same instant', async () => {
    for (let round = 0; round < 5; round += 1) {
      const [one, two] = [await made(`one ${round}`), await made(`two ${round}`)];
      const answers = await Promise.all([patch(one, { parents: [two] }), patch(two, { parents: [one] })]);
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 422]);
    }
  });

  it('that carry more than the caller holds are not made, changed, deleted or inherited (G9)', async () => {
    const strong = await made('strong', { permissions: ['clients.write'] });
    const child = await made('child of strong', { parents: ['strong'] });
    const own = await made('own', { permissions: ['users.read'] });
    const before = (await api.owner.query(`select count(*) from audit_events where outcome = 'success'`)).rows[0].count;
    for (const answer of [
      await create({ roleName: 'more', permissions: ['clients.write'] }, weak),
      await create({ roleName: 'more', parents: ['child of strong'] }, weak),
      await create({ roleName: 'more', parents: ['administrator'] }, weak),
      await patch(own, { permissions: ['users.read', 'users.write'] }, weak),
      await patch(own, { parents: [strong] }, weak),
      await patch(strong, { permissions: [] }, weak),
      await patch(child, { parents: [] }, weak),
      await patch(child, { roleName: 'renamed' }, weak),
      await api.call(weak, `DELETE /api/roles/${child}`),
    ])
      assert.deepEqual([answer.status, answer.body['code']], [403, 'permission.missing'], answer.text);
    assert.equal((await api.owner.query(`select count(*) from audit_events where outcome = 'success'`)).rows[0].count, before);
    assert.equal((await patch(own, { description: 'mine' }, weak)).status, 200);
  });

  it('are taken from whoever has them when they go, which the log counts', async () => {
    const id = await made('going');
    const people = [await addMember(api, tenant), await addMember(api, tenant)];
    await api.call(token, `POST /api/roles/${id}/assign`, { body: { userIds: people } });
    assert.equal((await api.call(token, `DELETE /api/roles/${id}`)).status, 200);
    const { rows } = await api.owner.query(`select data from audit_events where type = 'role.deleted' and target_id = $1`, [id]);
    assert.deepEqual(rows, [{ data: { holders: 2 } }]);
    assert.equal((await api.owner.query('select 1 from role_assignments where role_id = $1', [id])).rowCount, 0);
  });

  it('are found by name and by what they carry, and sorted', async () => {
    await made('zebra', { permissions: ['signing-keys.read'] });
    await made('aardvark', { parents: ['zebra'] });
    assert.deepEqual(names(await api.call(token, 'GET /api/roles?roleName=zebra')), ['zebra']);
    const found = names(await api.call(token, 'GET /api/roles?permission=signing-keys.read&sort=roleName'));
    assert.deepEqual(found, ['aardvark', 'administrator', 'owner', 'zebra']);
    assert.deepEqual(names(await api.call(token, 'GET /api/roles?permission=signing-keys.read&sort=-roleName')), found.toReversed());
    const first = await api.call(token, 'GET /api/roles?permission=signing-keys.read&sort=roleName&limit=2');
    const cursor = encodeURIComponent(String(first.body['nextCursor']));
    const second = await api.call(token, `GET /api/roles?permission=signing-keys.read&sort=roleName&limit=2&cursor=${cursor}`);
    assert.deepEqual([...names(first), ...names(second), second.body['nextCursor']], [...found, null]);
    assert.equal((await api.call(token, `GET /api/roles?sort=createdAt&cursor=${cursor}`)).status, 422);
    assert.equal((await api.call(token, 'GET /api/roles?sort=name')).status, 422);
  });

  it('carry the scopes of resources that the tenant sees: its own and those of the root tenant', async () => {
    const add = (id: string, of: string, scope: string) =>
      api.owner.query(`insert into resources (id, tenant_id, identifier, name, scopes) values (gen_random_uuid(), $1, $2, 'API', $3)`, [
        of,
        id,
        JSON.stringify([{ name: scope, description: `May ${scope}` }]),
      ]);
    await add('https://payroll.test/', tenant, 'payroll.read');
    await add('https://shared.test/files', api.rootTenantId, 'list');
    await add('https://elsewhere.test/', api.tenants[1], 'secret.read');
    const catalogue = await api.call(token, 'GET /api/permissions?limit=200');
    const entries = catalogue.body['items'] as unknown as Record<string, string>[];
    assert.deepEqual(
      entries.filter(({ kind }) => kind === 'resource'),
      [
        {
          name: 'list',
          description: 'May list',
          kind: 'resource',
          resource: 'https://shared.test/files',
          resourceType: 'files',
          action: 'list',
        },
        {
          name: 'payroll.read',
          description: 'May payroll.read',
          kind: 'resource',
          resource: 'https://payroll.test/',
          resourceType: 'payroll',
          action: 'read',
        },
      ],
    );
    const ours = entries.find(({ name }) => name === 'users.read');
    assert.deepEqual([ours?.['kind'], ours?.['resourceType'], ours?.['action'], ours?.['resource']], ['management', 'users', 'read', null]);
    const paged: string[] = [];
    for (let cursor: unknown = ''; cursor !== null; ) {
      const page = await api.call(token, `GET /api/permissions?limit=3${cursor ? `&cursor=${encodeURIComponent(String(cursor))}` : ''}`);
      paged.push(...(page.body['items'] as unknown as Record<string, string>[]).map(({ name }) => name!));
      cursor = page.body['nextCursor'] ?? null;
    }
    assert.deepEqual(
      paged,
      entries.map(({ name }) => name),
    );
    assert.equal(
      (await create({ roleName: 'clerk', permissions: ['payroll.read', 'list'] }, weak)).status,
      201,
      'no management permission',
    );
    assert.equal((await create({ roleName: 'spy', permissions: ['secret.read'] })).status, 422);
    const clerk = await idOfRole(api, tenant, 'clerk');
    await api.owner.query(`delete from resources where identifier = 'https://payroll.test/'`);
    assert.equal((await patch(clerk, { description: 'keeps what it had' })).status, 200);
  });

  it('are a thousand at most', async () => {
    const crowded = api.tenants[1];
    const many = 1000 - (await api.owner.query('select 1 from roles where tenant_id = $1', [crowded])).rowCount!;
    await api.owner.query(
      `insert into roles (id, tenant_id, name) select gen_random_uuid(), $1, 'r' || n from generate_series(1, $2::int) as n`,
      [crowded, many],
    );
    const answer = await create({ roleName: 'one more' }, api.tokenOf({ tenantId: crowded }));
    assert.deepEqual([answer.status, answer.body['code'], answer.body['limit']], [409, 'limit.reached', 'roles']);
    await api.owner.query(`delete from roles where tenant_id = $1 and name ~ '^r[0-9]+$'`, [crowded]);
    assert.equal((await create({ roleName: 'one more' }, api.tokenOf({ tenantId: crowded }))).status, 201);
  });

  it('of a template are made together, parents first whatever their order', async () => {
    const [, other] = api.tenants;
    const roles = [
      { roleName: 'senior', parents: ['junior'], permissions: ['audit.read'] },
      { roleName: 'junior', parents: ['member'], permissions: ['users.read'] },
    ];
    await api.db.transaction((sql) => createRoles(sql, other, roles), { tenantId: other });
    const senior = await api.call(api.tokenOf({ tenantId: other }), `GET /api/roles/${await idOfRole(api, other, 'senior')}`);
    assert.deepEqual(senior.body['effectivePermissions'], ['audit.read', 'users.read']);
    const loop = [
      { roleName: 'a', parents: ['b'] },
      { roleName: 'b', parents: ['a'] },
    ];
    await assert.rejects(
      api.db.transaction((sql) => createRoles(sql, other, loop), { tenantId: other }),
      { code: 'input.invalid' },
    );
  });
});
