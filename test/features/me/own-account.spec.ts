/** A person's own account over the API: what changes who they are here is proved first, told of, and needs a fresh sign-in. */
import assert from 'node:assert/strict';
import { basicAuth, type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import { CB } from '#test/support/oidc.ts';
import { signInDirect } from '#test/support/two-tenants.ts';

const PASSWORD = 'violet cactus thunder marble';
const NEXT = 'seven otters four lanterns';

interface Person {
  id: string;
  email: string;
  token: string;
}

interface Mail {
  to: string;
  subject?: string;
  text: string;
  channel: string;
}

describe('a person’s own account over the API', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let people = 0;

  before(async () => {
    app = await startTestApp();
  });
  after(() => app.close());

  async function person(): Promise<Person> {
    people += 1;
    const email = `own${people}@example.test`;
    const made = await app.api('POST', '/api/users', { email, emailVerified: true, password: PASSWORD, givenName: 'Ada' });
    assert.equal(made.status, 201, made.text);
    return { id: String(made.body['id']), email, token: await tokenOf(email) };
  }
  async function tokenOf(login: string, password = PASSWORD): Promise<string> {
    const answer = await signInDirect(app, { login, password });
    assert.equal(answer.status, 200, answer.text);
    return String(answer.body['access_token']);
  }
  const as = (who: Pick<Person, 'token'>, method: string, path: string, body?: unknown): Promise<Reply> =>
    app.api(method, path, body, { authorization: `Bearer ${who.token}` });
  const mails = async (to: string): Promise<Mail[]> => {
    const answer = await fetch(`${app.issuer}/dev/mailbox.json`);
    return ((await answer.json()) as Mail[]).filter((mail) => mail.to === to);
  };
  async function mailTo(to: string, subject: RegExp): Promise<Mail> {
    for (let tries = 0; tries < 100; tries += 1) {
      const found = (await mails(to)).find((mail) => subject.test(mail.subject ?? mail.text));
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`no mail ${subject} for ${to}`);
  }
  const codeIn = (text: string): string => /\b(\d{6})\b/.exec(text)?.[1] ?? assert.fail(text);
  const row = async (id: string): Promise<Record<string, unknown>> =>
    (await app.owner.query('select * from users where id = $1', [id])).rows[0] as Record<string, unknown>;
  const eventsOf = async (id: string, like: string): Promise<string[]> =>
    (
      await app.owner.query('select type, outcome from audit_events where person_id = $1 and type like $2 order by at, id', [id, like])
    ).rows.map(({ type, outcome }) => `${type} ${outcome}`);

  it('changes the e-mail address once the new one is proved, and tells the old one', async () => {
    const ada = await person();
    const to = `new.${ada.email}`;
    const begun = await as(ada, 'POST', '/api/me/email', { email: to });
    assert.equal(begun.status, 202, begun.text);
    assert.equal((await row(ada.id))['email'], ada.email, 'nothing changes before');
    const changeToken = String(begun.body['changeToken']);
    const code = codeIn((await mailTo(to, /is your/)).subject ?? '');
    const wrong = await as(ada, 'POST', '/api/me/email/verify', { changeToken, code: code === '000000' ? '000001' : '000000' });
    assert.deepEqual([wrong.status, (wrong.body['errors'] as { pointer: string }[])[0]?.pointer], [422, '/code']);
    const done = await as(ada, 'POST', '/api/me/email/verify', { changeToken, code });
    assert.deepEqual([done.status, done.body], [200, { email: to, emailVerified: true }], done.text);
    assert.match((await mailTo(ada.email, /email address was changed/)).text, /change your password/);
    assert.equal((await as(ada, 'POST', '/api/me/email/verify', { changeToken, code })).status, 422, 'a code works once');
    assert.deepEqual(await eventsOf(ada.id, 'email.%'), [
      'email.change_started success',
      'email.refused failure',
      'email.changed success',
      'email.refused failure',
    ]);
  });

  it('answers alike where somebody else has the address, and tells only that one', async () => {
    const [ada, eve] = [await person(), await person()];
    const taken = await as(eve, 'POST', '/api/me/email', { email: ada.email.toUpperCase() });
    const free = await as(eve, 'POST', '/api/me/email', { email: `free.${eve.email}` });
    assert.deepEqual([taken.status, Object.keys(taken.body)], [free.status, Object.keys(free.body)]);
    assert.ok(await mailTo(ada.email, /already have/));
    assert.equal(
      (await mails(ada.email)).some(({ text }) => /^\s*\d{6}\s*$/m.test(text)),
      false,
      'no code goes there',
    );
    const guess = await as(eve, 'POST', '/api/me/email/verify', { changeToken: taken.body['changeToken'], code: '123456' });
    assert.equal(guess.status, 422);
    assert.equal((await row(ada.id))['email'], ada.email);
  });

  it('takes no code of another change, person or kind, and no more than five guesses', async () => {
    const [ada, eve] = [await person(), await person()];
    const to = `bound.${ada.email}`;
    const { body } = await as(ada, 'POST', '/api/me/email', { email: to });
    const code = codeIn((await mailTo(to, /is your/)).subject ?? '');
    const { changeToken } = body;
    assert.equal((await as(eve, 'POST', '/api/me/email/verify', { changeToken, code })).status, 422);
    assert.equal((await as(ada, 'POST', '/api/me/phone/verify', { changeToken, code })).status, 422);
    const other = await as(ada, 'POST', '/api/me/email', { email: `other.${ada.email}` });
    assert.equal((await as(ada, 'POST', '/api/me/email/verify', { changeToken: other.body['changeToken'], code })).status, 422);
    const guesses = await Promise.all(
      Array.from({ length: 12 }, (_, n) => as(ada, 'POST', '/api/me/email/verify', { changeToken, code: String(900_000 + n) })),
    );
    assert.equal(guesses.filter(({ status }) => status === 429).length >= 7, true, guesses.map(({ status }) => status).join());
    assert.equal((await as(ada, 'POST', '/api/me/email/verify', { changeToken, code })).status, 429);
  });

  it('changes the phone number by a text message, and removes it', async () => {
    const ada = await person();
    const phone = '+4915112345678';
    const begun = await as(ada, 'POST', '/api/me/phone', { phone: '+49 151 1234 5678' });
    assert.equal(begun.status, 202, begun.text);
    const code = codeIn((await mailTo(phone, /./)).text);
    const done = await as(ada, 'POST', '/api/me/phone/verify', { changeToken: begun.body['changeToken'], code });
    assert.deepEqual([done.status, done.body], [200, { phone, phoneVerified: true }], done.text);
    assert.ok(await mailTo(ada.email, /phone number was changed/));
    assert.deepEqual((await as(ada, 'DELETE', '/api/me/phone')).body, { id: ada.id, deleted: true });
    assert.equal((await row(ada.id))['phone'], null);
    assert.equal((await as(ada, 'DELETE', '/api/me/phone')).status, 404);
  });

  it('lets a number be proven that stands unproven at the person, and at somebody else who was said to have it', async () => {
    const [ada, eve] = [await person(), await person()];
    const phone = '+4915112345603';
    await app.owner.query('update users set phone = $2 where id = any($1)', [[ada.id, eve.id], phone]);
    const begun = await as(ada, 'POST', '/api/me/phone', { phone });
    assert.equal(begun.status, 202, begun.text);
    const code = codeIn((await mailTo(phone, /./)).text);
    const done = await as(ada, 'POST', '/api/me/phone/verify', { changeToken: begun.body['changeToken'], code });
    assert.deepEqual([done.status, done.body], [200, { phone, phoneVerified: true }], done.text);
    assert.equal((await as(ada, 'POST', '/api/me/phone', { phone })).status, 422, 'once proven there is nothing to change');
  });

  it('ends what is under way by way of a number that is removed, once of many times at once', async () => {
    const ada = await person();
    await app.owner.query(`update users set phone = '+4915112345601', phone_verified_at = now() where id = $1`, [ada.id]);
    await app.owner.query(
      `insert into journeys (id, kind, user_id, state, expires_at) values ('half-way-' || $1, 'sign-in', $1::uuid, '{}', now() + interval '1 hour')`,
      [ada.id],
    );
    await app.owner.query(
      `insert into known_devices (user_id, device_hash, trusted_until) values ($1, 'by-text', now() + interval '1 day')`,
      [ada.id],
    );
    const answers = await Promise.all([1, 2, 3].map(() => as(ada, 'DELETE', '/api/me/phone')));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 404, 404]);
    assert.deepEqual(await eventsOf(ada.id, 'phone.%'), ['phone.removed success']);
    const { rows } = await app.owner.query(
      `select (select count(*)::int from journeys where user_id = $1) as journeys,
         (select count(*)::int from known_devices where user_id = $1 and trusted_until is not null) as trusted`,
      [ada.id],
    );
    assert.deepEqual(rows, [{ journeys: 0, trusted: 0 }]);
  });

  it('keeps a proven number that is the only way into the account', async () => {
    const ada = await person();
    const phone = '+4915112345602';
    await app.owner.query(
      `update users set phone = $2, phone_verified_at = now(), email = null, email_key = null, email_verified_at = null where id = $1`,
      [ada.id, phone],
    );
    const refused = await as(ada, 'DELETE', '/api/me/phone');
    assert.deepEqual([refused.status, refused.body['code']], [409, 'phone.last_way_in'], refused.text);
    assert.equal((await row(ada.id))['phone'], phone);
    await app.owner.query(`update users set username = $2, username_key = $2 where id = $1`, [ada.id, `named${people}`]);
    assert.equal((await as(ada, 'DELETE', '/api/me/phone')).status, 200, 'a password with a name to go with it opens it');
  });

  it('ends a change of address that is half way when the person is disabled or changes the password', async () => {
    const causes: ((ada: Person) => Promise<Reply[]>)[] = [
      async ({ id }) => [
        await app.api('PATCH', `/api/users/${id}`, { status: 'disabled' }),
        await app.api('PATCH', `/api/users/${id}`, { status: 'active' }),
      ],
      async (ada) => [await as(ada, 'POST', '/api/me/password', { currentPassword: PASSWORD, newPassword: NEXT })],
    ];
    for (const [at, act] of causes.entries()) {
      const ada = await person();
      const to = `half.${ada.email}`;
      const { body } = await as(ada, 'POST', '/api/me/email', { email: to });
      const code = codeIn((await mailTo(to, /is your/)).subject ?? '');
      for (const answer of await act(ada)) assert.equal(answer.status, 200, answer.text);
      const again = { token: await tokenOf(ada.email, at === 0 ? PASSWORD : NEXT) };
      assert.equal((await as(again, 'POST', '/api/me/email/verify', { changeToken: body['changeToken'], code })).status, 422);
      assert.equal((await row(ada.id))['email'], ada.email);
    }
  });

  it('changes the password with the current one', async () => {
    const ada = await person();
    const wrong = await as(ada, 'POST', '/api/me/password', { currentPassword: 'not this one', newPassword: NEXT });
    assert.deepEqual([wrong.status, (wrong.body['errors'] as { pointer: string }[])[0]?.pointer], [422, '/currentPassword']);
    const weak = await as(ada, 'POST', '/api/me/password', { currentPassword: PASSWORD, newPassword: 'password1' });
    assert.deepEqual([weak.status, (weak.body['errors'] as { pointer: string }[])[0]?.pointer], [422, '/newPassword']);
    assert.deepEqual((await as(ada, 'POST', '/api/me/password', { currentPassword: PASSWORD, newPassword: NEXT })).body, { changed: true });
    assert.equal((await signInDirect(app, { login: ada.email, password: PASSWORD })).status, 401);
    assert.ok(await tokenOf(ada.email, NEXT));
  });

  it('keeps security mails on, and lets the others be chosen', async () => {
    const ada = await person();
    assert.deepEqual((await as(ada, 'GET', '/api/me/notifications')).body, { email: { security: true, news: true } });
    const off = await as(ada, 'PUT', '/api/me/notifications', { email: { news: false, digest: true } });
    assert.deepEqual(off.body, { email: { security: true, news: false, digest: true } }, off.text);
    assert.deepEqual((await as(ada, 'GET', '/api/me/notifications')).body, off.body);
    assert.equal((await as(ada, 'PUT', '/api/me/notifications', { email: { security: false } })).status, 422);
    assert.equal((await as(ada, 'PUT', '/api/me/notifications', { email: { 'a b': false } })).status, 422);
  });

  it('lists the browsers and applications that know the person, and forgets them', async () => {
    const [ada, eve] = [await person(), await person()];
    await app.owner.query(
      `insert into known_devices (user_id, device_hash, trusted_until) values ($1, 'a', now() + interval '1 day'), ($1, 'b', now() - interval '1 day'), ($1, 'c', null)`,
      [ada.id],
    );
    const items = (await as(ada, 'GET', '/api/me/devices')).body['items'] as {
      id: string;
      trustedUntil: string | null;
      clientId: string | null;
      address: string | null;
      name: string | null;
    }[];
    assert.deepEqual([items.length, items.filter(({ trustedUntil }) => trustedUntil !== null).length], [4, 1]);
    const apps = items.filter(({ clientId }) => clientId !== null);
    assert.equal(apps.length, 1, 'the application that signed them in is one');
    assert.ok(apps[0]?.address && apps[0].name, JSON.stringify(apps));
    const { id } = items.find(({ trustedUntil }) => trustedUntil !== null)!;
    assert.equal((await as(eve, 'DELETE', `/api/me/devices/${id}`)).status, 404, 'nobody forgets somebody else’s');
    assert.deepEqual((await as(ada, 'DELETE', `/api/me/devices/${id}`)).body, { id, deleted: true });
    assert.equal((await as(ada, 'DELETE', `/api/me/devices/${id}`)).status, 404);
    assert.equal((await as(ada, 'DELETE', '/api/me/devices')).body['forgotten'], 3);
    assert.deepEqual(await eventsOf(ada.id, 'device.%'), ['device.forgotten success', 'device.forgotten success']);
  });

  it('exports everything that is kept of the person, and no secret', async () => {
    const ada = await person();
    await as(ada, 'PATCH', '/api/me', { familyName: 'Lovelace' });
    const { home_tenant_id: tenantId } = await row(ada.id);
    await app.owner.query(`update memberships set attributes = '{"desk": 7}' where user_id = $1`, [ada.id]);
    await app.owner.query(`insert into usage_people (tenant_id, period, user_id) values ($1, '2026-01-01', $2)`, [tenantId, ada.id]);
    await app.owner.query(
      `insert into api_keys (id, tenant_id, name, prefix, key_hash, permissions, owner_user_id) values (gen_random_uuid(), $1, 'mine', 'gh_1', 'hash-of-' || $2, '{}', $2::uuid)`,
      [tenantId, ada.id],
    );
    const { status, body, text } = await as(ada, 'GET', '/api/me/export');
    assert.equal(status, 200, text);
    for (const part of [
      'profile',
      'factors',
      'identities',
      'devices',
      'sessions',
      'grants',
      'memberships',
      'invitations',
      'agreements',
      'activity',
    ])
      assert.ok(part in body, part);
    const [kept] = body['memberships'] as { attributes: unknown; usage: string[]; apiKeys: { name: string }[] }[];
    assert.deepEqual(
      [kept?.attributes, kept?.usage.includes('2026-01-01'), kept?.apiKeys.map(({ name }) => name)],
      [{ desk: 7 }, true, ['mine']],
    );
    assert.doesNotMatch(text, /hash-of-/);
    assert.equal((body['profile'] as Record<string, unknown>)['familyName'], 'Lovelace');
    assert.ok((body['activity'] as { type: string }[]).some(({ type }) => type === 'user.updated'));
    assert.doesNotMatch(text, /\$argon2|sealed|"hash"|device_hash|"data":\{"hash/i);
    assert.deepEqual(await eventsOf(ada.id, 'user.exported'), ['user.exported success']);
  });

  it('deletes an account after some days, in which the person may keep it', async () => {
    const ada = await person();
    const asked = await as(ada, 'DELETE', '/api/me');
    assert.equal(asked.status, 202, asked.text);
    const days = (Date.parse(String(asked.body['deleteAfter'])) - Date.now()) / 86_400_000;
    assert.ok(days > 13.9 && days < 14.1, String(days));
    assert.deepEqual((await as(ada, 'DELETE', '/api/me')).body, asked.body, 'asked again, the same day');
    assert.match((await mailTo(ada.email, /will be deleted/)).text, /keep it/);
    assert.ok(await tokenOf(ada.email), 'they may still sign in');
    assert.deepEqual((await as(ada, 'POST', '/api/me/keep')).body, { id: ada.id, deleteAfter: null });
    assert.equal((await row(ada.id))['delete_after'], null);
    await as(ada, 'POST', '/api/me/keep');
    assert.deepEqual(await eventsOf(ada.id, 'user.deletion%'), ['user.deletion_scheduled success', 'user.deletion_stopped success']);
  });

  it('asks for a fresh sign-in, and for the second factor of who has one, as RFC 9470 says', async () => {
    const ada = await person();
    await app.owner.query(`insert into credentials (id, user_id, type, data) values (gen_random_uuid(), $1, 'totp', '{"lastStep":0}')`, [
      ada.id,
    ]);
    for (const [method, path, body] of [
      ['POST', '/api/me/email', { email: 'x@example.test' }],
      ['POST', '/api/me/phone', { phone: '+4915112345679' }],
      ['DELETE', '/api/me/phone', undefined],
      ['POST', '/api/me/password', { currentPassword: PASSWORD, newPassword: NEXT }],
      ['GET', '/api/me/export', undefined],
      ['DELETE', '/api/me', undefined],
    ] as const) {
      const refused = await as(ada, method, path, body);
      assert.equal(refused.status, 401, `${method} ${path}: ${refused.text}`);
      const challenge = refused.headers.get('www-authenticate') ?? '';
      assert.match(challenge, /insufficient_user_authentication/);
      assert.match(challenge, /acr_values="urn:gatehouse:acr:2fa"/);
      assert.match(challenge, /max_age="300"/);
    }
    assert.deepEqual(await eventsOf(ada.id, 'user.deletion%'), []);
    assert.equal((await as(ada, 'GET', '/api/me')).status, 200, 'looking needs nothing more');
  });

  it('lets nobody in without the scope, and no client', async () => {
    const { email } = await person();
    const client = await app.api('POST', '/api/clients', { client_name: 'Plain', redirect_uris: [CB], direct_login: true });
    const plain = await app.api(
      'POST',
      '/api/auth/login',
      { username: email, password: PASSWORD, scope: 'openid' },
      basicAuth({ id: String(client.body['client_id']), secret: String(client.body['client_secret']) }),
    );
    assert.equal(plain.status, 200, plain.text);
    const bare = { token: String(plain.body['access_token']) };
    for (const [method, path] of [
      ['GET', '/api/me/devices'],
      ['DELETE', '/api/me'],
      ['GET', '/api/me/export'],
      ['POST', '/api/me/keep'],
    ] as const)
      for (const answer of [await app.api(method, path), await as(bare, method, path)])
        assert.deepEqual([answer.status, answer.body['code']], [403, 'permission.missing'], `${method} ${path}: ${answer.text}`);
  });
});
