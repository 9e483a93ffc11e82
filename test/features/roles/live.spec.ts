/** Rights of real people with real tokens, over the whole server. */
import assert from 'node:assert/strict';
import { basicAuth, type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';

const PASSWORD = 'violet cactus thunder marble';

describe('rights of people', function () {
  this.timeout(60_000);
  let app: RunningApp;
  const tenants: string[] = [];
  const clients: { id: string; secret: string }[] = [];

  before(async () => {
    app = await startTestApp();
    for (const slug of ['first', 'second']) {
      const tenant = await made(app.api('POST', '/api/tenants', { name: slug, slug, type: 'team' }));
      tenants.push(String(tenant['id']));
      const client = await made(
        app.api(
          'POST',
          '/api/clients',
          { client_name: slug, redirect_uris: [], response_types: [], grant_types: ['refresh_token'], direct_login: true },
          inTenant(tenants.length - 1),
        ),
      );
      clients.push({ id: String(client['client_id']), secret: String(client['client_secret']) });
    }
  });
  after(() => app.close());

  const inTenant = (index: number): Record<string, string> => ({ 'x-tenant-id': tenants[index]! });
  async function made(call: Promise<Reply>): Promise<Record<string, unknown>> {
    const reply = await call;
    assert.ok(reply.status === 201 || reply.status === 200, reply.text);
    return reply.body;
  }
  async function person(index: number, username: string): Promise<{ id: string; as(): Promise<Record<string, string>> }> {
    const { id } = await made(app.api('POST', '/api/users', { username, password: PASSWORD }, inTenant(index)));
    return {
      id: String(id),
      async as() {
        const tokens = await made(app.api('POST', '/api/auth/login', { username, password: PASSWORD }, basicAuth(clients[index]!)));
        return { authorization: `Bearer ${String(tokens['access_token'])}` };
      },
    };
  }
  const newRole = async (index: number, roleName: string, permissions: string[]): Promise<string> =>
    String((await made(app.api('POST', '/api/roles', { roleName, permissions }, inTenant(index))))['id']);
  const give = (index: number, role: string, body: object): Promise<unknown> =>
    made(app.api('POST', `/api/roles/${role}/assign`, body, inTenant(index)));
  const granted = async (index: number, userId: string, permission: string): Promise<unknown> =>
    (await app.api('GET', `/api/auth/authorize/rbac?userId=${userId}&permission=${permission}`, undefined, inTenant(index))).body[
      'access_granted'
    ];

  it('end with the role, for the token that lives on too: at our API and in decisions, on the next call (G27)', async () => {
    const ada = await person(0, 'ada');
    const role = await newRole(0, 'reader', ['users.read', 'roles.read', 'roles.write']);
    await give(0, role, { userId: ada.id });
    const token = await ada.as();
    assert.equal((await app.api('GET', '/api/users', undefined, token)).status, 200);
    assert.equal(await granted(0, ada.id, 'users.read'), true);

    await made(app.api('PATCH', `/api/roles/${role}`, { permissions: ['roles.read', 'roles.write'] }, inTenant(0)));
    const without = await app.api('GET', '/api/users', undefined, token);
    assert.deepEqual([without.status, without.body['permission']], [403, 'users.read'], 'the role lost the permission');
    assert.equal(await granted(0, ada.id, 'users.read'), false);
    assert.equal((await app.api('GET', '/api/roles', undefined, token)).status, 200);

    await made(app.api('POST', `/api/roles/${role}/revoke`, { userId: ada.id }, inTenant(0)));
    assert.equal((await app.api('GET', '/api/roles', undefined, token)).status, 403, 'the person lost the role');
    assert.equal(await granted(0, ada.id, 'roles.read'), false);

    const { id: groupId } = await made(app.api('POST', '/api/groups', { name: 'readers' }, inTenant(0)));
    await give(0, role, { groupId });
    await made(app.api('POST', `/api/groups/${String(groupId)}/members`, { userId: ada.id }, inTenant(0)));
    assert.equal((await app.api('GET', '/api/roles', undefined, await ada.as())).status, 200, 'by the group');
    await made(app.api('DELETE', `/api/groups/${String(groupId)}/members/${ada.id}`, undefined, inTenant(0)));
    assert.equal((await app.api('GET', '/api/roles', undefined, token)).status, 403, 'the person left the group');
  });

  it('are no more than the caller’s to give on: a manager of roles makes nobody an administrator, not even themselves (G11)', async () => {
    const eve = await person(0, 'eve');
    await give(0, await newRole(0, 'role manager', ['roles.read', 'roles.write', 'groups.read', 'groups.write']), { userId: eve.id });
    const token = await eve.as();
    const roles = await app.api('GET', '/api/roles?limit=200', undefined, token);
    const all = roles.body['items'] as { id: string; roleName: string }[];
    for (const name of ['administrator', 'owner']) {
      const refused = await app.api(
        'POST',
        `/api/roles/${all.find(({ roleName }) => roleName === name)!.id}/assign`,
        { userId: eve.id },
        token,
      );
      assert.equal(refused.status, 403, refused.text);
    }
    for (const body of [
      { roleName: 'mine', permissions: ['users.write'] },
      { roleName: 'mine', parents: ['administrator'] },
    ])
      assert.equal((await app.api('POST', '/api/roles', body, token)).status, 403);
    assert.equal(await granted(0, eve.id, 'users.write'), false);
    assert.equal((await app.api('POST', '/api/roles', { roleName: 'mine', permissions: ['groups.read'] }, token)).status, 201);
  });

  it('are the tenant’s own: an administrator of one sees and touches no role, group or attribute of another', async () => {
    const mallory = await person(0, 'mallory');
    const administrators = (await app.api('GET', '/api/roles?roleName=administrator', undefined, inTenant(0))).body['items'] as {
      id: string;
    }[];
    await give(0, administrators[0]!.id, { userId: mallory.id });
    const token = await mallory.as();
    const theirs = await person(1, 'bob');
    const role = await newRole(1, 'theirs', ['users.read']);
    const { id: group } = await made(app.api('POST', '/api/groups', { name: 'theirs' }, inTenant(1)));
    const { id: attribute } = await made(app.api('POST', '/api/attributes', { path: 'user.theirs', type: 'string' }, inTenant(1)));
    const calls: [string, string, object?][] = [
      ['GET', `/api/roles/${role}`],
      ['PATCH', `/api/roles/${role}`, { permissions: [] }],
      ['DELETE', `/api/roles/${role}`],
      ['POST', `/api/roles/${role}/assign`, { userId: mallory.id }],
      ['POST', `/api/roles/${role}/revoke`, { userId: theirs.id }],
      ['GET', `/api/roles/${role}/assignments`],
      ['GET', `/api/users/${theirs.id}/roles`],
      ['GET', `/api/groups/${String(group)}`],
      ['POST', `/api/groups/${String(group)}/members`, { userId: mallory.id }],
      ['DELETE', `/api/groups/${String(group)}`],
      ['PATCH', `/api/attributes/${String(attribute)}`, { type: 'number' }],
      ['GET', `/api/attributes?userId=${theirs.id}`],
      ['PUT', `/api/users/${theirs.id}/attributes`, { a: 1 }],
      ['PUT', `/api/tenants/${tenants[1]}/attributes`, { a: 1 }],
    ];
    for (const [method, path, body] of calls) assert.equal((await app.api(method, path, body, token)).status, 404, `${method} ${path}`);
    const lists = await Promise.all(
      ['roles', 'groups', 'attributes'].map((what) => app.api('GET', `/api/${what}?limit=200`, undefined, token)),
    );
    for (const { status, text } of lists) assert.ok(status === 200 && !text.includes('theirs'), text);
    const decision = await app.api('GET', `/api/auth/authorize/rbac?userId=${theirs.id}&permission=users.read`, undefined, token);
    assert.equal(decision.body['access_granted'], false);
  });

  it('are decided in one statement, and one more to say who asks', async () => {
    const { id } = await person(1, 'counted');
    const ask = (): Promise<unknown> => granted(1, id, 'users.read');
    await ask();
    const statements = await app.counted(ask);
    assert.ok(statements <= 2, `${statements} statements`);
  });
});
