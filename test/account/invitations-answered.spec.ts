/** Invitations that are answered without the mail, shown, made for owners, and kept secret. */
import assert from 'node:assert/strict';
import { takeViolations } from '#test/support/openapi-guard.ts';
import { type Invited, startInvited } from './invited.ts';

describe('invitations, from the mail to the membership', function () {
  this.timeout(60_000);
  let app: Invited['app'];
  let makeTenant: Invited['makeTenant'];
  let newAddress: Invited['newAddress'];
  let linkFor: Invited['linkFor'];
  let invite: Invited['invite'];
  let addPerson: Invited['addPerson'];
  let headingOf: Invited['headingOf'];
  let open: Invited['open'];
  let follow: Invited['follow'];
  let send: Invited['send'];
  let rolesIn: Invited['rolesIn'];
  let signIn: Invited['signIn'];
  let close: Invited['close'] | undefined;

  before(async () => {
    ({ app, makeTenant, newAddress, linkFor, invite, addPerson, headingOf, open, follow, send, rolesIn, signIn, close } =
      await startInvited());
  });
  after(() => close?.());
  afterEach(() => assert.deepEqual(takeViolations(), []));

  it('take no form of another site, and nothing by a link alone', async () => {
    const email = newAddress();
    await addPerson(email);
    const { link } = await invite(email);
    const browser = await signIn(email);
    for (let look = 0; look < 3; look += 1) assert.equal((await open(browser, link)).status, 200);
    assert.equal((await browser.post(link, { decision: 'allow' })).status, 403);
    assert.equal((await browser.post(link, { decision: 'allow', _csrf: 'x' })).status, 403);
    assert.deepEqual(await rolesIn(email), undefined);
    const { rows } = await app.owner.query(`select target_id from audit_events where type = 'request.refused'`);
    assert.deepEqual([...new Set(rows.map(({ target_id }) => target_id))], ['POST /account/invitations/{secret}']);
    assert.equal((await app.browser().post(link, { decision: 'allow' })).headers.get('location'), new URL(link).pathname);
  });

  it('stand on the account page too, where they are answered without the mail; and people leave again, but not the last owner', async () => {
    const email = newAddress();
    const userId = await addPerson(email);
    const birch = await makeTenant('Birch');
    const [one, two] = [await invite(email, ['owner'], birch), await invite(email)];
    const browser = await signIn(email);
    let page = await open(browser, '/account');
    assert.match(page.text, /Birch[\s\S]*Invited/);
    page = await send(browser, page, { decision: `join:${one.id}` });
    assert.match(page.text, /You have joined Birch/);
    page = await send(browser, page, { decision: `decline:${two.id}` });
    assert.match(page.text, /You have declined the invitation/);
    page = await send(browser, page, { decision: `join:${two.id}` });
    assert.match(page.text, /role="alert"[\s\S]*This invitation is not open/);
    assert.deepEqual([await rolesIn(email, birch), await rolesIn(email)], [['owner'], undefined]);

    page = await follow(browser, page, `organizations/${birch}/leave`);
    assert.equal(headingOf(page), 'Leave Birch?');
    page = await send(browser, page, { decision: 'confirm' });
    assert.equal(page.status, 409);
    assert.match(page.text, /You are the last owner of Birch/);
    await app.owner.query(
      `insert into memberships (tenant_id, user_id) select $1, id from users where email_key = 'admin@example.test' on conflict do nothing`,
      [birch],
    );
    await app.owner.query(
      `insert into role_assignments (id, tenant_id, role_id, user_id) select gen_random_uuid(), $1, r.id, u.id from roles r, users u
       where r.tenant_id = $1 and r.name = 'owner' and u.email_key = 'admin@example.test'`,
      [birch],
    );
    assert.equal(new URL((await send(browser, page, { decision: 'deny' })).url).pathname, '/account');
    page = await send(browser, await open(browser, `/account/organizations/${birch}/leave`), { decision: 'confirm' });
    assert.match(page.text, /You have left the organisation/);
    assert.deepEqual(await rolesIn(email, birch), undefined);
    for (const id of [birch, app.rootTenantId, userId, 'x'])
      assert.equal(new URL((await open(browser, `/account/organizations/${id}/leave`)).url).pathname, '/account');
    const { rows } = await app.owner.query(`select type from audit_events where target_id = $1 and type = 'membership.deleted'`, [userId]);
    assert.equal(rows.length, 1);
  });

  it('K1: show what tenant and inviter call themselves as text', async () => {
    const evil = '<img src=x onerror=alert(1)>';
    const tenant = await makeTenant('Harmless');
    await app.owner.query('update tenants set name = $2 where id = $1', [tenant, evil]);
    const { link } = await invite(newAddress(), ['member'], tenant);
    const page = await open(app.browser(), link);
    assert.ok(page.text.includes('&lt;img src=x onerror=alert(1)&gt;'));
    assert.ok(!page.text.includes('<img src=x'));
  });

  it('invite the owner of a tenant that is made', async () => {
    const email = newAddress();
    const tenant = await makeTenant('Cedar', { ownerEmail: email });
    await addPerson(email);
    const link = await linkFor(email);
    const browser = await signIn(email);
    await send(browser, await open(browser, link), { decision: 'allow' });
    assert.deepEqual(await rolesIn(email, tenant), ['owner']);
  });
});
