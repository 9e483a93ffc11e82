import assert from 'node:assert/strict';
import { formOf, submit, visit } from '#test/support/person.ts';
import { PASSWORD, startUpstreamSite, type UpstreamSite } from '#test/support/upstream-site.ts';

describe('linked accounts on one’s own page', () => {
  let site: UpstreamSite;
  let userId: string;
  const login = 'owner@own.test';
  before(async function () {
    this.timeout(60_000);
    site = await startUpstreamSite();
    await site.connect('google', { name: 'Google' });
    await site.connect('github', { name: 'GitHub' });
    userId = await site.addPerson({ email: login, emailVerified: true });
  });
  after(() => site?.close());
  const signedIn = async () => {
    const browser = site.app.browser();
    const { page } = await visit(browser, '/account', { login, password: PASSWORD });
    assert.equal(page?.status, 200);
    return browser;
  };
  const subjects = async () =>
    (await site.app.owner.query('select subject from identities where user_id = $1', [userId])).rows.map((row) => row.subject);

  it('links by the provider’s page, signs in by it, and unlinks', async () => {
    Object.assign(site.fake.someone, { sub: 'own-sub', email: 'other@google.test' });
    const browser = await signedIn();
    const { location } = await browser.go('/account/identities/link/google');
    const { page } = await site.comeBack(browser, await site.fake.authorize(location!));
    assert.match(page?.text ?? '', /Google is linked/);
    assert.deepEqual(await subjects(), ['own-sub']);
    assert.equal((await site.subjectOf(await site.signIn(site.app.browser(), 'google'))).sub, userId);
    const list = (await browser.go('/account/identities')).page!;
    const unlink = formOf(list).buttons.find(({ name }) => name === 'unlink')?.value ?? '';
    await submit(browser, list, { unlink });
    assert.deepEqual(await subjects(), []);
  });

  it('B6 takes an answer in the session that began, once, and in nobody else’s', async () => {
    Object.assign(site.fake.someone, { sub: 'attackers-sub' });
    const [attacker, victim] = [await signedIn(), await signedIn()];
    const answer = await site.fake.authorize((await attacker.go('/account/identities/link/google')).location!);
    const { page } = await site.comeBack(victim, answer);
    assert.equal(page?.status, 422);
    assert.deepEqual(await subjects(), []);
    assert.equal((await site.events('identity.refused'))[0]?.reason, 'social.not_begun');
    const stranger = await site.comeBack(site.app.browser(), answer);
    assert.notEqual(stranger.page?.status, 200);
    assert.deepEqual(await subjects(), []);
  });

  it('asks for the second factor that was set up while the browser was at the provider, and links nothing before', async () => {
    Object.assign(site.fake.someone, { sub: 'too-weak-by-now' });
    const browser = await signedIn();
    const answer = await site.fake.authorize((await browser.go('/account/identities/link/google')).location!);
    const { rows } = await site.app.owner.query(
      `insert into credentials (id, user_id, type, data, sealed) values (gen_random_uuid(), $1, 'totp', '{"lastStep":0}', '\\x00') returning id`,
      [userId],
    );
    try {
      const { page } = await site.comeBack(browser, answer);
      assert.match(page?.url ?? '', /\/login\//, 'on to the sign-in');
      assert.match(page?.text ?? '', /name="code"/);
      assert.doesNotMatch(page?.text ?? '', /Google is linked/);
      assert.deepEqual(await subjects(), []);
    } finally {
      await site.app.owner.query('delete from credentials where id = $1', [rows[0].id]);
    }
    await site.comeBack(browser, answer);
    assert.deepEqual(await subjects(), [], 'what was begun is used up');
  });

  it('links nothing by a connection that the tenant has ceased to offer while the browser was at the provider', async () => {
    Object.assign(site.fake.someone, { sub: 'no-longer-offered' });
    const set = (methods: string[] | null) => site.app.api('PATCH', `/api/tenants/${site.app.rootTenantId}`, { settings: { methods } });
    const browser = await signedIn();
    const answer = await site.fake.authorize((await browser.go('/account/identities/link/google')).location!);
    try {
      assert.equal((await set(['password', 'social:github'])).status, 200);
      const { page } = await site.comeBack(browser, answer);
      assert.equal(page?.status, 422);
      assert.deepEqual(await subjects(), []);
      assert.equal((await site.events('identity.refused'))[0]?.reason, 'connection.not_found');
    } finally {
      await set(null);
    }
  });

  it('links two providers that answer at the same instant, and one identity to one of two people who bring it at once', async () => {
    Object.assign(site.fake.someone, { sub: '4711', email: 'at-once@google.test' });
    const leave = async (browser: Awaited<ReturnType<typeof signedIn>>, key: string) =>
      site.fake.authorize((await browser.go(`/account/identities/link/${key}`)).location!);
    const [one, two] = [await signedIn(), await signedIn()];
    const answers = [await leave(one, 'google'), await leave(two, 'github')] as const;
    const pages = await Promise.all([site.comeBack(one, answers[0]), site.comeBack(two, answers[1])]);
    assert.deepEqual(
      pages.map(({ page }) => page?.status),
      [200, 200],
    );
    assert.equal((await subjects()).length, 2);
    await site.app.owner.query('delete from identities where user_id = $1', [userId]);

    await site.addPerson({ email: 'second@own.test', emailVerified: true });
    const other = site.app.browser();
    await visit(other, '/account', { login: 'second@own.test', password: PASSWORD });
    const mine = await signedIn();
    const both = [await leave(mine, 'google'), await leave(other, 'google')] as const;
    const said = await Promise.all([site.comeBack(mine, both[0]), site.comeBack(other, both[1])]);
    assert.deepEqual(said.map(({ page }) => page?.status).sort(), [200, 422]);
    const { rows } = await site.app.owner.query(`select 1 from identities where subject = '4711'`);
    assert.equal(rows.length, 1);
    await site.app.owner.query(`delete from identities where subject = '4711'`);
  });

  it('links nothing that belongs to somebody else, and nothing for a form from elsewhere', async () => {
    Object.assign(site.fake.someone, { sub: 'taken-sub', email: 'taken@google.test' });
    await site.subjectOf(await site.signIn(site.app.browser(), 'google'));
    const browser = await signedIn();
    const { location } = await browser.go('/account/identities/link/google');
    const { page } = await site.comeBack(browser, await site.fake.authorize(location!));
    assert.match(page?.text ?? '', /belongs to somebody else/);
    assert.deepEqual(await subjects(), []);
    const forged = await browser.post('/account/identities', { unlink: 'x' });
    assert.equal(forged.status, 403);
    const foreign = await browser.request('/account/identities/link/google', { headers: { 'sec-fetch-site': 'cross-site' } });
    assert.equal(foreign.headers.get('location'), '/account/identities');
  });
});
