import assert from 'node:assert/strict';
import { generate } from 'otplib';
import { basicAuth, type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser } from '#test/support/browser.ts';
import { type Cast, setUpCast } from '#test/support/cast.ts';
import { formOf, submit, visit } from '#test/support/person.ts';
import { type CreationOptions, createPasskey } from '#test/support/webauthn.ts';

const decode = (text: string): string => text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&');
const secretOf = (page: string): string => (/<code id="totp-key">([A-Z2-7 ]+)</.exec(page)?.[1] ?? '').replaceAll(' ', '');

describe('the factors of a person', () => {
  let app: RunningApp;
  let cast: Cast;
  let people = 0;
  before(async () => {
    app = await startTestApp();
    cast = await setUpCast(app, { name: 'factors' });
  });
  after(() => app.close());

  const newPerson = async () => {
    people += 1;
    return cast.addPerson(`factor${people}@example.test`, 'violet cactus thunder marble');
  };
  type Person = Awaited<ReturnType<typeof newPerson>>;
  const signedIn = async (person: Person): Promise<Browser> => {
    const browser = app.browser();
    const { page } = await visit(browser, '/account', person);
    assert.equal(page?.status, 200, page?.text);
    return browser;
  };
  const at = async (browser: Browser, path: string) => {
    const { page, location } = await browser.go(path);
    assert.ok(page, location?.href);
    return page;
  };
  const addApp = async (browser: Browser, name = ''): Promise<string> => {
    const page = await at(browser, '/account/security/totp');
    const secret = secretOf(page.text);
    const done = await submit(browser, page, { code: await generate({ secret }), name });
    assert.equal(done.page?.status, 200, done.page?.text);
    return secret;
  };
  const mailsTo = async (address: string): Promise<string[]> => {
    const mails = (await (await fetch(`${app.issuer}/dev/mailbox.json`)).json()) as { to: string; subject: string }[];
    return mails.filter(({ to }) => to === address).map(({ subject }) => subject);
  };
  const eventually = async (check: () => Promise<void>): Promise<void> => {
    for (let tries = 0; ; tries += 1) {
      try {
        return await check();
      } catch (error) {
        if (tries > 50) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  };
  const audited = async (userId: string): Promise<string[]> =>
    (
      await app.owner.query<{ type: string }>(`select type from audit_events where target_id = $1 and type like 'factor.%' order by id`, [
        userId,
      ])
    ).rows.map(({ type }) => type);

  it('set up an authenticator app by its code, tell the person by mail, and lead to recovery codes that are shown once', async () => {
    const person = await newPerson();
    const browser = await signedIn(person);
    const page = await at(browser, '/account/security/totp');
    assert.match(page.text, /<img src="data:image\/svg\+xml;base64,/);
    assert.match(decode(page.text), /href="otpauth:\/\/totp\/[^"]+issuer=Gatehouse/);
    assert.equal(secretOf((await at(browser, '/account/security/totp')).text), secretOf(page.text), 'a reload shows the same key');
    const wrong = await submit(browser, page, { code: '000000' });
    assert.equal(wrong.page?.status, 422);
    assert.match(wrong.page.text, /role="alert"/);
    const asked = await submit(browser, page, { code: await generate({ secret: secretOf(page.text) }), name: 'My <b>phone</b>' });
    assert.match(asked.page?.url ?? '', /\/account\/security\/codes/);
    const shown = await submit(browser, asked.page!, {});
    const codes = [...(shown.page?.text ?? '').matchAll(/<code>([A-Z2-7]{5}-[A-Z2-7]{5})<\/code>/g)].map(([, code]) => code);
    assert.equal(new Set(codes).size, 10);
    const list = await at(browser, '/account/security');
    assert.match(list.text, /My &lt;b&gt;phone&lt;\/b&gt;/);
    assert.match(list.text, /10 codes left/);
    for (const code of codes) assert.ok(!list.text.includes(code!));
    assert.deepEqual(await audited(person.id), ['factor.added', 'factor.added']);
    await eventually(async () =>
      assert.deepEqual((await mailsTo(person.login)).sort(), [
        'An authenticator app was added to your Gatehouse account',
        'New recovery codes for your Gatehouse account',
      ]),
    );
    const { rows } = await app.owner.query<{ text: string }>(
      'select coalesce(data::text, $2) || encode(sealed, $3) as text from credentials where user_id = $1',
      [person.id, '', 'escape'],
    );
    assert.equal(rows.length, 3, 'the password, the app and the codes');
    for (const { text } of rows) assert.ok(!(text ?? '').includes(secretOf(page.text)));
  });

  it('are named in a notice only to the session that added or removed them: no link writes on the page', async () => {
    const [browser, other] = [await signedIn(await newPerson()), await signedIn(await newPerson())];
    const secret = await addApp(browser, 'First');
    const [, removal] = /href="(\/account\/security\/[^"]+\/remove)"/.exec((await at(browser, '/account/security')).text) ?? [];
    // The step that set it up is used.
    const code = await generate({ secret, epoch: Math.floor(Date.now() / 1000) + 30 });
    const { page: asks } = await submit(browser, await at(browser, removal!), { code });
    const { page: removed } = await submit(browser, asks!, {});
    assert.match(removed?.text ?? '', /First has been removed/);
    const mark = new URL(removed!.url).searchParams.get('mark');
    assert.ok(mark);
    for (const [who, link] of [
      [other, { done: 'removed', name: 'First', mark }],
      [browser, { done: 'removed', name: 'Call 555 0100, your account', mark }],
      [browser, { done: 'added', name: 'First', mark }],
      [browser, { done: 'removed', name: 'First' }],
    ] as const)
      assert.ok(
        !/has been (added|removed)/.test((await at(who, `/account/security?${new URLSearchParams(link)}`)).text),
        JSON.stringify(link),
      );
  });

  it('give up an enrolment after five wrong codes, and begin a new one with another key', async () => {
    const browser = await signedIn(await newPerson());
    const page = await at(browser, '/account/security/totp');
    const secret = secretOf(page.text);
    for (let tries = 0; tries < 5; tries += 1) await submit(browser, page, { code: '000000' });
    const late = await submit(browser, page, { code: await generate({ secret }) });
    assert.equal(late.page?.status, 422);
    assert.notEqual(secretOf(late.page.text), secret);
    assert.match((await at(browser, '/account/security')).text, /No app yet/);
  });

  it('C25: register a passkey by an answer to its own challenge from our own origin, once', async () => {
    const person = await newPerson();
    const browser = await signedIn(person);
    const optionsOf = (page: { text: string }): CreationOptions =>
      JSON.parse(decode(/data-passkey-create="([^"]*)"/.exec(page.text)?.[1] ?? '{}')) as CreationOptions;
    for (const wishes of [{ origin: 'https://evil.test' }, { rpId: 'evil.test' }, { challenge: 'AAAA' }]) {
      const page = await at(browser, '/account/security/passkey');
      const { credential } = createPasskey(optionsOf(page), app.issuer, wishes);
      const refused = await submit(browser, page, { credential: JSON.stringify(credential) });
      assert.equal(refused.page?.status, 422, JSON.stringify(wishes));
      const again = createPasskey(optionsOf(page), app.issuer);
      const late = await submit(browser, page, { credential: JSON.stringify(again.credential) });
      assert.equal(late.page?.status, 422, 'a challenge is good for one answer');
    }
    for (const credential of ['', '{', '[]', '{"id":"x"}', 'null']) {
      const refused = await submit(browser, await at(browser, '/account/security/passkey'), { credential });
      assert.equal(refused.page?.status, 422, credential);
    }
    const page = await at(browser, '/account/security/passkey');
    assert.equal(optionsOf(page).rp.id, new URL(app.issuer).hostname);
    const { credential } = createPasskey(optionsOf(page), app.issuer);
    const added = await submit(browser, page, { credential: JSON.stringify(credential), name: 'Key' });
    assert.match(added.page?.url ?? '', /\/codes/);
    assert.match((await at(browser, '/account/security')).text, /<strong>Key<\/strong>/);
    assert.deepEqual(await audited(person.id), ['factor.added']);
  });

  it('C11: change nothing with a password alone, once there is a second factor', async () => {
    const person = await newPerson();
    const browser = await signedIn(person);
    await addApp(browser, 'Phone');
    const { rows } = await app.owner.query<{ id: string }>(`select id from credentials where user_id = $1 and type = 'totp'`, [person.id]);
    for (const path of ['totp', 'passkey', `${rows[0]!.id}/remove`, `${rows[0]!.id}/name`]) {
      const { page } = await browser.go(`/account/security/${path}`);
      assert.ok(page?.url.includes('/login/') || page?.status === 403, `${path}: ${page?.status} ${page?.url}`);
      const { fields } = formOf(await at(browser, '/account'));
      const posted = await browser.post(`${app.issuer}/account/security/${path}`, { ...fields, decision: 'confirm', name: 'x', code: '1' });
      assert.equal(posted.status, 303, path);
      assert.match(posted.headers.get('location') ?? '', /^\/auth\?.*max_age=300.*acr_values=urn/);
    }
    assert.deepEqual(await audited(person.id), ['factor.added']);
  });

  it('are set up on the way where the tenant requires a second one, and mail tells of a recovery code that is used', async () => {
    const person = await newPerson();
    // An address that is proven would be a second factor by itself.
    await app.owner.query('update users set email_verified_at = null where id = $1', [person.id]);
    await app.owner.query(`update tenants set settings = settings || '{"secondFactor": "required"}' where id = $1`, [app.rootTenantId]);
    try {
      const browser = app.browser();
      const { page } = await visit(browser, '/account', person);
      assert.match(page?.text ?? '', /To go on here, a second step is required/);
      const wrong = await submit(browser, page!, { code: '000000' });
      assert.equal(wrong.page?.status, 422);
      const secret = secretOf(wrong.page.text);
      assert.equal(secret, secretOf(page!.text));
      const done = await submit(browser, wrong.page, { code: await generate({ secret }) });
      assert.match(done.page?.url ?? '', /\/account/, done.page?.text);
      assert.deepEqual(await audited(person.id), ['factor.added']);

      // That session is of two factors: it may make recovery codes.
      const made = await submit(browser, await at(browser, '/account/security/codes'), {});
      const codes = [...(made.page?.text ?? '').matchAll(/<code>([A-Z2-7]{5}-[A-Z2-7]{5})<\/code>/g)].map(([, code]) => code ?? '');
      assert.equal(codes.length, 10);
      const later = app.browser();
      const asked = await visit(later, '/account', person);
      assert.match(asked.page?.text ?? '', /name="code"/);
      const choice = await later.post(asked.page!.url, { ...formOf(asked.page!).fields, code: '', method: 'recovery-code' });
      const proving = await at(later, new URL(choice.headers.get('location') ?? '', asked.page!.url).href);
      const inside = await submit(later, proving, { code: codes[0] ?? '' });
      assert.match(inside.page?.url ?? '', /\/account/, inside.page?.text);
      await eventually(async () =>
        assert.ok((await mailsTo(person.login)).includes('A recovery code of your Gatehouse account was used'), 'a mail tells of it'),
      );
    } finally {
      await app.owner.query(`update tenants set settings = settings - 'secondFactor' where id = $1`, [app.rootTenantId]);
    }
  });

  describe('by the API', () => {
    const client = { id: '', secret: '' };
    before(async () => {
      const made = await app.api('POST', '/api/clients', {
        client_name: 'Front end',
        redirect_uris: ['https://front.test/cb'],
        direct_login: true,
      });
      assert.equal(made.status, 201, made.text);
      Object.assign(client, { id: made.body['client_id'], secret: made.body['client_secret'] });
    });
    const tokenOf = async (person: Person): Promise<Record<string, string>> => {
      const answer = await app.api('POST', '/api/auth/login', { username: person.login, password: person.password }, basicAuth(client));
      assert.equal(answer.status, 200, answer.text);
      return { authorization: `Bearer ${String(answer.body['access_token'])}` };
    };

    it('set up, rename and list an app; what was proven by a password alone may not take it away again (RFC 9470)', async () => {
      const person = await newPerson();
      const token = await tokenOf(person);
      const begun = await app.api('POST', '/api/me/factors/totp/start', undefined, token);
      assert.equal(begun.status, 200, begun.text);
      const secret = String(begun.body['secret']).replaceAll(' ', '');
      const enrolment = begun.body['enrolment'];
      const wrong = await app.api('POST', '/api/me/factors/totp/finish', { enrolment, code: '000000' }, token);
      assert.deepEqual([wrong.status, wrong.body['code']], [422, 'factor.unproven']);
      const foreign = await app.api(
        'POST',
        '/api/me/factors/totp/finish',
        { enrolment, code: await generate({ secret }) },
        await tokenOf(await newPerson()),
      );
      assert.deepEqual([foreign.status, foreign.body['code']], [409, 'enrolment.expired']);
      const done = await app.api(
        'POST',
        '/api/me/factors/totp/finish',
        { enrolment, code: await generate({ secret }), name: 'Phone' },
        token,
      );
      assert.equal(done.status, 201, done.text);
      assert.deepEqual([done.body['type'], done.body['name'], done.body['lastUsedAt']], ['totp', 'Phone', null]);
      const again = await app.api('POST', '/api/me/factors/totp/finish', { enrolment, code: await generate({ secret }) }, token);
      assert.equal(again.status, 401);
      const codes = await app.api('POST', '/api/me/factors/recovery-codes', undefined, token);
      assert.equal(codes.status, 201, codes.text);
      const id = String(done.body['id']);
      for (const [method, path, body] of [
        ['DELETE', `/api/me/factors/${id}`],
        ['PATCH', `/api/me/factors/${id}`, { name: 'x' }],
        ['POST', '/api/me/factors/recovery-codes'],
        ['POST', '/api/me/factors/passkey/start'],
      ] as const) {
        const refused = await app.api(method, path, body, token);
        assert.deepEqual([refused.status, refused.body['code']], [401, 'authentication.insufficient'], path);
        assert.match(
          refused.headers.get('www-authenticate') ?? '',
          /insufficient_user_authentication.*acr_values="urn:gatehouse:acr:2fa", max_age="300"/,
        );
      }
      const list = await app.api('GET', '/api/me/factors', undefined, token);
      const items = list.body['items'] as { type: string; codesLeft?: number }[];
      assert.deepEqual(
        items.map(({ type, codesLeft }) => [type, codesLeft]),
        [
          ['totp', undefined],
          ['recovery-code', 10],
        ],
      );
      assert.ok(!list.text.includes(secret));
      const strange = await app.api('DELETE', `/api/me/factors/${id}`, undefined, await tokenOf(await newPerson()));
      assert.equal(strange.status, 404);
    });

    it('register a passkey', async () => {
      const token = await tokenOf(await newPerson());
      const begun = await app.api('POST', '/api/me/factors/passkey/start', undefined, token);
      assert.equal(begun.status, 200, begun.text);
      const { credential } = createPasskey(begun.body['options'] as unknown as CreationOptions, app.issuer);
      const none = await app.api('POST', '/api/me/factors/passkey/finish', { enrolment: begun.body['enrolment'], credential: {} }, token);
      assert.equal(none.status, 422);
      const done = await app.api(
        'POST',
        '/api/me/factors/passkey/finish',
        { enrolment: begun.body['enrolment'], credential, name: 'Key' },
        token,
      );
      assert.equal(done.status, 201, done.text);
      assert.equal(done.body['type'], 'passkey');
    });
  });

  it('show nobody a factor of somebody else', async () => {
    const [one, other] = [await newPerson(), await newPerson()];
    await addApp(await signedIn(one), 'Phone');
    const { rows } = await app.owner.query<{ id: string }>(`select id from credentials where user_id = $1 and type = 'totp'`, [one.id]);
    const browser = await signedIn(other);
    for (const what of ['name', 'remove']) {
      const { page } = await browser.go(`/account/security/${rows[0]!.id}/${what}`);
      assert.equal(page?.status, 404);
    }
    const own = await at(browser, '/account/security');
    assert.match(own.text, /No app yet/);
    assert.ok(!own.text.includes(rows[0]!.id) && !own.text.includes('Phone'), own.text);
  });
});
