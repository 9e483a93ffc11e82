/** A tenant that wants browsers to work before they have messages sent, seen from a browser with JavaScript and one without. */
import assert from 'node:assert/strict';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { type RunningApp, startTestApp } from '#test/support/app.ts';
import { launchChromium } from '#test/support/chromium.ts';
import { formOf } from '#test/support/person.ts';

describe('a challenge before messages are sent', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let browser: Browser;

  before(async function () {
    browser = await launchChromium(this);
    app = await startTestApp();
    const settings = { challenge: { kind: 'proof-of-work', difficulty: 12 } };
    const set = await app.api('PATCH', `/api/tenants/${app.rootTenantId}`, { settings });
    assert.equal(set.status, 200, set.text);
  });
  after(async () => {
    await browser?.close();
    await app?.close();
  });

  async function open(options: BrowserContextOptions, act: (page: Page) => Promise<void>): Promise<void> {
    const context = await browser.newContext(options);
    try {
      const page = await context.newPage();
      await page.goto(`${app.issuer}/account`);
      await act(page);
    } finally {
      await context.close();
    }
  }
  const refusals = async (): Promise<number> =>
    ((await app.api('GET', '/api/audit-events?type=request.refused')).body['items'] as { reason?: string }[]).filter(
      ({ reason }) => reason === 'challenge.unsolved',
    ).length;

  it('is done by the browser by itself: registration and reset go on as ever', async () => {
    await open({}, async (page) => {
      await page.locator('a[href$="/reset"]').click();
      await page.locator('[name=email]').fill('somebody@example.test');
      await page.locator('button[type=submit]').click();
      await page.locator('[name=code]').waitFor();
    });
    await open({}, async (page) => {
      await page.locator('a[href$="/register"]').click();
      await page.locator('[name=email]').fill('newcomer@example.test');
      await page.locator('[name=new_password]').fill('plum Tractor 9 violin');
      await page.locator('button[type=submit]').click();
      await page.locator('[name=code]').waitFor();
    });
    assert.match(await app.codeFor('newcomer@example.test'), /^\d{6}$/);
    assert.equal(await refusals(), 0);
  });

  it('says to who has no JavaScript what it takes', async () => {
    await open({ javaScriptEnabled: false }, async (page) => {
      await page.locator('a[href$="/reset"]').click();
      assert.match(await page.content(), /<noscript>.*this form needs JavaScript/);
      await page.locator('[name=email]').fill('somebody@example.test');
      await page.locator('button[type=submit]').click();
      assert.match((await page.locator('[role=alert]').textContent()) ?? '', /keeps programs out/);
      assert.equal(await page.locator('[name=email]').inputValue(), 'somebody@example.test');
    });
    assert.equal(await refusals(), 1);
  });

  it('is asked of programs at every form that has something sent, and of no password', async () => {
    const visitor = app.browser();
    const start = (await visitor.go('/account')).page!;
    const { action, fields } = formOf(start);
    const before = await refusals();
    const tries: [string, Record<string, string>][] = [
      [`${action}/register`, { email: 'bot@example.test', new_password: 'plum Tractor 9 violin' }],
      [`${action}/reset`, { email: 'bot@example.test' }],
      [action, { login: 'bot@example.test', method: 'email-otp' }],
      [action, { login: 'bot@example.test', method: 'magic-link' }],
    ];
    for (const [url, form] of tries)
      for (const challenge of ['', 'made.1', `${'A'.repeat(120)}.7`]) {
        const answer = await visitor.post(url, { _csrf: fields['_csrf']!, ...form, challenge });
        assert.equal(answer.status, 422, `${url} ${challenge}`);
        assert.match(await answer.text(), /role="alert"[^>]*><p>Your browser had not finished/);
      }
    assert.equal((await refusals()) - before, 12);
    const wrong = await visitor.post(action, { _csrf: fields['_csrf']!, login: 'bot@example.test', password: 'no password of anybody' });
    assert.match(await wrong.text(), /The name or password is not right/);
    assert.equal((await refusals()) - before, 12);
  });

  it('is set within bounds, and off where nothing is said', async () => {
    const path = `/api/tenants/${app.rootTenantId}`;
    for (const challenge of [
      { kind: 'proof-of-work', difficulty: 1 },
      { kind: 'proof-of-work', difficulty: 40 },
      { kind: 'captcha', difficulty: 12 },
      'on',
    ])
      assert.equal((await app.api('PATCH', path, { settings: { challenge } })).status, 422, JSON.stringify(challenge));
    assert.equal((await app.api('PATCH', path, { settings: { challenge: null } })).status, 200);
    const visitor = app.browser();
    const { page } = await visitor.go('/account');
    assert.doesNotMatch(page!.text, /data-challenge/);
  });
});
