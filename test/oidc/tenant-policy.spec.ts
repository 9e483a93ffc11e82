import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import { basicAuth, type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { authorization, authorize, basic, CB, startIssuer } from '#test/support/oidc.ts';
import { submit, visit } from '#test/support/person.ts';
import { type App, type Person, setUpTenancy, type Tenancy } from '#test/support/tenancy.ts';

const INSIDE = { 'x-forwarded-for': '198.51.100.7' };
const OUTSIDE = { 'x-forwarded-for': '203.0.113.9' };

describe('what a tenant asks for, at the protocol', function () {
  this.timeout(60_000);
  let server: RunningApp;
  let t: Tenancy;
  let slug = 0;
  before(async () => {
    server = await startTestApp();
    t = await setUpTenancy(server);
  });
  after(() => server.close());

  interface Place {
    id: string;
    slug: string;
    person: Person;
  }
  /** A tenant with these settings, and a person who belongs to it and to another. */
  async function place(settings: object = {}): Promise<Place> {
    slug += 1;
    const tenant = await t.addTenant(`place-${slug}`, settings);
    return { ...tenant, person: await t.addPerson({ [tenant.id]: 'member', [t.two.id]: 'member' }) };
  }
  const errorOf = ({ location }: { location?: URL }): string | null | undefined => location?.searchParams.get('error');
  const redeem = (location: URL | undefined, code_verifier: string, headers = {}): Promise<Reply> =>
    server.token(
      { grant_type: 'authorization_code', code: String(location?.searchParams.get('code')), code_verifier, redirect_uri: CB },
      t.app,
      headers,
    );
  const refresh = (reply: Reply, extra = {}, headers = {}): Promise<Reply> =>
    server.token({ grant_type: 'refresh_token', refresh_token: String(reply.body['refresh_token']), ...extra }, t.app, headers);
  const tenantIn = ({ body }: Reply): unknown => decodeJwt(String(body['access_token']))['tenant_id'];
  /** As if so much time had passed for refresh tokens, sessions and codes of the person. */
  async function age(person: Person, seconds: number, members: readonly string[]): Promise<void> {
    for (const name of members) {
      const older = `payload = jsonb_set(payload, '{${name}}', to_jsonb((payload ->> '${name}')::bigint - ${seconds})) where payload ->> 'accountId' = $1 and payload ? '${name}'`;
      await server.owner.query(`update oidc_objects set ${older}`, [person.id]);
      await server.owner.query(`update oidc_sessions set ${older}`, [person.id]);
    }
  }

  it('its address rules hold for sign-in, code, refresh, switching and direct login; a refusal burns nothing, and other tenants stay open', async () => {
    const { id, slug: tenant, person } = await place();
    const rule = await server.api('POST', `/api/tenants/${id}/ip-rules`, { cidr: '198.51.100.0/24', action: 'allow' });
    assert.equal(rule.status, 201, rule.text);
    const outside = server.browser(OUTSIDE);
    const refused = await t.begin(outside, t.app, person, { tenant });
    assert.deepEqual(
      [errorOf(refused), refused.location?.searchParams.get('error_description')],
      ['access_denied', 'not allowed from this address'],
    );

    const inside = server.browser(INSIDE);
    const { location, verifier } = await t.begin(inside, t.app, person, { tenant });
    assert.equal((await redeem(location, verifier, OUTSIDE)).body['error'], 'access_denied');
    const tokens = await redeem(location, verifier, INSIDE);
    assert.equal(tenantIn(tokens), id);
    assert.equal((await refresh(tokens, {}, OUTSIDE)).body['error'], 'access_denied');
    const switched = await refresh(tokens, { tenant: t.two.slug }, OUTSIDE);
    assert.equal(switched.status, 200, 'another tenant is its own business');
    assert.equal((await refresh(switched, { tenant }, OUTSIDE)).body['error'], 'access_denied');
    assert.equal(tenantIn(await refresh(switched, { tenant }, INSIDE)), id);

    const direct: App = await t.addClient(server.rootTenantId, { direct_login: true });
    const login = (from: Record<string, string>): Promise<Reply> =>
      server.api(
        'POST',
        '/api/auth/login',
        { username: person.login, password: person.password, tenant },
        { ...basicAuth(direct), ...from },
      );
    const away = await login(OUTSIDE);
    assert.deepEqual([away.status, away.body['code']], [403, 'auth.tenant_refused']);
    assert.equal(tenantIn(await login(INSIDE)), id);
    const { rows } = await server.owner.query(
      `select distinct tenant_id, reason from audit_events where actor_id = $1 and type = 'tenant.refused'`,
      [person.id],
    );
    assert.deepEqual(rows, [{ tenant_id: id, reason: 'tenant.address' }], 'for the tenant to see');
  });

  for (const [what, settings, members] of [
    ['sessions.absoluteSeconds', { sessions: { absoluteSeconds: 600 } }, ['authTime', 'loginTs']],
    ['security.maxAuthAgeSeconds', { security: { maxAuthAgeSeconds: 600 } }, ['authTime', 'loginTs']],
    ['sessions.idleSeconds', { sessions: { idleSeconds: 600 } }, ['authTime', 'loginTs', 'iat', 'seenAt']],
  ] as const) {
    it(`${what}: afterwards a refresh is invalid_grant and an authorization asks to sign in again, in that tenant only`, async () => {
      const { id, slug: tenant, person } = await place(settings);
      const browser = server.browser();
      const tokens = await t.tokens(browser, t.app, person, { tenant });
      await age(person, 500, members);
      const next = await refresh(tokens);
      assert.equal(tenantIn(next), id, next.text);
      assert.ok((await t.begin(browser, t.app, undefined, { tenant, prompt: 'none' })).location?.searchParams.has('code'));
      await age(person, 700, members);
      assert.equal((await refresh(next)).body['error'], 'invalid_grant');
      assert.equal(errorOf(await t.begin(browser, t.app, undefined, { tenant, prompt: 'none' })), 'login_required');
      assert.ok((await t.begin(browser, t.app, undefined, { tenant: t.two.slug, prompt: 'none' })).location?.searchParams.has('code'));
      assert.equal((await refresh(next, { tenant: t.two.slug })).status, 200, 'the other tenant has no such rule');
      const again = await t.begin(browser, t.app, person, { tenant });
      assert.ok(again.location?.searchParams.has('code'), again.page?.text);
    });
  }

  for (const [rule, members] of [
    ['absoluteSeconds', ['authTime', 'loginTs']],
    ['idleSeconds', ['authTime', 'loginTs', 'iat', 'seenAt']],
  ] as const)
    it(`sessions.${rule} of the home holds at the person’s own pages, which ask to sign in again and go on`, async () => {
      const settings = (value: number | null): Promise<Reply> =>
        server.api('PATCH', `/api/tenants/${server.rootTenantId}`, { settings: { sessions: { [rule]: value } } });
      const person = await t.addPerson({});
      assert.equal((await settings(600)).status, 200);
      try {
        const browser = server.browser();
        const entered = await visit(browser, '/account', person);
        assert.equal(new URL(entered.page!.url).pathname, '/account', entered.page?.text);
        await age(person, 500, members);
        assert.equal(new URL((await browser.go('/account/profile')).page!.url).pathname, '/account/profile');
        await age(person, 200, members);
        const { page } = await browser.go('/account/profile');
        assert.ok(page?.text.includes('name="password"'), page?.text);
        const again = await submit(browser, page!, { login: person.login, password: person.password });
        assert.match(new URL(again.page!.url).pathname, /^\/account/, again.page?.text);
        assert.equal((await browser.go('/account/profile')).page?.status, 200);
      } finally {
        assert.equal((await settings(null)).status, 200);
      }
    });

  it('a second factor that it requires is asked for, and nothing before it again, also where the tenant is chosen on the page', async () => {
    const { id, slug: tenant, person } = await place({ secondFactor: 'required' });
    const prove = async (browser: Browser, page: Page | undefined): Promise<URL | undefined> => {
      assert.ok(page);
      assert.ok(!page.text.includes('name="password"'));
      const sent = await submit(browser, page, { method: 'email-otp' });
      assert.ok(sent.page);
      return (await submit(browser, sent.page, { code: await server.codeFor(person.login) })).location;
    };
    const named = server.browser();
    const { page: second } = await t.begin(named, t.app, person, { tenant });
    assert.ok((await prove(named, second))?.searchParams.has('code'));
    const browser = server.browser();
    const { page } = await t.begin(browser, t.app, person);
    assert.ok(page);
    const chosen = await submit(browser, page, { tenant: id });
    assert.equal(chosen.location, undefined);
    assert.match(chosen.page?.text ?? '', /value="email-otp"/);
    assert.ok((await t.begin(server.browser(), t.app, person, { tenant: t.two.slug })).location?.searchParams.has('code'));
  });

  it('a second factor that it requires is not got round by refresh, code or direct login', async () => {
    const { slug: tenant, person } = await place({ secondFactor: 'required' });
    const tokens = await t.tokens(server.browser(), t.app, person, { tenant: t.two.slug });
    assert.equal((await refresh(tokens, { tenant })).body['error'], 'access_denied');
    const direct: App = await t.addClient(server.rootTenantId, { direct_login: true });
    const login = await server.api(
      'POST',
      '/api/auth/login',
      { username: person.login, password: person.password, tenant },
      basicAuth(direct),
    );
    // Which leads on, see login/direct-asked.spec.ts, and to no token by itself.
    assert.deepEqual([login.status, login.body['code'], login.body['methods']], [401, 'auth.mfa_required', ['email-otp']], login.text);
    assert.equal(login.text.includes('_token"'), false);
    const second = await server.api(
      'POST',
      '/api/auth/login/2fa',
      { mfaToken: login.body['mfaToken'], code: '000000', tenant },
      basicAuth(direct),
    );
    assert.equal(second.status, 401, second.text);
  });
});

describe('activity in a tenant', () => {
  it('is told once a sign-in, a silent one too, and once a refresh, and of no client; who would be one too many is refused', async () => {
    const issuer = await startIssuer();
    try {
      const seen: string[][] = [];
      let room = true;
      issuer.restart({ meter: { active: (...about) => void seen.push(about), admits: async () => room } });
      await issuer.addClient('app', {}, { first_party: true });
      await issuer.addClient('machine', { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] });
      const { form, browser } = await authorize(issuer, 'app', { scope: 'openid offline_access' });
      const once = [issuer.tenantId, issuer.userId];
      assert.deepEqual(seen, [once]);
      const { body } = await issuer.token(form, basic('app'));
      assert.deepEqual(seen, [once], 'the code is of the same sign-in');
      await issuer.token({ grant_type: 'refresh_token', refresh_token: body.refresh_token }, basic('app'));
      await authorize(issuer, 'app', { prompt: 'none' }, browser);
      assert.deepEqual(seen, [once, once, once]);
      await issuer.token({ grant_type: 'client_credentials' }, basic('machine'));
      assert.equal(seen.length, 3);
      room = false;
      const refused = await browser.go(authorization('app', { prompt: 'none' }).path);
      assert.equal(refused.location?.searchParams.get('error'), 'access_denied');
      assert.equal(seen.length, 3);
    } finally {
      await issuer.close();
    }
  });
});
