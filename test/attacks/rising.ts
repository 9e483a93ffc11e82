/** A tenant with roles, a group and an application that may more than the people who try to rise in it. */
import assert from 'node:assert/strict';
import type { Permission } from '#src/core/permissions.ts';
import { type Reply, startTestApp } from '#test/support/app.ts';
import { settle } from '#test/support/two-tenants.ts';
import { bearer, done, itemsOf, PASSWORD, tokenOf } from './scene.ts';

export type Call = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Reply>;

export interface Clerk {
  id: string;
  login: string;
  email: string;
  call: Call;
}

/** Everything the specs of it begin with; `close` ends it. */
export async function startRising() {
  const app = await startTestApp();
  const a = await settle(app, 'a');
  const owner: Call = (method, path, body, headers = {}) => app.api(method, path, body, { ...bearer(a.token), ...headers });
  const roles: Record<string, string> = {};
  for (const name of ['owner', 'administrator', 'member'])
    roles[name] = String(itemsOf(await owner('GET', `/api/roles?roleName=${name}`))[0]?.['id']);
  roles['strong'] = String(
    (
      await done(owner('POST', '/api/roles', { roleName: 'strong', permissions: ['signing-keys.read', 'users.write', 'roles.write'] }), 201)
    )['id'],
  );
  const strongGroup = String((await done(owner('POST', '/api/groups', { name: 'strong' }), 201))['id']);
  await done(owner('POST', `/api/roles/${roles['strong']}/assign`, { groupId: strongGroup }));
  const client = await done(
    owner('POST', '/api/clients', {
      client_name: 'Strong',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      permissions: ['users.write', 'roles.write'],
    }),
    201,
  );
  const strongClient = String(client['client_id']);

  const clerks = { made: 0 };
  /** A person of A who holds these and nothing else. */
  async function clerk(...permissions: Permission[]): Promise<Clerk> {
    clerks.made += 1;
    const login = `${a.mark}.clerk${clerks.made}`;
    const email = `${login}@clerks.test`;
    const input = { username: login, email, emailVerified: true, password: PASSWORD };
    const id = String((await done(app.api('POST', '/api/users', input, { 'x-tenant-id': a.tenantId }), 201))['id']);
    const role = await done(owner('POST', '/api/roles', { roleName: `clerk-${clerks.made}`, permissions }), 201);
    await done(owner('POST', `/api/roles/${String(role['id'])}/assign`, { userId: id }));
    const token = await tokenOf(app, { login, password: PASSWORD });
    roles[login] = String(role['id']);
    return { id, login, email, call: (method, path, body, headers = {}) => app.api(method, path, body, { ...bearer(token), ...headers }) };
  }
  const rightsOf = async (who: string): Promise<{ roles: string[]; effectivePermissions: string[] }> =>
    (await owner('GET', `/api/users/${who}/roles`)).body as never;
  async function allRefused(of: Clerk, tries: readonly (readonly [string, string, unknown?])[]): Promise<void> {
    const before = await rightsOf(of.id);
    for (const [method, path, body] of tries) {
      const answer = await of.call(method, path, body);
      assert.ok([403, 404, 409, 422].includes(answer.status), `${method} ${path} ${JSON.stringify(body)}: ${answer.status} ${answer.text}`);
    }
    assert.deepEqual(await rightsOf(of.id), before);
  }
  const gives = (of: Clerk): [string, string, unknown?][] =>
    ['owner', 'administrator', 'strong'].flatMap((name): [string, string, unknown?][] => [
      ['POST', `/api/roles/${roles[name]}/assign`, { userId: of.id }],
      ['POST', `/api/roles/${roles[name]}/assign`, { userIds: [of.id], resource: 'thing:1' }],
      ['POST', `/api/roles/${roles[name]}/assign`, { userId: of.id, expiresAt: '2099-01-01T00:00:00Z' }],
      ['PATCH', `/api/tenants/${a.tenantId}/members/${of.id}`, { roles: [name] }],
      ['PUT', `/api/tenants/${a.tenantId}/members/${of.id}`, { roles: [roles[name]] }],
      ['POST', `/api/tenants/${a.tenantId}/invitations`, { email: `alias-${name}@clerks.test`, roles: [name] }],
      ['POST', '/api/users', { username: `puppet-${name}`, password: PASSWORD, roles: [name] }],
      ['POST', '/api/users', { email: `puppet-${name}@clerks.test`, roles: [name] }],
      ['POST', '/api/roles', { roleName: `child-of-${name}`, permissions: [], parents: [name] }],
      ['POST', '/api/roles', { roleName: `child-of-${name}`, permissions: [], parents: [roles[name]] }],
      ['PATCH', `/api/roles/${roles[of.login]}`, { parents: [name] }],
      ['PUT', `/api/roles/${roles[of.login]}`, { roleName: `clerk`, permissions: ['signing-keys.write'], parents: [name] }],
    ]);
  async function ended(id: string): Promise<Record<string, unknown>> {
    for (let tries = 0; tries < 100; tries += 1) {
      const { body } = await owner('GET', `/api/users/imports/${id}`);
      if (body['status'] === 'done' || body['status'] === 'failed') return body;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('the import does not end');
  }

  const close = () => app?.close();
  return { app, a, owner, roles, strongGroup, strongClient, clerks, clerk, allRefused, gives, ended, close };
}
export type Rising = Awaited<ReturnType<typeof startRising>>;
