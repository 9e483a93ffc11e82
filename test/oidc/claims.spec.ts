import assert from 'node:assert/strict';
import { decodeJwt, type JWTPayload } from 'jose';
import { newId } from '#src/core/ids.ts';
import { boundClaims } from '#src/oidc/claims.ts';
import { type Answer, API, authorize, basic, type Form, OPAQUE_API, startIssuer, type TestIssuer } from '#test/support/oidc.ts';
import { giveRole } from '#test/support/roles.ts';

describe('claims of a tenant', () => {
  let issuer: TestIssuer;
  let tenantId: string;
  let userId: string;

  before(async () => {
    issuer = await startIssuer();
    const { owner } = issuer;
    tenantId = newId();
    await owner.query(`insert into tenants (id, slug, name, type) values ($1, 'acme', 'Acme', 'team')`, [tenantId]);
    const role = async (name: string, permissions: string[], parent?: string): Promise<void> => {
      await owner.query('insert into roles (id, tenant_id, name, permissions) values ($1, $2, $3, $4)', [
        newId(),
        tenantId,
        name,
        permissions,
      ]);
      if (parent)
        await owner.query(
          `insert into role_parents (tenant_id, role_id, parent_id) select c.tenant_id, c.id, p.id from roles c join roles p on p.tenant_id = c.tenant_id
           where c.tenant_id = $1 and c.name = $2 and p.name = $3`,
          [tenantId, name, parent],
        );
    };
    await role('clerk', ['api:read', 'users.read', 'elsewhere:read']);
    await role('accountant', ['api:write'], 'clerk');
    userId = await issuer.addUser();
    await giveRole(owner, tenantId, userId, 'accountant');
    await addGroups(userId, ['staff', 'berlin']);
    await owner.query(`update memberships set attributes = $3 where tenant_id = $1 and user_id = $2`, [
      tenantId,
      userId,
      JSON.stringify({ department: 'payroll', level: 3, secret: 'not asked for' }),
    ]);
    await owner.query(`update resources set attributes = '{department,level,absent}' where identifier = $1`, [OPAQUE_API]);
    await issuer.addClient('app', { scope: 'openid offline_access profile roles groups tenant' }, { first_party: true });
    await issuer.addClient('plain', {}, { first_party: true });
    await issuer.addClient(
      'told',
      { id_token_claims: ['tenant_id', 'tenant_name', 'roles', 'entitlements', 'attributes'] },
      { first_party: true },
    );
    await issuer.addClient('rs');
  });
  after(() => issuer.close());
  beforeEach(() => {
    issuer.state.accountId = userId;
  });
  afterEach(() => assert.deepEqual(issuer.state.errors, []));

  async function addGroups(member: string, names: readonly string[]): Promise<void> {
    for (const name of names) {
      await issuer.owner.query('insert into groups (id, tenant_id, name) values ($1, $2, $3) on conflict do nothing', [
        newId(),
        tenantId,
        name,
      ]);
      await issuer.owner.query(
        'insert into group_members (tenant_id, group_id, user_id) select tenant_id, id, $3 from groups where tenant_id = $1 and name = $2',
        [tenantId, name, member],
      );
    }
  }
  async function tokens(client: string, extra: Form): Promise<Answer> {
    const { form } = await authorize(issuer, client, extra);
    const answer = await issuer.token(form, basic(client));
    assert.equal(answer.status, 200, answer.text);
    return answer;
  }
  const access = (answer: Answer): JWTPayload => decodeJwt(String(answer.body.access_token));
  const id = (answer: Answer): JWTPayload => decodeJwt(String(answer.body.id_token));

  it('tell an API the tenant, the roles with what they inherit, the groups, and what of its own scopes the person may do', async () => {
    const claims = access(await tokens('plain', { scope: 'openid api:read', resource: API }));
    assert.equal(claims['tenant_id'], tenantId);
    assert.deepEqual(claims['roles'], ['accountant', 'clerk']);
    assert.deepEqual(claims['groups'], ['berlin', 'staff']);
    assert.deepEqual(claims['entitlements'], ['api:read', 'api:write'], 'whatever scope was asked for');
    assert.deepEqual([claims['attributes'], claims['tenant_name'], claims['omitted_claims']], [undefined, undefined, undefined]);
    assert.equal(access(await tokens('plain', { scope: 'openid users.read', resource: `${issuer.url}/api` }))['entitlements'], undefined);
  });

  it('give an API the attributes that it wants, and no other; introspection shows the same, of opaque tokens and of JWTs', async () => {
    const shown = async (answer: Answer): Promise<Record<string, unknown>> =>
      (await issuer.post('/token/introspection', { token: answer.body.access_token }, basic('rs'))).body;
    const opaque = await shown(await tokens('plain', { scope: 'openid api:read', resource: OPAQUE_API }));
    assert.deepEqual(opaque['attributes'], { department: 'payroll', level: 3 });
    assert.deepEqual(
      [opaque['tenant_id'], opaque['roles'], opaque['groups'], opaque['entitlements']],
      [tenantId, ['accountant', 'clerk'], ['berlin', 'staff'], ['api:read', 'api:write']],
    );
    const jwt = await tokens('plain', { scope: 'openid api:read', resource: API });
    const seen = await shown(jwt);
    for (const name of ['tenant_id', 'roles', 'groups', 'entitlements']) assert.deepEqual(seen[name], access(jwt)[name], name);
  });

  it('cost no statement, and attributes one', async () => {
    const redeeming = async (resource: string): Promise<number> => {
      await tokens('plain', { scope: 'openid api:read', resource });
      const { form } = await authorize(issuer, 'plain', { scope: 'openid api:read', resource });
      return issuer.counted(() => issuer.token(form, basic('plain')));
    };
    assert.ok((await redeeming(API)) <= 3);
    assert.ok((await redeeming(OPAQUE_API)) <= 4);
  });

  it('are told to userinfo and in ID tokens by the scopes roles, groups and tenant, which discovery lists', async () => {
    const answer = await tokens('app', { scope: 'openid roles groups tenant' });
    const info = await issuer.get('/me', { authorization: `Bearer ${answer.body.access_token}` });
    const expected = { tenant_id: tenantId, tenant_name: 'Acme', roles: ['accountant', 'clerk'], groups: ['berlin', 'staff'] };
    assert.deepEqual(info.body, { sub: userId, ...expected });
    assert.equal(id(answer)['roles'], undefined, 'what userinfo tells is not in the ID token beside it');
    const { roles, tenant_id, tenant_name, groups } = id(await tokens('app', { scope: 'openid roles tenant', resource: API }));
    assert.deepEqual([roles, tenant_id, tenant_name, groups], [expected.roles, tenantId, 'Acme', undefined]);
    const { body } = await issuer.get('/.well-known/openid-configuration');
    for (const name of ['roles', 'groups', 'tenant']) assert.ok((body['scopes_supported'] as string[]).includes(name), name);
    for (const name of ['roles', 'groups', 'tenant_id', 'tenant_name'])
      assert.ok((body['claims_supported'] as string[]).includes(name), name);
  });

  it('are always in the ID tokens of a client whose metadata names them', async () => {
    const claims = id(await tokens('told', { scope: 'openid api:read', resource: OPAQUE_API }));
    assert.deepEqual([claims['tenant_id'], claims['tenant_name'], claims['roles']], [tenantId, 'Acme', ['accountant', 'clerk']]);
    assert.deepEqual([claims['entitlements'], claims['attributes']], [['api:read', 'api:write'], { department: 'payroll', level: 3 }]);
    assert.equal(claims['groups'], undefined);
    const first = await tokens('told', { scope: 'openid offline_access api:read', resource: API });
    const next = await issuer.token({ grant_type: 'refresh_token', refresh_token: first.body.refresh_token }, basic('told'));
    assert.deepEqual([id(next)['tenant_id'], id(next)['roles']], [tenantId, ['accountant', 'clerk']]);
  });

  it('are left out as a whole where they are too many or too large, and the token says which', async () => {
    issuer.state.accountId = await issuer.addUser();
    await giveRole(issuer.owner, tenantId, issuer.state.accountId, 'clerk');
    await addGroups(
      issuer.state.accountId,
      Array.from({ length: 101 }, (_, index) => `group-${index}`),
    );
    await issuer.owner.query('update memberships set attributes = $3 where tenant_id = $1 and user_id = $2', [
      tenantId,
      issuer.state.accountId,
      JSON.stringify({ department: 'x'.repeat(9000) }),
    ]);
    const { body } = await issuer.post(
      '/token/introspection',
      { token: (await tokens('plain', { scope: 'openid api:read', resource: OPAQUE_API })).body.access_token },
      basic('rs'),
    );
    assert.deepEqual([body['groups'], body['attributes'], body['omitted_claims']], [undefined, undefined, ['attributes', 'groups']]);
    assert.deepEqual([body['roles'], body['entitlements']], [['clerk'], ['api:read']]);
  });

  it('are bounded together: the largest goes first, and never a part of one', () => {
    const long = (count: number, size: number): string[] => Array.from({ length: count }, (_, index) => `${index}`.padEnd(size, 'x'));
    const claims = boundClaims({ a: long(100, 30), b: long(100, 40), c: long(90, 50), d: [], e: undefined, f: {} });
    assert.deepEqual([Object.keys(claims), claims['omitted_claims']], [['a', 'b', 'omitted_claims'], ['c']]);
    assert.deepEqual(boundClaims({ a: long(101, 1), b: 'x' }), { b: 'x', omitted_claims: ['a'] });
    assert.deepEqual(boundClaims({ a: 'x'.repeat(8192) }), { omitted_claims: ['a'] });
  });
});
