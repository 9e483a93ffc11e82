import assert from 'node:assert/strict';
import { newId } from '#src/core/ids.ts';
import { addMember } from '#test/features/roles/start.ts';
import type { ApiAnswer, ApiHarness, Loose } from '#test/support/api.ts';
import { startGroups } from './start.ts';

describe('groups', () => {
  let api: ApiHarness;
  let tenant: string;
  let token: string;
  let weak: string;
  let ada: string;

  before(async () => {
    api = await startGroups();
    tenant = api.tenants[0];
    token = api.tokenOf({ tenantId: tenant });
    weak = api.tokenOf({ tenantId: tenant, permissions: ['groups.read', 'groups.write', 'users.read'] });
    ada = await addMember(api, tenant);
  });
  after(() => api.close());

  const call = (signature: string, body?: object, as = token): Promise<ApiAnswer> => api.call(as, signature, body ? { body } : {});
  const groupNamed = async (name: string, as = token): Promise<string> => {
    const made = await call('POST /api/groups', { name }, as);
    assert.equal(made.status, 201, made.text);
    return String(made.body['id']);
  };
  const roleOf = async (groupId: string, roleName: string, permissions: string[]): Promise<string> => {
    const made = await call('POST /api/roles', { roleName, permissions });
    assert.equal((await call(`POST /api/roles/${String(made.body['id'])}/assign`, { groupId })).status, 200);
    return String(made.body['id']);
  };
  const held = async (userId: string): Promise<string[]> =>
    (await api.owner.query('select role_names_of($1, $2) as names', [userId, tenant])).rows[0].names;
  const items = (answer: ApiAnswer): Loose[] => answer.body['items'] as unknown as Loose[];

  it('give their members their roles, and take them back when somebody leaves or the group goes', async () => {
    const id = await groupNamed('staff');
    await roleOf(id, 'staff role', ['users.read']);
    const bob = await addMember(api, tenant);
    const added = await call(`POST /api/groups/${id}/members`, { userIds: [ada, bob] });
    assert.deepEqual([added.status, added.body], [200, { groupId: id, added: 2, unchanged: 0 }]);
    assert.deepEqual((await call(`POST /api/groups/${id}/members`, { userId: ada })).body, { groupId: id, added: 0, unchanged: 1 });
    assert.deepEqual([await held(ada), await held(bob)], [['staff role'], ['staff role']]);
    assert.deepEqual(
      items(await call(`GET /api/groups/${id}/roles`)).map(({ roleName, groupId }) => [roleName, groupId]),
      [['staff role', id]],
    );
    const gone = await call(`DELETE /api/groups/${id}/members/${bob}`);
    assert.deepEqual([gone.status, gone.body], [200, { id: bob, deleted: true }]);
    assert.deepEqual([await held(ada), await held(bob)], [['staff role'], []]);
    assert.equal((await call(`DELETE /api/groups/${id}`)).status, 200);
    assert.deepEqual(await held(ada), []);
    const { rows } = await api.owner.query(`select type, data from audit_events where target_id = $1 order by at, id`, [id]);
    assert.deepEqual(
      rows.map(({ type, data }) => [type, Object.values(data as object).flat().length]),
      [
        ['group.created', 0],
        ['group.members_added', 2],
        ['group.member_removed', 1],
        ['group.deleted', 1],
      ],
    );
  });

  it('list their members in pages', async () => {
    const id = await groupNamed('many');
    const people = [await addMember(api, tenant), await addMember(api, tenant), await addMember(api, tenant)];
    await call(`POST /api/groups/${id}/members`, { userIds: people });
    const first = await call(`GET /api/groups/${id}/members?limit=2`);
    const second = await call(`GET /api/groups/${id}/members?limit=2&cursor=${String(first.body['nextCursor'])}`);
    assert.deepEqual(
      [...items(first), ...items(second)].map(({ userId }) => userId),
      people.toSorted(),
    );
    assert.equal(second.body['nextCursor'], null);
    assert.equal((await call(`GET /api/groups/${id}/members?cursor=${Buffer.from('["x"]').toString('base64url')}`)).status, 422);
  });

  it('take members of the tenant only, unknown and foreign people refused alike and nobody added', async () => {
    const id = await groupNamed('own people');
    const foreign = await addMember(api, api.tenants[1]);
    const answers = await Promise.all([foreign, newId()].map((other) => call(`POST /api/groups/${id}/members`, { userIds: [ada, other] })));
    const texts = answers.map(({ status, text }) => `${status} ${text.replace(/"requestId":"[^"]*"/, '')}`);
    assert.equal(texts[0], texts[1]);
    assert.match(texts[0]!, /^422 .*"\/userIds\/1"/);
    assert.deepEqual(items(await call(`GET /api/groups/${id}/members`)), []);
    assert.equal((await call(`POST /api/groups/${id}/members`, {})).status, 422);
  });

  it('check the group and the person in a nested path, each for itself (G7)', async () => {
    const foreign = api.tokenOf({ tenantId: api.tenants[1] });
    const theirs = await groupNamed('theirs', foreign);
    const eve = await addMember(api, api.tenants[1]);
    await call(`POST /api/groups/${theirs}/members`, { userId: eve }, foreign);
    const mine = await groupNamed('mine');
    await call(`POST /api/groups/${mine}/members`, { userId: ada });
    for (const [signature, code] of [
      [`DELETE /api/groups/${theirs}/members/${eve}`, 'group.not_found'],
      [`DELETE /api/groups/${mine}/members/${eve}`, 'member.not_found'],
      [`DELETE /api/groups/${mine}/members/${newId()}`, 'member.not_found'],
      [`GET /api/groups/${theirs}/members`, 'group.not_found'],
      [`GET /api/groups/${theirs}/roles`, 'group.not_found'],
    ] as const) {
      const answer = await call(signature);
      assert.deepEqual([answer.status, answer.body['code']], [404, code], signature);
    }
    assert.equal((await call(`POST /api/groups/${theirs}/members`, { userId: ada })).status, 404);
    assert.deepEqual(
      items(await call(`GET /api/groups/${theirs}/members`, undefined, foreign)).map(({ userId }) => userId),
      [eve],
    );
  });

  it('whose roles carry more than the caller holds are not theirs to fill, empty or delete (G11)', async () => {
    const id = await groupNamed('powerful');
    await roleOf(id, 'powerful role', ['clients.write']);
    await call(`POST /api/groups/${id}/members`, { userId: ada });
    const eve = await addMember(api, tenant);
    for (const [signature, body] of [
      [`POST /api/groups/${id}/members`, { userId: eve }],
      [`DELETE /api/groups/${id}/members/${ada}`, undefined],
      [`DELETE /api/groups/${id}`, undefined],
    ] as const) {
      const answer = await call(signature, body, weak);
      assert.deepEqual([answer.status, answer.body['permission']], [403, 'clients.write'], signature);
    }
    assert.deepEqual([await held(eve), await held(ada)], [[], ['powerful role']]);
    const plain = await groupNamed('plain', weak);
    assert.equal((await call(`POST /api/groups/${plain}/members`, { userId: eve }, weak)).status, 200);
  });
});
