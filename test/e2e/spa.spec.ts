/** The example people copy from, as they copy it: oidc-client-ts in two tabs, with the example API behind it. */
import assert from 'node:assert/strict';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { freePort } from '#test/support/app.ts';
import { launchChromium } from '#test/support/chromium.ts';
import { type Gatehouse, startGatehouse } from '#test/support/gatehouse.ts';
import { startApi } from '../../examples/api/server.ts';
import { spaClient, startSpa } from '../../examples/spa/server.ts';

const ADA = { login: 'ada@example.com', password: 'plum Tractor 9 violin' };
const CLIENT_ID = 'example-spa';

describe('the example single-page app', function () {
  this.timeout(90_000);
  let gatehouse: Gatehouse;
  let browser: Browser;
  let spa: Awaited<ReturnType<typeof startSpa>>;
  let api: Awaited<ReturnType<typeof startApi>>;

  before(async function () {
    browser = await launchChromium(this);
    gatehouse = await startGatehouse();
    const { issuer } = gatehouse;
    const port = await freePort();
    const origin = `http://localhost:${port}`;
    api = await startApi({ issuer, port: 0, allowedOrigins: [origin] });
    spa = await startSpa({ issuer, clientId: CLIENT_ID, port, api: api.identifier });
    assert.equal(spa.url, origin);
    await gatehouse.createResource({
      identifier: api.identifier,
      name: 'Notes',
      scopes: [{ name: 'notes.read' }, { name: 'notes.write' }],
    });
    await gatehouse.createClient({ client_id: CLIENT_ID, ...spaClient(origin) });
    await gatehouse.createUser({ email: ADA.login, emailVerified: true, password: ADA.password });
  });
  after(async () => {
    await browser?.close();
    await spa?.close();
    await api?.close();
    await gatehouse?.close();
  });

  async function signIn(context: BrowserContext): Promise<Page> {
    const tab = await context.newPage();
    await tab.goto(spa.url);
    await tab.locator('#sign-in').click();
    await tab.locator('[name=login]').fill(ADA.login);
    await tab.locator('[name=password]').fill(ADA.password);
    await tab.locator('button[type=submit]').click();
    await tab.locator('button[value=allow]').or(tab.locator('#renew')).first().waitFor();
    if (await tab.locator('button[value=allow]').isVisible()) await tab.locator('button[value=allow]').click();
    await tab.locator('#renew').waitFor();
    return tab;
  }

  async function withContext(act: (context: BrowserContext) => Promise<void>): Promise<void> {
    const context = await browser.newContext();
    context.setDefaultTimeout(15_000);
    try {
      await act(context);
    } finally {
      await context.close();
    }
  }

  const renewed = (tab: Page, times: number): Promise<void> => tab.getByText(`Renewed here: ${times}`, { exact: true }).waitFor();

  it('signs in, calls its API, and two tabs that renew at the same instant, again and again, stay signed in', async () => {
    await withContext(async (context) => {
      const complaints: string[] = [];
      context.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text());
      });
      const one = await signIn(context);
      const two = await context.newPage();
      await two.goto(spa.url);
      await two.locator('#renew').waitFor();
      for (let round = 1; round <= 5; round += 1) {
        await Promise.all([one, two].map((tab) => tab.evaluate('document.getElementById("renew").click()')));
        await Promise.all([renewed(one, round), renewed(two, round)]);
      }
      for (const tab of [one, two]) {
        assert.match((await tab.locator('#status').textContent()) ?? '', /^Signed in as/);
        await tab.locator('#call-api').click();
        await tab.getByText('200 {"notes":[]}').waitFor();
      }
      assert.deepEqual(complaints, []);
    });
  });

  it('signs out in one tab, and the other tab knows', async () => {
    await withContext(async (context) => {
      const one = await signIn(context);
      const two = await context.newPage();
      await two.goto(spa.url);
      await two.locator('#renew').waitFor();
      await one.locator('#sign-out').click();
      await one.locator('#sign-in').or(one.locator('button[type=submit]')).first().waitFor();
      if (await one.locator('button[type=submit]').isVisible()) await one.locator('button[type=submit]').click();
      await one.locator('#sign-in').waitFor();
      await two.locator('#sign-in').waitFor();
    });
  });

  it('has an API that takes its own tokens only: none, one for another API and a damaged one are refused as RFC 6750 says', async () => {
    const call = async (token?: string): Promise<[number, string | null]> => {
      const answer = await fetch(`${api.url}/notes`, token ? { headers: { authorization: `Bearer ${token}` } } : {});
      await answer.body?.cancel();
      return [answer.status, answer.headers.get('www-authenticate')];
    };
    const { client_id, client_secret } = await gatehouse.createClient({ client_name: 'Machine', grant_types: ['client_credentials'] });
    const tokenFor = async (resource: string, scope: string): Promise<string> => {
      const answer = await fetch(`${gatehouse.issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', resource, scope }),
      });
      const { access_token } = (await answer.json()) as { access_token: string };
      assert.ok(access_token);
      return access_token;
    };
    await gatehouse.createResource({ identifier: 'https://other.example/', name: 'Other', scopes: [{ name: 'notes.read' }] });
    const good = await tokenFor(api.identifier, 'notes.read');
    assert.deepEqual(await call(good), [200, null]);
    assert.deepEqual(await call(), [401, 'Bearer']);
    assert.deepEqual(await call(`${good.slice(0, -4)}AAAA`), [401, 'Bearer error="invalid_token"']);
    assert.deepEqual(await call(await tokenFor('https://other.example/', 'notes.read')), [401, 'Bearer error="invalid_token"']);
    assert.deepEqual(await call(await tokenFor(api.identifier, 'notes.write')), [
      403,
      'Bearer error="insufficient_scope", scope="notes.read"',
    ]);
  });
});
