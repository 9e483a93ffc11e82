/** A second factor that is set up on the way in, and what hostile or hasty hands send there. */
import assert from 'node:assert/strict';
import { generate } from 'otplib';
import { type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { type Cast, setUpCast } from '#test/support/cast.ts';
import { formOf, submit, visit } from '#test/support/person.ts';
import { type CreationOptions, createPasskey } from '#test/support/webauthn.ts';

const secretOn = ({ text }: Page): string => (/<code id="totp-key">([A-Z2-7 ]+)</.exec(text)?.[1] ?? '').replaceAll(' ', '');
const alertOn = ({ text }: Page): string => /role="alert"[^>]*>([\s\S]*?)<\/div>/.exec(text)?.[1] ?? '';

describe('a second factor that is set up while signing in', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let cast: Cast;
  let people = 0;

  before(async () => {
    app = await startTestApp();
    cast = await setUpCast(app, { name: 'enrol-step' });
    await app.owner.query(`update tenants set settings = settings || '{"secondFactor": "required"}' where id = $1`, [app.rootTenantId]);
  });
  after(() => app?.close());

  const begin = async (): Promise<{ id: string; browser: Browser; page: Page }> => {
    people += 1;
    const person = await cast.addPerson(`enrol-step${people}@example.test`, 'violet cactus thunder marble');
    // An address that is proven would be a second factor by itself.
    await app.owner.query('update users set email_verified_at = null where id = $1', [person.id]);
    const browser = app.browser();
    const { page } = await visit(browser, '/account', person);
    assert.ok(page && secretOn(page) !== '', page?.text);
    return { id: person.id, browser, page };
  };
  const factorsOf = async (id: string): Promise<number> =>
    (await app.owner.query(`select 1 from credentials where user_id = $1 and type in ('totp', 'passkey')`, [id])).rowCount ?? 0;

  it('is one factor however often its form is sent, and every copy leads on', async () => {
    const { id, browser, page } = await begin();
    const { action, fields } = formOf(page);
    const code = await generate({ secret: secretOn(page) });
    const answers = await Promise.all(Array.from({ length: 4 }, () => browser.post(action, { ...fields, code })));
    const late = await browser.post(action, { ...fields, code });
    for (const answer of [...answers, late]) assert.equal(answer.status, 303, await answer.text());
    assert.equal(await factorsOf(id), 1);
    assert.equal((await app.owner.query(`select 1 from journeys where kind = 'enrolment' and user_id = $1`, [id])).rowCount, 0);
  });

  it('says of a code that is none what it says of a wrong one', async () => {
    const { id, browser, page } = await begin();
    for (const code of ['000000', '', 'x', '1'.repeat(65), '1'.repeat(20_000)]) {
      const refused = await submit(browser, page, { code });
      assert.equal(refused.page?.status, 422);
      assert.match(alertOn(refused.page), /That code is not right/, code.slice(0, 70));
      if (code.length > 64) assert.equal(secretOn(refused.page), secretOn(page), 'nothing was tried');
    }
    assert.equal(await factorsOf(id), 0);
  });

  it('is no passkey whose id is longer than WebAuthn allows', async () => {
    for (const [idBytes, made] of [
      [1023, 1],
      [1024, 0],
      [5000, 0],
    ] as const) {
      const { id, browser, page } = await begin();
      const shown = (await browser.go(`${page.url}?set-up=passkey`)).page!;
      const options = JSON.parse(
        (/data-passkey-create="([^"]*)"/.exec(shown.text)?.[1] ?? '').replaceAll('&quot;', '"'),
      ) as CreationOptions;
      const { credential } = createPasskey(options, app.issuer, { idBytes });
      const end = await submit(browser, shown, { credential: JSON.stringify(credential) });
      assert.equal(await factorsOf(id), made, `${idBytes}`);
      if (made === 0) assert.deepEqual([end.page?.status, /No passkey was set up/.test(alertOn(end.page!))], [422, true], end.page?.text);
    }
  });
});
