import assert from 'node:assert/strict';
import type { Browser, Page } from '#test/support/browser.ts';
import { authorization } from '#test/support/oidc.ts';
import { submit } from '#test/support/person.ts';
import { PASSWORD, startUpstreamSite, typePassword, type UpstreamSite } from '#test/support/upstream-site.ts';
import { alice } from './people.ts';

const BYE = 'https://app.test/bye';

describe('signing out of a session that another provider began', function () {
  this.timeout(30_000);
  let site: UpstreamSite;
  let connectionId: string;
  let number = 7000;

  before(async function () {
    this.timeout(60_000);
    site = await startUpstreamSite();
    connectionId = await site.connect('oidc', { options: { logoutAtProvider: true } });
    await site.connect('google', { options: {} });
    const client = await site.app.api('PATCH', `/api/clients/${site.client.id}`, { post_logout_redirect_uris: [BYE] });
    assert.equal(client.status, 200, client.text);
  });
  beforeEach(() => Object.assign(site.fake, { hostile: {}, someone: alice(++number, { sub: String(number) }) }));
  after(() => site?.close());

  const set = async (body: object): Promise<void> => {
    const answer = await site.app.api('PATCH', `/api/connections/${connectionId}`, body);
    assert.equal(answer.status, 200, answer.text);
  };
  const signIn = async (browser: Browser, key = 'oidc', someone = {}) => site.subjectOf(await site.signIn(browser, key, someone));
  const sessions = async (sub: string): Promise<number> =>
    ((await site.app.api('GET', `/api/users/${sub}/sessions`)).body['items'] as unknown[]).length;
  const END = `/session/end?${new URLSearchParams({ client_id: '', post_logout_redirect_uri: BYE, state: 'of the app & more' })}`;
  const signOut = async (browser: Browser) => {
    const { page } = await browser.go(END.replace('client_id=', `client_id=${site.client.id}`));
    assert.ok(page);
    return submit(browser, page, { logout: 'yes' });
  };
  const leadsTo = (page: Page | undefined): URL => {
    const href = /href="([^"]+)" data-sign-out/.exec(page?.text ?? '')?.[1];
    assert.ok(href, page?.text);
    const url = href.replaceAll('&amp;', '&');
    assert.ok(page?.text.includes(`<meta http-equiv="refresh" content="0; url=${href}">`), 'the browser goes there by itself');
    return new URL(url);
  };
  const isAtApp = ({ location, page }: { location?: URL; page?: Page }): void => {
    assert.ok(location, page?.text);
    assert.deepEqual([location.origin + location.pathname, [...location.searchParams]], [BYE, [['state', 'of the app & more']]]);
  };
  const isSignedOutPage = ({ location, page }: { location?: URL; page?: Page }): void => {
    assert.equal(location, undefined);
    assert.equal(page?.status, 200);
    assert.match(page?.text ?? '', /You are signed out/);
  };

  it('goes on at the provider with the ID token, after the session here has ended, and comes back to the app with its state', async () => {
    const browser = site.app.browser();
    const { sub } = await signIn(browser);
    assert.equal(await sessions(sub), 1);
    const { page } = await signOut(browser);
    const url = leadsTo(page);
    assert.equal(await sessions(sub), 0);
    assert.equal(url.origin + url.pathname, `${site.fake.issuer}/end`);
    const query = Object.fromEntries(url.searchParams);
    assert.equal(query['post_logout_redirect_uri'], `${site.app.issuer}/login/signed-out/${connectionId}`);
    assert.equal(query['client_id'], 'gatehouse-at-upstream');
    assert.equal(query['ui_locales'], 'en');
    assert.notEqual(query['state'], 'of the app & more');
    const claims = JSON.parse(Buffer.from(query['id_token_hint']?.split('.')[1] ?? '', 'base64url').toString());
    assert.deepEqual([claims.sub, claims.iss], [String(number), site.fake.issuer]);
    isAtApp(await browser.go(`/login/signed-out/${connectionId}?state=${query['state']}`));
    const sent = await site.events('upstream_logout.sent');
    assert.equal(sent[0]?.target_id, connectionId);
  });

  it('names the address to register at the provider in the connection’s answer', async () => {
    const { body } = await site.app.api('GET', `/api/connections/${connectionId}`);
    assert.equal(body['signedOutPath'], `/login/signed-out/${connectionId}`);
  });

  it('keeps the ID token sealed, with the session, through every new id of it, and no longer', async () => {
    const browser = site.app.browser();
    const { sub } = await signIn(browser);
    const { path } = authorization(site.client.id, { prompt: 'none' });
    assert.ok((await browser.go(path)).location?.searchParams.get('code'));
    const kept = async () =>
      (await site.app.owner.query('select upstream from oidc_sessions where user_id = $1 order by created_at', [sub])).rows;
    const rows = await kept();
    assert.ok(rows.length > 0 && rows.every(({ upstream }) => upstream instanceof Buffer));
    const url = leadsTo((await signOut(browser)).page);
    const [, payload = '-'] = url.searchParams.get('id_token_hint')?.split('.') ?? [];
    assert.ok(payload.length > 20);
    for (const { upstream } of rows) assert.ok(!(upstream as Buffer).toString('latin1').includes(payload.slice(0, 20)));
    assert.deepEqual(await kept(), []);
    for (const table of ['oidc_objects', 'journeys', 'audit_events', 'identities']) {
      const { rows: found } = await site.app.owner.query(`select 1 from ${table} t where row_to_json(t)::text like '%' || $1 || '%'`, [
        payload.slice(0, 40),
      ]);
      assert.equal(found.length, 0, table);
    }
    assert.ok(!JSON.stringify(site.app.log()).includes(payload.slice(0, 40)));
  });

  it('keeps nothing and goes nowhere else where the connection does not say so', async () => {
    const browser = site.app.browser();
    const { sub } = await signIn(browser, 'google');
    const { rows } = await site.app.owner.query('select 1 from oidc_sessions where user_id = $1 and upstream is not null', [sub]);
    assert.equal(rows.length, 0);
    isAtApp(await signOut(browser));
  });

  it('goes on from the account page, and comes back to the page that says so', async () => {
    const browser = site.app.browser();
    const { sub } = await signIn(browser);
    const { page } = await browser.go('/account/sign-out');
    assert.ok(page);
    const url = leadsTo((await submit(browser, page, {})).page);
    assert.equal(await sessions(sub), 0);
    assert.ok(url.searchParams.get('id_token_hint'));
    isSignedOutPage(await browser.go(`/login/signed-out/${connectionId}?state=${url.searchParams.get('state')}`));
  });

  it('leads nowhere for a foreign state, another connection, another browser, a second time, or nothing pending', async () => {
    const browser = site.app.browser();
    const back = `/login/signed-out/${connectionId}`;
    isSignedOutPage(await browser.go(`${back}?state=x&post_logout_redirect_uri=https://evil.test/&returnTo=https://evil.test/`));
    await signIn(browser);
    const state = leadsTo((await signOut(browser)).page).searchParams.get('state') ?? '';
    for (const query of ['', '?state=', '?state=x', `?state=${state}&state=${state}`, '?returnTo=https://evil.test/'])
      isSignedOutPage(await browser.go(back + query));
    isSignedOutPage(await browser.go(`/login/signed-out/01890000-0000-7000-8000-000000000000?state=${state}`));
    isSignedOutPage(await site.app.browser().go(`${back}?state=${state}`));
    const tampered = browser.clone();
    for (const [key, { value, path }] of tampered.jar)
      if (key.startsWith('gh_signed_out')) tampered.jar.set(key, { value: `${value.slice(0, -4)}AAAA`, path });
    isSignedOutPage(await tampered.go(`${back}?state=${state}`));
    const posted = await browser.post(back, { state });
    assert.equal(posted.status, 405);
    isAtApp(await browser.go(`${back}?state=${state}`));
    isSignedOutPage(await browser.go(`${back}?state=${state}`));
  });

  for (const [what, hostile, reason] of [
    ['is dead', { dead: true }, 'upstream.unreachable'],
    ['answers too slowly', { slow: 20_000 }, /upstream\.(timeout|unreachable)/],
    ['answers no JSON', { notJson: true }, /./],
    ['has nowhere to sign out', { endSession: null }, 'logout.unsupported'],
    ['names a script for it', { endSession: 'javascript:alert(1)' }, 'discovery.end_session_endpoint'],
    ['names a file for it', { endSession: 'file:///etc/passwd' }, 'discovery.end_session_endpoint'],
    ['names what is no address', { endSession: 'nonsense' }, 'logout.unsupported'],
  ] as const)
    it(`goes back to the app at once, or within five seconds, where the provider ${what}, and says so in the log`, async () => {
      const browser = site.app.browser();
      const { sub } = await signIn(browser);
      // What was learned of it before is forgotten.
      await set({ name: `Provider ${number}` });
      site.fake.hostile = hostile;
      const before = performance.now();
      isAtApp(await signOut(browser));
      assert.ok(performance.now() - before < 5500);
      site.fake.hostile = {};
      assert.equal(await sessions(sub), 0);
      assert.match((await site.events('upstream_logout.sent'))[0]?.reason ?? '', new RegExp(reason));
      await set({ name: 'oidc' });
    });

  it('goes back to the app where the provider has died since it was last asked', async () => {
    const browser = site.app.browser();
    await signIn(browser);
    site.fake.hostile = { dead: true };
    isAtApp(await signOut(browser));
  });

  it('leaves an ID token out that is longer than 16 KiB', async () => {
    const browser = site.app.browser();
    await signIn(browser, 'oidc', { more: { groups: 'x'.repeat(17_000) } });
    const url = leadsTo((await signOut(browser)).page);
    assert.deepEqual([url.searchParams.has('id_token_hint'), url.searchParams.has('client_id')], [false, true]);
  });

  it('does not go on where somebody else signs in in the same browser', async () => {
    const browser = site.app.browser();
    await signIn(browser);
    const email = `other-${number}@here.test`;
    const other = await site.addPerson({ email, emailVerified: true });
    const { path } = authorization(site.client.id, { prompt: 'login', state: 'state-0' });
    const { page } = await browser.go(path);
    const { page: between } = await typePassword(browser, page, email, PASSWORD);
    assert.ok(between?.text.includes('/session/end/confirm'), between?.text);
    assert.ok(between);
    const { location, page: stuck } = await submit(browser, between, {});
    assert.ok(location?.searchParams.get('code'), stuck?.text);
    assert.equal(await sessions(other), 1);
  });

  it('remembers the provider of somebody whose account was linked on the way', async () => {
    const email = `linked-${number}@here.test`;
    await site.addPerson({ email, emailVerified: true });
    const browser = site.app.browser();
    const { page } = await site.signIn(browser, 'oidc', { email, emailVerified: true });
    await site.subjectOf(await typePassword(browser, page, email));
    assert.ok(leadsTo((await signOut(browser)).page).searchParams.get('id_token_hint'));
  });

  it('keeps no ID token longer than 16 KiB with an identity that waits, and none where nobody is sent on', async () => {
    const waiting = async (key: string, size: number): Promise<Record<string, unknown>> => {
      const email = `waiting-${key}-${size}-${number}@here.test`;
      await site.addPerson({ email, emailVerified: true });
      await site.signIn(site.app.browser(), key, { email, emailVerified: true, more: { groups: 'x'.repeat(size) } } as never);
      const { rows } = await site.app.owner.query(
        `select state->>'link' as link from journeys where state ? 'link' order by created_at desc limit 1`,
      );
      return rows[0];
    };
    assert.ok(String((await waiting('oidc', 10))['link']).length > 700, 'one that is used');
    assert.ok(String((await waiting('oidc', 17_000))['link']).length < 2000);
  });

  it('ends the session once and fails for nobody when two tabs sign out at the same instant', async () => {
    const browser = site.app.browser();
    const { sub } = await signIn(browser);
    const { page } = await browser.go(END.replace('client_id=', `client_id=${site.client.id}`));
    assert.ok(page);
    const both = await Promise.all([submit(browser.clone(), page, { logout: 'yes' }), submit(browser.clone(), page, { logout: 'yes' })]);
    assert.ok(both.every((one) => one.location !== undefined || (one.page?.status ?? 500) < 500));
    assert.equal(await sessions(sub), 0);
  });

  it('goes on for a session whose identity was unlinked, and lets it live until then', async () => {
    const browser = site.app.browser();
    const { sub } = await signIn(browser);
    await site.app.owner.query('delete from identities where user_id = $1', [sub]);
    assert.equal(await sessions(sub), 1);
    assert.equal((await browser.go('/account')).page?.status, 200);
    assert.ok(leadsTo((await signOut(browser)).page));
  });

  it('lets sessions live whose connection is switched off, and passes nothing on to it', async () => {
    const browser = site.app.browser();
    const { sub } = await signIn(browser);
    await set({ enabled: false });
    assert.equal(await sessions(sub), 1);
    assert.equal((await browser.go('/account')).page?.status, 200);
    isAtApp(await signOut(browser));
    await set({ enabled: true });
  });

  it('takes the option for providers only that can have such a sign-out', async () => {
    for (const kind of ['github', 'facebook', 'line']) {
      const body = { kind, name: kind, clientId: 'x', clientSecret: 'y', options: { logoutAtProvider: true } };
      const { status, text } = await site.app.api('POST', '/api/connections', body);
      assert.equal(status, 422, text);
      assert.match(text, /logoutAtProvider/);
    }
  });

  it('takes a logout token of the provider once, and none that is old or of the future', async () => {
    await set({ options: { upstreamLogout: true } });
    const send = async (token: string): Promise<number> =>
      (await site.app.browser().post(`/login/backchannel/${connectionId}`, { logout_token: token })).status;
    const { sub } = await signIn(site.app.browser());
    const token = await site.fake.logoutToken({ sub: String(number) });
    assert.equal(await send(token), 200);
    assert.equal(await sessions(sub), 0);
    await signIn(site.app.browser());
    assert.equal(await send(token), 400);
    assert.equal((await site.events('upstream_logout.refused'))[0]?.reason, 'logout_token.jti');
    const now = Math.floor(Date.now() / 1000);
    for (const iat of [now - 700, now + 300]) {
      assert.equal(await send(await site.fake.logoutToken({ sub: String(number), iat })), 400);
      assert.equal((await site.events('upstream_logout.refused'))[0]?.reason, 'logout_token.iat');
    }
    assert.equal(await sessions(sub), 1);
    const other = await site.fake.logoutToken({ sub: String(number) });
    const both = await Promise.all([send(other), send(other)]);
    assert.deepEqual(both.sort(), [200, 400], 'of two at once one is taken');
    assert.equal(await sessions(sub), 0);
    await set({ options: { upstreamLogout: null, logoutAtProvider: true } });
  });
});
