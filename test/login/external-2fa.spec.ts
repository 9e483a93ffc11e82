/** A second factor at a service of the tenant's own, at both doors, through the whole server. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { decodeJwt } from 'jose';
import { generate } from 'otplib';
import { newId } from '#src/core/ids.ts';
import { createSecretBox } from '#src/infra/secret-box.ts';
import { basicAuth, newAddress, type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { authorization, CB } from '#test/support/oidc.ts';
import { submit } from '#test/support/person.ts';
import { type FakeSecondFactor, startSecondFactorService } from '#test/support/second-factor-service.ts';

const PASSWORD = 'violet cactus thunder marble';
const SEED = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';

interface Person {
  id: string;
  login: string;
}

describe('a second factor at a service of the tenant’s own', function () {
  this.timeout(60_000);
  const key = randomBytes(32);
  const box = createSecretBox([key]);
  let app: RunningApp;
  let fake: FakeSecondFactor;
  let client: { id: string; secret: string };
  let a: string;
  let b: string;
  let count = 0;

  const done = async (answer: Promise<Reply>, status = 200): Promise<Record<string, unknown>> => {
    const { status: got, text, body } = await answer;
    assert.equal(got, status, text);
    return body;
  };
  const pathOf = (tenantId: string): string => `/api/tenants/${tenantId}/second-factor-service`;
  const serve = (tenantId: string, more: object = {}): Promise<Record<string, unknown>> =>
    done(app.api('PUT', pathOf(tenantId), { url: fake.url('/2fa/'), token: fake.token, ...more }));
  const addPerson = async (tenantId: string): Promise<Person> => {
    count += 1;
    const login = `worker${count}`;
    const { id } = await done(app.api('POST', '/api/users', { username: login, password: PASSWORD }, { 'x-tenant-id': tenantId }), 201);
    return { id: String(id), login };
  };
  const giveTotp = async ({ id }: Person): Promise<void> => {
    const credential = newId();
    const text = `insert into credentials (id, user_id, type, data, sealed, name) values ($1, $2, 'totp', '{"lastStep":0}', $3, 'App')`;
    await app.owner.query(text, [credential, id, box.seal(SEED, `credential:${credential}`)]);
  };
  const auth = (path: string, body: object): Promise<Reply> =>
    app.api('POST', `/api/auth/${path}`, body, { ...basicAuth(client), 'x-forwarded-for': newAddress() });
  const passwordFirst = async ({ login }: Person): Promise<string> => {
    const due = await auth('login', { username: login, password: PASSWORD });
    assert.deepEqual([due.status, due.body['code']], [401, 'auth.mfa_required'], due.text);
    return String(due.body['mfaToken']);
  };
  const ask = (mfaToken: string): Promise<Reply> => auth('otp', { channel: 'external', mfaToken });
  const answer = (mfaToken: string, code: string, method = 'external-2fa'): Promise<Reply> => auth('login/2fa', { mfaToken, code, method });
  const sessionsOf = async ({ id }: Person): Promise<number> =>
    ((await app.api('GET', `/api/users/${id}/sessions`)).body['items'] as unknown[]).length;
  const refusals = async ({ id }: Person): Promise<string[]> => {
    const text = `select reason from audit_events where type = 'login.refused' and target_id = $1 order by at, id`;
    return (await app.owner.query<{ reason: string }>(text, [id])).rows.map(({ reason }) => reason);
  };
  const enter = async (browser: Browser, { login }: Person): Promise<Page> => {
    const first = (await browser.go(authorization(client.id, { scope: 'openid' }).path)).page ?? assert.fail('no page');
    return (await submit(browser, first, { login, password: PASSWORD })).page ?? assert.fail('no second factor was asked for');
  };
  const arrives = ({ location }: { location?: URL }): boolean =>
    location?.href.startsWith(CB) === true && location.searchParams.has('code');

  before(async () => {
    fake = await startSecondFactorService();
    app = await startTestApp({ env: { ENCRYPTION_KEY: key.toString('base64'), OUTBOUND_ALLOW_HOSTS: fake.host } });
    const body = {
      client_name: 'Direct',
      redirect_uris: [CB],
      grant_types: ['authorization_code', 'refresh_token'],
      direct_login: true,
      first_party: true,
    };
    const made = await done(app.api('POST', '/api/clients', body), 201);
    client = { id: String(made['client_id']), secret: String(made['client_secret']) };
    [a = '', b = ''] = await Promise.all(
      ['a', 'b'].map(async (name) =>
        String((await done(app.api('POST', '/api/tenants', { name, slug: `firm-${name}`, type: 'enterprise' }), 201))['id']),
      ),
    );
  });
  beforeEach(async () => {
    fake.mood = 'well';
    fake.challenges.length = 0;
    fake.verified.length = 0;
    await app.owner.query('delete from rate_limits');
    // Another revision, so that what one test broke is not left alone in the next.
    await serve(a);
    await serve(b, { url: fake.url('/b') });
  });
  after(async () => {
    await app?.close();
    await fake?.close();
  });

  describe('as a setting', () => {
    it('is set, seen with its tag, changed and removed; its token is never answered, nor stored as it is', async () => {
      const tenantId = String((await done(app.api('POST', '/api/tenants', { name: 'c', slug: 'firm-c', type: 'enterprise' }), 201))['id']);
      const path = pathOf(tenantId);
      assert.equal((await app.api('GET', path)).body['code'], 'second_factor_service.not_found');
      assert.equal((await app.api('DELETE', path)).status, 404);
      const bare = await app.api('PUT', path, { url: fake.url() });
      assert.equal(bare.status, 422, 'the first time with a token');
      const stray = await app.api('PUT', path, { url: fake.url(), token: fake.token, roles: ['owner', 'nurse'] });
      assert.equal(stray.status, 422);
      assert.match(stray.text, /"\/roles\/1"/);
      await done(app.api('POST', '/api/roles', { roleName: 'nurse', permissions: [] }, { 'x-tenant-id': tenantId }), 201);
      const made = await app.api('PUT', path, { url: `${fake.url()}/`, token: fake.token, roles: ['nurse'] });
      assert.equal(made.status, 200, made.text);
      const etag = made.headers.get('etag') ?? assert.fail('no tag');
      const seen = await app.api('GET', path);
      assert.equal(seen.headers.get('etag'), etag);
      assert.deepEqual([seen.body['url'], seen.body['roles'], seen.body['whenUnavailable']], [fake.url(), ['nurse'], 'refuse']);
      for (const reply of [made, seen]) assert.equal(reply.text.includes(fake.token), false);
      const changed = await app.api('PUT', path, { url: fake.url('/x'), whenUnavailable: 'other-factor' }, { 'if-match': etag });
      assert.equal(changed.status, 200, changed.text);
      assert.equal((await app.api('PUT', path, { url: fake.url() }, { 'if-match': etag })).status, 412);
      assert.equal((await app.api('DELETE', path, undefined, { 'if-match': etag })).status, 412);
      const { rows } = await app.owner.query<{ token_sealed: Buffer }>(
        'select token_sealed from second_factor_services where tenant_id = $1',
        [tenantId],
      );
      assert.equal(rows[0]?.token_sealed.includes(fake.token), false);
      await done(app.api('DELETE', path));
      const events = await app.owner.query<{ type: string; data: unknown }>(
        `select type, data from audit_events where type like 'second_factor_service.%' and target_id = $1 order by at, id`,
        [tenantId],
      );
      assert.deepEqual(
        events.rows.map(({ type }) => type),
        ['second_factor_service.changed', 'second_factor_service.changed', 'second_factor_service.removed'],
      );
      assert.equal(JSON.stringify(events.rows).includes(fake.token), false);
    });

    it('takes no address that is private, unless the installation allows it, and takes a kept token to no other host', async () => {
      for (const url of [
        'http://idp.example.com',
        'https://10.0.0.8',
        'https://127.0.0.1:9',
        'https://[::1]/2fa',
        'https://169.254.169.254/latest',
        'https://user:pw@idp.example.com',
        'https://idp.example.com/?a=b',
        'ftp://idp.example.com',
      ]) {
        const refused = await app.api('PUT', pathOf(a), { url, token: fake.token });
        assert.equal(refused.status, 422, `${url}: ${refused.text}`);
        assert.match(refused.text, /"\/url"/);
      }
      const elsewhere = await app.api('PUT', pathOf(a), { url: 'https://elsewhere.example.com' });
      assert.equal(elsewhere.status, 422, elsewhere.text);
      assert.match(elsewhere.text, /"\/token"/);
    });
  });

  it('is asked for after the password, at the API, and makes two factors of it', async () => {
    const person = await addPerson(a);
    const due = await auth('login', { username: person.login, password: PASSWORD });
    assert.deepEqual(due.body['methods'], ['external-2fa']);
    const mfaToken = String(due.body['mfaToken']);
    assert.equal((await ask(mfaToken)).status, 202);
    const [asked] = fake.challenges;
    assert.deepEqual([asked?.userId, asked?.purpose, asked?.tenantId, asked?.path], [person.id, 'second', a, '/2fa/challenge']);
    const tokens = await answer(mfaToken, fake.codeFor(person.id));
    assert.equal(tokens.status, 200, tokens.text);
    const { acr, amr } = decodeJwt(String(tokens.body['id_token'] ?? tokens.body['access_token']));
    assert.equal(acr, 'urn:gatehouse:acr:2fa');
    // What the service claims beyond how it asked is not taken over.
    assert.deepEqual([...(amr as string[])].sort(), ['mfa', 'otp', 'pwd']);
  });

  it('is asked for on the pages, with the words of the service as text', async () => {
    const person = await addPerson(a);
    const browser = app.browser();
    const choose = await enter(browser, person);
    assert.match(choose.text, /Use your company’s second factor/);
    const page = (await submit(browser, choose, { method: 'external-2fa' })).page ?? assert.fail('no page for the code');
    assert.match(page.text, /Look at your &lt;b&gt;company/);
    const wrong = (await submit(browser, page, { code: 'ok-1' })).page ?? assert.fail('a wrong code led on');
    assert.equal(wrong.status, 422);
    assert.ok(arrives(await submit(browser, wrong, { code: fake.codeFor(person.id) })));
    assert.deepEqual(await refusals(person), ['external.wrong']);
  });

  it('stands among the factors of who is asked by it, by its host and not to be removed, and of nobody else', async () => {
    const [person, other] = [await addPerson(a), await addPerson(b)];
    await done(app.api('DELETE', pathOf(b)));
    const browser = app.browser();
    const first = (await browser.go('/account/security')).page ?? assert.fail('no page');
    const choose = (await submit(browser, first, { login: person.login, password: PASSWORD })).page ?? assert.fail('no page');
    const page = (await submit(browser, choose, { method: 'external-2fa' })).page ?? assert.fail('no page');
    await submit(browser, page, { code: fake.codeFor(person.id) });
    const { text } = (await browser.go('/account/security')).page ?? assert.fail('no page');
    assert.ok(text.includes(`Your organisation asks you by ${fake.host}.`), text);
    assert.equal(text.includes('/remove'), false);
    const plain = app.browser();
    const start = (await plain.go('/account/security')).page ?? assert.fail('no page');
    const theirs = (await submit(plain, start, { login: other.login, password: PASSWORD })).page ?? assert.fail('no page');
    assert.equal(((await plain.go('/account/security')).page ?? theirs).text.includes('Your organisation asks you by'), false);

    const mfaToken = await passwordFirst(person);
    await ask(mfaToken);
    const tokens = [await answer(mfaToken, fake.codeFor(person.id)), await auth('login', { username: other.login, password: PASSWORD })];
    const seen = await Promise.all(
      tokens.map(async ({ body }) =>
        done(app.api('GET', '/api/me/factors', undefined, { authorization: `Bearer ${String(body['access_token'])}` })),
      ),
    );
    assert.deepEqual(
      seen.map(({ items, organization }) => [items, organization]),
      [
        [[], { method: 'external-2fa', host: fake.host }],
        [[], null],
      ],
    );
  });

  it('refuses a code before anything was asked, of another challenge, of another person, and one that was used', async () => {
    const [one, other] = [await addPerson(a), await addPerson(a)];
    const mfaToken = await passwordFirst(one);
    assert.equal((await answer(mfaToken, 'ok-1000')).status, 401);
    assert.deepEqual(fake.verified, [], 'the service is not asked of what was not begun');
    await ask(mfaToken);
    const old = fake.codeFor(one.id);
    await ask(mfaToken);
    assert.notEqual(old, fake.codeFor(one.id));
    assert.equal((await answer(mfaToken, old)).status, 401);
    const theirs = await passwordFirst(other);
    await ask(theirs);
    assert.equal((await answer(theirs, fake.codeFor(one.id))).status, 401);
    assert.equal((await answer(mfaToken, fake.codeFor(one.id))).status, 200);
    assert.equal((await answer(mfaToken, fake.codeFor(one.id))).status, 401, 'a challenge is good for one sign-in');
    assert.equal((await answer(await passwordFirst(one), fake.codeFor(one.id))).status, 401, 'and for no later one');
  });

  it('makes one session of twenty right answers at the same time', async () => {
    const person = await addPerson(a);
    const mfaToken = await passwordFirst(person);
    await ask(mfaToken);
    const code = fake.codeFor(person.id);
    const answers = await Promise.all(Array.from({ length: 20 }, () => answer(mfaToken, code)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1, JSON.stringify(answers.map(({ status }) => status)));
    assert.equal(await sessionsOf(person), 1);
    // The right one forgives what was counted before it.
    assert.ok(fake.verified.length <= 10, `${fake.verified.length} of twenty were judged`);
  });

  it('judges five wrong codes and no more, and asks a person’s device so often and no more', async () => {
    const person = await addPerson(a);
    const mfaToken = await passwordFirst(person);
    await ask(mfaToken);
    const statuses: number[] = [];
    for (let round = 0; round < 8; round += 1) statuses.push((await answer(mfaToken, 'ok-1')).status);
    assert.deepEqual(new Set(statuses.slice(5)), new Set([429]));
    assert.equal(fake.verified.length, 5);
    const asked: number[] = [];
    for (let round = 0; round < 15; round += 1) asked.push((await ask(mfaToken)).status);
    assert.equal(asked.at(-1), 429);
    assert.ok(fake.challenges.length < 12, `${fake.challenges.length} messages to one device`);
  });

  it('lets nobody in while the service is dead, garbled, too long, unsure, limiting or says no', async () => {
    for (const mood of ['dead', 'garbled', 'huge', 'unsure', 'limiting', 'no'] as const) {
      await serve(a);
      await app.owner.query('delete from rate_limits');
      const person = await addPerson(a);
      await giveTotp(person);
      fake.mood = mood;
      const held = await passwordFirst(person);
      const unasked = await ask(held);
      assert.deepEqual([unasked.status, unasked.body['code'], unasked.body['methods']], [503, 'auth.factor_unavailable', undefined], mood);
      fake.mood = 'well';
      await ask(held);
      fake.mood = mood;
      const judged = await answer(held, fake.codeFor(person.id));
      assert.equal(judged.status, mood === 'no' ? 401 : 503, `${mood}: ${judged.text}`);
      assert.equal((await answer(held, await generate({ secret: SEED }), 'totp')).status, 401, 'the app does not stand in');
      assert.equal(await sessionsOf(person), 0);
      const reasons = mood === 'no' ? ['external.refused', 'external.wrong'] : ['external.unavailable', 'external.unavailable'];
      assert.deepEqual((await refusals(person)).slice(0, 2), reasons, mood);
    }
  });

  it('says on the page that the service is away, and goes on once it is back', async () => {
    const person = await addPerson(a);
    const browser = app.browser();
    const choose = await enter(browser, person);
    fake.mood = 'dead';
    const away = (await submit(browser, choose, { method: 'external-2fa' })).page ?? assert.fail('no page');
    assert.equal(away.status, 503);
    assert.match(away.text, /cannot be reached/);
    fake.mood = 'well';
    const page = (await submit(browser, choose, { method: 'external-2fa' })).page ?? assert.fail('no page');
    assert.ok(arrives(await submit(browser, page, { code: fake.codeFor(person.id) })));
  });

  it('waits five seconds for a slow one, and then leaves it alone for a while, without holding up the other tenant', async () => {
    const [one, other] = [await addPerson(a), await addPerson(b)];
    const mfaToken = await passwordFirst(one);
    fake.mood = 'slow';
    const begin = performance.now();
    const slow = await Promise.all([ask(await passwordFirst(one)), ask(await passwordFirst(one)), ask(mfaToken)]);
    const took = performance.now() - begin;
    assert.deepEqual(
      slow.map(({ status }) => status),
      [503, 503, 503],
    );
    assert.ok(took > 4500 && took < 9000, `${took.toFixed(0)} ms`);
    fake.mood = 'well';
    const asked = fake.challenges.length;
    const again = performance.now();
    assert.equal((await ask(mfaToken)).status, 503);
    assert.ok(performance.now() - again < 1000, 'it is not waited for again');
    assert.equal(fake.challenges.length, asked);
    const theirs = await passwordFirst(other);
    assert.equal((await ask(theirs)).status, 202);
    assert.equal((await answer(theirs, fake.codeFor(other.id))).status, 200);
  });

  it('holds up nobody else where the service says that one person asks too much', async () => {
    const [one, other] = [await addPerson(a), await addPerson(a)];
    const [mfaToken, theirs] = [await passwordFirst(one), await passwordFirst(other)];
    fake.mood = 'limiting';
    for (let times = 0; times < 4; times += 1) {
      const limited = await ask(mfaToken);
      assert.deepEqual([limited.status, limited.body['code']], [503, 'auth.factor_unavailable'], limited.text);
    }
    assert.equal(fake.challenges.length, 4, 'it is asked each time');
    fake.mood = 'well';
    assert.equal((await ask(theirs)).status, 202);
    assert.equal((await answer(theirs, fake.codeFor(other.id))).status, 200);
  });

  it('lets another factor stand in where the tenant says so, and refuses who has none', async () => {
    await serve(a, { whenUnavailable: 'other-factor' });
    const [bare, equipped] = [await addPerson(a), await addPerson(a)];
    await giveTotp(equipped);
    const code = (): Promise<string> => generate({ secret: SEED });
    const mfaToken = await passwordFirst(equipped);
    assert.equal((await answer(mfaToken, await code(), 'totp')).status, 401, 'not while the service answers');
    fake.mood = 'dead';
    const away = await ask(mfaToken);
    assert.deepEqual([away.status, away.body['methods']], [503, ['totp']], away.text);
    assert.equal((await answer(mfaToken, '000000', 'totp')).status, 401, 'it has to be proven');
    const tokens = await answer(mfaToken, await code(), 'totp');
    assert.equal(tokens.status, 200, tokens.text);
    const none = await passwordFirst(bare);
    const refused = await ask(none);
    assert.deepEqual([refused.status, refused.body['methods']], [503, undefined], refused.text);
    for (const method of ['totp', 'external-2fa', 'recovery-code', 'password'])
      assert.notEqual((await answer(none, '123456', method)).status, 200);
    assert.equal(await sessionsOf(bare), 0);

    const browser = app.browser();
    const walker = await addPerson(a);
    await giveTotp(walker);
    const led = await submit(browser, await enter(browser, walker), { method: 'external-2fa' });
    assert.match(led.page?.text ?? '', /authenticator app shows/);
    assert.ok(arrives(await submit(browser, led.page!, { code: await code() })));
  });

  it('is for whom the tenant says, by role, and for nobody of another tenant', async () => {
    const role = await done(app.api('POST', '/api/roles', { roleName: 'surgeon', permissions: [] }, { 'x-tenant-id': a }), 201);
    await serve(a, { roles: ['surgeon'] });
    const [surgeon, other] = [await addPerson(a), await addPerson(a)];
    await done(app.api('POST', `/api/roles/${String(role['id'])}/assign`, { userId: surgeon.id }, { 'x-tenant-id': a }));
    assert.ok(await passwordFirst(surgeon));
    assert.equal((await auth('login', { username: other.login, password: PASSWORD })).status, 200);
    await done(app.api('DELETE', pathOf(b)));
    const theirs = await addPerson(b);
    assert.equal((await auth('login', { username: theirs.login, password: PASSWORD })).status, 200);
  });

  it('reaches no private address by a name either', async () => {
    const url = `https://localhost:${fake.host.split(':')[1]}`;
    await serve(a, { url });
    const person = await addPerson(a);
    const before = fake.connections;
    const refused = await ask(await passwordFirst(person));
    assert.deepEqual([refused.status, refused.body['code']], [503, 'auth.factor_unavailable']);
    assert.equal(fake.connections, before, 'nobody connected');
    assert.deepEqual(await refusals(person), ['external.unavailable']);
  });

  it('takes no code that an earlier service of the tenant was asked for', async () => {
    const person = await addPerson(a);
    const mfaToken = await passwordFirst(person);
    await ask(mfaToken);
    await serve(a, { url: fake.url('/other') });
    assert.equal((await answer(mfaToken, fake.codeFor(person.id))).status, 401);
    assert.deepEqual(await refusals(person), ['external.not_begun']);
  });
});
