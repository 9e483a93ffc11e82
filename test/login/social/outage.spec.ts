import assert from 'node:assert/strict';
import { authorization } from '#test/support/oidc.ts';
import type { Hostility } from '#test/support/upstream.ts';
import { type Landing, startUpstreamSite, typePassword, type UpstreamSite } from '#test/support/upstream-site.ts';
import { alice } from './people.ts';

/** Longer than the keys of a provider are looked up again for one that is not known. */
const COOLED = 2100;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a provider that is slow, wrong or changing', function () {
  this.timeout(60_000);
  let site: UpstreamSite;
  let login: string;
  let number = 9000;
  const within5s = async <T>(act: () => Promise<T>): Promise<T> => {
    const began = performance.now();
    const done = await act();
    assert.ok(performance.now() - began < 5000, `${Math.round(performance.now() - began)} ms`);
    return done;
  };
  /** A page that says so, on which the password still works, and why in the audit log. */
  const goesOnByPassword = async (browser: ReturnType<UpstreamSite['app']['browser']>, landed: Landing, reason: RegExp) => {
    assert.equal(landed.location, undefined);
    assert.equal(landed.page?.status, 422, landed.page?.text);
    assert.match(landed.page?.text ?? '', /role="alert"/);
    assert.match((await site.events('login.refused'))[0]?.reason ?? '', reason);
    const { location } = await typePassword(browser, landed.page, login);
    assert.ok(location?.searchParams.get('code'), 'another method works');
  };
  const WAYS: [string, () => Hostility, RegExp][] = [
    ['refuses connections', () => ({ dead: true }), /^upstream\.unreachable$/],
    ['sends its headers late', () => ({ slow: 20_000 }), /^upstream\.timeout$/],
    ['drips a body without an end', () => ({ drip: true }), /^upstream\.(timeout|unreachable)$/],
    ['sends more than anybody can keep', () => ({ hugeBody: true }), /^upstream\./],
    ['sends a page for JSON', () => ({ notJson: true }), /^upstream\./],
    ['leads to a private address', () => ({ redirect: 'http://169.254.169.254/latest/meta-data' }), /^upstream\./],
    ['leads round in a circle', () => ({ redirect: `${site.fake.issuer}/token` }), /^upstream\./],
  ];

  before(async () => {
    site = await startUpstreamSite();
    await site.connect('oidc', { key: 'idp' });
    login = 'other.way@example.test';
    await site.addPerson({ email: login, emailVerified: true });
  });
  beforeEach(() => Object.assign(site.fake, { hostile: {}, someone: alice(++number) }));
  after(() => site?.close());

  for (const [what, how, reason] of WAYS) {
    it(`${what}, before it is asked: a page within 5 s, and another method works`, async () => {
      await site.connect('oidc', { key: `before-${++number}`, name: `Before ${number}` });
      site.fake.hostile = how();
      const seen = site.fake.seen.length;
      const browser = site.app.browser();
      const landed = await within5s(() => browser.go(authorization(site.client.id, { connection: `before-${number}` }).path));
      await goesOnByPassword(browser, landed, reason);
      assert.equal(site.fake.seen.length, seen + 1, 'asked once, and followed nowhere');
    });

    it(`${what}, after it was asked: a page within 5 s, and another method works`, async () => {
      const browser = site.app.browser();
      const answer = await site.fake.authorize(await site.leave(browser, 'idp'));
      site.fake.hostile = how();
      const seen = site.fake.seen.length;
      const landed = await within5s(() => site.comeBack(browser, answer));
      await goesOnByPassword(browser, landed, reason);
      assert.equal(site.fake.seen.length, seen + 1, 'asked once, and followed nowhere');
      const { rows } = await site.app.owner.query('select 1 from identities where subject = $1', [site.fake.someone.sub]);
      assert.deepEqual(rows, []);
    });
  }

  it('answers again the moment that it is back, with nothing kept of its fault', async () => {
    await site.connect('oidc', { key: 'recovering', name: 'Recovering' });
    site.fake.hostile = { notJson: true };
    const browser = site.app.browser();
    assert.equal((await browser.go(authorization(site.client.id, { connection: 'recovering' }).path)).location, undefined);
    site.fake.hostile = {};
    assert.ok((await site.subjectOf(await site.signIn(site.app.browser(), 'recovering'))).sub);
  });

  it('exchanges its keys while the browser is there: the answer by the new one is good', async () => {
    await site.subjectOf(await site.signIn(site.app.browser(), 'idp'));
    const browser = site.app.browser();
    const answer = await site.fake.authorize(await site.leave(browser, 'idp'));
    await pause(COOLED);
    await site.fake.rotateKeys();
    assert.ok((await site.subjectOf(await site.comeBack(browser, answer))).sub);
  });

  it('signs by a key that it publishes late: refused until then, and good afterwards', async () => {
    await site.subjectOf(await site.signIn(site.app.browser(), 'idp'));
    await pause(COOLED);
    await site.fake.rotateKeys();
    site.fake.hostile = { staleKeys: true };
    const early = site.app.browser();
    await goesOnByPassword(early, await within5s(() => site.signIn(early, 'idp')), /^id_token\.(key|signature)$/);
    site.fake.hostile = {};
    await pause(COOLED);
    assert.ok((await site.subjectOf(await site.signIn(site.app.browser(), 'idp'))).sub);
  });

  it('holds up nobody else: a password is taken while ten wait for the provider', async () => {
    site.fake.hostile = { slow: 20_000 };
    await site.connect('oidc', { key: 'waiting', name: 'Waiting' });
    const waiting = Array.from({ length: 10 }, () =>
      within5s(() => site.app.browser().go(authorization(site.client.id, { connection: 'waiting' }).path)),
    );
    const browser = site.app.browser();
    const { page } = await browser.go(authorization(site.client.id).path);
    const began = performance.now();
    assert.ok((await typePassword(browser, page, login)).location?.searchParams.get('code'));
    assert.ok(performance.now() - began < 2000, 'long before the provider’s time is over');
    for (const { location, page: shown } of await Promise.all(waiting)) {
      assert.equal(location, undefined);
      assert.match(shown?.text ?? '', /role="alert"/);
    }
  });
});
