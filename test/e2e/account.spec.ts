/** A person's own page in a real browser, on two devices at once. */
import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '#test/support/chromium.ts';
import { type Gatehouse, startGatehouse } from '#test/support/gatehouse.ts';

const PASSWORD = 'plum Tractor 9 violin';
const NEXT = 'seven Otters 4 lanterns';

describe('the account page in a browser', function () {
  this.timeout(90_000);
  let gatehouse: Gatehouse;
  let browser: Browser;
  const complaints: string[] = [];

  before(async function () {
    browser = await launchChromium(this);
    gatehouse = await startGatehouse();
  });
  after(async () => {
    await browser?.close();
    await gatehouse?.close();
  });

  const make = (email: string): Promise<string> =>
    gatehouse.createUser({ email, emailVerified: true, password: PASSWORD, givenName: 'Ada', familyName: 'Lovelace' });
  const press = (page: Page): Promise<void> => page.locator('button[type=submit]').click();

  /** A browser of its own, with no cookie yet. */
  async function device(): Promise<Page> {
    const context = await browser.newContext();
    context.setDefaultTimeout(15_000);
    const page = await context.newPage();
    page.on('console', (message) => {
      // A refused password is answered with 422, which Chromium mentions too.
      if (['error', 'warning'].includes(message.type()) && !message.text().includes('status of 422'))
        complaints.push(`${page.url()} ${message.text()}`);
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    return page;
  }

  async function signIn(page: Page, login: string, password: string): Promise<void> {
    await page.goto(`${gatehouse.issuer}/`);
    await page.locator('[name=login]').fill(login);
    await page.locator('[name=password]').fill(password);
    await press(page);
  }
  const signedIn = (page: Page): Promise<void> => page.getByRole('heading', { name: 'Ada Lovelace' }).waitFor();

  it('shows both devices, ends one of them from the other, and the ended one has to sign in again', async () => {
    await make('two@example.com');
    const [desk, phone] = [await device(), await device()];
    for (const page of [desk, phone]) {
      await signIn(page, 'two@example.com', PASSWORD);
      await signedIn(page);
    }
    await desk.reload();
    assert.equal(await desk.getByText('This device').count(), 1);
    await desk.locator('button[value^="end:"]').click();
    await desk.getByText('That device has been signed out.').waitFor();
    await phone.reload();
    await phone.locator('[name=password]').waitFor();
    await desk.reload();
    await signedIn(desk);
  });

  it('changes the password: other devices are signed out, the old password is refused, the new one works', async () => {
    const email = 'change@example.com';
    await make(email);
    const [desk, phone] = [await device(), await device()];
    for (const page of [desk, phone]) {
      await signIn(page, email, PASSWORD);
      await signedIn(page);
    }
    await desk.goto(`${gatehouse.issuer}/account/password`);
    await desk.locator('[name=password]').fill(PASSWORD);
    await desk.locator('[name=new_password]').fill(NEXT);
    await press(desk);
    await desk.getByText('Your password has been changed').waitFor();
    await phone.reload();
    await phone.locator('[name=password]').waitFor();
    await signIn(phone, email, PASSWORD);
    await phone.getByRole('alert').waitFor();
    await signIn(phone, email, NEXT);
    await signedIn(phone);
  });

  it('takes access away from an application, which is asked for consent again', async () => {
    const email = 'withdraw@example.com';
    await make(email);
    const page = await device();
    await signIn(page, email, PASSWORD);
    await signedIn(page);
    await page.goto(`${gatehouse.issuer}/demo/sign-in`);
    await page.locator('button[value=allow]').click();
    await page.getByText('Signed in as').waitFor();
    await page.goto(`${gatehouse.issuer}/account`);
    await page.locator('button[value="withdraw:gatehouse-demo"]').click();
    await page.getByText('Demo application no longer has access.').waitFor();
    await page.goto(`${gatehouse.issuer}/demo/userinfo`);
    await page.getByText('Your session has ended').waitFor();
    await page.locator('a.primary').click();
    await page.locator('button[value=allow]').waitFor();
    assert.equal(await page.locator('[name=password]').count(), 0, 'the person is still signed in here');
  });

  it('sets a forgotten password by a mailed code', async () => {
    const email = 'forgot@example.com';
    await make(email);
    const page = await device();
    await page.goto(`${gatehouse.issuer}/account`);
    await page.locator('a[href$="/reset"]').click();
    await page.locator('[name=email]').fill(email);
    await press(page);
    await page.locator('[name=code]').fill(await gatehouse.codeFor(email));
    await page.locator('[name=new_password]').fill(NEXT);
    await press(page);
    await page.locator('[name=code]').waitFor({ state: 'detached' });
    const other = await device();
    await signIn(other, email, NEXT);
    await signedIn(other);
  });

  it('draws no complaint from the browser on the way', () => {
    assert.deepEqual(complaints, []);
  });
});
