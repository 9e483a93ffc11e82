import assert from 'node:assert/strict';
import type { Browser } from '#test/support/browser.ts';
import { submit } from '#test/support/person.ts';
import { type Landing, startUpstreamSite, type UpstreamSite } from '#test/support/upstream-site.ts';
import { alice } from './people.ts';

describe('the invited who come by a provider', function () {
  this.timeout(60_000);
  let site: UpstreamSite;
  let tenantId: string;
  let number = 5000;
  const signUp = (value: string) =>
    site.app.owner.query(`update tenants set settings = jsonb_build_object('signUp', $2::text) where id = $1`, [
      site.app.rootTenantId,
      value,
    ]);
  const count = async (text: string, ...values: unknown[]): Promise<number> =>
    (await site.app.owner.query(`select count(*)::int as count from ${text}`, values)).rows[0].count;
  const known = (email: string): Promise<number> => count('users where email_key = $1', email);
  const members = (email: string): Promise<number> =>
    count('memberships m join users u on u.id = m.user_id where m.tenant_id = $1 and u.email_key = $2', tenantId, email);

  async function invite(email: string): Promise<{ id: string; path: string }> {
    const made = await site.app.api('POST', `/api/tenants/${tenantId}/invitations`, { email, roles: ['member'] });
    assert.equal(made.status, 201, made.text);
    for (let tries = 0; tries < 100; tries += 1) {
      const mails = (await (await fetch(`${site.app.issuer}/dev/mailbox.json`)).json()) as { to: string; text: string }[];
      const path = mails.filter(({ to }) => to === email).flatMap(({ text }) => /\/account\/invitations\/[\w-]+/.exec(text) ?? [])[0];
      if (path) return { id: String(made.body['id']), path };
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`no invitation came to ${email}`);
  }
  /** From a page to the provider; answers what the provider says. */
  async function goThere(browser: Browser, from: string) {
    const { page } = await browser.go(from);
    const link = /href="([^"]+)" data-method="social:google"/.exec(page?.text ?? '')?.[1];
    assert.ok(link, page?.text);
    const { location } = await browser.go(link);
    assert.ok(location);
    return site.fake.authorize(location);
  }
  const refusedAs = async (reason: string, { location, page }: Landing): Promise<void> => {
    assert.equal(location, undefined);
    assert.match(page?.text ?? '', /role="alert"/);
    assert.equal((await site.events('login.refused'))[0]?.reason, reason);
  };
  const alertOn = ({ page }: Landing): string => /role="alert"[\s\S]*?<\/div>/.exec(page?.text ?? '')?.[0] ?? '';

  before(async () => {
    site = await startUpstreamSite();
    await site.connect('google');
    const made = await site.app.api('POST', '/api/tenants', { name: 'Inviting', slug: 'inviting', type: 'team' });
    tenantId = String(made.body['id']);
    await signUp('invitation');
    await new Promise((resolve) => setTimeout(resolve, 300));
  });
  beforeEach(() => Object.assign(site.fake, { hostile: {}, someone: alice(++number) }));
  after(() => site?.close());

  it('make an account by the verified address of the invitation, and are members once they accept', async () => {
    const email = String(site.fake.someone.email);
    const { path } = await invite(email);
    const browser = site.app.browser();
    const { page } = await site.comeBack(browser, await goThere(browser, `${path}/sign-in`));
    assert.deepEqual([page?.status, new URL(page!.url).pathname], [200, path], page?.text);
    assert.match(page?.text ?? '', /value="allow"/);
    assert.deepEqual([await known(email), await members(email)], [1, 0]);
    await submit(browser, page!, { decision: 'allow' });
    assert.equal(await members(email), 1);
    const { rows } = await site.app.owner.query('select home_tenant_id, email_verified_at from users where email_key = $1', [email]);
    assert.equal(rows[0].home_tenant_id, site.app.rootTenantId);
    assert.ok(rows[0].email_verified_at);
  });

  it('are as closed out as anybody without the invitation, with it at another address, and where the provider has not proven theirs', async () => {
    const own = String(site.fake.someone.email);
    const { path } = await invite(`somebody-else-${number}@upstream.test`);
    const plain = site.app.browser();
    const without = await site.comeBack(plain, await goThere(plain, '/account'));
    await refusedAs('registration.closed', without);
    const other = site.app.browser();
    const elsewhere = await site.comeBack(other, await goThere(other, `${path}/sign-in`));
    await refusedAs('registration.closed', elsewhere);
    assert.ok(alertOn(without).length > 0);
    assert.equal(alertOn(elsewhere), alertOn(without), 'no word of why');
    assert.doesNotMatch(elsewhere.page?.text ?? '', /somebody-else/);
    const mine = await invite(own);
    for (const emailVerified of [false, undefined, 'true']) {
      site.fake.someone.emailVerified = emailVerified;
      const browser = site.app.browser();
      await refusedAs('registration.closed', await site.comeBack(browser, await goThere(browser, `${mine.path}/sign-in`)));
    }
    site.fake.someone = alice(number, { email: own.replace('@', '@sub.') });
    const below = site.app.browser();
    await refusedAs('registration.closed', await site.comeBack(below, await goThere(below, `${mine.path}/sign-in`)));
    assert.equal(await known(own), 0);
  });

  it('are refused where it was taken back, has expired or was answered while they were at the provider', async () => {
    const halfWay: ((id: string) => Promise<unknown>)[] = [
      (id) => site.app.api('DELETE', `/api/tenants/${tenantId}/invitations/${id}`),
      (id) => site.app.owner.query(`update invitations set expires_at = now() where id = $1`, [id]),
      (id) => site.app.owner.query(`update invitations set status = 'declined' where id = $1`, [id]),
    ];
    for (const change of halfWay) {
      site.fake.someone = alice(++number);
      const { id, path } = await invite(String(site.fake.someone.email));
      const browser = site.app.browser();
      const answer = await goThere(browser, `${path}/sign-in`);
      await change(id);
      await refusedAs('registration.closed', await site.comeBack(browser, answer));
      assert.equal(await known(String(site.fake.someone.email)), 0);
    }
  });

  it('are one person and one member, however many browsers come and accept at once', async () => {
    const email = String(site.fake.someone.email);
    const { id, path } = await invite(email);
    const browsers = [1, 2, 3, 4].map(() => site.app.browser());
    const answers = await Promise.all(browsers.map((browser) => goThere(browser, `${path}/sign-in`)));
    const landed = await Promise.all(browsers.map((browser, index) => site.comeBack(browser, answers[index]!)));
    assert.deepEqual(
      landed.map(({ page }) => page?.status),
      [200, 200, 200, 200],
    );
    assert.equal(await known(email), 1);
    assert.equal(await count('identities where subject = $1', site.fake.someone.sub), 1);
    await Promise.all(browsers.map((browser, index) => submit(browser, landed[index]!.page!, { decision: 'allow' })));
    assert.equal(await members(email), 1);
    assert.equal((await site.events('invitation.accepted')).filter(({ target_id }) => target_id === id).length, 1);
  });

  it('stay out where nobody may register at all', async () => {
    await signUp('closed');
    try {
      const email = String(site.fake.someone.email);
      await new Promise((resolve) => setTimeout(resolve, 300));
      const { path } = await invite(email);
      const browser = site.app.browser();
      await refusedAs('registration.closed', await site.comeBack(browser, await goThere(browser, `${path}/sign-in`)));
      assert.equal(await known(email), 0);
    } finally {
      await signUp('invitation');
    }
  });
});
