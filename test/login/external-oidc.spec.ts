/** A second factor at an OpenID provider of the tenant's own, through the whole server; the provider turns hostile. */
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
import { CLIENT_ID, CLIENT_SECRET, type FakeUpstream, type Someone, startUpstream } from '#test/support/upstream.ts';
import type { Landing } from '#test/support/upstream-site.ts';

const PASSWORD = 'violet cactus thunder marble';
const SEED = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP';

interface Person {
  id: string;
  login: string;
  email: string;
}

describe('a second factor at an OpenID provider of the tenant’s own', function () {
  this.timeout(60_000);
  const key = randomBytes(32);
  const box = createSecretBox([key]);
  let app: RunningApp;
  let fake: FakeUpstream;
  let client: { id: string; secret: string };
  let firm: string;
  let other: string;
  let count = 0;

  const done = async (answer: Promise<Reply>, status = 200): Promise<Record<string, unknown>> => {
    const { status: got, text, body } = await answer;
    assert.equal(got, status, text);
    return body;
  };
  const pathOf = (tenantId: string): string => `/api/tenants/${tenantId}/second-factor-service`;
  const settings = (more: object = {}) => ({
    kind: 'oidc',
    issuer: fake.issuer,
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    ...more,
  });
  const serve = (tenantId: string, more: object = {}): Promise<Record<string, unknown>> =>
    done(app.api('PUT', pathOf(tenantId), settings(more)));
  const addPerson = async (tenantId = firm, more: object = {}): Promise<Person> => {
    count += 1;
    const login = `officer${count}`;
    const email = `${login}@example.test`;
    const body = { username: login, email, emailVerified: true, password: PASSWORD, ...more };
    const { id } = await done(app.api('POST', '/api/users', body, { 'x-tenant-id': tenantId }), 201);
    return { id: String(id), login, email };
  };
  const giveTotp = async ({ id }: Person): Promise<void> => {
    const credential = newId();
    const text = `insert into credentials (id, user_id, type, data, sealed, name) values ($1, $2, 'totp', '{"lastStep":0}', $3, 'App')`;
    await app.owner.query(text, [credential, id, box.seal(SEED, `credential:${credential}`)]);
  };
  const reasons = async (targetOrTenant: string): Promise<string[]> => {
    const text = `select reason from audit_events where type = 'login.refused' and (target_id = $1 or (target_id is null and tenant_id::text = $1)) order by at, id`;
    return (await app.owner.query<{ reason: string }>(text, [targetOrTenant])).rows.map(({ reason }) => reason);
  };
  const sessionsOf = async ({ id }: Person): Promise<number> =>
    ((await app.api('GET', `/api/users/${id}/sessions`)).body['items'] as unknown[]).length;
  const people = async (): Promise<number> => Number((await app.owner.query('select count(*) from users')).rows[0].count);
  const identities = async (): Promise<number> => Number((await app.owner.query('select count(*) from identities')).rows[0].count);

  /** As far as the choice of a second factor. */
  const enter = async (browser: Browser, { login }: Person): Promise<Page> => {
    const first = (await browser.go(authorization(client.id, { scope: 'openid' }).path)).page ?? assert.fail('no page');
    return (await submit(browser, first, { login, password: PASSWORD })).page ?? assert.fail('no second factor was asked for');
  };
  /** As far as the address of the provider. */
  const leave = async (browser: Browser, choose: Page): Promise<URL> => {
    const way = (await submit(browser, choose, { method: 'external-oidc' })).page;
    const [, url] = /^0; url=(.+)$/.exec(way?.headers.get('refresh') ?? '') ?? [];
    assert.ok(url, `${way?.status} ${way?.text}`);
    return new URL(url);
  };
  const begin = async (browser: Browser, person: Person): Promise<URL> => leave(browser, await enter(browser, person));
  const now = (): number => Math.floor(Date.now() / 1000);
  /** Where the provider sends the browser, once somebody has proven themselves there. */
  const answered = async (url: URL, someone: Partial<Someone>): Promise<string> => {
    const { more, ...rest } = someone;
    fake.someone = { sub: 'nobody', ...rest, more: { auth_time: now(), ...more } };
    return (await fake.authorize(url)).url.href;
  };
  const arrives = ({ location }: Landing): boolean => location?.href.startsWith(CB) === true && location.searchParams.has('code');
  /** Everything, with what the provider says. */
  const goThrough = async (browser: Browser, person: Person, someone: Partial<Someone> = {}): Promise<Landing> =>
    browser.go(await answered(await begin(browser, person), { sub: person.id, ...someone }));
  const refusedWith = async (landing: Landing, person: Person, reason: string): Promise<void> => {
    assert.equal(arrives(landing), false, 'let in');
    assert.deepEqual(await reasons(person.id), [reason]);
    assert.equal(await sessionsOf(person), 0);
  };

  before(async () => {
    fake = await startUpstream();
    app = await startTestApp({
      env: { ENCRYPTION_KEY: key.toString('base64'), OUTBOUND_ALLOW_HOSTS: fake.host },
      options: { upstreamFetch: fake.fetch },
    });
    const body = {
      client_name: 'Direct',
      redirect_uris: [CB],
      grant_types: ['authorization_code', 'refresh_token'],
      direct_login: true,
      first_party: true,
    };
    const made = await done(app.api('POST', '/api/clients', body), 201);
    client = { id: String(made['client_id']), secret: String(made['client_secret']) };
    [firm = '', other = ''] = await Promise.all(
      ['one', 'two'].map(async (name) =>
        String((await done(app.api('POST', '/api/tenants', { name, slug: `firm-${name}`, type: 'enterprise' }), 201))['id']),
      ),
    );
  });
  beforeEach(async () => {
    fake.hostile = {};
    await app.owner.query('delete from rate_limits');
    // Another revision, so that what one test broke is not left alone in the next.
    await serve(firm);
  });
  after(async () => {
    await app?.close();
    await fake?.close();
  });

  describe('as a setting', () => {
    it('is set, seen and changed; its secret is never answered, nor stored as it is, and goes to no other issuer or client', async () => {
      const made = await app.api('PUT', pathOf(other), settings({ acrValues: ['two'], amrValues: ['hwk'], maxAgeSeconds: 60 }));
      assert.equal(made.status, 200, made.text);
      const seen = await app.api('GET', pathOf(other));
      for (const reply of [made, seen]) assert.equal(reply.text.includes(CLIENT_SECRET), false);
      const { kind, url, issuer, subjectClaim, acrValues, amrValues, maxAgeSeconds, redirectUri } = seen.body;
      assert.deepEqual(
        [kind, url, issuer, subjectClaim, acrValues, amrValues, maxAgeSeconds, redirectUri],
        ['oidc', undefined, fake.issuer, 'sub', ['two'], ['hwk'], 60, `${app.issuer}/login/callback/second-factor/${other}`],
      );
      const { rows } = await app.owner.query('select token_sealed, oidc from second_factor_services where tenant_id = $1', [other]);
      assert.equal(`${rows[0].token_sealed.toString('latin1')}${JSON.stringify(rows[0].oidc)}`.includes(CLIENT_SECRET), false);
      const kept = { kind: 'oidc', issuer: fake.issuer, clientId: CLIENT_ID };
      assert.equal((await app.api('PUT', pathOf(other), { ...kept, subjectClaim: 'email' })).status, 200);
      for (const moved of [
        { ...kept, issuer: `${fake.issuer}/elsewhere` },
        { ...kept, clientId: 'another' },
        { kind: 'http', url: fake.issuer },
      ]) {
        const refused = await app.api('PUT', pathOf(other), moved);
        assert.equal(refused.status, 422, refused.text);
        assert.match(refused.text, /"\/(clientSecret|token)"/);
      }
      await done(app.api('DELETE', pathOf(other)));
    });

    it('takes nothing that is of the other kind, no private address and no role that the tenant does not have', async () => {
      for (const [wrong, pointer] of [
        [{ url: 'https://factor.example.com' }, '/url'],
        [{ token: 'a-bearer-token-0123456789' }, '/token'],
        [{ issuer: 'http://idp.example.com' }, '/issuer'],
        [{ issuer: 'https://10.0.0.8' }, '/issuer'],
        [{ issuer: 'https://idp.example.com/?a=b' }, '/issuer'],
        [{ issuer: undefined }, '/issuer'],
        [{ clientId: undefined }, '/clientId'],
        [{ subjectClaim: 'phone_number' }, '/subjectClaim'],
        [{ maxAgeSeconds: -1 }, '/maxAgeSeconds'],
        [{ acrValues: ['two words'] }, '/acrValues/0'],
        [{ roles: ['owner', 'astronaut'] }, '/roles/1'],
      ] as const) {
        const refused = await app.api('PUT', pathOf(other), settings(wrong));
        assert.equal(refused.status, 422, `${JSON.stringify(wrong)}: ${refused.text}`);
        assert.ok(refused.text.includes(`"${pointer}"`), refused.text);
      }
      const mixed = await app.api('PUT', pathOf(other), { url: fake.issuer, token: 'a-bearer-token-0123456789', clientId: 'x' });
      assert.ok(mixed.text.includes('"/clientId"'), mixed.text);
    });
  });

  it('is asked after the password, told whom it is about, and makes two factors of it, without an identity or another account', async () => {
    await serve(firm, { acrValues: ['urn:two', 'urn:three'] });
    const person = await addPerson();
    const [before, linked] = [await people(), await identities()];
    const browser = app.browser();
    const url = await begin(browser, person);
    const asked = (name: string) => url.searchParams.get(name);
    assert.deepEqual(
      [asked('login_hint'), asked('max_age'), asked('acr_values'), asked('scope'), asked('code_challenge_method'), asked('client_id')],
      [person.id, '0', 'urn:two urn:three', 'openid', 'S256', CLIENT_ID],
    );
    assert.equal(asked('redirect_uri'), `${app.issuer}/login/callback/second-factor/${firm}`);
    assert.ok((asked('nonce') ?? '').length >= 43);
    const { path, verifier } = authorization(client.id, { scope: 'openid' });
    const landing = await browser.go(await answered(url, { sub: person.id, amr: ['hwk', 'pwd', 'mfa'], more: { acr: 'urn:three' } }));
    assert.ok(arrives(landing), `${landing.page?.status} ${landing.page?.text}`);
    const again = (await browser.go(path)).location?.searchParams.get('code') ?? assert.fail('not signed in');
    const tokens = await app.token({ grant_type: 'authorization_code', code: again, code_verifier: verifier, redirect_uri: CB }, client);
    const { sub, acr, amr } = decodeJwt(String(tokens.body['id_token']));
    // What the provider claims beyond how it asked is not taken over.
    assert.deepEqual([sub, acr, [...(amr as string[])].sort()], [person.id, 'urn:gatehouse:acr:2fa', ['hwk', 'mfa', 'pwd']]);
    assert.deepEqual([await people(), await identities()], [before, linked]);
    assert.equal(await sessionsOf(person), 1);
  });

  it('signs nobody in by itself: without a first proof there is nothing to answer', async () => {
    const person = await addPerson();
    const browser = app.browser();
    const url = await begin(app.browser(), person);
    const first = (await browser.go(authorization(client.id, { scope: 'openid' }).path)).page ?? assert.fail('no page');
    const uid = new URL(first.url, app.issuer).pathname.split('/')[2];
    const answer = new URL(await answered(url, { sub: person.id }));
    answer.searchParams.set('state', `${uid}.${answer.searchParams.get('state')?.split('.')[1]}`);
    const landing = await browser.go(answer.href);
    assert.equal(arrives(landing), false);
    assert.match(landing.page?.text ?? '', /name="password"/);
    assert.equal(await sessionsOf(person), 0);
    const { rows } = await app.owner.query(
      `select reason from audit_events where type = 'login.refused' order by at desc, id desc limit 1`,
    );
    assert.equal(rows[0].reason, 'step.invalid');
  });

  describe('refuses', () => {
    const wrongs: [string, Partial<Someone>, FakeUpstream['hostile'], object, string][] = [
      ['another person', { sub: 'somebody-else' }, {}, {}, 'external.other_person'],
      ['a token of another issuer', {}, { iss: 'https://evil.test' }, {}, 'id_token.iss'],
      ['an answer in another issuer’s name', {}, { responseIss: 'https://evil.test' }, {}, 'response.iss'],
      ['a token without the nonce', {}, { nonce: 'missing' }, {}, 'id_token.nonce'],
      ['a token with another nonce', {}, { nonce: 'other' }, {}, 'id_token.nonce'],
      ['a token for another client', {}, { aud: 'another' }, {}, 'id_token.aud'],
      ['a token that is over', {}, { expired: true }, {}, 'id_token.exp'],
      ['a token without a signature', {}, { alg: 'none' }, {}, 'id_token.alg'],
      ['a token signed with what everybody knows', {}, { alg: 'hs256-public-key' }, {}, 'id_token.alg'],
      ['a key that is not published', {}, { unknownKey: true }, {}, 'id_token.key'],
      ['an acr that was not asked for', { more: { acr: 'urn:one' } }, {}, { acrValues: ['urn:two'] }, 'external.acr'],
      ['no acr where one was asked for', {}, {}, { acrValues: ['urn:two'] }, 'external.acr'],
      ['an amr that is too little', { amr: ['pwd'] }, {}, { amrValues: ['otp', 'hwk'] }, 'external.amr'],
      ['a proof of yesterday', { more: { auth_time: now() - 86_400 } }, {}, { maxAgeSeconds: 300 }, 'external.auth_time'],
      ['a proof of who knows when', { more: { auth_time: undefined } }, {}, {}, 'external.auth_time'],
    ];
    for (const [what, someone, hostile, more, reason] of wrongs)
      it(`${what}, with the reason ${reason}`, async () => {
        await serve(firm, more);
        const person = await addPerson();
        const browser = app.browser();
        const url = await begin(browser, person);
        fake.hostile = hostile;
        const landing = await browser.go(await answered(url, { sub: person.id, ...someone }));
        await refusedWith(landing, person, reason);
        assert.match(landing.page?.text ?? '', /did not confirm/);
        // The first proof stands; the next try is one of its own.
        fake.hostile = {};
        const right = { sub: person.id, amr: ['otp'], more: { acr: 'urn:two' } };
        assert.ok(arrives(await browser.go(await answered(await leave(browser, landing.page!), right))));
      });

    it('another’s address and one that the provider has not verified, where people are known by it, and asks nobody whose own is unproven', async () => {
      await serve(firm, { subjectClaim: 'email' });
      const [one, two, three] = [await addPerson(), await addPerson(), await addPerson()];
      await refusedWith(await goThrough(app.browser(), one, { email: two.email, emailVerified: true }), one, 'external.other_person');
      await refusedWith(await goThrough(app.browser(), two, { email: two.email, emailVerified: 'true' }), two, 'external.email_unverified');
      const browser = app.browser();
      const url = await begin(browser, three);
      assert.equal(url.searchParams.get('login_hint'), three.email);
      assert.ok(arrives(await browser.go(await answered(url, { sub: 'x', email: three.email.toUpperCase(), emailVerified: true }))));
      const bare = await addPerson(firm, { emailVerified: false });
      const unproven = app.browser();
      const answer = await submit(unproven, await enter(unproven, bare), { method: 'external-oidc' });
      assert.equal(answer.page?.headers.get('refresh') ?? null, null, 'sent to the provider');
      await refusedWith(answer, bare, 'external.no_address');
    });

    it('a code that was used, be it by an answer that was refused', async () => {
      const person = await addPerson();
      const browser = app.browser();
      const wrong = await answered(await begin(browser, person), { sub: 'somebody-else' });
      for (let round = 0; round < 2; round += 1) assert.equal(arrives(await browser.go(wrong)), false);
      assert.deepEqual(await reasons(person.id), ['external.other_person', 'code.invalid']);
      assert.equal(await sessionsOf(person), 0);
    });

    it('more answers than five, whatever they say', async () => {
      const person = await addPerson();
      const browser = app.browser();
      const url = await begin(browser, person);
      for (let round = 0; round < 5; round += 1) await browser.go(await answered(url, { sub: 'somebody-else' }));
      const landing = await browser.go(await answered(url, { sub: person.id }));
      assert.equal(landing.page?.status, 429);
      assert.equal((await reasons(person.id)).at(-1), 'limit.code');
      assert.equal(await sessionsOf(person), 0);
    });

    it('the same answer twice: after the sign-in it leads nowhere', async () => {
      const person = await addPerson();
      const browser = app.browser();
      const answer = await answered(await begin(browser, person), { sub: person.id });
      const before = browser.clone();
      assert.ok(arrives(await browser.go(answer)));
      for (const again of [browser, before]) {
        const landing = await again.go(answer);
        assert.equal(arrives(landing), false);
        assert.equal(landing.page?.status, 400, landing.page?.text);
      }
      assert.equal(await sessionsOf(person), 1);
      assert.equal((await reasons(firm)).at(-1), 'interaction.foreign');
    });

    it('the answer in another browser, and says so at the tenant', async () => {
      const person = await addPerson();
      const answer = await answered(await begin(app.browser(), person), { sub: person.id });
      const landing = await app.browser().go(answer);
      assert.equal(landing.page?.status, 400);
      assert.equal((await reasons(firm)).at(-1), 'interaction.foreign');
      assert.equal(await sessionsOf(person), 0);
    });

    it('the answer of another sign-in of the same person, whose state it does not have', async () => {
      const person = await addPerson();
      const [one, two] = [app.browser(), app.browser()];
      const [first, second] = [await begin(one, person), await begin(two, person)];
      const answer = new URL(await answered(first, { sub: person.id }));
      const [uid] = (second.searchParams.get('state') ?? '').split('.');
      const [, secret] = (answer.searchParams.get('state') ?? '').split('.');
      answer.searchParams.set('state', `${uid}.${secret}`);
      await refusedWith(await two.go(answer.href), person, 'response.state');
    });

    it('another sign-in’s code with one’s own state: the code is bound to who asked', async () => {
      const person = await addPerson();
      const [one, two] = [app.browser(), app.browser()];
      const theirs = new URL(await answered(await begin(one, person), { sub: person.id }));
      const mine = new URL(await answered(await begin(two, person), { sub: person.id }));
      mine.searchParams.set('code', theirs.searchParams.get('code') ?? '');
      await refusedWith(await two.go(mine.href), person, 'code.invalid');
    });

    it('an answer without a place, or at a tenant that has no provider, and keeps the first only', async () => {
      const browser = app.browser();
      const at = (tenantId: string, query: string) => browser.go(`/login/callback/second-factor/${tenantId}?${query}`);
      for (const query of ['', 'state=x', 'state=a.b&state=c.d', `state=${'x'.repeat(3000)}`])
        assert.equal((await at(firm, query)).page?.status, 400, query);
      assert.equal((await reasons(firm)).at(-1), 'response.state');
      const kept = (await reasons(other)).length;
      assert.equal((await at(other, 'state=x')).page?.status, 400);
      assert.equal((await at(newId(), 'state=x')).page?.status, 400);
      assert.equal((await reasons(other)).length, kept);
    });

    it('who does not want to prove anything there', async () => {
      const person = await addPerson();
      const browser = app.browser();
      const url = await begin(browser, person);
      const back = new URL(url.searchParams.get('redirect_uri') ?? '');
      back.search = String(new URLSearchParams({ error: 'access_denied', state: url.searchParams.get('state') ?? '', iss: fake.issuer }));
      await refusedWith(await browser.go(back.href), person, 'upstream.denied');
    });

    it('who is disabled half way', async () => {
      const person = await addPerson();
      const browser = app.browser();
      const answer = await answered(await begin(browser, person), { sub: person.id });
      await done(app.api('PATCH', `/api/users/${person.id}`, { status: 'disabled' }, { 'x-tenant-id': firm }));
      const landing = await browser.go(answer);
      assert.equal(arrives(landing), false);
      assert.equal(await sessionsOf(person), 0);
      // It ended that sign-in: the browser stands at its beginning.
      assert.equal((await reasons(app.rootTenantId)).at(-1), 'step.invalid');
    });

    it('what was asked before the tenant changed whom, and before it had none any more', async () => {
      const [one, two] = [await addPerson(), await addPerson()];
      const [first, second] = [app.browser(), app.browser()];
      const answer = await answered(await begin(first, one), { sub: one.id });
      await serve(firm, { maxAgeSeconds: 5 });
      await refusedWith(await first.go(answer), one, 'external.not_begun');
      const late = await answered(await begin(second, two), { sub: two.id });
      await done(app.api('DELETE', pathOf(firm)));
      await refusedWith(await second.go(late), two, 'external.none');
    });
  });

  it('takes one of ten right answers at the same time', async () => {
    const person = await addPerson();
    const browser = app.browser();
    const answer = await answered(await begin(browser, person), { sub: person.id });
    const landings = await Promise.all(
      Array.from({ length: 10 }, () =>
        browser
          .clone()
          .go(answer)
          .catch(() => ({})),
      ),
    );
    assert.ok(landings.filter(arrives).length >= 1);
    assert.equal((await reasons(person.id)).length, 9, 'each of the others has its reason');
    const { rows } = await app.owner.query(
      `select count(*) from audit_events where type = 'login.succeeded' and target_id = $1 and data->>'method' = 'external-oidc'`,
      [person.id],
    );
    assert.equal(Number(rows[0].count), 1);
  });

  it('lets nobody in while the provider is dead, too long, garbled or slow, and goes on once it is back', async () => {
    for (const hostile of [{ dead: true }, { hugeBody: true }, { notJson: true }, { slow: 7000 }] as const) {
      await serve(firm);
      const person = await addPerson();
      await giveTotp(person);
      const browser = app.browser();
      const choose = await enter(browser, person);
      fake.hostile = hostile;
      const begun = performance.now();
      const away = (await submit(browser, choose, { method: 'external-oidc' })).page;
      assert.equal(away?.status, 503, JSON.stringify(hostile));
      assert.match(away?.text ?? '', /cannot be reached/);
      assert.ok(performance.now() - begun < 6000);
      assert.deepEqual(await reasons(person.id), ['external.unavailable']);
      fake.hostile = {};
      assert.equal(arrives(await submit(browser, choose, { code: await generate({ secret: SEED }), method: 'totp' })), false);
      assert.ok(arrives(await browser.go(await answered(await leave(browser, choose), { sub: person.id }))), JSON.stringify(hostile));
    }
  });

  it('is away too where it dies between the question and the answer', async () => {
    const person = await addPerson();
    const browser = app.browser();
    const answer = await answered(await begin(browser, person), { sub: person.id });
    fake.hostile = { dead: true };
    const landing = await browser.go(answer);
    assert.equal(landing.page?.status, 503);
    await refusedWith(landing, person, 'external.unavailable');
  });

  it('lets another factor stand in where the tenant says so and the provider is dead, and refuses who has none', async () => {
    await serve(firm, { whenUnavailable: 'other-factor' });
    const [equipped, bare] = [await addPerson(), await addPerson()];
    await giveTotp(equipped);
    const [one, two] = [app.browser(), app.browser()];
    const [choose, nothing] = [await enter(one, equipped), await enter(two, bare)];
    fake.hostile = { dead: true };
    const led = (await submit(one, choose, { method: 'external-oidc' })).page;
    assert.match(led?.text ?? '', /authenticator app shows/);
    assert.equal(arrives(await submit(one, led!, { code: '000000' })), false, 'it has to be proven');
    assert.ok(arrives(await submit(one, led!, { code: await generate({ secret: SEED }) })));
    assert.equal((await submit(two, nothing, { method: 'external-oidc' })).page?.status, 503);
    assert.equal(await sessionsOf(bare), 0);
  });

  it('does not take a made-up error of the browser’s for a provider that is away', async () => {
    await serve(firm, { whenUnavailable: 'other-factor' });
    const person = await addPerson();
    await giveTotp(person);
    const browser = app.browser();
    const url = await begin(browser, person);
    const back = new URL(url.searchParams.get('redirect_uri') ?? '');
    const said = { error: 'temporarily_unavailable', state: url.searchParams.get('state') ?? '', iss: fake.issuer };
    back.search = String(new URLSearchParams(said));
    const landing = await browser.go(back.href);
    await refusedWith(landing, person, 'upstream.refused');
    assert.equal(/authenticator app/.test(landing.page?.text ?? ''), false);
  });

  it('is for nobody of another tenant', async () => {
    const theirs = await addPerson(other);
    const browser = app.browser();
    const first = (await browser.go(authorization(client.id, { scope: 'openid' }).path)).page ?? assert.fail('no page');
    assert.ok(arrives(await submit(browser, first, { login: theirs.login, password: PASSWORD })));
  });

  it('says at the API that a browser is needed, and gives nothing there to go on with', async () => {
    const person = await addPerson();
    const ask = (path: string, body: object): Promise<Reply> =>
      app.api('POST', `/api/auth/${path}`, body, { ...basicAuth(client), 'x-forwarded-for': newAddress() });
    const due = await ask('login', { username: person.login, password: PASSWORD });
    assert.deepEqual([due.status, due.body['code'], due.body['mfaToken']], [403, 'auth.browser_required', undefined], due.text);
    assert.equal(due.body['accountUrl'], `${app.issuer}/account`);
    assert.equal(await sessionsOf(person), 0);
  });

  it('shows the page in its own words, and comes back to the choice by itself', async () => {
    const person = await addPerson();
    const browser = app.browser();
    const choose = await enter(browser, person);
    assert.match(choose.text, /Use your company’s second factor/);
    await leave(browser, choose);
    const again = (await browser.go(choose.url)).page;
    assert.match(again?.text ?? '', /value="external-oidc"/);
    assert.equal(/name="code"/.test(again?.text ?? ''), false);
  });
});
