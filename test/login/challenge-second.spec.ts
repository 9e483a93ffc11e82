/** A tenant that wants work done before it has messages sent, where the message is a second factor. */
import assert from 'node:assert/strict';
import { leadingZeros } from '#src/login/challenge.ts';
import { type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Page } from '#test/support/browser.ts';
import { type Cast, setUpCast } from '#test/support/cast.ts';
import { formOf, visit } from '#test/support/person.ts';

const DIFFICULTY = 8;

describe('a challenge before a second factor is sent', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let cast: Cast;

  before(async () => {
    app = await startTestApp();
    cast = await setUpCast(app, { name: 'challenge-second' });
    const settings = { challenge: { kind: 'proof-of-work', difficulty: DIFFICULTY }, secondFactor: 'required' };
    const set = await app.api('PATCH', `/api/tenants/${app.rootTenantId}`, { settings });
    assert.equal(set.status, 200, set.text);
  });
  after(() => app?.close());

  const alertOn = ({ text }: Page): string => /role="alert"[^>]*>([\s\S]*?)<\/div>/.exec(text)?.[1] ?? '';
  /** The form with a button for the method, and the answer to its challenge. */
  const formWith = (page: Page, method: string): Record<string, string> => {
    const form = [...page.text.matchAll(/<form method="post"[\s\S]*?<\/form>/g)].find(([one]) => one.includes(`value="${method}"`))?.[0];
    const token = /data-challenge="([\w-]+)"/.exec(form ?? '')?.[1] ?? assert.fail(`no challenge beside ${method}: ${page.text}`);
    const number = Array.from({ length: 100_000 }, (_, at) => at).find((at) => leadingZeros(`${token}.${at}`) >= DIFFICULTY);
    return { _csrf: formOf(page).fields['_csrf']!, method, challenge: `${token}.${number}` };
  };

  it('is asked on the page of the step that one is at, and goes on from there, also to another way', async () => {
    const person = await cast.addPerson('second@example.test', 'violet cactus thunder marble');
    const text = `update users set phone = '+493090182099', phone_verified_at = clock_timestamp(), email_verified_at = clock_timestamp() where id = $1`;
    await app.owner.query(text, [person.id]);
    const browser = app.browser();
    const { page: choice } = await visit(browser, '/account', person);
    assert.ok(choice);
    const go = async (page: Page, fields: Record<string, string>): Promise<Page> => {
      const response = await browser.post(formOf(choice).action, fields);
      const location = response.headers.get('location');
      const shown = location === null ? undefined : (await browser.go(new URL(location, page.url).href)).page;
      return shown ?? { url: page.url, status: response.status, text: await response.text(), headers: response.headers };
    };

    const unsolved = await go(choice, { ...formWith(choice, 'email-otp'), challenge: '' });
    assert.equal(unsolved.status, 422);
    assert.match(alertOn(unsolved), /Your browser had not finished/);
    assert.doesNotMatch(unsolved.text, /name="password"/, 'what is proven is not asked for again');
    const mailed = await go(unsolved, formWith(unsolved, 'email-otp'));
    assert.match(mailed.text, /name="code"/);
    assert.match(mailed.text, /•••@example\.test/);

    const other = await go(mailed, { ...formWith(mailed, 'sms-otp'), challenge: '' });
    assert.equal(other.status, 422);
    assert.match(other.text, /name="code"/, 'the code that was sent can still be typed');
    const texted = await go(other, formWith(other, 'sms-otp'));
    assert.match(texted.text, /•99/);
  });
});
