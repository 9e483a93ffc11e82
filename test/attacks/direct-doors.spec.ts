/** The doors of apps that sign people in themselves, tried by whoever found the pages shut: codes and second factors, by their numbers. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { generate } from 'otplib';
import type { App } from '#test/support/tenancy.ts';
import { appDoors, NEXT } from './app-doors.ts';
import { bearer, codeOf, done } from './scene.ts';

describe('attacks on sign-in by the doors of apps', function () {
  this.timeout(120_000);
  const d = appDoors();
  const { post, password, tokenOf, isDue, withPhone, someone, google, mailsTo, wrong } = d;

  it('C7, C9: whatever somebody with an authenticator app comes by first, the app is asked for', async () => {
    const person = await d.w.newPerson();
    const phone = await withPhone(person);
    someone();
    const own = bearer(await tokenOf(person));
    await done(
      d.w.site.app.api('POST', '/api/me/identities', { provider: 'google', id_token: await d.w.site.fake.idToken('google') }, own),
    );
    await done(google());
    const secret = await d.w.addTotp(person);

    isDue(await password(person), 'password');
    await done(post('otp', { channel: 'email', to: person.login }), 202);
    isDue(await post('login/email', { email: person.login, otp: await d.w.codeTo(person.login) }), 'code by mail');
    await done(post('otp', { channel: 'sms', to: phone }), 202);
    isDue(await post('login/mobile', { mobile: phone, otp: await d.w.codeTo(phone) }), 'code by message');
    isDue(await google(), 'provider');
    const { resetToken } = await done(post('password/reset', { email: person.login }), 202);
    const code = await d.w.messageTo(person.login, /\b(\d{6})\b[^\n]*password/i);
    const token = isDue(await post('password/reset/complete', { resetToken, code, password: NEXT }), 'reset');
    const proven = await post('login/2fa', { mfaToken: token, code: await generate({ secret }) });
    assert.equal(proven.status, 200, proven.text);
  });

  it('C10, C15: a sign-in that waits for the app is not passed by nothing, by another step, or by another’s name', async () => {
    const person = await d.w.newPerson();
    const other = await d.w.newPerson();
    const secret = await d.w.addTotp(person);
    const mfaToken = isDue(await password(person), 'password');
    const tries: [string, object][] = [
      ['login/2fa', { mfaToken }],
      ['login/2fa', { mfaToken, code: '' }],
      ['login/2fa', { mfaToken, code: null }],
      ['login/2fa', { mfaToken, code: [] }],
      ['login/2fa', { mfaToken, code: 0 }],
      ['login/2fa', { mfaToken, code: '', method: '' }],
      ['login/2fa', { mfaToken, code: person.password, method: 'password' }],
      ['login/2fa', { mfaToken, code: '000000', method: 'email-otp' }],
      ['login/2fa', { mfaToken, code: '', method: 'social' }],
      ['login/2fa', { mfaToken, code: 'AAAAA-AAAAA', method: 'recovery-code' }],
      ['login/2fa', { mfaToken, code: await generate({ secret }), userId: other.id }],
      ['login/2fa', { mfaToken: '', code: await generate({ secret }) }],
      ['login/passkey', { mfaToken, credential: {} }],
      ['login/passkey', { passkeyToken: mfaToken, credential: {} }],
      ['verify', { registrationToken: mfaToken, code: '' }],
      ['verify', { registrationToken: mfaToken, code: '000000' }],
      ['password/reset/complete', { resetToken: mfaToken, code: '', password: NEXT }],
      ['password/reset/complete', { resetToken: mfaToken, code: '000000', password: NEXT }],
      ['login', { mfaToken, username: person.login, password: person.password }],
      ['login/email', { mfaToken, email: person.login, otp: '' }],
    ];
    for (const [path, body] of tries) {
      const answer = await post(path, body);
      assert.ok([401, 422, 429].includes(answer.status), `${path} ${JSON.stringify(body)}: ${answer.status} ${answer.text}`);
      assert.equal(answer.body['access_token'], undefined);
    }
  });

  it('C9: the mailbox that came first is not the second factor too', async () => {
    const person = await d.w.newPerson();
    await d.w.addTotp(person);
    await done(post('otp', { channel: 'email', to: person.login }), 202);
    const mfaToken = isDue(await post('login/email', { email: person.login, otp: await d.w.codeTo(person.login) }), 'code by mail');
    const before = await mailsTo(person);
    const again = await post('otp', { channel: 'email', mfaToken });
    assert.equal(codeOf(again), '409 auth.step_invalid');
    const answer = await post('login/2fa', { mfaToken, code: '000000', method: 'email-otp' });
    assert.equal(codeOf(answer), '401 auth.invalid_credentials');
    assert.equal(await mailsTo(person), before);
  });

  it('C23: what one app was given is worth nothing in the hands of another, and nothing is used up there', async () => {
    const person = await d.w.newPerson();
    const secret = await d.w.addTotp(person);
    const mfaToken = isDue(await password(person), 'password');
    const code = await generate({ secret });
    assert.equal(codeOf(await post('login/2fa', { mfaToken, code }, d.theirs)), '401 auth.invalid_credentials');
    await done(post('login/2fa', { mfaToken, code }));
    assert.equal((await post('login/2fa', { mfaToken, code })).status, 401, 'and once');

    const plainPerson = await d.w.newPerson();
    await done(post('otp', { channel: 'email', to: plainPerson.login }), 202);
    const otp = await d.w.codeTo(plainPerson.login);
    assert.equal((await post('login/email', { email: plainPerson.login, otp }, d.theirs)).status, 401);
    await done(post('login/email', { email: plainPerson.login, otp }));

    const email = `swap-${randomUUID()}@example.test`;
    const [one, two] = [
      await done(post('register', { email, password: NEXT }), 202),
      await done(post('register', { email: `other-${email}`, password: NEXT }, d.theirs), 202),
    ];
    const proof = await d.w.codeTo(email);
    for (const [token, client] of [
      [one['registrationToken'], d.theirs],
      [two['registrationToken'], d.theirs],
      [two['registrationToken'], d.mine],
    ] as [string, App][])
      assert.equal((await post('verify', { registrationToken: token, code: proof }, client)).status, 401);
    await done(post('verify', { registrationToken: one['registrationToken'], code: proof }));

    const { resetToken } = await done(post('password/reset', { email }), 202);
    const key = await d.w.messageTo(email, /\b(\d{6})\b[^\n]*password/i);
    const foreign = await done(post('password/reset', { email: plainPerson.login }, d.theirs), 202);
    for (const [token, client] of [
      [resetToken, d.theirs],
      [foreign['resetToken'], d.theirs],
      [foreign['resetToken'], d.mine],
    ] as [string, App][])
      assert.equal(
        (await post('password/reset/complete', { resetToken: token, code: key, password: 'nine lamps eight rivers' }, client)).status,
        401,
      );
    await done(post('password/reset/complete', { resetToken, code: key, password: 'nine lamps eight rivers' }));
  });

  it('C15: a token that leads to no sign-in begins none: nobody chooses the name of one', async () => {
    const person = await d.w.newPerson();
    const secret = await d.w.addTotp(person);
    const over = isDue(await password(person), 'password');
    const foreign = isDue(await password(person), 'password');
    await done(post('login/2fa', { mfaToken: over, code: await generate({ secret }) }));
    const journeys = async (): Promise<number> => (await d.w.site.app.owner.query('select 1 from journeys')).rowCount ?? 0;
    const [before, sent] = [await journeys(), await mailsTo(person)];
    const refused = async (mfaToken: string, by?: App): Promise<string[]> => [
      codeOf(await post('otp', { channel: 'email', mfaToken }, by)),
      codeOf(await post('otp', { channel: 'external', mfaToken }, by)),
      codeOf(await post('passkey/options', { mfaToken }, by)),
    ];
    for (const mfaToken of ['', 'x', 'A'.repeat(43), `${foreign} `])
      assert.deepEqual(await refused(mfaToken), Array(3).fill('401 auth.invalid_credentials'), mfaToken);
    assert.deepEqual(await refused(foreign, d.theirs), Array(3).fill('401 auth.invalid_credentials'), 'another app’s');
    assert.deepEqual(await refused(over), Array(3).fill('409 auth.step_invalid'), 'one that is over');
    assert.deepEqual([await journeys(), await mailsTo(person)], [before, sent]);
  });

  it('C13: a reset is not finished without its code, out of order or with the code of a sign-in', async () => {
    const person = await d.w.newPerson();
    await done(post('otp', { channel: 'email', to: person.login }), 202);
    const otp = await d.w.codeTo(person.login);
    const { resetToken } = await done(post('password/reset', { email: person.login }), 202);
    const { registrationToken } = await done(post('register', { email: person.login, password: NEXT }), 202);
    for (const body of [
      { resetToken, code: '', password: NEXT },
      { resetToken, code: otp, password: NEXT },
      { resetToken: registrationToken, code: otp, password: NEXT },
      { resetToken: '', code: otp, password: NEXT },
    ]) {
      const answer = await post('password/reset/complete', body);
      assert.equal(answer.status, 401, `${JSON.stringify(body)}: ${answer.text}`);
    }
    for (const body of [
      { registrationToken: resetToken, code: otp },
      { registrationToken, code: otp },
    ])
      assert.equal((await post('verify', body)).status, 401);
    assert.equal((await password(person, d.mine, NEXT)).status, 401);
    await done(password(person));
  });

  it('C6: no part of a code of the app, nor one that is longer or in other digits, stands for it', async () => {
    const odd: ((code: string) => string)[] = [
      (code) => code.slice(0, 1),
      (code) => code.slice(1),
      (code) => code.slice(0, 5),
      (code) => `0${code}`,
      (code) => `${code}0`,
      (code) => `${code},${wrong(code)}`,
      (code) => [...code].map((digit) => String.fromCodePoint(0xff10 + Number(digit))).join(''),
      (code) => [...code].map((digit) => String.fromCodePoint(0x0660 + Number(digit))).join(''),
      (code) => `0x${Number(code).toString(16)}`,
      (code) => `${Number(code)}.0`,
      () => '',
      () => '1',
      () => '00000',
      () => '0000000',
    ];
    for (let at = 0; at < odd.length; at += 4) {
      const person = await d.w.newPerson();
      const secret = await d.w.addTotp(person);
      for (const change of odd.slice(at, at + 4)) {
        const mfaToken = isDue(await password(person), 'password');
        const code = change(await generate({ secret }));
        const answer = await post('login/2fa', { mfaToken, code, method: 'totp' });
        assert.ok([401, 422].includes(answer.status), `${code}: ${answer.status} ${answer.text}`);
      }
    }
  });

  it('C1: wrong codes count together, whatever sign-in they came in, and the right one is refused after them', async () => {
    const person = await d.w.newPerson();
    const secret = await d.w.addTotp(person);
    for (let n = 0; n < 10; n += 1) {
      const answer = await password(person, n % 2 ? d.mine : d.theirs);
      if (answer.status === 429) break;
      const mfaToken = isDue(answer, 'password');
      const refused = await post('login/2fa', { mfaToken, code: wrong(await generate({ secret })) }, n % 2 ? d.mine : d.theirs);
      assert.ok([401, 429].includes(refused.status), refused.text);
    }
    const answer = await password(person);
    const last =
      answer.status === 429 ? answer : await post('login/2fa', { mfaToken: isDue(answer, 'password'), code: await generate({ secret }) });
    assert.equal(last.status, 429, last.text);
  });
});
