import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import Koa from 'koa';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { ACCOUNT_VIEWS } from '#src/account/views/pages.ts';
import { LOCALES } from '#src/core/messages/catalogue.ts';
import { assets } from '#src/http/assets.ts';
import { createView, renderPage } from '#src/http/view.ts';
import { LOGIN_VIEWS } from '#src/login/views/pages.ts';
import { launchChromium } from '#test/support/chromium.ts';
import { HOSTILE, NOW, samplePages } from '#test/support/pages.ts';
import { pngOf } from '#test/support/pictures.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const view = createView({ clock: { now: () => NOW }, folders: [LOGIN_VIEWS, ACCOUNT_VIEWS] });
const names = Object.keys(samplePages());

const NAME_OF = `(one) => one.id || one.getAttribute('href') || one.name + '=' + one.value || one.textContent`;
/** Everything that can be used on a page, top to bottom; of a group of radio buttons the one that is checked, else the first. */
const REACHABLE = `[...document.querySelectorAll('a[href], button:not(:disabled), input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')]
  .filter((one) => one.checkVisibility() && (one.type !== 'radio' || one === (document.querySelector('[name="' + one.name + '"]:checked') ?? document.querySelector('[name="' + one.name + '"]'))))
  .map(${NAME_OF})`;
const FOCUSED = `(() => { const one = document.activeElement; const shown = one.type === 'radio' ? one.closest('.choice') : one; return [(${NAME_OF})(one), getComputedStyle(shown).outlineStyle]; })()`;

interface Finding {
  id: string;
  nodes: { html: string }[];
}

describe('pages in Chromium', function () {
  this.timeout(60_000);
  let server: Server;
  let base: string;
  let browser: Browser;
  const posted: string[] = [];

  before(async function () {
    browser = await launchChromium(this);
    const app = new Koa();
    app.use(assets());
    app.use(async (ctx) => {
      if (ctx.method === 'POST') {
        posted.push(await text(ctx.req));
        // Long enough for a second press to arrive while the first is under way.
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      const sample = samplePages(ctx.query['who'] === 'hostile' ? HOSTILE : undefined)[ctx.path.slice(1)];
      const { lang: locale, color } = ctx.query as Record<string, string | undefined>;
      const brand = color === undefined ? undefined : { name: 'Analytical Engines', color: `#${color}`, logoUri: '/logo.png' };
      if (sample) renderPage(ctx, view, sample.name, { ...sample.data, locale, brand });
      if (ctx.path === '/logo.png') {
        ctx.type = 'image/png';
        ctx.body = pngOf(320, 80);
      }
    });
    server = createServer(app.callback()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  after(async () => {
    await browser?.close();
    server?.close();
  });

  async function open(path: string, options: BrowserContextOptions, look: (page: Page) => Promise<void>): Promise<void> {
    const context = await browser.newContext(options);
    try {
      const page = await context.newPage();
      await page.goto(`${base}/${path}`);
      await look(page);
    } finally {
      await context.close();
    }
  }

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`${colorScheme}: axe finds nothing on any page, and nothing overflows a narrow screen`, async () => {
      await open('login', { colorScheme, bypassCSP: true, viewport: { width: 360, height: 740 } }, async (page) => {
        for (const name of names) await examine(page, name);
      });
    });

    it(`${colorScheme}: axe finds nothing in a tenant’s colours, be they bright, pale, dark or grey`, async () => {
      await open('login', { colorScheme, bypassCSP: true, viewport: { width: 360, height: 740 } }, async (page) => {
        for (const color of ['ffd600', 'ffffff', '0a0a23', '767676'])
          for (const name of ['login-methods', 'login-refused', 'consent', 'tenant', 'account', 'limited'])
            await examine(page, name, `?color=${color}`);
      });
    });
  }

  for (const locale of LOCALES)
    it(`${locale}: every page is in that language, and its words fit a narrow screen`, async () => {
      await open('login', { viewport: { width: 360, height: 740 } }, async (page) => {
        for (const name of names) {
          await page.goto(`${base}/${name}?lang=${locale}`);
          assert.equal(await page.evaluate('document.documentElement.lang'), locale);
          assert.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), `${name} overflows`);
          const cut = await page.evaluate(
            `[...document.querySelectorAll('button, .button')].filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.outerHTML)`,
          );
          assert.deepEqual(cut, [], `${name} cuts words off`);
        }
      });
    });

  async function examine(page: Page, name: string, query = ''): Promise<void> {
    await page.goto(`${base}/${name}${query}`);
    assert.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), `${name} overflows`);
    await page.addScriptTag({ content: axe });
    const found = (await page.evaluate('axe.run().then((result) => result.violations)')) as Finding[];
    assert.deepEqual(
      found.map(({ id, nodes }) => `${name}${query}: ${id} ${nodes[0]?.html}`),
      [],
    );
  }

  it('are used by keyboard alone: Tab reaches everything in its order, and what has the focus is seen', async () => {
    await open('login', { viewport: { width: 1280, height: 900 } }, async (page) => {
      for (const name of names) {
        await page.goto(`${base}/${name}`);
        const expected = (await page.evaluate(REACHABLE)) as string[];
        // The way round begins at the first link, which leads past the frame.
        await page.evaluate(`document.querySelector('.skip').focus()`);
        const reached = ['#main'];
        for (let presses = 1; presses < expected.length; presses += 1) {
          await page.keyboard.press('Tab');
          const [what, ring] = (await page.evaluate(FOCUSED)) as [string, string];
          reached.push(what);
          assert.notEqual(ring, 'none', `${name}: ${what} has the focus and does not show it`);
        }
        assert.deepEqual(reached, expected, name);
      }
    });
  });

  it('keep their own policy, and run nothing a stranger wrote', async () => {
    await open('login', {}, async (page) => {
      const heard: string[] = [];
      page.on('dialog', (dialog) => {
        heard.push(`dialog ${dialog.message()}`);
        void dialog.dismiss();
      });
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) heard.push(`${message.type()} ${message.text()}`);
      });
      page.on('pageerror', (error) => heard.push(`error ${error.message}`));
      for (const name of names) await page.goto(`${base}/${name}?who=hostile`);
      assert.deepEqual(heard, []);
    });
  });

  it('need no JavaScript: sign-in by keyboard alone sends what was typed', async () => {
    posted.length = 0;
    await open('login', { javaScriptEnabled: false }, async (page) => {
      await page.locator('#login:focus').waitFor();
      await page.keyboard.type('ada@example.com');
      await page.keyboard.press('Tab');
      await page.keyboard.type('correct horse');
      const answered = page.waitForResponse((answer) => answer.request().method() === 'POST');
      await page.keyboard.press('Enter');
      await answered;
      assert.deepEqual(posted, ['_csrf=token&login=ada%40example.com&password=correct+horse']);
    });
  });

  it('send a form once, with the button that was pressed, and say that it is under way', async () => {
    posted.length = 0;
    await open('consent', {}, async (page) => {
      const answered = page.waitForResponse((answer) => answer.request().method() === 'POST');
      const meanwhile = await page.evaluate(`new Promise((resolve) => {
        const button = document.querySelector('button[type=submit]');
        button.click();
        button.click();
        setTimeout(() => resolve(button.textContent + (button.disabled ? ' disabled' : '')), 50);
      })`);
      assert.equal(meanwhile, 'One moment… disabled');
      await answered;
      assert.deepEqual(posted, ['_csrf=token&decision=allow']);
    });
  });

  it('move the focus to what went wrong, else to the first field', async () => {
    await open('login-refused', {}, async (page) => {
      assert.equal(await page.evaluate('document.activeElement.getAttribute("role")'), 'alert');
      await page.goto(`${base}/login`);
      assert.equal(await page.evaluate('document.activeElement.id'), 'login');
    });
  });

  it('show and hide a password, explain its strength, and move nothing while loading', async () => {
    await open('register', {}, async (page) => {
      const field = page.locator('#new_password');
      const hint = page.locator('#new_password-hint');
      const before = await page.locator('button[type=submit]').boundingBox();
      await field.fill('short');
      assert.match((await hint.textContent()) ?? '', /Too short: use at least 10/);
      await field.fill('aaaaaaaaaaaaaaaa');
      assert.match((await hint.textContent()) ?? '', /Easy to guess/);
      await field.fill('plum Tractor 9 violin');
      assert.match((await hint.textContent()) ?? '', /Good length/);
      assert.deepEqual(await page.locator('button[type=submit]').boundingBox(), before);
      await page.getByRole('button', { name: 'Show password' }).click();
      assert.equal(await field.getAttribute('type'), 'text');
      await page.getByRole('button', { name: 'Hide password' }).click();
      assert.equal(await field.getAttribute('type'), 'password');
    });
    await open('register', { javaScriptEnabled: false }, async (page) => {
      const plain = await page.locator('button[type=submit]').boundingBox();
      await open('register', {}, async (scripted) => {
        assert.deepEqual(await scripted.locator('button[type=submit]').boundingBox(), plain);
      });
    });
  });

  it('count down a limit and then let go', async () => {
    const context = await browser.newContext();
    try {
      const page = await context.newPage();
      await page.clock.install();
      await page.goto(`${base}/limited`);
      const line = page.locator('[data-countdown]');
      const action = page.locator('[data-countdown-action]');
      assert.equal(await line.textContent(), 'Try again in 40 seconds.');
      assert.equal(await action.getAttribute('aria-disabled'), 'true');
      await page.clock.runFor(10_000);
      assert.equal(await line.textContent(), 'Try again in 30 seconds.');
      await page.clock.runFor(31_000);
      assert.equal(await line.textContent(), 'You can try again now.');
      assert.equal(await action.getAttribute('aria-disabled'), null);
    } finally {
      await context.close();
    }
  });

  it('keep the card and its heading in the same place from step to step', async () => {
    await open('login', { viewport: { width: 1280, height: 900 } }, async (page) => {
      const places = new Set<string>();
      for (const name of ['login', 'register', 'verify-email', 'reset-request', 'reset-code', 'select-account', 'expired']) {
        await page.goto(`${base}/${name}`);
        const card = await page.locator('main').boundingBox();
        const heading = await page.locator('h1').boundingBox();
        places.add(JSON.stringify([card?.x, card?.y, card?.width, heading?.x, heading?.y]));
      }
      assert.equal(places.size, 1, [...places].join(' '));
    });
  });
});
