import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import type { Browser as Chromium } from 'playwright-core';
import { basicAuth, newAddress, type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import { Browser } from '#test/support/browser.ts';
import { launchChromium } from '#test/support/chromium.ts';
import { authorization, CB } from '#test/support/oidc.ts';
import { submit, visit } from '#test/support/person.ts';
import { type App, type Person, setUpTenancy, type Tenancy } from '#test/support/tenancy.ts';

describe('a tenant’s own issuer', function () {
  this.timeout(60_000);
  let server: RunningApp;
  let t: Tenancy;
  let url: string;
  let member: Person;
  const hostOf = (issuer: string): Record<string, string> => ({ 'x-forwarded-host': new URL(issuer).host });
  const here = (): Browser => new Browser(url, { 'x-forwarded-for': newAddress() }, server.issuer);
  const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Reply> =>
    server.api(method, path, body, { authorization: '', ...hostOf(url), ...headers });
  const bearer = (reply: Reply): Record<string, string> => ({ authorization: `Bearer ${reply.body['access_token']}` });
  const token = (form: Record<string, string>, client: App, issuer = url): Promise<Reply> => server.token(form, client, hostOf(issuer));

  async function until(answers: () => Promise<boolean>): Promise<void> {
    for (let tries = 0; tries < 100; tries += 1) {
      if (await answers()) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('waited in vain');
  }
  const discovery = (): Promise<Reply> => call('GET', '/.well-known/openid-configuration');
  async function addIssuer(tenantId: string, name: string): Promise<string> {
    const address = new URL(server.issuer);
    address.hostname = name;
    await server.owner.query('insert into issuers (url, tenant_id) values ($1, $2)', [address.origin, tenantId]);
    return address.origin;
  }
  /** Through the authorization endpoint of the tenant's issuer. */
  async function begin(browser: Browser, client: App, person?: Person, extra: Record<string, string> = {}) {
    const { path, verifier } = authorization(client.id, {
      scope: 'openid offline_access account users.read',
      resource: `${url}/api`,
      ...extra,
    });
    return { ...(await visit(browser, path, person && { login: person.login, password: person.password })), verifier };
  }
  async function tokens(browser: Browser, client: App, person?: Person, extra: Record<string, string> = {}): Promise<Reply> {
    const { location, page, verifier } = await begin(browser, client, person, extra);
    const code = location?.searchParams.get('code');
    assert.ok(code, location?.href ?? page?.text);
    const answer = await token({ grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: CB }, client);
    assert.equal(answer.status, 200, answer.text);
    return answer;
  }

  before(async () => {
    server = await startTestApp();
    t = await setUpTenancy(server);
    url = await addIssuer(t.one.id, 'acme.localhost');
    await until(async () => (await discovery()).status === 200);
    member = await t.addPerson({ [t.one.id]: 'administrator', [t.two.id]: 'member' });
  });
  after(() => server.close());

  it('has its own discovery and the installation’s keys; health and the API’s document answer there too', async () => {
    const { body } = await discovery();
    assert.equal(body['issuer'], url);
    for (const name of ['authorization_endpoint', 'token_endpoint', 'userinfo_endpoint', 'jwks_uri', 'end_session_endpoint'])
      assert.ok(String(body[name]).startsWith(`${url}/`), `${name} ${body[name]}`);
    assert.deepEqual((await call('GET', '/jwks')).body, (await server.api('GET', '/jwks')).body);
    for (const path of ['/health/ready', '/openapi.json', '/docs']) assert.equal((await call('GET', path)).status, 200, path);
  });

  it('is told by the host, exactly: any other is 421', async () => {
    const { port } = new URL(url);
    for (const host of [
      'other.localhost',
      `acme.localhost:${Number(port) + 1}`,
      'acme.localhost',
      `sub.acme.localhost:${port}`,
      `beta.localhost:${port}`,
    ])
      assert.equal(
        (await server.api('GET', '/.well-known/openid-configuration', undefined, { 'x-forwarded-host': host })).status,
        421,
        host,
      );
  });

  it('knows the tenant’s applications and no others; the base issuer serves them all', async () => {
    const { page } = await begin(here(), t.app, member);
    assert.match(page?.text ?? '', /invalid_client/);
    const form = { grant_type: 'refresh_token', refresh_token: 'x' };
    assert.equal((await token(form, t.app)).body['error'], 'invalid_client');
    assert.equal((await token(form, t.appOfOne)).body['error'], 'invalid_grant');
    assert.equal((await token(form, t.appOfOne, server.issuer)).body['error'], 'invalid_grant');
    const given = decodeJwt(String((await tokens(here(), t.appOfOne, member)).body['access_token']));
    assert.deepEqual([given.iss, given.aud, given['tenant_id']], [url, `${url}/api`, t.one.id]);
  });

  it('shares no code, no refresh token, no session and no access token with the base issuer', async () => {
    const browser = here();
    const mine = await tokens(browser, t.appOfOne, member);
    const base = await t.tokens(server.browser(), t.appOfOne, member);
    const refresh = (reply: Reply, issuer: string): Promise<Reply> =>
      token({ grant_type: 'refresh_token', refresh_token: String(reply.body['refresh_token']) }, t.appOfOne, issuer);
    assert.equal((await refresh(mine, server.issuer)).body['error'], 'invalid_grant');
    assert.equal((await refresh(base, url)).body['error'], 'invalid_grant');

    const { location, verifier } = await begin(browser, t.appOfOne);
    const form = {
      grant_type: 'authorization_code',
      code: String(location?.searchParams.get('code')),
      code_verifier: verifier,
      redirect_uri: CB,
    };
    assert.equal((await token(form, t.appOfOne, server.issuer)).body['error'], 'invalid_grant');
    assert.equal((await token(form, t.appOfOne)).status, 200);

    const elsewhere = server.browser();
    for (const [key, cookie] of browser.jar) elsewhere.jar.set(key, cookie);
    assert.equal(
      (await t.begin(elsewhere, t.appOfOne, undefined, { prompt: 'none' })).location?.searchParams.get('error'),
      'login_required',
    );

    assert.equal((await call('GET', '/api/users?limit=1', undefined, bearer(mine))).status, 200);
    assert.equal((await call('GET', '/api/users?limit=1', undefined, bearer(base))).status, 401);
    assert.equal((await server.api('GET', '/api/users?limit=1', undefined, bearer(mine))).status, 401);
  });

  it('signs in once for the host, at the account application too, whose addresses are the host’s', async () => {
    const browser = here();
    await tokens(browser, t.appOfOne, member);
    const { page, asked } = await visit(browser, '/account');
    assert.deepEqual([page?.status, page?.url, asked], [200, `${url}/account`, []]);
    const fresh = await visit(here(), '/account', { login: member.login, password: member.password });
    assert.deepEqual([fresh.page?.status, fresh.page?.url, fresh.asked], [200, `${url}/account`, ['login']]);
    const redirected = await here().request('/account');
    const asking = new URL(String(redirected.headers.get('location')), url);
    assert.equal(asking.searchParams.get('redirect_uri'), `${url}/account`);
    const base = new URL(asking.href);
    base.searchParams.set('redirect_uri', `${server.issuer}/account`);
    assert.match((await here().go(base.pathname + base.search)).page?.text ?? '', /redirect_uri/);
  });

  it('lets in members only, to applications and to the account page', async () => {
    const stranger = await t.addPerson({ [t.two.id]: 'owner' });
    const browser = here();
    const { location } = await begin(browser, t.appOfOne, stranger);
    assert.deepEqual(
      [location?.searchParams.get('error'), location?.searchParams.get('error_description')],
      ['access_denied', 'not a member of this organization'],
    );
    const account = await visit(browser, '/account');
    assert.equal(account.page?.status, 401, account.page?.text);
    assert.doesNotMatch(account.page?.text ?? '', new RegExp(stranger.login));
    const again = /href="(\/auth\?[^"]*)"/.exec(account.page?.text ?? '')?.[1]?.replaceAll('&amp;', '&');
    assert.ok(again);
    let at = await visit(browser, again, { login: member.login, password: member.password });
    // The first person is signed out before the second comes in.
    if (at.page && at.page.url !== `${url}/account`) at = { ...at, ...(await submit(browser, at.page, {})) };
    assert.deepEqual([at.page?.url, at.page?.status], [`${url}/account`, 200], at.page?.text);
    assert.match(at.page?.text ?? '', new RegExp(member.login.replaceAll('.', '\\.')));
  });

  it('registers people at home in its tenant, as that tenant’s settings say', async () => {
    const closed = await here().go('/account');
    assert.doesNotMatch(closed.page?.text ?? '', /\/register/);
    const opened = await server.api('PATCH', `/api/tenants/${t.one.id}`, { settings: { signUp: 'open' } });
    assert.equal(opened.status, 200, opened.text);
    const browser = here();
    const first = await browser.go('/account');
    assert.ok(first.page);
    const form = await browser.go(`${new URL(first.page.url).pathname}/register`);
    assert.ok(form.page);
    const email = 'new.at.acme@example.test';
    const sent = await submit(browser, form.page, {
      email,
      given_name: 'New',
      family_name: 'Person',
      new_password: 'purple engine cactus 9',
    });
    assert.ok(sent.page, sent.location?.href);
    const done = await submit(browser, sent.page, { code: await server.codeFor(email) });
    assert.equal(done.page?.url, `${url}/account`, done.page?.text ?? done.location?.href);
    const { rows } = await server.owner.query('select home_tenant_id from users where email = $1', [email]);
    assert.deepEqual(rows, [{ home_tenant_id: t.one.id }]);
    const mails = (await call('GET', '/dev/mailbox.json')).text;
    assert.ok(mails.includes(new URL(url).host), 'the mail names the host');
  });

  it('answers the API for that tenant alone, whoever calls, and keeps refusals there', async () => {
    const admin = await t.addPerson({ [server.rootTenantId]: 'administrator', [t.one.id]: 'owner' });
    const scope = 'openid account users.read tenants.read tenants.write';
    const answer = await tokens(here(), t.appOfOne, admin, { scope });
    assert.equal((await call('GET', '/api/users?limit=1', undefined, bearer(answer))).status, 200);
    assert.equal((await call('GET', '/api/users?limit=1', undefined, { ...bearer(answer), 'x-tenant-id': t.two.id })).status, 404);
    assert.equal((await call('GET', `/api/tenants/${t.two.id}`, undefined, bearer(answer))).status, 404);
    assert.equal((await call('GET', '/api/users', undefined, { authorization: 'Bearer nonsense' })).status, 401);
    const refused = await server.owner.query(
      `select tenant_id from audit_events where type = 'token.refused' and reason = 'token.invalid' order by id desc limit 1`,
    );
    assert.deepEqual(refused.rows, [{ tenant_id: t.one.id }]);
    const direct = await t.addClient(t.one.id, { direct_login: true });
    const login = await call('POST', '/api/auth/login', { username: member.login, password: member.password }, basicAuth(direct));
    assert.equal(login.status, 200, login.text);
    const claims = decodeJwt(String(login.body['access_token']));
    assert.deepEqual([claims.iss, claims.aud, claims['tenant_id']], [url, `${url}/api`, t.one.id]);
  });

  it('takes the tenant’s own API keys and no others, not even the platform’s', async () => {
    const machine = {
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
      permissions: ['users.read', 'api-keys.write'],
    };
    const keyOf = async (tenantId: string): Promise<string> => {
      const client = await t.addClient(tenantId, machine);
      const grant = await server.token({ grant_type: 'client_credentials', resource: t.api }, client);
      const made = await server.api('POST', '/api/api-keys', { name: 'key', permissions: ['users.read'] }, bearer(grant));
      assert.equal(made.status, 201, made.text);
      return String(made.body['key']);
    };
    const [own, other, platform] = [await keyOf(t.one.id), await keyOf(t.two.id), await keyOf(server.rootTenantId)];
    const ask = async (key: string, more: Record<string, string> = {}): Promise<number> =>
      (await call('GET', '/api/users?limit=1', undefined, { authorization: `Bearer ${key}`, ...more })).status;
    assert.deepEqual([await ask(own), await ask(other), await ask(platform)], [200, 401, 401]);
    assert.deepEqual([await ask(other, { 'x-tenant-id': t.one.id }), await ask(platform, { 'x-tenant-id': t.one.id })], [401, 401]);
  });

  it('is gone at once when it is taken away, and its tokens with it', async () => {
    const gone = await addIssuer(t.two.id, 'gone.localhost');
    const ask = (): Promise<Reply> => server.api('GET', '/.well-known/openid-configuration', undefined, hostOf(gone));
    await until(async () => (await ask()).status === 200);
    await server.owner.query('delete from issuers where url = $1', [gone]);
    await until(async () => (await ask()).status === 421);
  });

  it('keeps its cookies to itself in a real browser', async function () {
    const chromium: Chromium = await launchChromium(this);
    try {
      const context = await chromium.newContext();
      const page = await context.newPage();
      await page.goto(`${url}/account`);
      await page.locator('[name=login]').fill(member.login);
      await page.locator('[name=password]').fill(member.password);
      await page.locator('button[type=submit]').click();
      await page.waitForURL(`${url}/account`);
      assert.equal(
        (await context.cookies(url)).some(({ name }) => name === 'gatehouse'),
        true,
      );
      assert.equal((await context.cookies(server.issuer)).length, 0);
      await page.goto(`${server.issuer}/account`);
      await page.locator('[name=login]').waitFor();
      await page.goto(`${url}/account`);
      assert.equal(page.url(), `${url}/account`, 'still signed in there');
    } finally {
      await chromium.close();
    }
  });
});
