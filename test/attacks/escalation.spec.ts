/** Somebody with one right only, who would be owner of their tenant, or run the installation: by every combination of what they may touch. */
import assert from 'node:assert/strict';
import { ALL_PERMISSIONS, type Permission } from '#src/core/permissions.ts';
import { type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import { CB } from '#test/support/oidc.ts';
import { type Settled, settle } from '#test/support/two-tenants.ts';
import { bearer, codeOf, done, itemsOf, PASSWORD, tokenOf } from './scene.ts';

type Call = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Reply>;

interface Clerk {
  id: string;
  login: string;
  email: string;
  call: Call;
}

describe('rising within a tenant', function () {
  this.timeout(120_000);
  let app: RunningApp;
  let a: Settled;
  let owner: Call;
  const roles: Record<string, string> = {};
  let strongGroup: string;
  let strongClient: string;
  let people = 0;

  before(async () => {
    app = await startTestApp();
    a = await settle(app, 'a');
    owner = (method, path, body, headers = {}) => app.api(method, path, body, { ...bearer(a.token), ...headers });
    for (const name of ['owner', 'administrator', 'member'])
      roles[name] = String(itemsOf(await owner('GET', `/api/roles?roleName=${name}`))[0]?.['id']);
    roles['strong'] = String(
      (
        await done(
          owner('POST', '/api/roles', { roleName: 'strong', permissions: ['signing-keys.read', 'users.write', 'roles.write'] }),
          201,
        )
      )['id'],
    );
    strongGroup = String((await done(owner('POST', '/api/groups', { name: 'strong' }), 201))['id']);
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
    strongClient = String(client['client_id']);
  });
  after(() => app?.close());

  /** A person of A who holds these and nothing else. */
  async function clerk(...permissions: Permission[]): Promise<Clerk> {
    people += 1;
    const login = `${a.mark}.clerk${people}`;
    const email = `${login}@clerks.test`;
    const input = { username: login, email, emailVerified: true, password: PASSWORD };
    const id = String((await done(app.api('POST', '/api/users', input, { 'x-tenant-id': a.tenantId }), 201))['id']);
    const role = await done(owner('POST', '/api/roles', { roleName: `clerk-${people}`, permissions }), 201);
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

  it('a manager of roles gives neither themselves nor others what they have not, nor inherits it', async () => {
    const who = await clerk('roles.read', 'roles.write');
    await allRefused(who, [
      ...gives(who),
      ['POST', '/api/roles', { roleName: 'mine', permissions: ['users.write'] }],
      ['PATCH', `/api/roles/${roles[who.login]}`, { permissions: [...ALL_PERMISSIONS] }],
      ['PATCH', `/api/roles/${roles['owner']}`, { permissions: [] }],
      ['PATCH', `/api/roles/${roles['member']}`, { permissions: ['users.write'] }],
      ['PATCH', `/api/roles/${roles['member']}`, { parents: ['administrator'] }],
      ['POST', `/api/roles/${roles[who.login]}/assign`, { groupId: 'not-a-group' }],
      ['PATCH', `/api/roles/${roles['strong']}`, { description: 'mine' }],
      ['DELETE', `/api/roles/${roles['strong']}`],
      ['DELETE', `/api/roles/${roles['owner']}`],
      ['POST', `/api/roles/${roles['owner']}/revoke`, { userId: a.owner.id }],
      ['POST', `/api/roles/${roles['strong']}/revoke`, { groupId: strongGroup }],
    ]);
  });

  it('a parent that grows later grows for nobody by the hand of who holds less', async () => {
    const who = await clerk('roles.read', 'roles.write');
    const parent = await done(who.call('POST', '/api/roles', { roleName: 'parent', permissions: ['roles.read'] }), 201);
    await done(who.call('POST', '/api/roles', { roleName: 'child', permissions: [], parents: ['parent'] }), 201);
    await allRefused(who, [
      ['PATCH', `/api/roles/${String(parent['id'])}`, { permissions: ['users.write'] }],
      ['PATCH', `/api/roles/${String(parent['id'])}`, { parents: ['strong'] }],
    ]);
  });

  it('a manager of groups enters no group that gives more, and empties none', async () => {
    const who = await clerk('groups.read', 'groups.write');
    await allRefused(who, [
      ...gives(who),
      ['POST', `/api/groups/${strongGroup}/members`, { userId: who.id }],
      ['POST', `/api/groups/${strongGroup}/members`, { userIds: [who.id] }],
      ['DELETE', `/api/groups/${strongGroup}/members/${a.owner.id}`],
      ['DELETE', `/api/groups/${strongGroup}`],
      ['POST', '/api/groups', { name: 'mine', roles: ['strong'] }],
    ]);
    // With roles as well, and a group of their own, it is no different.
    const both = await clerk('groups.read', 'groups.write', 'roles.read', 'roles.write');
    const { id } = await done(both.call('POST', '/api/groups', { name: `own-${both.login}` }), 201);
    await done(both.call('POST', `/api/groups/${String(id)}/members`, { userId: both.id }));
    await allRefused(both, [
      ...gives(both),
      ...['owner', 'administrator', 'strong'].map((name): [string, string, unknown] => [
        'POST',
        `/api/roles/${roles[name]}/assign`,
        { groupId: id },
      ]),
    ]);
  });

  it('a role given to a group that is empty counts before anybody enters, expired and resource-bound ones too', async () => {
    const who = await clerk('groups.read', 'groups.write');
    const { id } = await done(owner('POST', '/api/groups', { name: `later-${who.login}` }), 201);
    await done(owner('POST', `/api/roles/${roles['strong']}/assign`, { groupId: id, resource: 'thing:1' }));
    await allRefused(who, [['POST', `/api/groups/${String(id)}/members`, { userId: who.id }]]);
  });

  it('a manager of members, of invitations and of people gives what they hold and no more', async () => {
    for (const right of ['members', 'invitations', 'users'] as const) {
      const who = await clerk(`${right}.read`, `${right}.write`);
      await allRefused(who, gives(who));
    }
  });

  it('nobody opens again an invitation that gives more than they hold', async () => {
    const who = await clerk('invitations.read', 'invitations.write');
    for (const role of ['owner', 'administrator', 'strong']) {
      const path = `/api/tenants/${a.tenantId}/invitations`;
      const { id } = await done(owner('POST', path, { email: `former-${role}@clerks.test`, roles: [role] }), 201);
      assert.equal((await who.call('POST', `${path}/${String(id)}/resend`)).status, 403, `${role}, open`);
      await app.owner.query(`update invitations set expires_at = clock_timestamp() - interval '1 day' where id = $1`, [id]);
      assert.equal((await who.call('POST', `${path}/${String(id)}/resend`)).status, 403, `${role}, expired`);
      assert.equal((await owner('POST', `${path}/${String(id)}/resend`)).status, 200);
    }
  });

  it('whoever may write people resets no password, address or factor of who may more', async () => {
    const who = await clerk('users.read', 'users.write', 'sessions.read', 'sessions.write');
    const strong = await clerk('users.read', 'users.write', 'roles.write');
    const grouped = await clerk('users.read');
    await done(owner('POST', `/api/groups/${strongGroup}/members`, { userId: grouped.id }));
    for (const target of [a.owner.id, strong.id, grouped.id])
      await allRefused(who, [
        ['PATCH', `/api/users/${target}`, { password: 'another horse battery staple' }],
        ['PUT', `/api/users/${target}`, { password: 'another horse battery staple' }],
        ['PATCH', `/api/users/${target}`, { email: 'mine@clerks.test' }],
        ['PATCH', `/api/users/${target}`, { username: 'mine' }],
        ['PATCH', `/api/users/${target}`, { phone: '+66811119999' }],
        ['PATCH', `/api/users/${target}`, { status: 'disabled' }],
        ['DELETE', `/api/users/${target}/factors`],
        ['DELETE', `/api/users/${target}`],
        ['PATCH', `/api/users/${who.id}`, { homeTenantId: app.rootTenantId }],
        ['PATCH', `/api/users/${who.id}`, { roles: ['owner'] }],
        ['PATCH', `/api/users/${who.id}`, { permissions: ['roles.write'] }],
      ]);
  });

  it('an import gives no role that whoever began it could not give, nor one that they have lost meanwhile', async () => {
    const who = await clerk('users.read', 'users.write');
    const lines = ['owner', 'administrator', 'strong'].map((role) =>
      JSON.stringify({ username: `${who.login}.${role}`, password: PASSWORD, roles: [role] }),
    );
    const job = await done(who.call('POST', '/api/users/import', lines.join('\n'), { 'content-type': 'application/x-ndjson' }), 202);
    const state = await ended(String(job['id']));
    assert.deepEqual([state['created'], state['failed']], [0, 3], JSON.stringify(state));
    const strong = await clerk('users.read', 'users.write', 'signing-keys.read', 'roles.write');
    // Held until the right is gone.
    const hold = await app.owner.connect();
    await hold.query('begin');
    await hold.query('lock table user_imports in access exclusive mode');
    const asked = strong.call('POST', '/api/users/import', JSON.stringify({ username: `${strong.login}.late`, roles: ['strong'] }), {
      'content-type': 'application/x-ndjson',
    });
    await new Promise((resolve) => setTimeout(resolve, 150));
    await done(owner('PATCH', `/api/roles/${roles[strong.login]}`, { permissions: ['users.read', 'users.write'] }));
    await hold.query('commit');
    hold.release();
    const late = await done(asked, 202);
    const after = await ended(String(late['id']));
    assert.equal(after['created'], 0, JSON.stringify(after));
  });

  async function ended(id: string): Promise<Record<string, unknown>> {
    for (let tries = 0; tries < 100; tries += 1) {
      const { body } = await owner('GET', `/api/users/imports/${id}`);
      if (body['status'] === 'done' || body['status'] === 'failed') return body;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('the import does not end');
  }

  it('a manager of keys makes none that may more, and lengthens none that may more', async () => {
    const who = await clerk('api-keys.read', 'api-keys.write');
    const soon = new Date(Date.now() + 60_000).toISOString();
    const made = await done(
      owner('POST', '/api/api-keys', { name: 'of the owner', permissions: ['roles.write', 'api-keys.read'], expiresAt: soon }),
      201,
    );
    const id = String(made['id']);
    await allRefused(who, [
      ['POST', '/api/api-keys', { name: 'mine', permissions: ['roles.write'] }],
      ['POST', '/api/api-keys', { name: 'mine', permissions: [...ALL_PERMISSIONS] }],
      ['POST', '/api/api-keys', { name: 'mine', permissions: ['api-keys.read'], ownerId: a.owner.id }],
      ['POST', '/api/api-keys', { name: 'mine', userId: a.owner.id }],
      ['PATCH', `/api/api-keys/${id}`, { permissions: ['roles.write', 'users.write'] }],
      ['PATCH', `/api/api-keys/${id}`, { expiresAt: null }],
      ['PATCH', `/api/api-keys/${id}`, { expiresAt: '2099-01-01T00:00:00Z' }],
      ['PUT', `/api/api-keys/${id}`, { name: 'mine' }],
    ]);
    const all = await done(who.call('POST', '/api/api-keys', { name: 'all that I have' }), 201);
    assert.deepEqual(all['permissions'], ['api-keys.read', 'api-keys.write']);
    assert.equal(
      (await who.call('PATCH', `/api/api-keys/${id}`, { expiresAt: new Date(Date.now() + 30_000).toISOString() })).status,
      200,
      'shorter is nobody’s gain',
    );
    assert.equal((await owner('PATCH', `/api/api-keys/${id}`, { expiresAt: null })).status, 200);
  });

  it('G11: a manager of applications gives none more than they hold, and gets at no stronger one', async () => {
    const who = await clerk('clients.read', 'clients.write');
    const machine = { client_name: 'M', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
    await allRefused(who, [
      ['POST', '/api/clients', { ...machine, permissions: ['roles.write'] }],
      ['POST', '/api/clients', { ...machine, permissions: [...ALL_PERMISSIONS] }],
      ['POST', '/api/clients', { client_name: 'F', redirect_uris: [CB], first_party: true }],
      ['POST', '/api/clients', { client_name: 'D', redirect_uris: [CB], direct_login: true }],
      ['POST', `/api/clients/${strongClient}/secrets`, {}],
      [
        'PATCH',
        `/api/clients/${strongClient}`,
        { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'AA' }] } },
      ],
      ['PATCH', `/api/clients/${strongClient}`, { permissions: [] }],
      ['PUT', `/api/clients/${strongClient}`, { ...machine }],
      ['DELETE', `/api/clients/${strongClient}`],
      ['PATCH', '/api/clients/gatehouse-account', { redirect_uris: [CB] }],
    ]);
  });

  it('an application that the installation trusts leads nowhere else by the hand of a tenant', async () => {
    const who = await clerk('clients.read', 'clients.write');
    for (const trust of ['first_party', 'direct_login']) {
      const made = await done(
        app.api('POST', '/api/clients', { client_name: 'Trusted', redirect_uris: [CB], [trust]: true }, { 'x-tenant-id': a.tenantId }),
        201,
      );
      const id = String(made['client_id']);
      const evil = 'https://evil.test/cb';
      const answers = [
        await who.call('PATCH', `/api/clients/${id}`, { redirect_uris: [evil] }),
        await who.call('PATCH', `/api/clients/${id}`, { redirect_uris: [CB, evil] }),
        await who.call('PUT', `/api/clients/${id}`, { client_name: 'Trusted', redirect_uris: [evil], [trust]: true }),
        await who.call('PATCH', `/api/clients/${id}`, { grant_types: ['authorization_code', 'refresh_token'] }),
      ];
      assert.deepEqual(answers.map(codeOf), Array(4).fill('403 client.trust_needs_platform'), trust);
      assert.equal(
        (await who.call('PATCH', `/api/clients/${id}`, { [trust]: false, redirect_uris: [evil] })).status,
        200,
        'without the trust it is theirs',
      );
      assert.equal((await who.call('PATCH', `/api/clients/${id}`, { [trust]: true })).status, 403);
    }
  });

  it('a manager of the tenant, of domains, address rules and attributes becomes nothing more', async () => {
    for (const permissions of [
      ['tenants.read', 'tenants.write'],
      ['attributes.read', 'attributes.write'],
      ['resources.read', 'resources.write'],
      ['sessions.read', 'sessions.write'],
    ] as Permission[][]) {
      const who = await clerk(...permissions);
      await allRefused(who, [
        ...gives(who),
        ['PATCH', `/api/tenants/${a.tenantId}`, { type: 'root' }],
        ['PATCH', `/api/tenants/${a.tenantId}`, { ownerId: who.id }],
        ['PATCH', `/api/tenants/${a.tenantId}`, { status: 'deleted' }],
        ['PATCH', `/api/tenants/${a.tenantId}`, { id: app.rootTenantId }],
        ['POST', '/api/tenants', { name: 'Mine', slug: `mine-${who.login.slice(-6)}` }],
        ['DELETE', `/api/tenants/${a.tenantId}`],
        ['POST', `/api/tenants/${a.tenantId}/suspend`, {}],
        ['PUT', `/api/tenants/${a.tenantId}/limits`, { members: 1_000_000 }],
        ['POST', '/api/attributes', { path: 'user.roles', type: 'string', cardinality: 'many', roles: ['owner'] }],
        ['POST', '/api/resources', { identifier: `${app.issuer}/api`, name: 'Ours', scopes: [{ name: 'users.write' }] }],
        ['POST', '/api/resources', { identifier: `https://mine-${who.login}.test`, name: 'Ours', scopes: [{ name: 'users.write' }] }],
        ['DELETE', `/api/users/${a.owner.id}`],
      ]);
    }
  });

  it('of all rights of the tenant together, but the owner’s, nobody becomes an owner, deletes the tenant or runs the installation', async () => {
    const who = await clerk(...ALL_PERMISSIONS);
    await allRefused(who, [
      ...gives(who).filter(([, , body]) => JSON.stringify(body).includes(`"owner"`) || JSON.stringify(body).includes(roles['owner']!)),
      ['POST', `/api/roles/${roles['owner']}/assign`, { userId: who.id }],
      ['POST', `/api/roles/${roles['owner']}/revoke`, { userId: a.owner.id }],
      ['PATCH', `/api/users/${a.owner.id}`, { password: 'another horse battery staple' }],
      ['PATCH', `/api/users/${a.owner.id}`, { status: 'disabled' }],
      ['DELETE', `/api/users/${a.owner.id}`],
      ['DELETE', `/api/users/${a.owner.id}/factors`],
      ['DELETE', `/api/tenants/${a.tenantId}`],
      ['POST', '/api/tenants', { name: 'Mine' }],
      ['POST', '/api/plans', { name: 'Mine', limits: {} }],
      ['POST', '/api/signing-keys/rotate', { mode: 'emergency' }],
      ['PUT', `/api/tenants/${a.tenantId}/subscription`, { planId: a.tenantId }],
      ['POST', `/api/tenants/${a.tenantId}/members`, { userId: a.owner.id }],
      ['POST', '/api/clients', { client_name: 'F', redirect_uris: [CB], first_party: true }],
    ]);
    // Ending sessions of who may more is no gain, and a key of theirs makes nobody an owner either.
    const made = await done(who.call('POST', '/api/api-keys', { name: 'all' }), 201);
    const answer = await app.api('POST', `/api/roles/${roles['owner']}/assign`, { userId: who.id }, bearer(String(made['key'])));
    assert.equal(codeOf(answer), '403 role.owners_only');
  });

  it('what has expired is lengthened, and what is for one thing widened, by nobody who could not give it', async () => {
    const who = await clerk('roles.read', 'roles.write', 'members.read', 'members.write');
    await done(owner('POST', `/api/roles/${roles['strong']}/assign`, { userId: who.id, resource: 'thing:7' }));
    await done(owner('POST', `/api/roles/${roles['administrator']}/assign`, { userId: who.id, expiresAt: '2099-01-01T00:00:00Z' }));
    await app.owner.query(
      `update role_assignments set expires_at = clock_timestamp() - interval '1 minute' where user_id = $1 and expires_at is not null`,
      [who.id],
    );
    await allRefused(who, [
      ['POST', `/api/roles/${roles['administrator']}/assign`, { userId: who.id }],
      ['POST', `/api/roles/${roles['administrator']}/assign`, { userId: who.id, expiresAt: '2098-01-01T00:00:00Z' }],
      ['POST', `/api/roles/${roles['strong']}/assign`, { userId: who.id }],
      ['PATCH', `/api/tenants/${a.tenantId}/members/${who.id}`, { roles: ['administrator'] }],
      ['PATCH', `/api/tenants/${a.tenantId}/members/${who.id}`, { roles: ['strong', `clerk-${people}`] }],
    ]);
    assert.equal(
      (await who.call('PATCH', `/api/users/${who.id}`, { givenName: 'X' })).status,
      403,
      'what is for one thing is no right over people',
    );
  });

  it('a helper of the installation with one right becomes no administrator of it, in any tenant', async () => {
    people += 1;
    const login = `helper${people}`;
    const role = await done(
      app.api('POST', '/api/roles', {
        roleName: 'helper',
        permissions: ['roles.read', 'roles.write', 'members.write', 'invitations.write', 'groups.write', 'users.write'],
      }),
      201,
    );
    const { id } = await done(app.api('POST', '/api/users', { username: login, password: PASSWORD }), 201);
    await done(app.api('POST', `/api/roles/${String(role['id'])}/assign`, { userId: id }));
    const token = await tokenOf(app, { login, password: PASSWORD });
    const admin = itemsOf(await app.api('GET', '/api/roles?roleName=administrator'))[0]!;
    for (const [path, body, headers] of [
      [`/api/roles/${String(admin['id'])}/assign`, { userId: id }, {}],
      [`/api/roles/${roles['owner']}/assign`, { userId: id }, { 'x-tenant-id': a.tenantId }],
      [`/api/tenants/${a.tenantId}/members`, { userId: id, roles: ['owner'] }, {}],
      [`/api/tenants/${a.tenantId}/invitations`, { email: 'helper@clerks.test', roles: ['owner'] }, {}],
      ['/api/users', { username: 'helper-puppet', password: PASSWORD, roles: ['owner'] }, { 'x-tenant-id': a.tenantId }],
      ['/api/users', { username: 'helper-puppet', password: PASSWORD, roles: ['administrator'] }, {}],
    ] as [string, object, Record<string, string>][]) {
      const answer = await app.api('POST', path, body, { ...bearer(token), ...headers });
      assert.equal(answer.status, 403, `${path}: ${answer.text}`);
    }
    for (const target of [a.owner.id]) {
      const answer = await app.api(
        'PATCH',
        `/api/users/${target}`,
        { password: 'another horse battery staple' },
        { ...bearer(token), 'x-tenant-id': a.tenantId },
      );
      assert.equal(codeOf(answer), '403 user.higher_rights');
    }
  });
});
