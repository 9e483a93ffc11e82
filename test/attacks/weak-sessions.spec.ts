/** What a weak or a stolen sign-in may change of how somebody signs in, and what the doors of apps tell: groups C, D and H, by their numbers. */
import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import { generate } from 'otplib';
import type { Reply } from '#test/support/app.ts';
import { submit } from '#test/support/person.ts';
import { appDoors, NEXT, shown } from './app-doors.ts';
import { bearer, codeOf, done, itemsOf } from './scene.ts';

const CREDENTIAL = {
  id: 'x',
  rawId: 'x',
  type: 'public-key',
  clientExtensionResults: {},
  response: { clientDataJSON: 'x', attestationObject: 'x' },
};

const subjectOf = (answer: Reply): string => String(decodeJwt(String(answer.body['access_token'])).sub);

describe('attacks by apps on who signs in how', function () {
  this.timeout(120_000);
  const d = appDoors();
  const { post, password, tokenOf, isDue, withPhone, someone, credentialsOf, google } = d;

  it('C11, B5: a sign-in of before there was a second factor changes nothing of how the person signs in', async () => {
    const person = await d.w.newPerson();
    someone();
    const token = await tokenOf(person);
    const as = (method: string, path: string, body?: object): Promise<Reply> => d.w.site.app.api(method, path, body, bearer(token));
    await done(as('POST', '/api/me/identities', { provider: 'google', id_token: await d.w.site.fake.idToken('google') }));
    const [identity] = itemsOf(await as('GET', '/api/me/identities'));
    const begun = await done(as('POST', '/api/me/email', { email: `early.${person.login}` }), 202);
    const early = await d.w.codeTo(`early.${person.login}`);
    await d.w.addTotp(person);
    const [factor] = itemsOf(await as('GET', '/api/me/factors'));
    assert.equal(factor?.['type'], 'totp');
    const before = await credentialsOf(person);
    const tries: [string, string, object?][] = [
      ['DELETE', `/api/me/factors/${String(factor['id'])}`],
      ['PATCH', `/api/me/factors/${String(factor['id'])}`, { name: 'x' }],
      ['POST', '/api/me/factors/totp/start', {}],
      ['POST', '/api/me/factors/totp/finish', { enrolment: 'x'.repeat(43), code: '000000' }],
      ['POST', '/api/me/factors/passkey/start', {}],
      ['POST', '/api/me/factors/passkey/finish', { enrolment: 'x'.repeat(43), credential: CREDENTIAL }],
      ['POST', '/api/me/factors/recovery-codes', {}],
      ['POST', '/api/me/password', { currentPassword: person.password, newPassword: NEXT }],
      ['POST', '/api/me/email', { email: `evil.${person.login}` }],
      ['POST', '/api/me/email/verify', { changeToken: begun['changeToken'], code: early }],
      ['POST', '/api/me/phone', { phone: '+66812340001' }],
      ['DELETE', '/api/me/phone'],
      ['POST', '/api/me/identities', { provider: 'github', access_token: d.w.site.fake.accessToken() }],
      ['DELETE', `/api/me/identities/${String(identity?.['id'])}`],
      ['GET', '/api/me/export'],
      ['DELETE', '/api/me'],
    ];
    for (const [method, path, body] of tries) {
      const answer = await as(method, path, body);
      assert.equal(codeOf(answer), '401 authentication.insufficient', `${method} ${path}: ${answer.text}`);
      assert.match(answer.headers.get('www-authenticate') ?? '', /insufficient_user_authentication/);
    }
    assert.deepEqual(await credentialsOf(person), before);
    const none = await done(post('password/reset', { email: `evil.${person.login}` }), 202);
    assert.ok(none['resetToken'], 'answered as for anybody');
    assert.equal((await d.w.site.app.owner.query(`select 1 from users where email like $1`, [`evil.${person.login}`])).rowCount, 0);
  });

  it('C11: an address that was changed opens a reset, and no second factor', async () => {
    const person = await d.w.newPerson();
    const secret = await d.w.addTotp(person);
    const mfaToken = isDue(await password(person), 'password');
    const strong = await done(post('login/2fa', { mfaToken, code: await generate({ secret }) }));
    const own = bearer(String(strong['access_token']));
    const email = `new.${person.login}`;
    const { changeToken } = await done(d.w.site.app.api('POST', '/api/me/email', { email }, own), 202);
    const code = await d.w.codeTo(email);
    await done(d.w.site.app.api('POST', '/api/me/email/verify', { changeToken, code }, own));
    await d.w.messageTo(person.login, /(email address was changed)/);
    const { resetToken } = await done(post('password/reset', { email }), 202);
    const key = await d.w.messageTo(email, /\b(\d{6})\b[^\n]*password/i);
    isDue(await post('password/reset/complete', { resetToken, code: key, password: NEXT }), 'reset');
    assert.equal(
      (await d.w.site.app.api('GET', '/api/me', undefined, own)).status,
      401,
      'D7: what was open is shut when the reset answers',
    );
    isDue(await password({ ...person, login: email }, d.mine, NEXT), 'new password');
  });

  it('D18: after a reset the person sees and drops what an intruder left', async () => {
    const person = await d.w.newPerson();
    someone();
    const stolen = bearer(await tokenOf(person));
    const { app, fake } = d.w.site;
    await done(app.api('POST', '/api/me/identities', { provider: 'google', id_token: await fake.idToken('google') }, stolen));
    const { resetToken } = await done(post('password/reset', { email: person.login }), 202);
    const code = await d.w.messageTo(person.login, /\b(\d{6})\b[^\n]*password/i);
    const own = bearer(String((await done(post('password/reset/complete', { resetToken, code, password: NEXT })))['access_token']));
    assert.equal((await app.api('GET', '/api/me', undefined, stolen)).status, 401, 'the intruder’s session is over');
    const identities = itemsOf(await app.api('GET', '/api/me/identities', undefined, own));
    assert.equal(identities.length, 1, 'what was linked is shown');
    await done(app.api('DELETE', `/api/me/identities/${String(identities[0]?.['id'])}`, undefined, own));
    const again = await google();
    assert.notEqual(again.status === 200 ? subjectOf(again) : '', person.id, 'and leads in no more');
    assert.equal(itemsOf(await app.api('GET', '/api/me/factors', undefined, own)).length, 0);
  });

  it('C14: an enrolment that somebody began is worth nothing to another, and nothing a second time', async () => {
    const [one, two] = [await d.w.newPerson(), await d.w.newPerson()];
    const [own, other] = [bearer(await tokenOf(one)), bearer(await tokenOf(two))];
    const begun = await done(d.w.site.app.api('POST', '/api/me/factors/totp/start', {}, own));
    const secret = String(begun['secret']).replaceAll(' ', '');
    assert.match(secret, /^[A-Z2-7]{16,}$/, JSON.stringify(begun));
    const finish = async (as: Record<string, string>): Promise<Reply> =>
      d.w.site.app.api('POST', '/api/me/factors/totp/finish', { enrolment: begun['enrolment'], code: await generate({ secret }) }, as);
    assert.equal(codeOf(await finish(other)), '409 enrolment.expired');
    await done(finish(own), 201);
    const again = await finish(own);
    assert.equal(codeOf(again), '401 authentication.insufficient');
    assert.equal(itemsOf(await d.w.site.app.api('GET', '/api/me/factors', undefined, other)).length, 0);
    assert.equal(itemsOf(await d.w.site.app.api('GET', '/api/me/factors', undefined, own)).length, 1);
  });

  it('C14, C19: no route enrols anything for somebody else', async () => {
    const { paths } = (await d.w.site.app.api('GET', '/openapi.json')).body as { paths: Record<string, object> };
    const writing = Object.entries(paths).flatMap(([path, methods]) =>
      /factor|passkey|totp|enrol/i.test(path) && !path.startsWith('/api/me/')
        ? Object.keys(methods).flatMap((method) => (['post', 'put', 'patch'].includes(method) ? `${method} ${path}` : []))
        : [],
    );
    assert.deepEqual(
      writing.filter((one) => one !== 'put /api/tenants/{id}/second-factor-service'),
      ['post /api/auth/login/passkey', 'post /api/auth/passkey/options'],
    );
  });

  it('H1: what the doors answer tells nobody who has an account, in status, headers or body', async () => {
    const [known, linked] = [await d.w.newPerson(), await d.w.newPerson()];
    const phone = await withPhone(known);
    await d.w.addTotp(linked);
    const disabled = await d.w.newPerson();
    await done(d.w.site.app.api('PATCH', `/api/users/${disabled.id}`, { status: 'disabled' }));
    const cases: [string, (to: string) => object, string[]][] = [
      ['login', (username) => ({ username, password: 'wrong password' }), ['nobody-a@example.test', linked.login, disabled.login]],
      ['otp', (to) => ({ channel: 'email', to }), ['nobody-b@example.test', linked.login, disabled.login]],
      ['login/email', (email) => ({ email, otp: '000000' }), ['nobody-b@example.test', linked.login, disabled.login]],
      ['register', (email) => ({ email, password: NEXT }), ['nobody-c@example.test', linked.login, disabled.login]],
      ['password/reset', (email) => ({ email }), ['nobody-d@example.test', linked.login, disabled.login]],
    ];
    for (const [path, body, others] of cases) {
      const seen = shown(await post(path, body(known.login)));
      for (const other of others) assert.equal(shown(await post(path, body(other))), seen, `${path} ${other}`);
    }
    for (const path of ['otp', 'login/mobile']) {
      const body = (to: string): object => (path === 'otp' ? { channel: 'sms', to } : { mobile: to, otp: '000000' });
      assert.equal(shown(await post(path, body(phone))), shown(await post(path, body('+66899990001'))), path);
    }
    const options = shown(await post('passkey/options', {}));
    assert.ok(!options.includes(known.login) && /"allowCredentials":\[\]/.test(options), options);
    assert.equal((await post('passkey/options', { username: known.login })).status, 422, 'nobody is asked for by name');
  });

  it('C22: an account that is held back is so at every door of a password, and keeps what it has', async () => {
    const person = await d.w.newPerson();
    const tokens = await done(password(person));
    for (let n = 0; n < 12; n += 1) await password(person, n % 2 ? d.mine : d.theirs, `wrong ${n}`);
    for (const client of [d.mine, d.theirs]) assert.equal((await password(person, client)).status, 429);
    const browser = d.w.site.app.browser();
    const typed = await submit(browser, await d.w.enter(browser), { login: person.login, password: person.password });
    assert.equal(typed.page?.status, 429, typed.page?.text);
    // A stranger who guesses signs nobody out.
    const refreshed = await d.w.site.app.api('GET', '/api/me', undefined, bearer(String(tokens['access_token'])));
    assert.equal(refreshed.status, 200, refreshed.text);
  });
});
