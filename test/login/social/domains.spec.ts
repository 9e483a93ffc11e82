import assert from 'node:assert/strict';
import type { Browser } from '#test/support/browser.ts';
import { authorization } from '#test/support/oidc.ts';
import { PASSWORD, startUpstreamSite, typePassword, type UpstreamSite } from '#test/support/upstream-site.ts';
import { alice } from './people.ts';

describe('which provider an address or a tenant leads to', function () {
  this.timeout(60_000);
  let site: UpstreamSite;
  const tenants = { corp: '', next: '' };
  const ids = { corp: '', next: '' };
  let number = 7000;
  const query = (text: string, ...values: unknown[]) => site.app.owner.query(text, values);
  const verify = (domain: string, tenantId: string) =>
    query(
      `insert into tenant_domains (id, tenant_id, domain, challenge, verified_at, verified_by) values (gen_random_uuid(), $2, $1, 'x', now(), 'platform')
       on conflict (tenant_id, domain) do update set verified_at = now()`,
      domain,
      tenantId,
    );
  const unverify = (domain: string) => query('update tenant_domains set verified_at = null where domain = $1', domain);
  const settings = async (tenantId: string, values: object): Promise<void> =>
    assert.equal((await site.app.api('PATCH', `/api/tenants/${tenantId}`, { settings: values })).status, 200);
  const path = (extra: Record<string, string> = {}): string => authorization(site.client.id, { scope: 'openid email', ...extra }).path;
  /** Types an address into the sign-in page; answers where the page that follows goes by itself. */
  const typed = async (login: string, browser: Browser = site.app.browser()): Promise<string> => {
    const { page } = await browser.go(path());
    const { page: next } = await typePassword(browser, page, login, 'no password of anybody');
    return /^0; url=(.*)$/.exec(next?.headers.get('refresh') ?? '')?.[1] ?? '';
  };
  const goesTo = async (login: string): Promise<string> => /\/social\/([\w-]+)/.exec(await typed(login))?.[1] ?? '';
  /** By an address to the provider, as far as its answer. */
  const leaveBy = async (login: string) => {
    const browser = site.app.browser();
    const { location } = await browser.go(await typed(login, browser));
    assert.ok(location, login);
    return { browser, location, answer: await site.fake.authorize(location) };
  };
  const refusedAs = async (reason: string, landed: { location?: URL | undefined; page?: { text: string } | undefined }): Promise<void> => {
    assert.equal(landed.location, undefined);
    assert.match(landed.page?.text ?? '', /role="alert"/);
    assert.equal((await site.events('login.refused'))[0]?.reason, reason);
  };

  before(async () => {
    site = await startUpstreamSite();
    for (const name of ['corp', 'next'] as const) {
      const made = await site.app.api('POST', '/api/tenants', { name, slug: name, type: 'enterprise' });
      tenants[name] = String(made.body['id']);
    }
    for (const domain of ['corp.test', 'xn--bcher-kva.test']) await verify(domain, tenants.corp);
    await verify('next.test', tenants.next);
    for (const tenantId of Object.values(tenants)) await settings(tenantId, { signUp: 'invitation' });
    await new Promise((resolve) => setTimeout(resolve, 500));
    ids.corp = await site.connect('oidc', { key: 'corp-idp', name: 'Corp', domains: ['corp.test', 'xn--bcher-kva.test'] }, tenants.corp);
    ids.next = await site.connect('oidc', { key: 'next-idp', name: 'Next', domains: ['next.test'] }, tenants.next);
    await site.connect('google');
  });
  beforeEach(() => Object.assign(site.fake, { hostile: {}, someone: alice(++number, { email: `alice-${number}@corp.test` }) }));
  after(() => site?.close());

  it('by address: to the provider, which is told it, and back into the tenant whose domain it is', async () => {
    const { browser, location, answer } = await leaveBy(String(site.fake.someone.email));
    assert.equal(location.searchParams.get('login_hint'), site.fake.someone.email);
    const { location: done } = await site.comeBack(browser, answer);
    assert.ok(done, 'back at the application');
    const { rows } = await query('select home_tenant_id from users where email = $1', site.fake.someone.email);
    assert.deepEqual(rows, [{ home_tenant_id: tenants.corp }]);
  });

  it('by tenant: a button on its page, and `connection` or `idp_hint` with it', async () => {
    const browser = site.app.browser();
    const { page } = await browser.go(path({ tenant: 'corp' }));
    const link = /href="([^"]+)" data-method="social:corp-idp"/.exec(page?.text ?? '')?.[1] ?? '';
    const { location } = await browser.go(link);
    assert.ok((await site.comeBack(browser, await site.fake.authorize(location!))).location?.searchParams.get('code'));
    for (const how of [{ connection: 'corp-idp' }, { idp_hint: 'corp-idp' }, { connection: ids.corp }, { idp_hint: ids.corp }]) {
      const gone = await site.app.browser().go(path({ tenant: tenants.corp, ...how }));
      assert.match(gone.location?.searchParams.get('redirect_uri') ?? '', new RegExp(ids.corp));
    }
    for (const how of [{ connection: 'corp-idp' }, { idp_hint: ids.corp }, { tenant: 'next', connection: 'corp-idp' }])
      assert.equal((await site.app.browser().go(path(how as Record<string, string>))).location, undefined, JSON.stringify(how));
  });

  it('B11 exactly the domain, in whatever case, and nothing that only looks like it', async () => {
    for (const login of ['u@corp.test', 'U@CORP.TEST', ' u@corp.test ', 'u@xn--bcher-kva.test', 'u@XN--BCHER-KVA.test'])
      assert.equal(await goesTo(login), ids.corp, login);
    for (const login of [
      'u@sub.corp.test',
      'u@corp.test.',
      'u@.corp.test',
      'u@corp.test.evil.test',
      'u@evilcorp.test',
      'a@evil.test@corp.test',
      '"a@evil.test"@corp.test',
      'a@corp.test@evil.test',
      'u@c\u043erp.test',
      'u@\uff43orp.test',
      'u@co\u200brp.test',
      'u@b\u00fccher.test',
      'u@corp.test\u0000',
      'u@corp.test%00.evil.test',
      'u@[corp.test]',
      '@corp.test',
      'corp.test',
      `u@${'a.'.repeat(200)}corp.test`,
    ])
      assert.equal(await goesTo(login), '', login);
  });

  it('only while the domain is verified, the connection on, the tenant active, and its methods say so', async () => {
    const without = async (change: () => Promise<unknown>, back: () => Promise<unknown>): Promise<void> => {
      assert.equal(await goesTo('u@corp.test'), ids.corp);
      await change();
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.equal(await goesTo('u@corp.test'), '', change.toString());
      await back();
      await new Promise((resolve) => setTimeout(resolve, 300));
    };
    const enable = (enabled: boolean) =>
      site.app.api('PATCH', `/api/connections/${ids.corp}`, { enabled }, { 'x-tenant-id': tenants.corp });
    await without(
      () => unverify('corp.test'),
      () => verify('corp.test', tenants.corp),
    );
    await without(
      () => enable(false),
      () => enable(true),
    );
    await without(
      () => settings(tenants.corp, { methods: ['password'] }),
      () => settings(tenants.corp, { methods: null }),
    );
    await without(
      () => site.app.api('POST', `/api/tenants/${tenants.corp}/suspend`, {}),
      () => site.app.api('POST', `/api/tenants/${tenants.corp}/restore`),
    );
    assert.equal(await goesTo('u@corp.test'), ids.corp);
  });

  it('whose domain is given up while they are at the provider is expected no more, and nobody is made', async () => {
    const { browser, answer } = await leaveBy(String(site.fake.someone.email));
    await unverify('corp.test');
    try {
      await refusedAs('registration.closed', await site.comeBack(browser, answer));
      assert.equal((await query('select 1 from users where email = $1', site.fake.someone.email)).rows.length, 0);
    } finally {
      await verify('corp.test', tenants.corp);
    }
    const again = await leaveBy(String(site.fake.someone.email));
    assert.ok((await site.comeBack(again.browser, again.answer)).location, 'verified again, and expected again');
  });

  it('a domain that moved leads to the new tenant’s provider, and the old one’s answers open nothing there', async () => {
    const email = String(site.fake.someone.email);
    const { browser, answer } = await leaveBy(email);
    await unverify('corp.test');
    await verify('corp.test', tenants.next);
    await new Promise((resolve) => setTimeout(resolve, 300));
    try {
      const changed = await site.app.api(
        'PATCH',
        `/api/connections/${ids.next}`,
        { domains: ['next.test', 'corp.test'] },
        { 'x-tenant-id': tenants.next },
      );
      assert.equal(changed.status, 200, changed.text);
      await refusedAs('registration.closed', await site.comeBack(browser, answer));
      assert.equal(await goesTo(email), ids.next);
      const moved = await leaveBy(email);
      assert.ok((await site.comeBack(moved.browser, moved.answer)).location);
      const { rows } = await query('select home_tenant_id from users where email = $1', email);
      assert.deepEqual(rows, [{ home_tenant_id: tenants.next }]);
    } finally {
      await query('delete from tenant_domains where domain = $1 and tenant_id = $2', 'corp.test', tenants.next);
      await verify('corp.test', tenants.corp);
    }
  });

  it('says the same of an address that has an account and of one that has none', async () => {
    await site.addPerson({ email: 'known@corp.test', emailVerified: true, password: PASSWORD });
    assert.deepEqual([await goesTo('known@corp.test'), await goesTo('unknown@corp.test')], [ids.corp, ids.corp]);
  });
});
