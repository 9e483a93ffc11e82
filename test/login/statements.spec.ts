/**
 * What a whole sign-in costs the database, from the request to the tokens. The budget is 30 statements of what the browser waits for; each may take one more than it
 * needs, as revisions are asked for now and then. A code by mail takes ten more in the jobs that make and send it.
 */
import assert from 'node:assert/strict';
import { newId } from '#src/core/ids.ts';
import { passkeyEnrolment } from '#src/login/enrol/passkey.ts';
import type { Browser } from '#test/support/browser.ts';
import { authorization } from '#test/support/oidc.ts';
import { formOf, submit } from '#test/support/person.ts';
import { type Landing, PASSWORD, startUpstreamSite, type UpstreamSite } from '#test/support/upstream-site.ts';
import { type CreationOptions, createPasskey, type Passkey, type RequestOptions, usePasskey } from '#test/support/webauthn.ts';

const CODE = /(?:^|\D)(\d{6})(?:\D|$)/;

describe('a whole sign-in, of somebody known on a known device,', function () {
  this.timeout(60_000);
  let site: UpstreamSite;
  let spent: number;
  let count = 0;

  before(async () => {
    site = await startUpstreamSite();
    const methods = ['password', 'email-otp', 'passkey', 'social:oidc'];
    const answer = await site.app.api('PATCH', `/api/tenants/${site.app.rootTenantId}`, { settings: { methods } });
    assert.equal(answer.status, 200, answer.text);
    await site.connect('oidc', { key: 'oidc' });
  });
  after(() => site?.close());
  beforeEach(() => {
    spent = 0;
  });

  /** Adds up what the server did meanwhile; what the test itself looks for is not in it. */
  async function spending<T>(act: () => Promise<T>): Promise<T> {
    let done: T | undefined;
    const statements = await site.app.counted(async () => {
      done = await act();
    });
    spent += statements;
    return done as T;
  }
  async function person(): Promise<{ id: string; email: string }> {
    count += 1;
    const email = `statements${count}@example.test`;
    return { id: await site.addPerson({ email, emailVerified: true }), email };
  }
  /** What its sending cost is counted too, down to the letter; each look into the mailbox is the test's own. */
  async function codeOf(to: string, older: readonly string[]): Promise<string> {
    for (let round = 0; round < 100; round += 1) {
      spent -= 1;
      const all = (await (await fetch(`${site.app.issuer}/dev/mailbox.json`)).json()) as { id: string; to: string; text: string }[];
      const codes = all.filter((mail) => mail.to === to).map(({ text }) => CODE.exec(text)?.[1] ?? '');
      const fresh = codes.find((code) => code !== '' && !older.includes(code));
      if (fresh) return fresh;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return assert.fail(`no code for ${to}`);
  }
  /** The browser that was signed in once, without its session. */
  function again(browser: Browser): Browser {
    const next = site.app.browser();
    for (const [key, cookie] of browser.jar) if (key.includes('gh_device')) next.jar.set(key, cookie);
    assert.ok(next.jar.size > 0);
    return next;
  }
  /** Once to warm up and be known, then measured; `enter` leads from the request to the code, and the tokens are taken here. */
  async function measured(enter: (browser: Browser, path: string) => Promise<Landing>): Promise<number> {
    let browser = site.app.browser();
    for (let round = 0; round < 3; round += 1) {
      const { path, verifier } = authorization(site.client.id, { scope: 'openid email profile' });
      // A job of the round before is not of this one.
      await new Promise((resolve) => setTimeout(resolve, 500));
      spent = 0;
      const { location, page } = await enter(browser, path);
      const code = location?.searchParams.get('code');
      assert.ok(code, location?.href ?? page?.text);
      await spending(async () => {
        const form = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: 'https://app.test/cb' };
        assert.equal((await site.app.token(form, site.client)).status, 200);
      });
      browser = again(browser);
    }
    return spent;
  }

  it('by password spends no more than 20', async () => {
    const { email } = await person();
    const total = await measured((browser, path) =>
      spending(async () => submit(browser, (await browser.go(path)).page!, { login: email, password: PASSWORD })),
    );
    assert.ok(total <= 20, `${total} statements`);
  });

  it('by a code from a mail spends no more than 45, with the jobs that send it', async () => {
    const { email } = await person();
    const old: string[] = [];
    const total = await measured(async (browser, path) => {
      return spending(async () => {
        const { page } = await submit(browser, (await browser.go(path)).page!, { login: email, method: 'email-otp' });
        const code = await codeOf(email, old);
        old.push(code);
        return submit(browser, page!, { code });
      });
    });
    assert.ok(total <= 45, `${total} statements`);
  });

  it('by passkey spends no more than 25', async () => {
    const passkey = await passkeyOf(await person());
    const total = await measured((browser, path) =>
      spending(async () => {
        const page = (await browser.go(path)).page!;
        const { action, fields } = formOf(page);
        const script = browser.clone();
        Object.assign(script.headers, { accept: 'application/json' });
        const { challenge } = (await (await script.post(action, { ...fields, method: 'passkey' })).json()) as { challenge: RequestOptions };
        const signed = usePasskey(passkey, challenge, site.app.issuer);
        return submit(browser, page, { method: 'passkey', passkey: JSON.stringify(signed) });
      }),
    );
    assert.ok(total <= 25, `${total} statements`);
  });

  it('by another provider spends no more than 29', async () => {
    site.fake.someone = { ...site.fake.someone, sub: 'statements', email: 'statements@upstream.test', emailVerified: true };
    const total = await measured((browser, path) =>
      spending(async () => {
        const { location, page } = await browser.go(`${path}&connection=oidc`);
        assert.ok(location, page?.text);
        return site.comeBack(browser, await site.fake.authorize(location));
      }),
    );
    assert.ok(total <= 29, `${total} statements`);
  });

  async function passkeyOf({ id, email }: { id: string; email: string }): Promise<Passkey> {
    const who = { id, login: email, name: 'Ada', passkeys: [] };
    const place = { issuer: site.app.issuer, name: 'Acme' };
    const state = await passkeyEnrolment.start(who, place);
    const { passkey, credential } = createPasskey((await passkeyEnrolment.show(state, who, place)) as CreationOptions, place.issuer);
    const about = { now: new Date(), issuer: place.issuer, names: { totp: 'App', passkey: 'Key' } };
    const factor = await passkeyEnrolment.finish(state, { credential: credential as never }, about);
    assert.ok(factor);
    await site.app.owner.query(
      `insert into credentials (id, user_id, type, name, data, lookup) values ($1, $2, 'passkey', $3, $4::jsonb, $5)`,
      [newId(), id, factor.name, JSON.stringify(factor.data), factor.lookup],
    );
    return passkey;
  }
});
