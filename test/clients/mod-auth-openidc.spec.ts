import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { type Apache, apacheRedirectUri, needApache, startApache } from '#test/support/apache.ts';
import { freePort } from '#test/support/app.ts';
import { launchChromium } from '#test/support/chromium.ts';
import { type Gatehouse, startGatehouse } from '#test/support/gatehouse.ts';

const ADA = { login: 'ada@example.com', password: 'plum Tractor 9 violin' };

describe('mod_auth_openidc', function () {
  this.timeout(60_000);
  let gatehouse: Gatehouse;
  let apache: Apache;
  // It sends to sign in only who navigates (Sec-Fetch-Mode), which no HTTP client of Node can say of itself.
  let browser: Browser;
  let sub: string;

  before(async function () {
    needApache(this);
    browser = await launchChromium(this);
    gatehouse = await startGatehouse();
    sub = await gatehouse.createUser({
      email: ADA.login,
      emailVerified: true,
      password: ADA.password,
      givenName: 'Ada',
      familyName: 'Lovelace',
    });
    const port = await freePort();
    const { client_id, client_secret = '' } = await gatehouse.createClient({
      client_name: 'Apache',
      redirect_uris: [apacheRedirectUri(port)],
      post_logout_redirect_uris: [`http://localhost:${port}/`],
    });
    apache = await startApache({ port, issuer: gatehouse.issuer, clientId: client_id, clientSecret: client_secret });
  });
  after(async () => {
    await browser?.close();
    await apache?.stop();
    await gatehouse?.close();
  });

  async function withPage(act: (page: Page) => Promise<void>): Promise<void> {
    const context = await browser.newContext();
    context.setDefaultTimeout(15_000);
    try {
      await act(await context.newPage());
    } finally {
      await context.close();
    }
  }

  async function signIn(page: Page): Promise<void> {
    await page.goto(`${apache.url}/protected/`);
    assert.equal(new URL(page.url()).origin, gatehouse.issuer);
    await page.locator('[name=login]').fill(ADA.login);
    await page.locator('[name=password]').fill(ADA.password);
    await page.locator('button[type=submit]').click();
    const consent = page.locator('button[value=allow]');
    await consent.or(page.getByText('sub=')).first().waitFor();
    if (await consent.isVisible()) await consent.click();
  }

  const shown = async (page: Page): Promise<string> => {
    await page.waitForURL(`${apache.url}/protected/`);
    return page.locator('body').innerText();
  };

  it('protects a page: a person signs in here and consents, and Apache shows who they are', async () => {
    await withPage(async (page) => {
      await signIn(page);
      const claims = [`sub=${sub}`, `email=${ADA.login}`, 'name=Ada Lovelace', `iss=${gatehouse.issuer}`, 'acr=urn:gatehouse:acr:1fa'];
      assert.equal((await shown(page)).trim(), claims.join('\n'), await apache.log());
      await page.reload();
      assert.equal((await shown(page)).trim(), claims.join('\n'), 'its own session is enough from then on');
      await page.context().clearCookies({ name: /mod_auth_openidc/ });
      await page.goto(`${apache.url}/protected/`);
      assert.equal((await shown(page)).trim(), claims.join('\n'), 'and without one, the session here is: nobody is asked again');
    });
  });

  it('signs out here too: the next visit asks for the password again', async () => {
    await withPage(async (page) => {
      await signIn(page);
      assert.match(await shown(page), new RegExp(`sub=${sub}`));
      const home = encodeURIComponent(`${apache.url}/`);
      await page.goto(`${apacheRedirectUri(Number(new URL(apache.url).port))}?logout=${home}`);
      if (new URL(page.url()).origin === gatehouse.issuer) await page.locator('button[type=submit]').click();
      await page.waitForURL(`${apache.url}/`);
      await page.goto(`${apache.url}/protected/`);
      await page.locator('[name=password]').waitFor();
    });
  });
});
