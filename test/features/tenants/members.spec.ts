import assert from 'node:assert/strict';
import { newId } from '#src/core/ids.ts';
import { ALL_PERMISSIONS } from '#src/core/permissions.ts';
import { bookOf } from '#src/features/roles/book.ts';
import { memberRoutes } from '#src/features/tenants/members-routes.ts';
import { describeApiResource } from '#test/contract/api-resource.ts';
import type { ApiAnswer, ApiHarness } from '#test/support/api.ts';
import { giveRole } from '#test/support/roles.ts';
import { startTenantApi } from './start.ts';

const start = (): Promise<ApiHarness> => startTenantApi(({ deps }) => memberRoutes({ ...deps, bookOf }));

const addPerson = async (api: ApiHarness, home: string, email: string | null = null): Promise<string> => {
  const id = newId();
  await api.owner.query('insert into users (id, home_tenant_id, email, email_key) values ($1, $2, $3, $3)', [id, home, email]);
  return id;
};

/** People of elsewhere, by number, to be made members. */
const PEOPLE = Array.from({ length: 120 }, () => newId());

describeApiResource({
  path: '/api/tenants/TENANT/members',
  permissions: { read: 'members.read', write: 'members.write' },
  async start() {
    const api = await start();
    for (const id of PEOPLE) await api.owner.query('insert into users (id, home_tenant_id) values ($1, $2)', [id, api.tenants[1]]);
    return { ...api, call: (token, signature, options) => api.call(token, signature.replace('/TENANT/', `/${api.tenants[0]}/`), options) };
  },
  ofRoot: true,
  idMember: 'userId',
  valid: (number) => ({ userId: PEOPLE[number], roles: ['member'] }),
  change: { roles: ['administrator'] },
  invalid: {
    'somebody who is nobody': { userId: newId() },
    'what is no id': { userId: 'ada' },
    'a role that is unknown': { roles: ['emperor'] },
    'a role twice': { roles: ['member', 'member'] },
  },
  takenCode: 'member.exists',
  textMember: 'userId',
});

describe('members of a tenant', () => {
  let api: ApiHarness;
  let tenantId: string;
  let platform: string;
  const path = (userId = ''): string => `/api/tenants/${tenantId}/members${userId && `/${userId}`}`;
  const as = (userId: string, { permissions = [...ALL_PERMISSIONS] as readonly string[], owner = false } = {}): string =>
    api.tokenOf({ tenantId, actor: { type: 'user', id: userId }, permissions, owner, platform: false });
  const code = ({ status, body }: ApiAnswer) => [status, body['code']];
  const owners = async (): Promise<number> =>
    (
      await api.owner.query(
        `select count(*)::int as count from role_assignments a join roles r on r.id = a.role_id where a.tenant_id = $1 and r.built_in = 'owner'`,
        [tenantId],
      )
    ).rows[0].count;

  before(async () => {
    api = await start();
    platform = api.tokenOf({ tenantId: api.rootTenantId });
  });
  after(() => api.close());
  let boss: string;
  let other: string;
  beforeEach(async () => {
    tenantId = newId();
    await api.owner.query(`insert into tenants (id, slug, name, type) values ($1, $2, 'T', 'team')`, [tenantId, `t-${tenantId}`]);
    boss = await addPerson(api, tenantId, `boss.${tenantId}@example.test`);
    other = await addPerson(api, api.tenants[1]);
    await giveRole(api.owner, tenantId, boss, 'owner');
    await giveRole(api.owner, tenantId, other, 'administrator');
  });

  it('are seen with their names, roles, groups and whether they are at home, and by nobody of another tenant', async () => {
    const { body } = await api.call(as(boss), `GET ${path()}`);
    const items = body['items'] as unknown as Record<string, unknown>[];
    assert.deepEqual(
      items.map(({ userId, email, roles, home, status }) => [userId, email, roles, home, status]),
      [
        [boss, `boss.${tenantId}@example.test`, ['owner'], true, 'active'],
        [other, null, ['administrator'], false, 'active'],
      ],
    );
    const foreign = api.tokenOf({ tenantId: api.tenants[0] });
    for (const signature of [`GET ${path()}`, `GET ${path(boss)}`, `DELETE ${path(boss)}`])
      assert.deepEqual(code(await api.call(foreign, signature)), [404, 'tenant.not_found']);
    const shown = await api.call(as(boss, { permissions: ['members.read'] }), `GET ${path(boss)}`);
    assert.equal('attributes' in shown.body, false);
  });

  it('are invited by a tenant and added by the platform only', async () => {
    const somebody = await addPerson(api, api.tenants[1]);
    const refused = await api.call(as(boss, { owner: true }), `POST ${path()}`, { body: { userId: somebody } });
    assert.deepEqual(code(refused), [403, 'member.invitation_needed']);
    const unknown = await api.call(as(boss, { owner: true }), `POST ${path()}`, { body: { userId: newId() } });
    assert.deepEqual(code(unknown), [403, 'member.invitation_needed']);
    const added = await api.call(platform, `POST ${path()}`, { body: { userId: somebody, roles: ['owner'] } });
    assert.deepEqual([added.status, added.body['roles']], [201, ['owner']]);
  });

  it('get no role from who holds less, and no owner’s role but from owners', async () => {
    const put = (token: string, userId: string, roles: string[]) => api.call(token, `PUT ${path(userId)}`, { body: { roles } });
    assert.deepEqual(code(await put(as(other), other, ['owner'])), [403, 'role.owners_only']);
    assert.deepEqual(code(await put(as(other), boss, ['administrator'])), [403, 'role.owners_only']);
    const weak = as(other, { permissions: ['members.read', 'members.write'] });
    assert.deepEqual(code(await put(weak, other, ['administrator', 'member'])), [200, undefined], 'what stays is not judged');
    assert.deepEqual(code(await put(weak, other, [])), [403, 'permission.missing'], 'nor takes anybody what they do not hold');
    assert.deepEqual(code(await api.call(weak, `DELETE ${path(other)}`)), [200, undefined], 'who is oneself may go');
    assert.deepEqual(code(await put(as(boss, { owner: true }), boss, ['owner', 'member'])), [200, undefined]);
  });

  it('keep an active owner, however it is taken', async () => {
    const token = as(boss, { owner: true });
    for (const roles of [[], ['administrator']])
      assert.deepEqual(code(await api.call(token, `PATCH ${path(boss)}`, { body: { roles } })), [409, 'member.last_owner']);
    await giveRole(api.owner, tenantId, other, 'owner');
    await api.owner.query(`update users set status = 'disabled' where id = $1`, [other]);
    assert.deepEqual(
      code(await api.call(token, `PATCH ${path(boss)}`, { body: { roles: [] } })),
      [409, 'member.last_owner'],
      'one who is disabled is none',
    );
    await api.owner.query(`update users set status = 'active' where id = $1`, [other]);
    assert.equal((await api.call(token, `PATCH ${path(boss)}`, { body: { roles: [] } })).status, 200);
    assert.deepEqual(code(await api.call(platform, `DELETE ${path(other)}`)), [409, 'member.last_owner']);
    assert.equal(await owners(), 1);
  });

  it('keep one owner when the last two are removed, or leave, at the same time', async () => {
    const third = await addPerson(api, api.tenants[1]);
    await giveRole(api.owner, tenantId, third, 'owner');
    await giveRole(api.owner, tenantId, other, 'owner');
    await api.owner.query('delete from role_assignments where user_id = $1', [boss]);
    const answers = await Promise.all([
      api.call(platform, `DELETE ${path(third)}`),
      api.call(
        api.tokenOf({ tenantId, actor: { type: 'user', id: other }, permissions: ['account'], platform: false }),
        `DELETE /api/me/tenants/${tenantId}`,
      ),
    ]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409], answers.map(({ text }) => text).join());
    assert.equal(await owners(), 1);
  });

  it('who are at home are not removed, nor can they leave', async () => {
    await giveRole(api.owner, tenantId, other, 'owner');
    assert.deepEqual(code(await api.call(platform, `DELETE ${path(boss)}`)), [409, 'member.at_home']);
    const own = api.tokenOf({ tenantId, actor: { type: 'user', id: boss }, permissions: ['account'], platform: false });
    assert.deepEqual(code(await api.call(own, `DELETE /api/me/tenants/${tenantId}`)), [409, 'member.at_home']);
  });

  it('see their own tenants, leave one, and learn nothing of others', async () => {
    const own = api.tokenOf({ tenantId: api.tenants[1], actor: { type: 'user', id: other }, permissions: ['account'], platform: false });
    const { body } = await api.call(own, 'GET /api/me/tenants');
    const items = body['items'] as unknown as Record<string, unknown>[];
    assert.deepEqual(
      items.map((item) => [item['tenantId'], item['roles'], item['home']]).sort(),
      [
        [api.tenants[1], [], true],
        [tenantId, ['administrator'], false],
      ].sort(),
    );
    assert.equal((await api.call(own, `DELETE /api/me/tenants/${tenantId}`)).status, 200);
    for (const id of [tenantId, api.tenants[0], newId()])
      assert.deepEqual(code(await api.call(own, `DELETE /api/me/tenants/${id}`)), [404, 'tenant.not_found']);
  });

  it('are held to the limit exactly, however many come at once; where one goes, one may come', async () => {
    await api.owner.query(`select set_tenant_limit($1, 'members', 5)`, [tenantId]);
    const people: string[] = [];
    while (people.length < 20) people.push(await addPerson(api, api.tenants[1]));
    const answers = await Promise.all(people.map((userId) => api.call(platform, `POST ${path()}`, { body: { userId } })));
    assert.equal(answers.filter(({ status }) => status === 201).length, 3);
    const refused = answers.filter(({ status }) => status !== 201);
    for (const answer of refused) assert.deepEqual([...code(answer), answer.body['limit']], [409, 'limit.reached', 'members'], answer.text);
    const [{ count }] = (await api.owner.query('select count(*)::int as count from memberships where tenant_id = $1', [tenantId])).rows;
    assert.equal(count, 5);
    assert.equal((await api.call(platform, `DELETE ${path(other)}`)).status, 200);
    const late = people.find((_, index) => answers[index]!.status !== 201)!;
    assert.equal((await api.call(platform, `POST ${path()}`, { body: { userId: late } })).status, 201);
  });
});
