import assert from 'node:assert/strict';
import { takeViolations } from '#test/support/openapi-guard.ts';
import { formOf } from '#test/support/person.ts';
import { type Invited, PASSWORD, startInvited } from './invited.ts';

describe('invitations, from the mail to the membership', function () {
  this.timeout(60_000);
  let app: Invited['app'];
  let tenantId: Invited['tenantId'];
  let newAddress: Invited['newAddress'];
  let invite: Invited['invite'];
  let addPerson: Invited['addPerson'];
  let headingOf: Invited['headingOf'];
  let open: Invited['open'];
  let follow: Invited['follow'];
  let send: Invited['send'];
  let rolesIn: Invited['rolesIn'];
  let signIn: Invited['signIn'];
  let secrets: Invited['secrets'];
  let close: Invited['close'] | undefined;

  before(async () => {
    ({ app, tenantId, newAddress, invite, addPerson, headingOf, open, follow, send, rolesIn, signIn, secrets, close } =
      await startInvited());
  });
  after(() => close?.());
  afterEach(() => assert.deepEqual(takeViolations(), []));

  it('make an account for who has none, and then a member with the roles of the invitation', async () => {
    const email = newAddress();
    const { link } = await invite(email, ['administrator']);
    const browser = app.browser();
    let page = await open(browser, link);
    assert.deepEqual([page.status, headingOf(page)], [200, 'Join Acme']);
    assert.equal(page.headers.get('referrer-policy'), 'no-referrer');
    assert.equal(page.headers.get('cache-control'), 'no-store');
    page = await follow(browser, page, 'register');
    assert.equal(formOf(page).fields['email'], email);
    page = await send(browser, page, { new_password: PASSWORD, given_name: 'Ada' });
    page = await send(browser, page, { code: await app.codeFor(email) });
    assert.deepEqual([page.url, headingOf(page)], [link, 'Join Acme']);
    assert.equal(browser.cookie('gh_invitation'), undefined);
    page = await send(browser, page, { decision: 'allow' });
    assert.deepEqual([page.url, headingOf(page)], [link, 'You are a member of Acme']);
    assert.deepEqual(await rolesIn(email), ['administrator']);
    const again = await open(browser, link);
    assert.deepEqual([again.status, headingOf(again)], [200, 'You are a member of Acme']);
    const account = await open(browser, '/account');
    assert.match(account.text, /Organisations[\s\S]*Acme[\s\S]*administrator/);
    const { rows } = await app.owner.query(`select home_tenant_id from users where email_key = $1`, [email]);
    assert.deepEqual(rows, [{ home_tenant_id: app.rootTenantId }]);
  });

  it('lead who has an account by way of the sign-in; the secret is in no address on the way', async () => {
    const email = newAddress();
    await addPerson(email);
    const { link } = await invite(email);
    const secret = link.split('/').at(-1)!;
    const browser = app.browser();
    const first = await open(browser, link);
    const begin = await browser.request(`${link}/sign-in`);
    const to = String(begin.headers.get('location'));
    assert.match(to, /^\/auth\?.*prompt=login/);
    assert.ok(!to.includes(secret));
    for (const cookie of begin.headers.getSetCookie().filter((line) => line.startsWith('gh_invitation'))) {
      assert.match(cookie, /; Path=\/(account|login); Max-Age=1800; HttpOnly; SameSite=Lax$/);
      assert.ok(!cookie.includes(secret));
    }
    let page = await follow(browser, first, 'sign-in');
    assert.ok(!page.url.includes(secret) && !page.text.includes(secret));
    page = await send(browser, page, { login: email, password: PASSWORD });
    assert.deepEqual([page.url, headingOf(page)], [link, 'Join Acme']);
    page = await send(browser, page, { decision: 'deny' });
    assert.match(page.text, /You have declined the invitation/);
    assert.deepEqual(await rolesIn(email), undefined);
    assert.equal((await open(browser, link)).status, 404);
  });

  it('are one and the same page when unknown, expired, used or taken back', async () => {
    const [expired, revoked] = [await invite(newAddress()), await invite(newAddress())];
    await app.owner.query(`update invitations set expires_at = clock_timestamp() where id = $1`, [expired.id]);
    await app.api('DELETE', `/api/tenants/${tenantId}/invitations/${revoked.id}`);
    const pages = new Set<string>();
    for (const url of [
      expired.link,
      revoked.link,
      `${app.issuer}/account/invitations/${'x'.repeat(43)}`,
      `${app.issuer}/account/invitations/x`,
    ]) {
      for (const below of ['', '/register', '/sign-in']) {
        const { status, text } = await open(app.browser(), url + below);
        pages.add(`${status} ${text}`);
      }
    }
    assert.equal(pages.size, 1, [...pages].join('\n'));
    assert.match([...pages][0]!, /^404 [\s\S]*This invitation is not open/);
  });

  it('G18: join nobody but who has the address: who is signed in with another one may only go and change', async () => {
    const email = newAddress();
    const other = newAddress();
    await Promise.all([addPerson(email), addPerson(other)]);
    const { link, id } = await invite(email);
    const browser = await signIn(other);
    let page = await open(browser, link);
    assert.match(page.text, /You are signed in with another address/);
    assert.doesNotMatch(page.text, /value="allow"/);
    const csrf = formOf(await open(browser, '/account')).fields['_csrf']!;
    const forced = await browser.post(link, { _csrf: csrf, decision: 'allow' });
    assert.equal(forced.headers.get('location'), new URL(link).pathname);
    assert.deepEqual([await rolesIn(email), await rolesIn(other)], [undefined, undefined]);
    const { rows } = await app.owner.query(`select reason from audit_events where target_id = $1 and outcome = 'failure'`, [id]);
    assert.deepEqual(rows, [{ reason: 'invitation.other_address' }]);
    page = await follow(browser, page, 'sign-in');
    page = await send(browser, page, { login: email, password: PASSWORD });
    // The protocol ends the other person's session first, by a form that sends itself.
    page = await send(browser, page, {});
    assert.deepEqual([page.url, /value="allow"/.test(page.text)], [link, true], page.text);
    await send(browser, page, { decision: 'allow' });
    assert.deepEqual([await rolesIn(email), await rolesIn(other)], [['member'], undefined]);
  });

  it('G5: ask who has not proven the address for a code first', async () => {
    const email = newAddress();
    await addPerson(email, { emailVerified: false });
    const { link } = await invite(email);
    const browser = await signIn(email);
    let page = await open(browser, link);
    assert.match(page.text, /is not confirmed yet/);
    assert.doesNotMatch(page.text, /value="allow"/);
    page = await follow(browser, page, 'sign-in');
    page = await send(browser, page, { login: email, password: PASSWORD });
    assert.ok('code' in formOf(page).fields, page.text);
    page = await send(browser, page, { code: await app.codeFor(email) });
    assert.deepEqual([page.url, /value="allow"/.test(page.text)], [link, true], page.text);
    await send(browser, page, { decision: 'allow' });
    assert.deepEqual(await rolesIn(email), ['member']);
  });

  it('let the invited register where only they may, for the address of the invitation alone', async () => {
    const signUp = async (value: string): Promise<void> => {
      await app.owner.query(`update tenants set settings = jsonb_build_object('signUp', $2::text) where id = $1`, [
        app.rootTenantId,
        value,
      ]);
    };
    await signUp('invitation');
    try {
      const stranger = await open(app.browser(), '/account');
      assert.doesNotMatch(stranger.text, /\/register"/);
      const email = newAddress();
      const { link } = await invite(email);
      const browser = app.browser();
      let page = await follow(browser, await open(browser, link), 'register');
      assert.match(page.text, /name="email"[^>]*value="[^"]*"[\s\S]*?readonly/);
      const elsewhere = await send(browser, page, { email: 'else@example.test', new_password: PASSWORD });
      assert.equal(elsewhere.status, 422);
      assert.match(elsewhere.text, /The invitation is for another address/);
      page = await send(browser, page, { new_password: PASSWORD });
      page = await send(browser, page, { code: await app.codeFor(email) });
      assert.deepEqual([page.url, /value="allow"/.test(page.text)], [link, true]);
      const late = app.browser();
      const next = await invite(newAddress());
      const form = await follow(late, await open(late, next.link), 'register');
      await app.api('DELETE', `/api/tenants/${tenantId}/invitations/${next.id}`);
      assert.equal((await send(late, form, { new_password: PASSWORD })).status, 403);
      await signUp('closed');
      const closed = await invite(newAddress());
      const nobody = app.browser();
      assert.doesNotMatch((await follow(nobody, await open(nobody, closed.link), 'register')).text, /name="given_name"/);
    } finally {
      await app.owner.query(`update tenants set settings = '{}' where id = $1`, [app.rootTenantId]);
    }
  });

  it('leave their secrets in no log line, table or job', async () => {
    assert.ok(secrets.length > 8);
    const { rows } = await app.owner.query(
      `select table_schema as schema, table_name as name from information_schema.tables where table_schema in ('public', 'graphile_worker') and table_type = 'BASE TABLE'`,
    );
    assert.ok(rows.length > 40, `only ${rows.length} tables`);
    const texts = [app.log()];
    for (const { schema, name } of rows)
      texts.push((await app.owner.query(`select coalesce(json_agg(t)::text, '') as text from ${schema}.${name} t`)).rows[0].text);
    for (const secret of secrets) for (const text of texts) assert.ok(!text.includes(secret));
    assert.match(app.log(), /"route":"\/account\/invitations\/\{secret\}"/);
  });
});
