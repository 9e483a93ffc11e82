/** A tenant that wants work done before it has messages sent, at its pages: the work is for one recipient. */
import assert from 'node:assert/strict';
import { leadingZeros } from '#src/login/challenge.ts';
import { type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { settledMails } from '#test/support/mails.ts';
import { authorization, CB } from '#test/support/oidc.ts';
import { formOf, submit } from '#test/support/person.ts';

const DIFFICULTY = 8;

describe('a challenge at the pages', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let clientId: string;
  let made = 0;

  before(async () => {
    app = await startTestApp();
    const client = await app.api('POST', '/api/clients', { client_name: 'The app', redirect_uris: [CB], first_party: true });
    clientId = String(client.body['client_id']);
    const challenge = { kind: 'proof-of-work', difficulty: DIFFICULTY };
    const set = await app.api('PATCH', `/api/tenants/${app.rootTenantId}`, { settings: { challenge } });
    assert.equal(set.status, 200, set.text);
  });
  after(() => app?.close());

  const solve = ({ text }: Page): string => {
    const token = /data-challenge="([^"]+)"/.exec(text)?.[1] ?? assert.fail('no challenge on the page');
    for (let number = 0; ; number += 1) if (leadingZeros(`${token}.${number}`) >= DIFFICULTY) return `${token}.${number}`;
  };
  const newAddressee = (): string => {
    made += 1;
    return `worked${made}@example.test`;
  };
  const enter = async (browser: Browser): Promise<Page> =>
    (await browser.go(authorization(clientId, { scope: 'openid' }).path)).page ?? assert.fail('no page');
  it('asks for work for each recipient, whichever button and path of the sign-in the message is asked for by', async () => {
    const browser = app.browser();
    const page = await enter(browser);
    const mine = newAddressee();
    const waits = (await submit(browser, page, { login: mine, method: 'email-otp', challenge: solve(page) })).page;
    assert.match(waits?.text ?? '', /name="code"/);
    const { action, fields } = formOf(page);
    const buttons = [
      { decision: 'resend' },
      { method: 'email-otp' },
      { method: 'email-otp', decision: 'resend' },
      { method: 'magic-link' },
    ];
    for (const path of ['', '/link', '/restart'])
      for (const button of buttons)
        await (await browser.post(`${action}${path}`, { ...fields, ...button, login: newAddressee() })).arrayBuffer();
    await (await browser.post(action, { ...fields, decision: 'resend' })).arrayBuffer();
    assert.deepEqual([...new Set((await settledMails(app)).map(({ to }) => to))], [mine]);
  });
});
