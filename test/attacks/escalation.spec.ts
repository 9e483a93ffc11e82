/** Somebody with one right only, who would be owner of their tenant, or run the installation: by every combination of what they may touch. */
import assert from 'node:assert/strict';
import { ALL_PERMISSIONS } from '#src/core/permissions.ts';
import { CB } from '#test/support/oidc.ts';
import { type Rising, startRising } from './rising.ts';
import { done } from './scene.ts';

describe('rising within a tenant', function () {
  this.timeout(120_000);
  let app: Rising['app'];
  let a: Rising['a'];
  let owner: Rising['owner'];
  let roles: Rising['roles'];
  let strongGroup: Rising['strongGroup'];
  let strongClient: Rising['strongClient'];
  let clerks: Rising['clerks'];
  let clerk: Rising['clerk'];
  let allRefused: Rising['allRefused'];
  let gives: Rising['gives'];
  let close: Rising['close'] | undefined;

  before(async () => {
    ({ app, a, owner, roles, strongGroup, strongClient, clerks, clerk, allRefused, gives, close } = await startRising());
  });
  after(() => close?.());

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
      ['PATCH', `/api/tenants/${a.tenantId}/members/${who.id}`, { roles: ['strong', `clerk-${clerks.made}`] }],
    ]);
    assert.equal(
      (await who.call('PATCH', `/api/users/${who.id}`, { givenName: 'X' })).status,
      403,
      'what is for one thing is no right over people',
    );
  });
});
