/** Somebody with one right over imports, keys, applications or the tenant itself, who would have them all. */
import assert from 'node:assert/strict';
import { ALL_PERMISSIONS, type Permission } from '#src/core/permissions.ts';
import { CB } from '#test/support/oidc.ts';
import { type Rising, startRising } from './rising.ts';
import { bearer, codeOf, done, itemsOf, PASSWORD, tokenOf } from './scene.ts';

describe('rising within a tenant', function () {
  this.timeout(120_000);
  let app: Rising['app'];
  let a: Rising['a'];
  let owner: Rising['owner'];
  let roles: Rising['roles'];
  let clerks: Rising['clerks'];
  let clerk: Rising['clerk'];
  let allRefused: Rising['allRefused'];
  let gives: Rising['gives'];
  let ended: Rising['ended'];
  let close: Rising['close'] | undefined;

  before(async () => {
    ({ app, a, owner, roles, clerks, clerk, allRefused, gives, ended, close } = await startRising());
  });
  after(() => close?.());

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

  it('a helper of the installation with one right becomes no administrator of it, in any tenant', async () => {
    clerks.made += 1;
    const login = `helper${clerks.made}`;
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
