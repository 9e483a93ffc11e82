/** What administrators do to people is part of those people's own activity, whatever they do. */
import assert from 'node:assert/strict';
import { newId } from '#src/core/ids.ts';
import { newAddress, type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import { Visitor } from '../../login/site.ts';

const PASSWORD = 'violet cactus thunder marble';

describe('what others do to a person', function () {
  this.timeout(60_000);
  let app: RunningApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.close());

  const ok = (answer: Reply): Record<string, unknown> => {
    assert.ok(answer.status < 300, answer.text);
    return answer.body;
  };
  const own = async (id: string): Promise<{ type: string; person_id: string | null; target_id: string }[]> =>
    (await app.owner.query(`select type, person_id, target_id from audit_events_of($1, 'infinity', $2, 200)`, [id, newId()])).rows;

  it('is told to them by every kind of event that has them for its target, and names nobody', async () => {
    const email = 'told@example.test';
    const id = String(ok(await app.api('POST', '/api/users', { email, emailVerified: true, password: PASSWORD }))['id']);
    const role = String(ok(await app.api('POST', '/api/roles', { roleName: 'teller', permissions: ['users.read'] }))['id']);
    const group = String(ok(await app.api('POST', '/api/groups', { name: 'Tellers' }))['id']);
    const other = String(ok(await app.api('POST', '/api/users', { email: 'other-told@example.test' }))['id']);
    ok(await app.api('PATCH', `/api/users/${id}`, { givenName: 'Ada' }));
    ok(await app.api('PATCH', `/api/users/${id}`, { status: 'disabled' }));
    ok(await app.api('PATCH', `/api/users/${id}`, { status: 'active' }));
    ok(await app.api('POST', `/api/roles/${role}/assign`, { userIds: [id, other] }));
    ok(await app.api('POST', `/api/roles/${role}/revoke`, { userIds: [id] }));
    ok(await app.api('POST', `/api/groups/${group}/members`, { userIds: [id] }));
    ok(await app.api('DELETE', `/api/groups/${group}/members/${id}`));
    ok(await app.api('DELETE', `/api/users/${id}/factors`));
    ok(await app.api('PATCH', `/api/users/${id}`, { password: PASSWORD }));

    const told = (await own(id)).map(({ type }) => type);
    for (const type of [
      'user.created',
      'user.updated',
      'user.disabled',
      'user.enabled',
      'role.assigned',
      'role.revoked',
      'group.members_added',
      'group.member_removed',
      'factor.removed',
      'password.set',
    ])
      assert.ok(told.includes(type), `${type} is not in ${told.join()}`);
    assert.ok((await own(other)).some(({ type }) => type === 'role.assigned'));

    const ada = new Visitor(app.issuer, { 'x-forwarded-for': newAddress(), accept: 'text/html' });
    await ada.open('/account');
    await ada.submit({ login: email, password: PASSWORD });
    await ada.open('/account/activity');
    assert.match(ada.at!.text, /Profile changed<\/strong>(?:(?!<\/li>)[\s\S])*by a program of /);
    assert.ok(!ada.at!.text.includes(other), 'who else has the role is nobody’s business');

    ok(await app.api('DELETE', `/api/users/${other}`));
    const { rows } = await app.owner.query(
      `select distinct type from audit_events where target_type = 'user' and person_id::text is distinct from target_id`,
    );
    assert.deepEqual(rows, [{ type: 'user.deleted' }], 'an event about a person that the person does not see');
  });

  it('is told of an administrator without who that is, and to the administrator as done to somebody else', async () => {
    const email = 'changed@example.test';
    const id = String(ok(await app.api('POST', '/api/users', { email, emailVerified: true, password: PASSWORD }))['id']);
    const tenantId = app.rootTenantId;
    const administrator = newId();
    await app.owner.query(`insert into users (id, home_tenant_id, username, username_key) values ($1, $2, $3, $3)`, [
      administrator,
      tenantId,
      `a-${administrator}`,
    ]);
    await app.owner.query(
      `insert into audit_events (id, tenant_id, type, outcome, actor_type, actor_id, target_type, target_id, person_id)
       values ($1, $2, 'user.updated', 'success', 'user', $3, 'user', $4, $5)`,
      [newId(), tenantId, administrator, id, id],
    );
    assert.ok((await own(administrator)).some(({ target_id: target }) => target === id));
    const ada = new Visitor(app.issuer, { 'x-forwarded-for': newAddress(), accept: 'text/html' });
    await ada.open('/account');
    await ada.submit({ login: email, password: PASSWORD });
    await ada.open('/account/activity');
    assert.match(ada.at!.text, /Profile changed<\/strong>(?:(?!<\/li>)[\s\S])*by an administrator of /);
    assert.ok(!ada.at!.text.includes(administrator));
  });
});

describe('the tenant that people who register get', function () {
  this.timeout(30_000);
  let app: RunningApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.close());

  it('is made from a template that there is, or the setting is not taken', async () => {
    const set = (templateId: string) =>
      app.api('PATCH', `/api/tenants/${app.rootTenantId}`, { settings: { personalTenant: { enabled: true, templateId } } });
    for (const none of [newId(), '-'.repeat(36)]) {
      const refused = await set(none);
      assert.equal(refused.status, 422, refused.text);
      assert.match(refused.text, /"\/settings\/personalTenant\/templateId"/);
    }
    const made = await app.api('POST', '/api/tenant-templates', { name: 'Own', type: 'personal' });
    assert.equal(made.status, 201, made.text);
    const template = String(made.body['id']);
    assert.equal((await set(template)).status, 200);
    assert.equal((await app.api('DELETE', `/api/tenant-templates/${template}`)).status, 200);
    const later = await app.api('PATCH', `/api/tenants/${app.rootTenantId}`, { settings: { timeZone: 'Asia/Tokyo' } });
    assert.equal(later.status, 200, 'another setting can be changed all the same');
    assert.equal(
      (await app.api('POST', '/api/tenants', { name: 'T', settings: { personalTenant: { enabled: true, templateId: template } } })).status,
      422,
    );
  });
});
