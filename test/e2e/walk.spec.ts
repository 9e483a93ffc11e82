/** What a person sees, from the first visit to signing out, in a real browser against the whole server. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { launchChromium } from '#test/support/chromium.ts';
import { type Gatehouse, startGatehouse } from '#test/support/gatehouse.ts';

const PASSWORD = 'plum Tractor 9 violin';
const axe = readFileSync(new URL(import.meta.resolve('axe-core')), 'utf8');
/** A directory for screenshots of every page, at two widths, light and dark. */
const shots = process.env['SHOTS'];

interface Finding {
  id: string;
  nodes: { html: string }[];
}
/** Called on each page that a walk comes to. */
type Look = (page: Page, name: string) => Promise<void>;

describe('a person with a browser', function () {
  this.timeout(120_000);
  let gatehouse: Gatehouse;
  let browser: Browser;

  before(async function () {
    browser = await launchChromium(this);
    gatehouse = await startGatehouse();
  });
  after(async () => {
    await browser?.close();
    await gatehouse?.close();
  });

  async function open(options: BrowserContextOptions, act: (page: Page, context: BrowserContext) => Promise<void>): Promise<void> {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(15_000);
    try {
      await act(await context.newPage(), context);
    } finally {
      await context.close();
    }
  }

  const press = (page: Page): Promise<void> => page.locator('button[type=submit]').click();
  const heading = async (page: Page): Promise<string> => ((await page.locator('h1').textContent()) ?? '').trim();

  /** Registers at the demo, signs in at both applications, and out again. */
  async function walk(page: Page, email: string, look: Look): Promise<void> {
    await page.goto(`${gatehouse.issuer}/demo`);
    await look(page, 'demo-signed-out');
    await page.locator('a.primary').click();
    await look(page, 'login');
    await page.locator('a[href$="/register"]').click();
    await look(page, 'register');
    await page.locator('[name=email]').fill(email);
    await page.locator('[name=given_name]').fill('Ada');
    await page.locator('[name=family_name]').fill('Lovelace');
    await page.locator('[name=new_password]').fill(PASSWORD);
    await press(page);
    await page.locator('[name=code]').waitFor();
    await look(page, 'verify-email');
    await page.locator('[name=code]').fill(await gatehouse.codeFor(email));
    await press(page);
    await page.locator('button[value=allow]').waitFor();
    await look(page, 'consent');
    await page.locator('button[value=allow]').click();
    await page.getByText('Signed in as').waitFor();
    assert.match((await page.locator('.lead').textContent()) ?? '', /Ada Lovelace/);
    await look(page, 'demo-signed-in');
    await page.getByText('Call userinfo').click();
    await page.locator('#userinfo').waitFor();
    assert.match((await page.locator('main').textContent()) ?? '', new RegExp(`Ada Lovelace[^]*${email}`));
    await look(page, 'demo-userinfo');
    await page.getByText('Renew tokens').click();
    await page.getByRole('status').waitFor();
    await look(page, 'demo-renewed');

    await page.getByRole('link', { name: 'Second demo application' }).click();
    await page.locator('a.primary').click();
    await page.locator('button[value=allow]').waitFor();
    assert.equal(await page.locator('[name=password]').count(), 0, 'the second application needs no password');
    await look(page, 'consent-second');
    await page.locator('button[value=allow]').click();
    await page.getByText('Signed in as').waitFor();
    await look(page, 'demo-second');
    await press(page);
    if (new URL(page.url()).pathname !== '/demo/second') {
      await look(page, 'logout-confirm');
      await press(page);
    }
    await page.waitForURL(`${gatehouse.issuer}/demo/second`);
    await page.locator('a.primary').waitFor();
    // The first application still has its own session, but nothing behind it any more.
    await page.goto(`${gatehouse.issuer}/demo/userinfo`);
    assert.match((await page.locator('main').textContent()) ?? '', /Your session has ended/);
    await look(page, 'demo-ended');
    await page.locator('a.primary').click();
    await page.locator('[name=password]').waitFor();
  }

  /** The pages off the straight way. */
  async function stray(page: Page, email: string, look: Look): Promise<void> {
    const { issuer } = gatehouse;
    await page.goto(`${issuer}/demo/sign-in`);
    await page.locator('[name=login]').fill(email);
    await page.locator('[name=password]').fill('not the password');
    await press(page);
    await page.getByRole('alert').waitFor();
    await look(page, 'login-refused');
    await page.locator('a[href$="/reset"]').click();
    await look(page, 'reset-request');
    await page.locator('[name=email]').fill(email);
    await press(page);
    await page.locator('[name=code]').waitFor();
    await look(page, 'reset-code');
    await page.goto(`${issuer}/demo/sign-in`);
    await page.locator('[name=login]').fill(email);
    await page.locator('[name=password]').fill(PASSWORD);
    await press(page);
    await page.getByText('Signed in as').waitFor();
    for (const [name, at, title] of [
      ['account', '/account', 'Ada Lovelace'],
      ['mailbox', '/dev/mailbox', 'Development mailbox'],
      ['not-found', '/account/nothing', 'There is no such page'],
      ['error', '/auth?client_id=nobody', 'This request cannot be answered'],
      ['expired', '/login/nothing', 'This page is no longer valid'],
      ['logout-by-address', '/session/end', 'Sign out?'],
    ] as const) {
      await page.goto(`${issuer}${at}`);
      assert.equal(await heading(page), title, at);
      await look(page, name);
    }
  }

  it('registers, is asked for consent, is known to a second application, and signs out, without one complaint of the browser', async () => {
    await open({}, async (page) => {
      const heard: string[] = [];
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) heard.push(`${page.url()} ${message.type()} ${message.text()}`);
      });
      page.on('pageerror', (error) => heard.push(`${page.url()} ${error.message}`));
      page.on('requestfailed', (request) => heard.push(`${request.url()} ${request.failure()?.errorText}`));
      await walk(page, 'ada@example.com', async () => {});
      assert.deepEqual(heard, []);
    });
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`meets no page that axe finds fault with, or that is wider than a phone: ${colorScheme}`, async () => {
      const email = `${colorScheme}@example.com`;
      const faults: string[] = [];
      // Colours differ by scheme and not by width.
      const widths = shots || colorScheme === 'light' ? [1440, 360] : [360];
      const look: Look = async (page, name) => {
        await page.addScriptTag({ content: axe });
        for (const width of widths) {
          await page.setViewportSize({ width, height: width === 360 ? 740 : 900 });
          const found = (await page.evaluate('axe.run().then((result) => result.violations)')) as Finding[];
          faults.push(...found.map(({ id, nodes }) => `${name} at ${width}: ${id} ${nodes[0]?.html}`));
          if (!(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'))) faults.push(`${name} is wider than ${width}`);
          if (shots) {
            mkdirSync(shots, { recursive: true });
            await page.screenshot({ path: path.join(shots, `${name}-${width}-${colorScheme}.png`), fullPage: true });
          }
        }
      };
      await open({ colorScheme, bypassCSP: true, reducedMotion: 'reduce' }, async (page) => {
        await walk(page, email, look);
        await stray(page, email, look);
      });
      assert.deepEqual(faults, []);
    });
  }

  it('signs in by keyboard alone', async () => {
    const login = 'keys@example.com';
    await gatehouse.createUser({ email: login, emailVerified: true, password: PASSWORD });
    await open({}, async (page) => {
      const tabTo = async (selector: string): Promise<void> => {
        for (let presses = 0; presses < 15; presses += 1) {
          if (await page.evaluate(`document.activeElement?.matches(${JSON.stringify(selector)}) ?? false`)) return;
          await page.keyboard.press('Tab');
        }
        throw new Error(`${selector} cannot be reached by Tab on ${page.url()}`);
      };
      await page.goto(`${gatehouse.issuer}/demo`);
      await tabTo('a.primary');
      await page.keyboard.press('Enter');
      await page.locator('#login:focus').waitFor();
      await page.keyboard.type(login);
      await tabTo('#password');
      await page.keyboard.type(PASSWORD);
      await page.keyboard.press('Enter');
      await page.locator('button[value=allow]').waitFor();
      await tabTo('button[value=allow]');
      await page.keyboard.press('Enter');
      await page.getByText('Signed in as').waitFor();
      await tabTo('button[type=submit]');
      await page.keyboard.press('Enter');
      await page.waitForURL((url) => url.pathname !== '/demo/sign-out');
    });
  });

  it('registers, signs in and out without JavaScript', async () => {
    await open({ javaScriptEnabled: false }, async (page) => {
      await walk(page, 'plain@example.com', async () => {});
    });
  });

  it('who refuses consent comes back to the application, which says so', async () => {
    const login = 'no@example.com';
    await gatehouse.createUser({ email: login, emailVerified: true, password: PASSWORD });
    await open({}, async (page) => {
      await page.goto(`${gatehouse.issuer}/demo/sign-in`);
      await page.locator('[name=login]').fill(login);
      await page.locator('[name=password]').fill(PASSWORD);
      await press(page);
      await page.locator('button[value=deny]').click();
      assert.match((await page.getByRole('alert').textContent()) ?? '', /access_denied/);
      assert.equal(await heading(page), 'Demo application');
    });
  });

  it('who is sent to the callback of the demo by somebody else is not signed in', async () => {
    await open({}, async (page) => {
      await page.goto(`${gatehouse.issuer}/demo/callback?code=stolen&state=forged&iss=${encodeURIComponent(gatehouse.issuer)}`);
      assert.match((await page.getByRole('alert').textContent()) ?? '', /not begun here/);
      await page.goto(`${gatehouse.issuer}/demo`);
      assert.equal(await page.getByText('Signed in as').count(), 0);
    });
  });
});
