import assert from 'node:assert/strict';
import { newId } from '#src/core/ids.ts';
import { meaningOf } from '#src/features/roles/catalogue.ts';
import type { ApiAnswer, ApiHarness } from '#test/support/api.ts';
import { addMember, startRoles } from './start.ts';

describe('decisions by roles', () => {
  let api: ApiHarness;
  let tenant: string;
  let token: string;
  let person: string;
  const roles = new Map<string, string>();

  before(async () => {
    api = await startRoles();
    tenant = api.tenants[0];
    token = api.tokenOf({ tenantId: tenant });
    person = await addMember(api, tenant);
    for (const body of [
      { roleName: 'reader', permissions: ['users.read'] },
      { roleName: 'lead', parents: ['reader'] },
      { roleName: 'clerk', permissions: ['audit.read'] },
    ]) {
      const made = await api.call(token, 'POST /api/roles', { body });
      assert.equal(made.status, 201, made.text);
      roles.set(body.roleName, String(made.body['id']));
    }
  });
  after(() => api.close());

  const assign = (name: string, body: object): Promise<ApiAnswer> => api.call(token, `POST /api/roles/${roles.get(name)}/assign`, { body });
  const ask = (userId: string, permission: string, resource?: string, as = token): Promise<ApiAnswer> =>
    api.call(
      as,
      `GET /api/auth/authorize/rbac?${new URLSearchParams({ userId, permission, ...(resource === undefined ? {} : { resource }) }).toString()}`,
    );
  const granted = async (...question: Parameters<typeof ask>): Promise<unknown> => (await ask(...question)).body['access_granted'];

  it('grant by own roles and what they inherit, and name the roles that grant', async () => {
    assert.equal(await granted(person, 'users.read'), false);
    await assign('lead', { userId: person });
    const { status, body } = await ask(person, 'users.read');
    assert.deepEqual([status, body], [200, { access_granted: true, userId: person, permission: 'users.read', roles: ['lead'] }]);
    assert.equal(await granted(person, 'users.write'), false);
    assert.equal(await granted(person, 'no such thing'), false);
  });

  it('grant by roles of groups', async () => {
    const bob = await addMember(api, tenant);
    const groupId = newId();
    await api.owner.query('insert into groups (id, tenant_id, name) values ($1, $2, $3)', [groupId, tenant, 'readers']);
    await assign('reader', { groupId });
    assert.equal(await granted(bob, 'users.read'), false);
    await api.owner.query('insert into group_members (tenant_id, group_id, user_id) values ($1, $2, $3)', [tenant, groupId, bob]);
    assert.equal(await granted(bob, 'users.read'), true);
  });

  it('count a role for one thing there only, and a role for a type on all of that type', async () => {
    const clerk = await addMember(api, tenant);
    await assign('clerk', { userId: clerk, resource: 'invoice:42' });
    assert.deepEqual(
      [
        await granted(clerk, 'audit.read'),
        await granted(clerk, 'audit.read', 'invoice'),
        await granted(clerk, 'audit.read', 'invoice:4'),
        await granted(clerk, 'audit.read', 'invoice:42'),
      ],
      [false, false, false, true],
    );
    await assign('clerk', { userId: clerk, resource: 'invoice' });
    assert.deepEqual(
      [await granted(clerk, 'audit.read', 'invoice:4'), await granted(clerk, 'audit.read', 'order:4'), await granted(clerk, 'audit.read')],
      [true, false, false],
    );
    assert.equal(await granted(person, 'users.read', 'invoice:7'), true, 'a role for everything counts everywhere');
  });

  it('grant nothing any more once a role has expired', async () => {
    const guest = await addMember(api, tenant);
    await assign('reader', { userId: guest, expiresAt: '2100-01-01T00:00:00Z' });
    assert.equal(await granted(guest, 'users.read'), true);
    await api.owner.query(`update role_assignments set expires_at = clock_timestamp() where user_id = $1`, [guest]);
    assert.equal(await granted(guest, 'users.read'), false);
  });

  it('refuse who is unknown, of elsewhere, disabled or of a suspended home in the same bytes', async () => {
    const [foreign, disabled, suspended] = [await addMember(api, api.tenants[1]), await addMember(api, tenant, 'disabled'), newId()];
    const home = newId();
    await api.owner.query(`insert into tenants (id, slug, name, type, status) values ($1, 'asleep', 'Asleep', 'team', 'suspended')`, [
      home,
    ]);
    await api.owner.query(`insert into users (id, home_tenant_id, username, username_key) values ($1, $2, 'sleeper', 'sleeper')`, [
      suspended,
      home,
    ]);
    await api.owner.query('insert into memberships (tenant_id, user_id) values ($1, $2)', [tenant, suspended]);
    assert.equal((await assign('reader', { userIds: [disabled, suspended] })).status, 200);
    const texts = new Set<string>();
    for (const id of [newId(), foreign, disabled, suspended]) {
      const { status, text } = await ask(id, 'users.read');
      assert.equal(status, 200);
      texts.add(text.replace(id, 'x'));
    }
    assert.deepEqual([...texts], ['{"access_granted":false,"userId":"x","permission":"users.read","roles":[]}']);
    assert.equal(await granted('nobody', 'users.read'), false);
  });

  it('are of the tenant of the request, and for who may ask', async () => {
    assert.equal(await granted(person, 'users.read', undefined, api.tokenOf({ tenantId: api.tenants[1] })), false);
    const answer = await ask(person, 'users.read', undefined, api.tokenOf({ tenantId: tenant, permissions: ['roles.read'] }));
    assert.deepEqual([answer.status, answer.body['permission']], [403, 'decisions.evaluate']);
  });

  it('understand names of permissions as type and action', () => {
    const of = (name: string, identifier?: string): string => Object.values(meaningOf(name, identifier)).join(' ');
    assert.deepEqual(
      [
        of('payroll.read'),
        of('hr.payroll.read'),
        of('payroll:read'),
        of('read', 'https://api.test/v1/payroll'),
        of('read', 'https://payroll.test/'),
        of('read', 'urn:corp:payroll'),
        of('.read', 'https://payroll.test'),
      ],
      ['payroll read', 'hr.payroll read', 'payroll read', 'payroll read', 'payroll read', 'payroll read', 'payroll .read'],
    );
  });
});
