import assert from 'node:assert/strict';
import { basicAuth, newAddress, type Reply } from '#test/support/app.ts';
import { Browser } from '#test/support/browser.ts';
import { authorization } from '#test/support/oidc.ts';
import { visit } from '#test/support/person.ts';
import { type App, setUpTenancy, type Tenancy } from '#test/support/tenancy.ts';
import { type Landing, startUpstreamSite, typePassword, type UpstreamSite } from '#test/support/upstream-site.ts';
import { alice } from './people.ts';

describe('providers at the issuers of tenants', function () {
  this.timeout(60_000);
  let site: UpstreamSite;
  let t: Tenancy;
  let number = 3000;
  const at = { one: '', two: '' };
  const ids = { one: '', two: '', root: '' };
  const direct: Record<string, App> = {};
  const here = (issuer: string): Browser => new Browser(issuer, { 'x-forwarded-for': newAddress() }, site.app.issuer);
  const keysOn = (text: string | undefined): string[] =>
    [...(text ?? '').matchAll(/data-method="social:([\w-]+)"/g)].map(([, key]) => key ?? '');
  const uidOf = (url: string | undefined): string => /\/login\/([\w-]+)/.exec(url ?? '')?.[1] ?? '';
  const settings = (tenantId: string, values: object): Promise<Reply> =>
    site.app.api('PATCH', `/api/tenants/${tenantId}`, { settings: values });
  /** The sign-in of an application at an issuer, with more in the request. */
  const ask = (issuer: string, clientId: string, extra: Record<string, string> = {}) =>
    here(issuer).go(issuer + authorization(clientId, { scope: 'openid', ...extra }).path);
  const accountAt = (issuer: string, extra: Record<string, string> = {}) =>
    ask(issuer, 'gatehouse-account', { redirect_uri: `${issuer}/account`, ...extra });

  before(async () => {
    site = await startUpstreamSite();
    t = await setUpTenancy(site.app);
    for (const name of ['one', 'two'] as const) {
      const address = new URL(site.app.issuer);
      address.hostname = `${name}.localhost`;
      at[name] = address.origin;
      await site.app.owner.query('insert into issuers (url, tenant_id) values ($1, $2)', [address.origin, t[name].id]);
      await site.app.owner.query(
        `insert into tenant_domains (id, tenant_id, domain, challenge, verified_at, verified_by) values (gen_random_uuid(), $1, $2, 'x', now(), 'platform')`,
        [t[name].id, `${name}.test`],
      );
      assert.equal((await settings(t[name].id, { signUp: 'open' })).status, 200);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
    for (const name of ['one', 'two'] as const)
      ids[name] = await site.connect('oidc', { key: `idp-${name}`, name: `Of ${name}`, domains: [`${name}.test`] }, t[name].id);
    ids.root = await site.connect('google', { key: 'of-root', name: 'Of root' });
    for (const [name, tenantId] of [
      ['one', t.one.id],
      ['two', t.two.id],
      ['root', site.app.rootTenantId],
    ] as const)
      direct[name] = await t.addClient(tenantId, { direct_login: true });
  });
  beforeEach(() => Object.assign(site.fake, { hostile: {}, someone: alice(++number) }));
  after(() => site?.close());

  it('the account application offers those of the issuer’s tenant and no others, under the tenant’s name', async () => {
    for (const [issuer, keys, name] of [
      [at.one, ['idp-one'], t.one.slug.toUpperCase()],
      [at.two, ['idp-two'], t.two.slug.toUpperCase()],
      [site.app.issuer, ['of-root'], undefined],
    ] as const) {
      const { page } = await here(issuer).go('/account');
      assert.deepEqual(keysOn(page?.text), keys, issuer);
      if (name) assert.match(page?.text ?? '', new RegExp(`${name}\\b`));
      else assert.doesNotMatch(page?.text ?? '', /ACME/);
    }
  });

  it('the account application there follows the tenant’s methods', async () => {
    try {
      assert.equal((await settings(t.two.id, { methods: ['password'] })).status, 200);
      assert.deepEqual(keysOn((await here(at.two).go('/account')).page?.text), []);
      assert.deepEqual(keysOn((await here(at.one).go('/account')).page?.text), ['idp-one']);
      assert.equal((await settings(site.app.rootTenantId, { methods: ['password'] })).status, 200);
      assert.deepEqual(keysOn((await here(at.one).go('/account')).page?.text), ['idp-one'], 'the root’s methods are nothing to it');
      assert.equal((await settings(t.two.id, { methods: ['social:idp-two'] })).status, 200);
      const { page } = await here(at.two).go('/account');
      assert.deepEqual(keysOn(page?.text), ['idp-two']);
    } finally {
      for (const id of [t.two.id, site.app.rootTenantId]) await settings(id, { methods: null });
    }
  });

  it('whoever signs in there to /account by the tenant’s provider is at home in the tenant, and may link its providers only', async () => {
    const browser = here(at.one);
    const { page } = await browser.go('/account');
    const link = /href="([^"]+)" data-method="social:idp-one"/.exec(page?.text ?? '')?.[1] ?? '';
    const { location } = await browser.go(link);
    assert.equal(location?.searchParams.get('redirect_uri'), `${at.one}/login/callback/${ids.one}`);
    const done = await browser.go((await site.fake.authorize(location!)).url.href);
    assert.deepEqual([done.page?.url, done.page?.status], [`${at.one}/account`, 200], done.page?.text);
    const { rows } = await site.app.owner.query(
      `select u.home_tenant_id from identities i join users u on u.id = i.user_id where i.subject = $1`,
      [site.fake.someone.sub],
    );
    assert.deepEqual(rows, [{ home_tenant_id: t.one.id }]);

    const member = await t.addPerson({ [t.one.id]: 'member' });
    const other = here(at.one);
    await visit(other, '/account', member);
    const { page: own } = await other.go('/account/identities');
    assert.match(own?.text ?? '', /\/account\/identities\/link\/idp-one/);
    assert.doesNotMatch(own?.text ?? '', /of-root|idp-two/);
    for (const key of ['of-root', 'idp-two', ids.two])
      assert.equal((await other.request(`/account/identities/link/${key}`)).headers.get('location'), '/account/identities', key);
  });

  it('a tenant’s providers can be started at no other tenant’s issuer or application, whatever the request says', async () => {
    const doors: [string, string, Record<string, string>][] = [
      [at.two, 'gatehouse-account', { redirect_uri: `${at.two}/account` }],
      [at.one, t.appOfOne.id, {}],
      [site.app.issuer, t.appOfOne.id, {}],
    ];
    for (const [issuer, clientId, own] of doors) {
      const isOne = clientId === t.appOfOne.id;
      const [mine, foreign] = isOne ? (['one', 'two'] as const) : (['two', 'one'] as const);
      for (const key of [`idp-${foreign}`, ids[foreign], 'of-root', ids.root])
        for (const how of [{ connection: key }, { idp_hint: key }]) {
          const asked = await ask(issuer, clientId, { ...own, ...how, tenant: isOne ? t.two.slug : t.one.slug });
          assert.deepEqual([asked.location, keysOn(asked.page?.text)], [undefined, [`idp-${mine}`]], `${issuer} ${key}`);
        }
      const browser = here(issuer);
      const { page } = await browser.go(issuer + authorization(clientId, { scope: 'openid', ...own, tenant: t[foreign].id }).path);
      const uid = uidOf(page?.url);
      for (const key of [`idp-${foreign}`, ids[foreign], 'of-root', ids.root, `${ids[foreign]}?login=u%40${foreign}.test`]) {
        const started = await browser.go(`/login/${uid}/social/${key}`);
        assert.deepEqual([started.location, started.page?.status], [undefined, 404], `${issuer} ${key}`);
      }
      const { page: next } = await typePassword(browser, page, `u@${foreign}.test`);
      assert.equal(next?.headers.get('refresh') ?? null, null, 'an address of the other tenant’s domain leads nowhere');
      const led = await typePassword(browser, page, `u@${mine}.test`);
      assert.match(led.page?.headers.get('refresh') ?? '', new RegExp(`/social/${ids[mine]}`));
    }
  });

  it('at the installation’s own issuer a tenant’s provider is there for who names the tenant, or has an address of its domain', async () => {
    for (const how of [{ connection: 'idp-one' }, { idp_hint: ids.one }]) {
      const asked = await accountAt(site.app.issuer, how);
      assert.deepEqual([asked.location, keysOn(asked.page?.text)], [undefined, ['of-root']]);
    }
    const browser = here(site.app.issuer);
    const { page } = await browser.go('/account');
    for (const key of ['idp-one', ids.one, `${ids.one}?login=u%40two.test`])
      assert.equal((await browser.go(`/login/${uidOf(page?.url)}/social/${key}`)).page?.status, 404, key);
    const { location } = await ask(site.app.issuer, site.client.id, { tenant: t.one.slug, connection: 'idp-one' });
    assert.equal(location?.host, site.fake.host);
    const led = await typePassword(browser, page, 'u@one.test');
    assert.match(led.page?.headers.get('refresh') ?? '', new RegExp(`/social/${ids.one}`));
  });

  it('an app gets nobody in by another tenant’s provider, at any issuer', async () => {
    const login = async (issuer: string, client: App | undefined, provider: string, tenant?: string): Promise<Reply> =>
      site.app.api(
        'POST',
        '/api/auth/login/social',
        { provider, id_token: await site.fake.idToken('oidc'), ...(tenant ? { tenant } : {}) },
        { ...basicAuth(client!), 'x-forwarded-host': new URL(issuer).host, 'x-forwarded-for': newAddress() },
      );
    for (const [issuer, name, foreign] of [
      [at.one, 'one', 'two'],
      [at.two, 'two', 'one'],
      [site.app.issuer, 'one', 'two'],
    ] as const)
      for (const key of [`idp-${foreign}`, ids[foreign], 'of-root', ids.root]) {
        const refused = await login(issuer, direct[name], key, t[foreign].slug);
        assert.equal(refused.status, 401, `${issuer} ${key}: ${refused.text}`);
        assert.equal((await site.events('login.refused'))[0]?.reason, 'connection.unknown');
      }
    assert.equal((await login(site.app.issuer, direct['root'], 'idp-one')).status, 401);
    const good = await login(at.one, direct['one'], 'idp-one');
    assert.equal(good.status, 200, good.text);
  });

  it('an answer of another tenant’s provider is refused in a sign-in that did not begin there', async () => {
    const [mine, foreign] = [here(at.one), here(at.two)];
    const begin = async (browser: Browser, key: string) => {
      const { page } = await browser.go('/account');
      const { location } = await browser.go(`/login/${uidOf(page?.url)}/social/${key}`);
      return { uid: uidOf(page?.url), answer: (await site.fake.authorize(location!)).url };
    };
    const [one, two] = [await begin(mine, 'idp-one'), await begin(foreign, 'idp-two')];
    const crossed = await mine.go(`/login/${one.uid}/callback/${ids.two}${two.answer.search}`);
    assert.ok(crossed.page && crossed.page.status >= 400, crossed.page?.text);
    assert.equal((await site.events('login.refused'))[0]?.reason, 'connection.other');
    const { rows } = await site.app.owner.query('select 1 from identities where subject = $1', [site.fake.someone.sub]);
    assert.deepEqual(rows, []);
  });

  it('an invitation of one tenant opens no other’s registration, and its own by the verified address alone', async () => {
    const invite = async (email: string): Promise<{ id: string; path: string }> => {
      const made = await site.app.api('POST', `/api/tenants/${t.one.id}/invitations`, { email });
      assert.equal(made.status, 201, made.text);
      for (let tries = 0; tries < 100; tries += 1) {
        const mails = (await (await fetch(`${site.app.issuer}/dev/mailbox.json`)).json()) as { to: string; text: string }[];
        const path = mails.filter(({ to }) => to === email).flatMap(({ text }) => /\/account\/invitations\/[\w-]+/.exec(text) ?? [])[0];
        if (path) return { id: String(made.body['id']), path };
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error('no invitation came');
    };
    const comes = async (issuer: string, key: string, path: string): Promise<Landing> => {
      const browser = here(issuer);
      const { page } = await browser.go(`${path}/sign-in`);
      const { location } = await browser.go(`/login/${uidOf(page?.url)}/social/${key}`);
      assert.ok(location, page?.text);
      return browser.go((await site.fake.authorize(location)).url.href);
    };
    for (const tenant of [t.one, t.two]) await settings(tenant.id, { signUp: 'invitation' });
    try {
      const { path } = await invite(String(site.fake.someone.email));
      assert.match((await comes(at.two, 'idp-two', path)).page?.text ?? '', /role="alert"/);
      assert.equal((await site.events('login.refused'))[0]?.reason, 'registration.closed');
      const joined = await comes(at.one, 'idp-one', path);
      assert.equal(joined.page?.status, 200, joined.page?.text);
      const { rows } = await site.app.owner.query('select home_tenant_id from users where email = $1', [site.fake.someone.email]);
      assert.deepEqual(rows, [{ home_tenant_id: t.one.id }]);
    } finally {
      for (const tenant of [t.one, t.two]) await settings(tenant.id, { signUp: 'open' });
    }
  });
});
