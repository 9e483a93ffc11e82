import assert from 'node:assert/strict';
import { type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { takeViolations } from '#test/support/openapi-guard.ts';
import { formOf, submit, visit } from '#test/support/person.ts';

const PASSWORD = 'violet cactus thunder marble';

describe('invitations, from the mail to the membership', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let tenantId: string;
  let number = 0;
  const secrets: string[] = [];
  before(async () => {
    app = await startTestApp({ env: { LOG_LEVEL: 'trace' } });
    tenantId = await makeTenant('Acme');
  });
  after(() => app?.close());
  afterEach(() => assert.deepEqual(takeViolations(), []));

  async function makeTenant(name: string, more: object = {}): Promise<string> {
    const made = await app.api('POST', '/api/tenants', { name, type: 'team', ...more });
    assert.equal(made.status, 201, made.text);
    return String(made.body['id']);
  }
  const newAddress = (): string => `newcomer${++number}@example.test`;
  async function linkFor(address: string): Promise<string> {
    for (let tries = 0; tries < 100; tries += 1) {
      const mails = (await (await fetch(`${app.issuer}/dev/mailbox.json`)).json()) as { to: string; text: string }[];
      const link = mails.filter(({ to }) => to === address).flatMap(({ text }) => /\S+\/account\/invitations\/[\w-]+/.exec(text) ?? [])[0];
      if (link) {
        secrets.push(link.split('/').at(-1)!);
        return link;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`no invitation came to ${address}`);
  }
  async function invite(email: string, roles = ['member'], tenant = tenantId): Promise<{ id: string; link: string }> {
    const made = await app.api('POST', `/api/tenants/${tenant}/invitations`, { email, roles });
    assert.equal(made.status, 201, made.text);
    return { id: String(made.body['id']), link: await linkFor(email) };
  }
  async function addPerson(email: string, more: object = {}): Promise<string> {
    const made = await app.api('POST', '/api/users', { email, emailVerified: true, password: PASSWORD, givenName: 'Ada', ...more });
    assert.equal(made.status, 201, made.text);
    return String(made.body['id']);
  }
  const headingOf = (page: Page | undefined): string => /<h1>([^<]*)<\/h1>/.exec(page?.text ?? '')?.[1] ?? '';
  async function open(browser: Browser, url: string): Promise<Page> {
    const { page } = await browser.go(url);
    assert.ok(page, url);
    return page;
  }
  const follow = (browser: Browser, page: Page, part: string): Promise<Page> => {
    const href = new RegExp(`href="([^"]*${part}[^"]*)"`).exec(page.text)?.[1];
    assert.ok(href, `no link to ${part} on ${page.text}`);
    return open(browser, new URL(href.replaceAll('&amp;', '&'), page.url).href);
  };
  const send = async (browser: Browser, page: Page, values: Record<string, string>): Promise<Page> => {
    const next = await submit(browser, page, values);
    assert.ok(next.page, next.location?.href);
    return next.page;
  };
  const rolesIn = async (email: string, tenant = tenantId): Promise<string[] | undefined> => {
    const { rows } = await app.owner.query(
      'select m.roles from users u, memberships_of(u.id) m where u.email_key = $1 and m.tenant_id = $2',
      [email, tenant],
    );
    return rows[0]?.roles;
  };
  const signIn = async (email: string): Promise<Browser> => {
    const browser = app.browser();
    const { page } = await visit(browser, '/account', { login: email, password: PASSWORD });
    assert.equal(new URL(page!.url).pathname, '/account', page!.text);
    return browser;
  };

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
