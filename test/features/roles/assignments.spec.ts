import assert from 'node:assert/strict';
import { newId } from '#src/core/ids.ts';
import { sweepExpired } from '#src/infra/sweeps.ts';
import type { ApiAnswer, ApiHarness, Loose } from '#test/support/api.ts';
import { giveRole } from '#test/support/roles.ts';
import { addMember, idOfRole, startRoles } from './start.ts';

describe('assignments of roles', () => {
  let api: ApiHarness;
  let tenant: string;
  let other: string;
  let token: string;
  let platform: string;
  let editor: string;
  let ada: string;

  before(async () => {
    api = await startRoles();
    [tenant, other] = api.tenants;
    token = api.tokenOf({ tenantId: tenant });
    platform = api.tokenOf({ tenantId: tenant, platform: true });
    editor = await makeRole('editor', ['users.read']);
    ada = await addMember(api, tenant);
  });
  after(() => api.close());

  async function makeRole(roleName: string, permissions: string[], parents: string[] = []): Promise<string> {
    const made = await api.call(token, 'POST /api/roles', { body: { roleName, permissions, parents } });
    assert.equal(made.status, 201, made.text);
    return String(made.body['id']);
  }
  const assign = (roleId: string, body: object, as = token): Promise<ApiAnswer> =>
    api.call(as, `POST /api/roles/${roleId}/assign`, { body });
  const revoke = (roleId: string, body: object, as = token): Promise<ApiAnswer> =>
    api.call(as, `POST /api/roles/${roleId}/revoke`, { body });
  const held = async (userId: string): Promise<string[]> =>
    (await api.owner.query('select role_names_of($1, $2) as names', [userId, tenant])).rows[0].names;
  const events = async (type: string): Promise<{ target_id: string; data: Record<string, unknown> }[]> =>
    (await api.owner.query(`select target_id, data from audit_events where type = $1 order by at`, [type])).rows;
  const pointers = (answer: ApiAnswer): unknown[] => (answer.body['errors'] as unknown as Loose[]).map(({ pointer }) => pointer);
  const items = (answer: ApiAnswer): Loose[] => answer.body['items'] as unknown as Loose[];

  it('are made and taken for many at once, each call with one event that names whom it changed', async () => {
    const people = [await addMember(api, tenant), await addMember(api, tenant)];
    const first = await assign(editor, { userIds: [...people, people[0]] });
    assert.deepEqual([first.status, first.body], [200, { roleId: editor, assigned: 2, unchanged: 0 }]);
    const again = await assign(editor, { userId: ada, userIds: people });
    assert.deepEqual(again.body, { roleId: editor, assigned: 1, unchanged: 2 });
    assert.deepEqual(await held(ada), ['editor']);
    const nothing = await assign(editor, { userId: ada });
    assert.deepEqual(nothing.body, { roleId: editor, assigned: 0, unchanged: 1 });
    const [one, two, ...more] = await events('role.assigned');
    assert.deepEqual([new Set(one?.data['userIds'] as string[]), two?.data['userIds'], more.length], [new Set(people), [ada], 0]);
    const taken = await revoke(editor, { userIds: [...people, ada] });
    assert.deepEqual(taken.body, { roleId: editor, revoked: 3, unchanged: 0 });
    assert.deepEqual((await revoke(editor, { userId: ada })).body, { roleId: editor, revoked: 0, unchanged: 1 });
    assert.deepEqual([await held(ada), (await events('role.revoked')).length], [[], 1]);
  });

  it('of somebody unknown and of somebody elsewhere are refused alike, with nothing done', async () => {
    const foreign = await addMember(api, other);
    const before = (await events('role.assigned')).length;
    for (const call of [assign, revoke]) {
      const answers = await Promise.all([foreign, newId()].map((id) => call(editor, { userIds: [ada, id] })));
      for (const answer of answers) assert.deepEqual([answer.status, pointers(answer)], [422, ['/userIds/1']], answer.text);
      const same = answers.map(({ text }) => text.replace(/"requestId":"[^"]*"/, ''));
      assert.equal(same[0], same[1]);
    }
    const { rows } = await api.owner.query('insert into groups (id, tenant_id, name) values ($1, $2, $3) returning id', [
      newId(),
      other,
      'g',
    ]);
    assert.deepEqual(pointers(await assign(editor, { groupId: rows[0].id })), ['/groupId']);
    assert.equal((await assign(editor, {})).status, 422);
    assert.deepEqual([await held(ada), (await events('role.assigned')).length], [[], before]);
  });

  it('of a role of another tenant are unknown', async () => {
    const theirs = await idOfRole(api, other, 'administrator');
    for (const [signature, body] of [
      [`POST /api/roles/${theirs}/assign`, { userId: ada }],
      [`POST /api/roles/${theirs}/revoke`, { userId: ada }],
    ] as const)
      assert.equal((await api.call(token, signature, { body })).status, 404);
    assert.equal((await api.call(token, `GET /api/roles/${theirs}/assignments`)).status, 404);
  });

  it('end by the clock, not by a job; the sweep only tidies up', async () => {
    const past = await assign(editor, { userId: ada, expiresAt: '2020-01-01T00:00:00Z' });
    assert.deepEqual([past.status, pointers(past)], [422, ['/expiresAt']]);
    assert.equal((await assign(editor, { userId: ada, expiresAt: '2100-01-01T00:00:00Z' })).body['assigned'], 1);
    assert.equal((await assign(editor, { userId: ada, expiresAt: '2100-01-01T00:00:00Z' })).body['unchanged'], 1);
    assert.equal((await assign(editor, { userId: ada, expiresAt: '2101-01-01T00:00:00Z' })).body['assigned'], 1, 'with another end');
    assert.deepEqual(await held(ada), ['editor']);
    await api.owner.query(`update role_assignments set expires_at = clock_timestamp() - interval '2 hours' where user_id = $1`, [ada]);
    assert.deepEqual(await held(ada), []);
    assert.deepEqual(items(await api.call(token, `GET /api/roles/${editor}/assignments`)), []);
    assert.deepEqual(items(await api.call(token, `GET /api/users/${ada}/roles`)), []);
    assert.equal((await sweepExpired(api.db))['role_assignments'], 1);
    assert.equal((await api.owner.query('select 1 from role_assignments where user_id = $1', [ada])).rowCount, 0);
  });

  it('for one thing stand beside those for everything, and one call takes all', async () => {
    await assign(editor, { userId: ada });
    await assign(editor, { userId: ada, resource: 'invoice:42' });
    const listed = items(await api.call(token, `GET /api/roles/${editor}/assignments`));
    assert.deepEqual(
      listed.map(({ userId, resource, grantedBy }) => [userId, resource, grantedBy]),
      [
        [ada, null, 'client:test-client'],
        [ada, 'invoice:42', 'client:test-client'],
      ],
    );
    await revoke(editor, { userId: ada, resource: 'invoice:42' });
    assert.deepEqual(await held(ada), ['editor']);
    await assign(editor, { userId: ada, resource: 'invoice' });
    assert.deepEqual((await revoke(editor, { userId: ada })).body, { roleId: editor, revoked: 1, unchanged: 0 });
    assert.equal(items(await api.call(token, `GET /api/roles/${editor}/assignments`)).length, 0);
  });

  it('show what a member comes to: own roles, those of groups, what is inherited', async () => {
    const lead = await makeRole('lead', ['audit.read'], ['editor']);
    const [{ id: groupId }] = (
      await api.owner.query('insert into groups (id, tenant_id, name) values ($1, $2, $3) returning id', [newId(), tenant, 'leads'])
    ).rows;
    const bob = await addMember(api, tenant);
    await api.owner.query('insert into group_members (tenant_id, group_id, user_id) values ($1, $2, $3)', [tenant, groupId, bob]);
    assert.equal((await assign(lead, { groupId })).status, 200);
    await assign(await makeRole('clerk', ['sessions.read']), { userId: bob, resource: 'desk:1' });
    const { body } = await api.call(token, `GET /api/users/${bob}/roles?limit=1`);
    assert.deepEqual(
      [body['roles'], body['inherited'], body['effectivePermissions']],
      [['lead'], ['editor'], ['audit.read', 'users.read']],
    );
    const rest = await api.call(token, `GET /api/users/${bob}/roles?cursor=${String(body['nextCursor'])}`);
    assert.deepEqual(
      [...(body['items'] as unknown as Loose[]), ...items(rest)].map(({ roleName, groupId: by, resource }) => [roleName, by, resource]),
      [
        ['lead', groupId, null],
        ['clerk', null, 'desk:1'],
      ],
    );
    assert.equal((await api.call(api.tokenOf({ tenantId: other }), `GET /api/users/${bob}/roles`)).status, 404);
  });

  it('of what the caller does not hold are refused, inherited permissions counted (G9)', async () => {
    const strong = await makeRole('strong', ['clients.write']);
    const child = await makeRole('child', [], ['strong']);
    await assign(child, { userId: ada });
    const weak = api.tokenOf({ tenantId: tenant, permissions: ['roles.read', 'roles.write', 'users.read'] });
    for (const answer of [
      await assign(strong, { userId: ada }, weak),
      await assign(child, { userId: ada }, weak),
      await revoke(child, { userId: ada }, weak),
      await assign(await idOfRole(api, tenant, 'administrator'), { userId: ada }, weak),
    ])
      assert.deepEqual([answer.status, answer.body['code']], [403, 'permission.missing'], answer.text);
    assert.deepEqual(await held(ada), ['child']);
    assert.equal((await assign(editor, { userId: ada }, weak)).status, 200);
    await revoke(editor, { userId: ada });
    await revoke(child, { userId: ada });
  });

  describe('of the role of owners', () => {
    let owners: string;
    before(async () => {
      owners = await idOfRole(api, tenant, 'owner');
    });

    it('are for owners and the platform to make and take, for good, for everything and by name', async () => {
      const administrator = await assign(owners, { userId: ada });
      assert.deepEqual([administrator.status, administrator.body['code']], [403, 'role.owners_only']);
      const bad = await assign(owners, { userId: ada, resource: 'x', expiresAt: '2100-01-01T00:00:00Z' }, platform);
      assert.deepEqual([bad.status, pointers(bad)], [422, ['/resource', '/expiresAt']]);
      assert.equal((await assign(owners, { groupIds: [newId()] }, platform)).status, 422);
      assert.equal((await assign(owners, { userId: ada }, platform)).status, 200);
      assert.deepEqual(await held(ada), ['owner']);
      assert.equal((await revoke(owners, { userId: ada })).body['code'], 'role.owners_only');
    });

    it('leave one active owner, whoever goes', async () => {
      const last = await revoke(owners, { userId: ada }, platform);
      assert.deepEqual([last.status, last.body['code']], [409, 'role.last_owner']);
      const sleeping = await addMember(api, tenant, 'disabled');
      await giveRole(api.owner, tenant, sleeping, 'owner');
      assert.equal((await revoke(owners, { userId: ada }, platform)).body['code'], 'role.last_owner', 'a disabled one does not count');
      assert.equal((await revoke(owners, { userIds: [ada, sleeping] }, platform)).body['code'], 'role.last_owner');
      assert.deepEqual(await held(ada), ['owner']);
      assert.equal((await revoke(owners, { userId: sleeping }, platform)).status, 200);
    });

    it('leave one active owner of two that 20 parallel calls take away', async () => {
      const bob = await addMember(api, tenant);
      await assign(owners, { userId: bob }, platform);
      const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => revoke(owners, { userId: n % 2 ? ada : bob }, platform)));
      const left = [...(await held(ada)), ...(await held(bob))];
      assert.deepEqual(left, ['owner']);
      assert.deepEqual([...new Set(answers.map(({ status }) => status))].sort(), [200, 409]);
    });

    it('in the root tenant leave one administrator of the installation', async () => {
      const root = api.tokenOf({ tenantId: api.rootTenantId });
      const admin = await addMember(api, api.rootTenantId);
      await giveRole(api.owner, api.rootTenantId, admin, 'administrator');
      const answer = await revoke(await idOfRole(api, api.rootTenantId, 'administrator'), { userId: admin }, root);
      assert.deepEqual([answer.status, answer.body['code']], [409, 'user.last_administrator']);
    });
  });
});
