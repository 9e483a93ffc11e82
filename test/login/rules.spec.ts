import assert from 'node:assert/strict';
import { type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { type Cast, setUpCast } from '#test/support/cast.ts';
import { authorization } from '#test/support/oidc.ts';
import { formOf, submit, visit } from '#test/support/person.ts';

const FIRST = 'violet cactus thunder marble';
const SECOND = 'amber lantern walrus piano';
const THIRD = 'copper meadow trombone glacier';

describe('what a tenant asks of passwords and sessions', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let cast: Cast;
  let count = 0;

  before(async () => {
    app = await startTestApp();
    cast = await setUpCast(app);
  });
  after(() => app?.close());
  afterEach(() => settings({ password: null, sessions: null }));

  const settings = async (changes: object): Promise<void> => {
    const answer = await app.api('PATCH', `/api/tenants/${app.rootTenantId}`, { settings: changes });
    assert.equal(answer.status, 200, answer.text);
  };
  const somebody = (password = FIRST) => {
    count += 1;
    return cast.addPerson(`rules${count}@example.test`, password);
  };
  const signIn = async (
    login: string,
    password: string,
    browser = app.browser(),
  ): Promise<{ browser: Browser; location?: URL; page?: Page }> => ({
    browser,
    ...(await visit(browser, authorization(cast.client.id, { scope: 'openid', prompt: 'login consent' }).path, { login, password })),
  });
  const isIn = ({ location }: { location?: URL }): boolean => location?.searchParams.has('code') ?? false;
  const change = async (browser: Browser, password: string, next: string): Promise<string> => {
    const { page } = await browser.go('/account/password');
    return (await submit(browser, page!, { password, new_password: next })).page!.text;
  };
  const give = (id: string, password: string) => app.api('PATCH', `/api/users/${id}`, { password });
  const below = async (path: string): Promise<{ browser: Browser; page: Page }> => {
    const browser = app.browser();
    const { page } = await browser.go(authorization(cast.client.id, { scope: 'openid' }).path);
    return { browser, page: (await browser.go(`${page!.url}${path}`)).page! };
  };

  it('refuses a policy that is none', async () => {
    for (const password of [
      { minLength: 7 },
      { minLength: 129 },
      { minStrength: 5 },
      { history: 25 },
      { maxAgeDays: 0 },
      { contextWords: ['ab'] },
      { rotate: true },
    ]) {
      const answer = await app.api('PATCH', `/api/tenants/${app.rootTenantId}`, { settings: { password } });
      assert.equal(answer.status, 422, JSON.stringify(password));
    }
    assert.equal((await app.api('PATCH', `/api/tenants/${app.rootTenantId}`, { settings: { sessions: { max: 0 } } })).status, 422);
  });

  it('says on every page that asks for a new password how long it has to be', async () => {
    const person = await somebody();
    await settings({ password: { minLength: 13 } });
    const said = /At least 13 characters/;
    assert.match((await below('/register')).page.text, said);
    const reset = await below('/reset');
    assert.match((await submit(reset.browser, reset.page, { email: person.login })).page!.text, said);
    const { browser } = await signIn(person.login, FIRST);
    const { page } = await browser.go('/account/password');
    assert.match(page!.text, said);
    assert.match((await submit(browser, page!, { password: FIRST, new_password: 'short' })).page!.text, said);
    await app.owner.query(`update credentials set data = data || '{"mustChange": true}' where user_id = $1 and type = 'password'`, [
      person.id,
    ]);
    const forced = await signIn(person.login, FIRST);
    assert.match(forced.page!.text, /has to be changed/);
    assert.match(forced.page!.text, said);
  });

  it('tells people of a new password in their own language, at whatever door it was set', async () => {
    const person = await somebody();
    assert.equal((await app.api('PATCH', `/api/users/${person.id}`, { locale: 'de' })).status, 200);
    const { browser } = await signIn(person.login, FIRST);
    await change(browser, FIRST, SECOND);
    const reset = await below('/reset');
    const asked = await submit(reset.browser, reset.page, { email: person.login });
    await submit(reset.browser, asked.page!, { code: await app.codeFor(person.login), new_password: THIRD });
    await app.owner.query(`update credentials set data = data || '{"mustChange": true}' where user_id = $1 and type = 'password'`, [
      person.id,
    ]);
    const forced = await signIn(person.login, THIRD);
    assert.match((await submit(forced.browser, forced.page!, { new_password: FIRST })).page!.text, /value="allow"/);
    const subjects = async (): Promise<string[]> => {
      const mails = JSON.parse((await app.browser().go('/dev/mailbox.json')).page!.text) as { to: string; subject: string }[];
      return mails.filter(({ to, subject }) => to === person.login && subject.endsWith('wurde geändert')).map(({ subject }) => subject);
    };
    for (let left = 50; (await subjects()).length < 3 && left > 0; left -= 1) await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal((await subjects()).length, 3);
  });

  it('holds to length, strength and words at every door that sets a password', async () => {
    const person = await somebody();
    await settings({ password: { minLength: 12, minStrength: 4, contextWords: ['zeppelin'] } });
    const weak: [string, RegExp][] = [
      ['x7#kQ9!vLp', /too short/],
      ['summer2025!!', /easy to guess/],
      ['zeppelinzeppelin', /your name or address/],
    ];
    for (const [password, reason] of weak) {
      const set = await give(person.id, password);
      assert.equal(set.status, 422, password);
      assert.match(set.text, reason, password);

      const made = await app.api('POST', '/api/users', { email: `made${Math.random()}@example.test`, password });
      assert.match(made.text, reason, `made ${password}`);

      const register = await below('/register');
      const asked = await submit(register.browser, register.page, {
        email: 'registering@example.test',
        given_name: 'R',
        family_name: 'R',
        new_password: password,
      });
      assert.match(asked.page!.text, reason, `registration ${password}`);

      const { browser } = await signIn(person.login, FIRST);
      assert.match(await change(browser, FIRST, password), reason, `change ${password}`);
    }
    const reset = await below('/reset');
    const sent = await submit(reset.browser, reset.page, { email: person.login });
    const code = await app.codeFor(person.login);
    let page = sent.page!;
    for (const [password, reason] of weak) {
      const answered = await submit(reset.browser, page, { code, new_password: password });
      assert.match(answered.page!.text, reason, `reset ${password}`);
      page = answered.page!;
    }
    const done = await submit(reset.browser, page, { code, new_password: SECOND });
    assert.ok(!done.page?.text.includes('role="alert"'), done.page?.text);
    assert.ok(isIn(await signIn(person.login, SECOND)));
  });

  it('takes one of a published breach only where the tenant says so', async () => {
    const { id } = await somebody();
    assert.match((await give(id, 'trustno1')).text, /most used/);
    await settings({ password: { breached: false } });
    assert.equal((await give(id, 'trustno1')).status, 200);
  });

  it('takes none of the last ones again, at the account page and by reset, and forgets those before them', async () => {
    await settings({ password: { history: 2 } });
    const { id, login } = await somebody();
    const { browser } = await signIn(login, FIRST);
    assert.match(await change(browser, FIRST, FIRST), /must differ/);
    assert.doesNotMatch(await change(browser, FIRST, SECOND), /role="alert"/);
    assert.match(await change(browser, SECOND, FIRST), /used this password before/);

    const reset = await below('/reset');
    const sent = await submit(reset.browser, reset.page, { email: login });
    const code = await app.codeFor(login);
    const wrong = code === '000000' ? '000001' : '000000';
    // Whoever does not have the code learns nothing of what was used before.
    const unproven = await submit(reset.browser, sent.page!, { code: wrong, new_password: FIRST });
    assert.doesNotMatch(unproven.page!.text, /used this password before/);
    const refused = await submit(reset.browser, unproven.page!, { code, new_password: FIRST });
    assert.match(refused.page!.text, /used this password before/);
    const done = await submit(reset.browser, refused.page!, { code, new_password: THIRD });
    assert.ok(!done.page?.text.includes('role="alert"'), done.page?.text);

    const again = await signIn(login, THIRD);
    assert.doesNotMatch(await change(again.browser, THIRD, FIRST), /role="alert"/, 'two changes ago');
    const { rows } = await app.owner.query<{ kept: string }>('select count(*) as kept from password_history where user_id = $1', [id]);
    assert.equal(rows[0]?.kept, '1', 'no hash is kept that nothing is compared with');
    await settings({ password: { history: 0 } });
    assert.doesNotMatch(await change(again.browser, FIRST, SECOND), /role="alert"/);
    const left = await app.owner.query('select 1 from password_history where user_id = $1', [id]);
    assert.equal(left.rowCount, 0);
  });

  it('asks for a new password once the old one is too old, and not before', async () => {
    const { id, login } = await somebody();
    await settings({ password: { maxAgeDays: 30 } });
    assert.ok(isIn(await signIn(login, FIRST)));
    await app.owner.query(
      `update credentials set data = jsonb_set(data, '{setAt}', to_jsonb((now() - interval '31 days')::text)) where user_id = $1`,
      [id],
    );
    const { browser, page } = await signIn(login, FIRST);
    assert.ok(page && 'new_password' in formOf(page).fields, page?.text);
    assert.match((await submit(browser, page, { new_password: FIRST })).page!.text, /must differ/);
    await submit(browser, page, { new_password: SECOND });
    assert.ok(isIn(await signIn(login, SECOND)));
    await settings({ password: { maxAgeDays: null } });
    await app.owner.query(
      `update credentials set data = jsonb_set(data, '{setAt}', to_jsonb((now() - interval '9 years')::text)) where user_id = $1`,
      [id],
    );
    assert.ok(isIn(await signIn(login, SECOND)), 'no rotation where nobody asks for it');
  });

  it('ends the oldest session where there is one more than the tenant allows, and tells its applications', async () => {
    await settings({ sessions: { max: 2 } });
    const { id, login } = await somebody();
    const browsers: Browser[] = [];
    const told = { backchannel_logout_uri: 'https://app.test/logout', backchannel_logout_session_required: true };
    const changed = await app.api('PATCH', `/api/clients/${cast.client.id}`, told);
    assert.equal(changed.status, 200, changed.text);
    for (let round = 0; round < 3; round += 1) {
      const entered = await signIn(login, FIRST);
      assert.ok(isIn(entered));
      browsers.push(entered.browser);
    }
    const sessions = async (): Promise<number> => ((await app.api('GET', `/api/users/${id}/sessions`)).body['items'] as unknown[]).length;
    for (let round = 0; round < 50 && (await sessions()) !== 2; round += 1) await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(await sessions(), 2);
    const silent = authorization(cast.client.id, { scope: 'openid', prompt: 'none' }).path;
    const answers = await Promise.all(
      browsers.map(async (browser) => (await browser.go(silent)).location?.searchParams.get('error') ?? 'code'),
    );
    assert.deepEqual(answers, ['login_required', 'code', 'code'], 'the first one ended');
    const { rows } = await app.owner.query<{ reason: string }>(
      `select reason from audit_events where type = 'session.ended' and reason = 'limit.sessions'`,
    );
    assert.equal(rows.length, 1);
    const { rows: notices } = await app.owner.query(
      `select j.payload from graphile_worker._private_jobs j join graphile_worker._private_tasks t on t.id = j.task_id where t.identifier = 'logout.notify'`,
    );
    assert.equal(notices.length, 1, 'the application is to hear of it');
    assert.ok(JSON.stringify(notices).includes(cast.client.id));
  });
});
