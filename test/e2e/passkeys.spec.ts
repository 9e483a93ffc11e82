import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { generate } from 'otplib';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { type RunningApp, startTestApp } from '#test/support/app.ts';
import { type Cast, setUpCast } from '#test/support/cast.ts';
import { launchChromium } from '#test/support/chromium.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SHOTS = process.env['SCREENSHOTS'];

describe('passkeys, authenticator apps and recovery codes in Chromium', function () {
  this.timeout(90_000);
  let app: RunningApp;
  let cast: Cast;
  let browser: Browser;
  before(async function () {
    browser = await launchChromium(this);
    app = await startTestApp();
    cast = await setUpCast(app, { name: 'keys' });
  });
  after(async () => {
    await browser?.close();
    await app?.close();
  });

  const signIn = async (page: Page, person: Cast['person']): Promise<void> => {
    await page.goto(`${app.issuer}/account`);
    await page.fill('#login', person.login);
    await page.fill('#password', person.password);
    await page.click('button.primary');
    await page.waitForURL(`${app.issuer}/account*`);
  };
  /** A virtual authenticator of the device: it verifies the person, and answers at once. */
  const withAuthenticator = async (page: Page): Promise<(present: boolean) => Promise<unknown>> => {
    const session = await page.context().newCDPSession(page);
    await session.send('WebAuthn.enable', { enableUI: false });
    const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        ctap2Version: 'ctap2_1',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    return (isUserVerified) => session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified });
  };
  const clean = async (page: Page, name: string): Promise<void> => {
    for (const [width, scheme] of [
      [360, 'light'],
      [360, 'dark'],
      [1440, 'light'],
      [1440, 'dark'],
    ] as const) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
      const overflow = await page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth');
      assert.equal(overflow, false, `${name} is wider than ${width}`);
      await page.evaluate(axe);
      const { violations } = (await page.evaluate('axe.run()')) as { violations: { id: string; nodes: { html: string }[] }[] };
      assert.deepEqual(
        violations.map(({ id, nodes }) => [id, nodes[0]?.html]),
        [],
        `${name} ${width} ${scheme}`,
      );
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}-${width}-${scheme}.png`, fullPage: true });
    }
    await page.setViewportSize({ width: 1280, height: 900 });
  };
  const open = async (): Promise<[BrowserContext, Page]> => {
    const context = await browser.newContext({ extraHTTPHeaders: {} });
    return [context, await context.newPage()];
  };

  it('a passkey is registered on the account page, and signs in by autofill without a password', async () => {
    const [context, page] = await open();
    await withAuthenticator(page);
    await signIn(page, cast.person);
    await page.goto(`${app.issuer}/account/security`);
    await clean(page, 'security-empty');
    await page.click('a[href="/account/security/passkey"]');
    await clean(page, 'passkey');
    await page.fill('#name', 'My laptop');
    await page.click('button.primary');
    await page.waitForURL(`${app.issuer}/account/security/codes`);
    await clean(page, 'codes-ask');
    await page.click('button.primary');
    await page.waitForSelector('#recovery-codes');
    assert.equal(await page.locator('#recovery-codes li').count(), 10);
    await clean(page, 'codes');
    await page.click('.actions a');
    await page.getByText('My laptop').waitFor();
    await clean(page, 'security');

    await context.clearCookies();
    await page.goto(`${app.issuer}/account`);
    await page.waitForURL(`${app.issuer}/account*`);
    await page.getByText(cast.person.login).first().waitFor();
    // By the passkey alone it is fresh and strong enough to remove it.
    await page.goto(`${app.issuer}/account/security`);
    await page.click('a[aria-label="Remove My laptop"]');
    await clean(page, 'remove');
    await page.click('button.danger');
    await page.getByText('My laptop has been removed.').waitFor();
    await page.getByText('No passkey yet').waitFor();
    await context.close();
  });

  it('by the button it takes one click; as a second factor it is asked for at once, and again after a refusal', async () => {
    const person = await cast.addPerson('button.keys@example.test', 'violet cactus thunder marble');
    const [context, page] = await open();
    // Without autofill there is the button only.
    await page.addInitScript('if (window.PublicKeyCredential) PublicKeyCredential.isConditionalMediationAvailable = async () => false');
    const verified = await withAuthenticator(page);
    await signIn(page, person);
    await page.goto(`${app.issuer}/account/security/passkey`);
    await page.click('button.primary');
    await page.waitForURL(`${app.issuer}/account/security/codes`);

    await context.clearCookies();
    await page.goto(`${app.issuer}/account`);
    await page.click('button[value=passkey]');
    await page.waitForURL(`${app.issuer}/account*`);
    await page.getByText(person.login).first().waitFor();

    await context.clearCookies();
    await page.goto(`${app.issuer}/account`);
    await page.fill('#login', person.login);
    await page.fill('#password', person.password);
    await page.click('button.primary');
    await page.locator('form[data-passkey-get]').waitFor();
    assert.equal(await page.locator('#code').count(), 0);
    await verified(false);
    await page.click('button.primary');
    await page.locator('[role=alert]:visible').waitFor();
    assert.equal(await page.locator('#code').count(), 0, 'a passkey is not typed');
    await verified(true);
    await page.click('button.primary');
    await page.waitForURL(`${app.issuer}/account*`);
    await page.getByText(person.login).first().waitFor();
    await context.close();
  });

  it('an authenticator app is set up, asked for after the password, and a recovery code stands in for it', async () => {
    const person = await cast.addPerson('grace.keys@example.test', 'violet cactus thunder marble');
    const [context, page] = await open();
    await signIn(page, person);
    await page.goto(`${app.issuer}/account/security/totp`);
    await clean(page, 'totp');
    const secret = (await page.locator('#totp-key').innerText()).replaceAll(' ', '');
    await page.fill('#code', '000000');
    await page.click('button.primary');
    await page.locator('[role=alert]').waitFor();
    await clean(page, 'totp-wrong');
    await page.fill('#code', await generate({ secret }));
    await page.click('button.primary');
    await page.waitForURL(`${app.issuer}/account/security/codes`);
    await page.click('button.primary');
    const codes = await page.locator('#recovery-codes code').allInnerTexts();

    await context.clearCookies();
    await page.goto(`${app.issuer}/account`);
    await page.fill('#login', person.login);
    await page.fill('#password', person.password);
    await page.click('button.primary');
    await page.waitForSelector('#code');
    await clean(page, 'prove-totp');
    await page.fill('#code', await generate({ secret, epoch: Math.floor(Date.now() / 1000) + 30 }));
    await page.click('button.primary');
    await page.waitForURL(`${app.issuer}/account*`);

    await context.clearCookies();
    await page.goto(`${app.issuer}/account`);
    await page.fill('#login', person.login);
    await page.fill('#password', person.password);
    await page.click('button.primary');
    await page.click('button[value="recovery-code"]');
    await page.waitForURL(/login/);
    await page.fill('#code', codes[0]!.toLowerCase());
    await page.click('button.primary');
    await page.waitForURL(`${app.issuer}/account*`);
    await page.goto(`${app.issuer}/account/security`);
    await page.getByText('9 codes left').waitFor();
    await context.close();
  });
});
