import assert from 'node:assert/strict';
import { type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser } from '#test/support/browser.ts';
import { type Cast, setUpCast } from '#test/support/cast.ts';
import { authorization } from '#test/support/oidc.ts';
import { type Credentials, submit, visit } from '#test/support/person.ts';

const PASSWORD = 'violet cactus thunder marble';
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0';
const SAFARI =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1';

interface Mail {
  to: string;
  subject: string;
  text: string;
}

describe('what a person is told of sign-ins', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let cast: Cast;
  let count = 0;

  before(async () => {
    app = await startTestApp();
    cast = await setUpCast(app);
  });
  after(() => app?.close());

  const somebody = () => {
    count += 1;
    return cast.addPerson(`told${count}@example.test`, PASSWORD);
  };
  const mailsTo = async (to: string, about: RegExp): Promise<Mail[]> =>
    ((await (await fetch(`${app.issuer}/dev/mailbox.json`)).json()) as Mail[]).filter((mail) => mail.to === to && about.test(mail.subject));
  const settled = async (): Promise<void> => {
    for (let round = 0; round < 100; round += 1) {
      const { rows } = await app.owner.query<{ left: string }>('select count(*) as left from graphile_worker.jobs');
      if (rows[0]?.left === '0') return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.fail('jobs are left');
  };
  const signIn = async (browser: Browser, person: Credentials): Promise<boolean> => {
    const { path } = authorization(cast.client.id, { scope: 'openid', prompt: 'login consent' });
    return (await visit(browser, path, person)).location?.searchParams.has('code') ?? false;
  };
  /** Wrong passwords, each in a browser of its own; answers the last page. */
  const attack = async (login: string, times: number): Promise<string> => {
    let text = '';
    for (let round = 0; round < times; round += 1) {
      const browser = app.browser();
      const { page } = await browser.go(authorization(cast.client.id, { scope: 'openid' }).path);
      text = (await submit(browser, page!, { login, password: 'wrong' })).page!.text;
    }
    return text;
  };
  const events = async (type: string, id: string): Promise<number> =>
    (await app.owner.query('select 1 from audit_events where type = $1 and target_id = $2', [type, id])).rowCount ?? 0;

  it('an account that is held back says so to its owner once, and lets the owner in from a device it knows', async () => {
    const person = await somebody();
    const own = app.browser();
    assert.ok(await signIn(own, person));
    const refused = await attack(person.login, 14);
    await settled();
    assert.equal(await events('account.locked', person.id), 1);
    const [mail, ...more] = await mailsTo(person.login, /on hold/);
    assert.ok(mail);
    assert.equal(more.length, 0);
    assert.match(mail.text, /11\.\d+\.\d+\.\d+/, 'where from');
    assert.match(mail.text, /\/account/);
    assert.ok(!(await signIn(app.browser(), person)), 'elsewhere the right password has to wait too');
    assert.ok(await signIn(own, person));
    const logged = await app.api('GET', `/api/logs/auth?userId=${person.id}`);
    assert.ok((logged.body['items'] as { type: string }[]).some(({ type }) => type === 'account.locked'));

    const nobody = await attack('nobody.at.all@example.test', 14);
    const shape = (text: string): string =>
      text.replace(/"[\w-]{20,}"|\/login\/[\w-]+|value="[^"]*"|nonce="[^"]*"/g, '').replace(/\d+ (seconds|minutes)/g, '');
    assert.equal(shape(nobody), shape(refused), 'a name that nobody has is held back in the same words');
  });

  it('tells whose account it is no more than three times a day, however often somebody comes back', async () => {
    const person = await somebody();
    for (let round = 0; round < 5; round += 1) {
      await attack(person.login, 11);
      await settled();
      await app.owner.query(`delete from rate_limits where key like 'loginBy%' or key like 'lockNotice:%'`);
    }
    assert.equal(await events('account.locked', person.id), 5);
    assert.equal((await mailsTo(person.login, /on hold/)).length, 3);
  });

  it('a sign-in from a new device is told by mail: not the first one, not on a device that is known, and not one that failed', async () => {
    const person = await somebody();
    const first = app.browser({ 'user-agent': FIREFOX });
    assert.ok(await signIn(first, person));
    assert.ok(await signIn(first, person));
    await attack(person.login, 1);
    await settled();
    assert.deepEqual(await mailsTo(person.login, /New sign-in/), []);

    const second = app.browser({ 'user-agent': SAFARI });
    assert.ok(await signIn(second, person));
    assert.ok(await signIn(second, person));
    await settled();
    const mails = await mailsTo(person.login, /New sign-in/);
    assert.equal(mails.length, 1);
    assert.match(mails[0]!.text, /Safari on iPhone/);
    assert.match(mails[0]!.text, /11\.\d+\.\d+\.\d+/);
    assert.match(mails[0]!.text, /\/account/);
    assert.equal(await events('device.new', person.id), 1);
  });

  it('another person on the same device is new to it', async () => {
    const [one, other] = [await somebody(), await somebody()];
    const shared = app.browser({ 'user-agent': FIREFOX });
    assert.ok(await signIn(shared, one));
    await submit(shared, (await shared.go('/account/sign-out')).page!, {});
    assert.ok(await signIn(app.browser({ 'user-agent': SAFARI }), other));
    assert.ok(await signIn(shared, other));
    await settled();
    assert.equal((await mailsTo(other.login, /New sign-in/)).length, 1);
    assert.equal((await mailsTo(one.login, /New sign-in/)).length, 0);
  });

  it('tells nothing to an address that was never proven', async () => {
    const { id, login } = await somebody();
    await app.owner.query('update users set email_verified_at = null where id = $1', [id]);
    await attack(login, 12);
    await settled();
    assert.equal(await events('account.locked', id), 1);
    assert.deepEqual(await mailsTo(login, /./), []);
  });
});
