import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import type { Browser as Chromium } from 'playwright-core';
import { type RunningApp, startTestApp } from '#test/support/app.ts';
import { launchChromium } from '#test/support/chromium.ts';
import { authorization } from '#test/support/oidc.ts';
import { formOf, submit, visit } from '#test/support/person.ts';
import { isChooser, type Person, setUpTenancy, type Tenancy } from '#test/support/tenancy.ts';

describe('the page where people choose their organisation', function () {
  this.timeout(60_000);
  let server: RunningApp;
  let t: Tenancy;
  let person: Person;
  before(async () => {
    server = await startTestApp();
    t = await setUpTenancy(server);
    person = await t.addPerson({ [t.two.id]: 'owner', [t.one.id]: 'member' });
  });
  after(() => server.close());

  it('names the organisations with what the person is there, in order, and who is signed in', async () => {
    const { page } = await t.begin(server.browser(), t.app, person);
    assert.ok(isChooser(page));
    assert.equal(page.status, 200);
    assert.match(page.text, /ACME<\/strong>[\s\S]*member[\s\S]*ACME-TWO<\/strong>[\s\S]*owner/);
    assert.ok(page.text.includes(person.login));
    assert.equal(page.text.match(/type="radio"/g)?.length, 2, 'home without a role is none of them');
    assert.equal(page.headers.get('cache-control'), 'no-store');
  });

  it('wants its own token, and shows itself again where nothing, or something else, was chosen', async () => {
    const browser = server.browser();
    const { page, verifier } = await t.begin(browser, t.app, person);
    assert.ok(isChooser(page));
    for (const tenant of ['', 'acme', t.one.slug, server.rootTenantId, `${t.one.id} `]) {
      const next = await submit(browser, page, { tenant });
      assert.ok(isChooser(next.page), tenant);
    }
    const forged = await browser.post(formOf(page).action, { tenant: t.one.id });
    assert.equal(forged.status, 403);
    const chosen = await submit(browser, page, { tenant: t.one.id });
    assert.equal(decodeJwt(String((await t.redeem(t.app, chosen.location, verifier)).body['access_token']))['tenant_id'], t.one.id);
  });

  it('judges again what was chosen: who left meanwhile does not get in', async () => {
    const leaving = await t.addPerson({ [t.two.id]: 'member', [t.one.id]: 'member' });
    const browser = server.browser();
    const { page, verifier } = await t.begin(browser, t.app, leaving);
    assert.ok(isChooser(page));
    await t.leave(leaving, t.one.id);
    const { location } = await submit(browser, page, { tenant: t.one.id });
    const answer = await t.redeem(t.app, location, verifier);
    assert.equal(decodeJwt(String(answer.body['access_token']))['tenant_id'], t.two.id, 'the only one that is left');
  });

  it('comes before consent, which is asked for after it', async () => {
    const third = await t.addClient(server.rootTenantId, { first_party: false });
    const browser = server.browser();
    const { path } = authorization(third.id, { scope: 'openid email roles groups tenant' });
    const { page } = await visit(browser, path, { login: person.login, password: person.password });
    assert.ok(isChooser(page));
    const next = await submit(browser, page, { tenant: t.two.id });
    assert.match(next.page?.text ?? '', /ACME-TWO[\s\S]*value="allow"/, 'for the one that was chosen');
    for (const words of ['See which organisation you act for', 'See your roles', 'See your groups'])
      assert.ok(next.page?.text.includes(words), words);
    const done = await submit(browser, next.page!, { decision: 'allow' });
    assert.ok(done.location?.searchParams.has('code'), done.page?.text);
  });

  it('speaks the language of who is signed in before the browser’s, and the application’s wish before either; so does consent', async () => {
    const speaker = await t.addPerson({ [t.two.id]: 'owner', [t.one.id]: 'member' });
    assert.equal((await server.api('PATCH', `/api/users/${speaker.id}`, { locale: 'de' })).status, 200);
    for (const [wish, language] of [
      [{}, 'de'],
      [{ ui_locales: 'fr' }, 'fr'],
    ] as const) {
      const browser = server.browser({ 'accept-language': 'en' });
      const { path } = authorization(t.app.id, { scope: 'openid', prompt: 'consent', ...wish });
      const { page } = await visit(browser, path, { login: speaker.login, password: speaker.password });
      assert.ok(isChooser(page));
      assert.match(page.text, new RegExp(`<html lang="${language}">`));
      const consent = await submit(browser, page, { tenant: t.two.id });
      assert.match(consent.page!.text, /value="allow"/);
      assert.match(consent.page!.text, new RegExp(`<html lang="${language}">`));
    }
  });

  it('is never shown by the account application', async () => {
    const { page, asked } = await visit(server.browser(), '/account', { login: person.login, password: person.password });
    assert.deepEqual([page?.status, asked], [200, ['login']]);
  });

  it('works by keyboard alone and without JavaScript', async function () {
    const chromium: Chromium = await launchChromium(this);
    try {
      const context = await chromium.newContext({ javaScriptEnabled: false });
      const page = await context.newPage();
      const { path } = authorization(t.app.id);
      await page.goto(server.issuer + path);
      await page.locator('[name=login]').fill(person.login);
      await page.locator('[name=password]').fill(person.password);
      await page.keyboard.press('Enter');
      await page.getByRole('radio').first().waitFor();
      await page.keyboard.press('Tab');
      for (let steps = 0; steps < 10 && !(await page.locator('[name=tenant]:focus').count()); steps += 1) await page.keyboard.press('Tab');
      await page.keyboard.press('ArrowDown');
      assert.equal(await page.locator('[name=tenant]:checked').inputValue(), t.two.id);
      // Nobody lives there.
      const arriving = page.waitForRequest(/^https:\/\/app\.test\/cb\?code=/);
      await page.keyboard.press('Enter');
      await arriving;
    } finally {
      await chromium.close();
    }
  });
});
