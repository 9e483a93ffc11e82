import assert from 'node:assert/strict';
import { newSecret, sha256 } from '#src/core/ids.ts';
import { submit } from '#test/support/person.ts';
import { PASSWORD, startUpstreamSite, typePassword, type UpstreamSite } from '#test/support/upstream-site.ts';
import { alice, type Somebody } from './people.ts';

const TWO = 'urn:gatehouse:acr:2fa';

describe('signing in with another provider', () => {
  let site: UpstreamSite;
  let number = 0;
  /** Somebody whom nobody has seen yet. */
  const somebody = (more: Partial<Somebody> = {}): Somebody => alice(++number, more);
  const linkedTo = async (userId: string): Promise<string[]> => {
    const { rows } = await site.app.owner.query('select subject from identities where user_id = $1 order by subject', [userId]);
    return rows.map(({ subject }) => subject);
  };
  const people = async (): Promise<number> => (await site.app.owner.query('select count(*)::int as count from users')).rows[0].count;
  /** Refused: no code, a page that says so, nobody made or linked, and why in the audit log. */
  const refused = async (
    act: () => Promise<{ location?: URL | undefined; page?: { status: number; text: string } | undefined }>,
    reason: string | RegExp,
  ) => {
    const before = [await people(), (await site.app.owner.query('select count(*)::int as count from identities')).rows[0].count];
    const { location, page } = await act();
    assert.equal(location, undefined);
    assert.ok(page && page.status >= 400 && page.status < 500, `${page?.status}`);
    assert.match(page.text, /role="alert"/);
    const [latest] = await site.events('login.refused');
    if (typeof reason === 'string') assert.equal(latest?.reason, reason);
    else assert.match(latest?.reason ?? '', reason);
    const after = [await people(), (await site.app.owner.query('select count(*)::int as count from identities')).rows[0].count];
    assert.deepEqual(after, before);
  };

  before(async function () {
    this.timeout(60_000);
    site = await startUpstreamSite();
    for (const kind of ['oidc', 'google', 'facebook', 'line', 'github', 'microsoft', 'apple']) await site.connect(kind);
  });
  beforeEach(() => {
    site.fake.hostile = {};
    site.fake.someone = somebody();
  });
  after(() => site?.close());

  for (const kind of ['oidc', 'google', 'facebook', 'line', 'github', 'microsoft', 'apple'])
    it(`makes a person of whoever comes by ${kind} for the first time, and knows them the second time`, async () => {
      site.fake.someone = somebody(kind === 'github' ? { sub: String(1000 + number) } : {});
      const first = await site.subjectOf(await site.signIn(site.app.browser(), kind));
      const again = await site.subjectOf(await site.signIn(site.app.browser(), kind));
      assert.equal(again.sub, first.sub);
      assert.deepEqual(await linkedTo(first.sub), [site.fake.someone.sub]);
      const { rows } = await site.app.owner.query('select given_name, email, email_verified_at from users where id = $1', [first.sub]);
      const isProven = ['oidc', 'google', 'github', 'apple'].includes(kind);
      assert.equal(rows[0].email, isProven ? site.fake.someone.email : null, 'only an address that is proven is kept');
      if (kind !== 'line') assert.equal(rows[0].given_name, site.fake.someone.givenName);
      assert.equal(first.claims['acr'], 'urn:gatehouse:acr:1fa');
      assert.deepEqual(first.claims['amr'] ?? [], []);
    });

  it('offers each connection on the sign-in page, as a link that a browser may follow', async () => {
    const browser = site.app.browser();
    const { page } = await browser.go(
      `/auth?client_id=${site.client.id}&response_type=code&redirect_uri=https://app.test/cb&scope=openid&code_challenge=${'a'.repeat(43)}&code_challenge_method=S256`,
    );
    for (const kind of ['google', 'apple', 'oidc']) assert.match(page?.text ?? '', new RegExp(`data-method="social:${kind}"`));
    const link = /href="([^"]+)" data-method="social:google"/.exec(page?.text ?? '')?.[1] ?? '';
    const { location } = await browser.go(link);
    assert.equal(location?.host, 'accounts.google.com');
    const posted = await typePosted(browser, page?.text ?? '', page?.url ?? '');
    assert.equal(posted.location?.host, 'github.com');
  });

  const typePosted = async (browser: ReturnType<UpstreamSite['app']['browser']>, text: string, url: string) => {
    const csrf = /name="_csrf" value="([^"]+)"/.exec(text)?.[1] ?? '';
    const answer = await browser.post(url, { _csrf: csrf, method: 'social:github' });
    return browser.go(answer.headers.get('location') ?? '');
  };

  it('goes to the connection that `idp_hint` names too, and shows the page where there is none of that name', async () => {
    const url = await site.leave(site.app.browser(), '', { idp_hint: 'google', connection: '' });
    assert.equal(url.host, 'accounts.google.com');
    const { page } = await site.app
      .browser()
      .go(
        `/auth?client_id=${site.client.id}&response_type=code&redirect_uri=https://app.test/cb&scope=openid&connection=nowhere&code_challenge=${'a'.repeat(43)}&code_challenge_method=S256`,
      );
    assert.match(page?.text ?? '', /name="password"/);
  });

  it('B1 gives nothing to who registered an address before its owner came, and links the two never by itself', async () => {
    const victim = somebody();
    const id = await site.addPerson({ email: victim.email, emailVerified: false });
    site.fake.someone = victim;
    await refused(() => site.signIn(site.app.browser(), 'google'), 'identity.address_unverified');
    assert.deepEqual(await linkedTo(id), []);
  });

  it('B2 never links by an address that the provider has not proven, however it says so', async () => {
    for (const emailVerified of [false, undefined, 'true', 1]) {
      const owner = somebody();
      const id = await site.addPerson({ email: owner.email, emailVerified: true });
      site.fake.someone = { ...owner, emailVerified };
      const { sub } = await site.subjectOf(await site.signIn(site.app.browser(), 'oidc'));
      assert.notEqual(sub, id, 'somebody else, beside the owner of the address');
      assert.deepEqual(await linkedTo(id), []);
      const { rows } = await site.app.owner.query('select email from users where id = $1', [sub]);
      assert.equal(rows[0].email, null);
    }
  });

  it('links where both sides have proven the address, after the account here was proven, and not before', async () => {
    const owner = somebody();
    const id = await site.addPerson({ email: owner.email, emailVerified: true });
    site.fake.someone = owner;
    const browser = site.app.browser();
    const { page } = await site.signIn(browser, 'google');
    assert.equal(page?.status, 200);
    assert.match(page?.text ?? '', /An account with your email address exists already/);
    assert.equal((await site.events('login.refused'))[0]?.reason, 'identity.link_required');
    assert.deepEqual(await linkedTo(id), []);
    const { sub } = await site.subjectOf(await typePassword(browser, page, owner.email));
    assert.equal(sub, id);
    assert.deepEqual(await linkedTo(id), [owner.sub]);
    assert.equal((await site.events('identity.linked')).filter(({ data }) => data['userId'] === id).length, 1);
    assert.equal((await site.subjectOf(await site.signIn(site.app.browser(), 'google'))).sub, id, 'from then on it opens the account');
  });

  it('links after the password was forgotten and set anew on the way, the code’s owner’s own account and no other', async () => {
    for (const isOwn of [true, false]) {
      const [owner, other] = [somebody(), somebody()];
      const id = await site.addPerson({ email: owner.email, emailVerified: true });
      const otherId = await site.addPerson({ email: other.email, emailVerified: true });
      const who = isOwn ? owner : other;
      site.fake.someone = owner;
      const browser = site.app.browser();
      const { page } = await site.signIn(browser, 'google');
      const path = /href="([^"]+\/reset)"/.exec(page?.text ?? '')?.[1] ?? assert.fail('no way to a reset');
      const form = (await browser.go(path)).page ?? assert.fail('no page');
      const asked = (await submit(browser, form, { email: who.email })).page ?? assert.fail('no page');
      const code = await site.app.codeFor(who.email);
      const { sub } = await site.subjectOf(await submit(browser, asked, { code, new_password: 'seven otters four lanterns' }));
      assert.equal(sub, isOwn ? id : otherId);
      assert.deepEqual([await linkedTo(id), await linkedTo(otherId)], [isOwn ? [owner.sub] : [], []]);
    }
  });

  it('links to nobody where the password is wrong, or somebody else’s', async () => {
    const [owner, other] = [somebody(), somebody()];
    const id = await site.addPerson({ email: owner.email, emailVerified: true });
    const otherId = await site.addPerson({ email: other.email, emailVerified: true });
    site.fake.someone = owner;
    const browser = site.app.browser();
    const { page } = await site.signIn(browser, 'google');
    const wrong = await typePassword(browser, page, owner.email, 'not the password');
    assert.equal(wrong.location, undefined);
    const { sub } = await site.subjectOf(await typePassword(browser, wrong.page, other.email));
    assert.equal(sub, otherId);
    assert.deepEqual([await linkedTo(id), await linkedTo(otherId)], [[], []]);
  });

  it('B3 links the one that came last, where another came half way', async () => {
    const [owner, other] = [somebody(), somebody()];
    const id = await site.addPerson({ email: owner.email, emailVerified: true });
    const browser = site.app.browser();
    site.fake.someone = owner;
    const back = await site.fake.authorize(await site.leave(browser, 'google'));
    const { page } = await site.comeBack(browser, back);
    const link = /href="([^"]+)" data-method="social:google"/.exec(page?.text ?? '')?.[1] ?? '';
    site.fake.someone = { ...other, email: 'nobody-verified@upstream.test', emailVerified: false };
    const { location } = await browser.go(link);
    const end = await site.comeBack(browser, await site.fake.authorize(location!));
    assert.notEqual((await site.subjectOf(end)).sub, id);
    assert.deepEqual(await linkedTo(id), [], 'the proof that was asked for was of another');
  });

  it('B6 takes an answer in the browser that asked, and in no other', async () => {
    const [attacker, victim] = [site.app.browser(), site.app.browser()];
    const answer = await site.fake.authorize(await site.leave(attacker, 'google'));
    await site.leave(victim, 'google');
    const { page, location } = await site.comeBack(victim, answer);
    assert.deepEqual([page?.status, location], [400, undefined]);
    assert.ok((await site.subjectOf(await site.comeBack(attacker, answer))).sub, 'its own browser may');
  });

  it('B10 takes the answer of the provider that was asked, and of no other', async () => {
    const browser = site.app.browser();
    const { url } = await site.fake.authorize(await site.leave(browser, 'google'));
    const other = (await site.app.owner.query(`select id from connections where key = 'oidc'`)).rows[0].id;
    url.pathname = `/login/callback/${other}`;
    await refused(() => site.comeBack(browser, { url }), 'connection.other');
  });

  it('B15 takes no state but the one of this sign-in', async () => {
    const browser = site.app.browser();
    const { url } = await site.fake.authorize(await site.leave(browser, 'google'));
    const uid = url.searchParams.get('state')?.split('.')[0];
    for (const state of [`${uid}.${'A'.repeat(43)}`]) {
      const forged = new URL(url);
      forged.searchParams.set('state', state);
      await refused(() => site.comeBack(browser, { url: forged }), /response\.state|social\.not_begun/);
    }
    for (const state of ['', 'x', `${uid}.`, 'account']) {
      const forged = new URL(url);
      forged.searchParams.set('state', state);
      const { page } = await site.comeBack(browser, { url: forged });
      assert.equal(page?.status, 400);
      assert.equal((await site.events('login.refused'))[0]?.reason, 'response.state');
    }
  });

  it('takes an answer once', async () => {
    const browser = site.app.browser();
    const answer = await site.fake.authorize(await site.leave(browser, 'google'));
    const sum = async (): Promise<number> =>
      (await site.app.owner.query(`select 1 from audit_events where type in ('login.succeeded', 'user.registered')`)).rowCount ?? 0;
    const [before, signIns] = [await people(), await sum()];
    await Promise.all([site.comeBack(browser, answer), site.comeBack(browser, answer)]);
    assert.equal(await people(), before + 1);
    assert.equal(await sum(), signIns + 1, 'one of the two is taken');
    const late = await site.comeBack(browser.clone(), answer);
    assert.ok(!late.location?.searchParams.has('code'), late.location?.href);
  });

  it('says why in the audit log, and shows a page, for whatever a hostile provider sends', async function () {
    this.timeout(30_000);
    const hostile = [
      [{ nonce: 'missing' }, 'id_token.nonce'],
      [{ iss: 'https://evil.test' }, 'id_token.iss'],
      [{ alg: 'none' }, /^id_token\./],
      [{ alg: 'hs256-public-key' }, 'id_token.alg'],
      [{ responseIss: 'https://evil.test' }, 'response.iss'],
      [{ aud: 'another' }, 'id_token.aud'],
      [{ dead: true }, 'upstream.unreachable'],
      [{ slow: 10_000 }, 'upstream.timeout'],
      [{ hugeBody: true }, /^upstream\./],
    ] as const;
    for (const [how, reason] of hostile) {
      const browser = site.app.browser();
      const page = await site.leave(browser, 'oidc');
      site.fake.hostile = how;
      const answer = await site.fake.authorize(page);
      const began = performance.now();
      await refused(() => site.comeBack(browser, answer), reason);
      assert.ok(performance.now() - began < 5000);
      site.fake.hostile = {};
    }
  });

  it('goes on with another method where the provider is dead before it is asked', async () => {
    site.fake.hostile = { dead: true };
    const fresh = await site.connect('oidc', { key: 'dead', name: 'Dead' });
    assert.ok(fresh);
    const owner = somebody();
    const id = await site.addPerson({ email: owner.email, emailVerified: true });
    const browser = site.app.browser();
    const { path } = await import('#test/support/oidc.ts').then(({ authorization }) =>
      authorization(site.client.id, { connection: 'dead' }),
    );
    const { page } = await browser.go(path);
    assert.match(page?.text ?? '', /does not answer/);
    const { location } = await typePassword(browser, page, owner.email);
    assert.ok(location?.searchParams.get('code'));
    assert.ok(id);
  });

  it('same subject at another connection is somebody else', async () => {
    await site.connect('oidc', { key: 'other-issuer', name: 'Other' });
    const someone = { ...somebody(), email: undefined, emailVerified: undefined };
    site.fake.someone = someone;
    const one = await site.subjectOf(await site.signIn(site.app.browser(), 'oidc'));
    const two = await site.subjectOf(await site.signIn(site.app.browser(), 'other-issuer'));
    assert.notEqual(one.sub, two.sub);
  });

  it('D6 gives no code for somebody who is disabled, and none by a connection that is switched off', async () => {
    const { sub } = await site.subjectOf(await site.signIn(site.app.browser(), 'google'));
    await site.app.api('PATCH', `/api/users/${sub}`, { status: 'disabled' });
    await refused(() => site.signIn(site.app.browser(), 'google'), 'account.disabled');
    const browser = site.app.browser();
    site.fake.someone = somebody();
    const id = await site.connect('oidc', { key: 'switched', name: 'Switched' });
    const answer = await site.fake.authorize(await site.leave(browser, 'switched'));
    await site.app.api('PATCH', `/api/connections/${id}`, { enabled: false });
    await refused(() => site.comeBack(browser, answer), 'connection.disabled');
  });

  it('writes nothing of a sign-in that is refused because the person is disabled', async () => {
    const id = await site.connect('oidc', { key: 'refreshing', name: 'Refreshing', options: { refreshProfile: true } });
    const { sub } = await site.subjectOf(await site.signIn(site.app.browser(), 'refreshing'));
    await site.app.api('PATCH', `/api/users/${sub}`, { status: 'disabled' });
    const all = async () =>
      (
        await site.app.owner.query(
          `select u.given_name, u.version, i.last_used_at, i.sealed, (select count(*)::int from audit_events e where e.type = 'user.changed' and e.target_id = u.id::text) as changes
           from users u join identities i on i.user_id = u.id where u.id = $1`,
          [sub],
        )
      ).rows;
    const before = await all();
    await refused(() => site.signIn(site.app.browser(), 'refreshing', { givenName: 'Renamed' }), 'account.disabled');
    assert.deepEqual(await all(), before);
    await site.app.api('DELETE', `/api/connections/${id}`);
  });

  it('counts no second factor of a provider for somebody who belongs to another tenant too', async () => {
    const id = await site.connect('oidc', { key: 'trusting', name: 'Trusting', options: { trustUpstreamAmr: true } });
    const someone = { ...site.fake.someone, amr: ['pwd', 'mfa'] } as never;
    const { sub } = await site.subjectOf(await site.signIn(site.app.browser(), 'trusting', someone));
    const { claims } = await site.subjectOf(await site.signIn(site.app.browser(), 'trusting', someone));
    assert.equal(claims['acr'], TWO);
    const other = await site.app.api('POST', '/api/tenants', { slug: `other-${number}`, name: 'Other' });
    assert.equal(other.status, 201, other.text);
    await site.app.owner.query('insert into memberships (tenant_id, user_id) values ($1, $2)', [other.body['id'], sub]);
    const again = await site.subjectOf(await site.signIn(site.app.browser(), 'trusting', someone));
    assert.equal(again.sub, sub);
    assert.equal(again.claims['acr'], 'urn:gatehouse:acr:1fa');
    assert.deepEqual(again.claims['amr'] ?? [], []);
    await site.app.api('DELETE', `/api/connections/${id}`);
  });

  it('C7 asks for the second factor that somebody has, unless the connection trusts what the provider asked for', async () => {
    const { sub } = await site.subjectOf(await site.signIn(site.app.browser(), 'oidc'));
    await site.app.owner.query(
      `insert into credentials (id, user_id, type, data, sealed) values (gen_random_uuid(), $1, 'totp', '{"lastStep":0}', '\\x00')`,
      [sub],
    );
    site.fake.someone = { ...site.fake.someone, amr: ['pwd', 'mfa'] } as never;
    const asked = await site.signIn(site.app.browser(), 'oidc');
    assert.equal(asked.location, undefined, 'what the provider says does not count by itself');
    assert.match(asked.page?.text ?? '', /name="code"/);
    await site.app.api(
      'PATCH',
      `/api/connections/${(await site.app.owner.query(`select id from connections where key = 'oidc'`)).rows[0].id}`,
      {
        options: { trustUpstreamAmr: true },
      },
    );
    const { claims } = await site.subjectOf(await site.signIn(site.app.browser(), 'oidc'));
    assert.equal(claims['acr'], 'urn:gatehouse:acr:2fa');
    site.fake.someone = { ...site.fake.someone, amr: ['pwd'] } as never;
    assert.match((await site.signIn(site.app.browser(), 'oidc')).page?.text ?? '', /name="code"/);
  });

  it('B13 asks for the second factor of the account that is linked, before it is', async () => {
    const owner = somebody();
    const id = await site.addPerson({ email: owner.email, emailVerified: true });
    await site.app.owner.query(
      `insert into credentials (id, user_id, type, data, sealed) values (gen_random_uuid(), $1, 'totp', '{"lastStep":0}', '\\x00')`,
      [id],
    );
    site.fake.someone = owner;
    const browser = site.app.browser();
    const { page } = await site.signIn(browser, 'google');
    const next = await typePassword(browser, page, owner.email);
    assert.match(next.page?.text ?? '', /name="code"/);
    assert.deepEqual(await linkedTo(id), []);
  });

  it('takes a device that was trusted for the second factor, but not where the application asks for one', async () => {
    const { sub } = await site.subjectOf(await site.signIn(site.app.browser(), 'google'));
    await site.app.owner.query(
      `insert into credentials (id, user_id, type, data, sealed) values (gen_random_uuid(), $1, 'totp', '{"lastStep":0}', '\\x00')`,
      [sub],
    );
    const token = newSecret();
    const trust = `insert into known_devices (user_id, device_hash, trusted_until) values ($1, $2, now() + interval '1 day')`;
    await site.app.owner.query(trust, [sub, sha256(token)]);
    const claims = JSON.stringify({ id_token: { acr: { essential: true, value: TWO } } });
    for (const [extra, arrives] of [
      [{}, true],
      [{ acr_values: TWO }, false],
      [{ claims }, false],
    ] as const) {
      const browser = site.app.browser();
      browser.jar.set('gh_device|/', { value: token, path: '/' });
      const { location, page } = await site.signIn(browser, 'google', {}, extra);
      assert.equal(location !== undefined, arrives, JSON.stringify(extra));
      if (!arrives) assert.match(page?.text ?? '', /name="code"/);
    }
  });

  it('takes over names at every sign-in where the connection says so, and fits them', async () => {
    const id = await site.connect('oidc', {
      key: 'fresh',
      name: 'Fresh',
      options: { refreshProfile: true, claims: { nick: 'familyName' } },
    });
    assert.ok(id);
    site.fake.someone = { ...somebody(), givenName: 'Ada' };
    const { sub } = await site.subjectOf(await site.signIn(site.app.browser(), 'fresh'));
    site.fake.someone = { ...site.fake.someone, givenName: 'Augusta', familyName: 'x'.repeat(200), more: { nick: 'King' } } as never;
    await site.signIn(site.app.browser(), 'fresh');
    const read = async () => (await site.app.owner.query('select given_name, family_name from users where id = $1', [sub])).rows[0];
    assert.deepEqual(await read(), { given_name: 'Augusta', family_name: 'King' });
    site.fake.someone = { ...site.fake.someone, givenName: '<b>https://evil.test</b>' };
    await site.signIn(site.app.browser(), 'fresh');
    assert.equal((await read()).given_name, 'Augusta');
  });

  it('makes nobody where the tenant lets nobody register, and nobody without an address where one has to be proven', async () => {
    const settings = (await site.app.api('GET', `/api/tenants/${site.app.rootTenantId}`)).body['settings'];
    const set = (more: object) => site.app.api('PATCH', `/api/tenants/${site.app.rootTenantId}`, { settings: more });
    assert.equal((await set({ signUp: 'invitation' })).status, 200);
    await refused(() => site.signIn(site.app.browser(), 'google'), 'registration.closed');
    assert.equal((await set({ signUp: 'open', verifiedEmail: true })).status, 200);
    site.fake.someone = { ...somebody(), emailVerified: false };
    await refused(() => site.signIn(site.app.browser(), 'google'), 'identity.email_unverified');
    await set({ signUp: null, verifiedEmail: null, ...(settings as object) });
  });

  it('offers what the tenant offers: one connection by name, or none', async () => {
    const set = (methods: string[] | null) => site.app.api('PATCH', `/api/tenants/${site.app.rootTenantId}`, { settings: { methods } });
    try {
      assert.equal((await set(['password', 'social:google'])).status, 200);
      assert.ok((await site.subjectOf(await site.signIn(site.app.browser(), 'google'))).sub);
      await assert.rejects(site.leave(site.app.browser(), 'github'));
      assert.equal((await set(['password'])).status, 200);
      await assert.rejects(site.leave(site.app.browser(), 'google'));
      assert.equal((await set(['password', 'telepathy:google'])).status, 422);
    } finally {
      await set(null);
    }
  });

  it('lets nobody in by a connection, and links none, that the tenant has ceased to offer while they were at the provider', async () => {
    const set = (methods: string[] | null) => site.app.api('PATCH', `/api/tenants/${site.app.rootTenantId}`, { settings: { methods } });
    try {
      const browser = site.app.browser();
      const answer = await site.fake.authorize(await site.leave(browser, 'google'));
      assert.equal((await set(['password', 'social:github'])).status, 200);
      await refused(() => site.comeBack(browser, answer), 'connection.not_offered');
      await set(null);
      const owner = somebody();
      const id = await site.addPerson({ email: owner.email, emailVerified: true });
      site.fake.someone = owner;
      const linking = site.app.browser();
      const { page } = await site.signIn(linking, 'google');
      await set(['password', 'social:github']);
      assert.equal((await site.subjectOf(await typePassword(linking, page, owner.email))).sub, id);
      assert.deepEqual(await linkedTo(id), []);
    } finally {
      await set(null);
    }
  });

  it('keeps the password of nobody in sight', () => {
    assert.ok(!site.app.log().includes(PASSWORD));
  });
});
