import assert from 'node:assert/strict';
import { signInForm } from '#src/login/sign-in-form.ts';
import type { Page } from '#test/support/browser.ts';
import { type HalfWay, isIn, startHalfWay } from '#test/support/half-way.ts';
import { submit } from '#test/support/person.ts';

describe('what a sign-in page is made of', () => {
  it('with passwords the field is called after what may be typed, and other ways stay in their order', () => {
    assert.deepEqual(signInForm({ passwords: true, methods: ['passkey', 'email-otp'], leads: true }), {
      label: 'field.login',
      methods: ['passkey', 'email-otp'],
    });
    assert.equal(signInForm({ passwords: true, methods: ['sms-otp'], leads: false }).label, 'field.login_or_phone');
  });

  for (const [methods, leads, label, typed, main, others] of [
    [['passkey', 'email-otp', 'sms-otp'], false, 'field.email_or_phone', true, 'email-otp', ['sms-otp', 'passkey']],
    [['sms-otp'], false, 'field.phone', true, 'sms-otp', []],
    [['sms-otp'], true, 'field.email_or_phone', true, 'sms-otp', []],
    [['magic-link'], false, 'field.email', true, 'magic-link', []],
    [['passkey'], false, 'field.email', false, 'passkey', []],
    [['passkey'], true, 'field.email', true, undefined, ['passkey']],
    [[], true, 'field.email', true, undefined, []],
    [[], false, 'field.email', false, undefined, []],
  ] as const)
    it(`without passwords, by ${methods.join(', ') || 'providers'}${leads ? ' and by addresses that lead away' : ''}: ${main ?? 'no method'} is the main button`, () => {
      assert.deepEqual(signInForm({ passwords: false, methods, leads }), { label, withoutPasswords: true, typed, main, methods: others });
    });
});

describe('signing in where a tenant has no passwords', function () {
  this.timeout(60_000);
  let w: HalfWay;
  before(async () => {
    w = await startHalfWay();
    await w.settings({ methods: ['email-otp', 'passkey', 'social'], signUp: 'open' });
  });
  after(() => w?.close());

  it('nobody is asked for one, offered to make one, or to reset one', async () => {
    const { browser } = await w.newPerson();
    const page = await w.enter(browser);
    assert.ok(!page.text.includes('name="password"'));
    assert.ok(page.text.includes('name="login"'));
    assert.ok(!page.text.includes('/register') && !page.text.includes('/reset'));
    const register = await browser.go(`${new URL(page.url).pathname}/register`);
    assert.equal(register.page?.status, 403);
    assert.ok(!register.page?.text.includes('new_password'));
    const reset = await browser.go(`${new URL(page.url).pathname}/reset`);
    assert.match(reset.page?.text ?? '', /name="method" value="email-otp"/);
  });

  it('the main button sends a code, and the code signs in', async () => {
    const { browser, login } = await w.newPerson();
    const page = await w.enter(browser);
    assert.match(page.text, /class="button primary" type="submit" name="method" value="email-otp"/);
    const { page: asked } = await submit(browser, page, { login, method: 'email-otp' });
    const landing = await submit(browser, asked!, { code: await w.messageTo(login, /\b(\d{6})\b/) });
    assert.ok(isIn(landing));
  });

  it('a reset and a registration that were under way when it gave passwords up set none, and let nobody in', async () => {
    const passwords = { methods: ['password', 'email-otp'] };
    const without = { methods: ['email-otp'] };
    const next = 'seven Otters 4 lanterns';
    const codeFor = (login: string): Promise<string> => w.messageTo(login, /\b(\d{6})\b/);
    const { browser, login, password } = await w.newPerson();
    const stranger = w.site.app.browser();
    const newcomer = `newcomer-${Date.now()}@example.test`;
    await w.settings(passwords);
    const pathOf = (page: Page): string => new URL(page.url).pathname;
    const reset = await browser.go(`${pathOf(await w.enter(browser))}/reset`);
    const { page: resetting } = await submit(browser, reset.page!, { email: login });
    const register = await stranger.go(`${pathOf(await w.enter(stranger))}/register`);
    const { page: registering } = await submit(stranger, register.page!, { email: newcomer, new_password: next });
    const codes = [await codeFor(login), await codeFor(newcomer)] as const;
    await w.settings(without);
    try {
      assert.ok(!isIn(await submit(browser, resetting!, { code: codes[0], new_password: next })));
      assert.ok(!isIn(await submit(stranger, registering!, { code: codes[1] })));
      const { rows } = await w.site.app.owner.query('select 1 from users where email = $1', [newcomer]);
      assert.equal(rows.length, 0, 'nobody was made');
      await w.settings(passwords);
      const again = w.site.app.browser();
      assert.ok(isIn(await submit(again, await w.enter(again), { login, password })), 'the password is the old one');
    } finally {
      await w.settings(without);
    }
  });
});
