/** The pages of sign-in and of one's own account under attack: groups D, I and K, by their numbers. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { basicAuth, newAddress, type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { type Cast, setUpCast } from '#test/support/cast.ts';
import { authorization } from '#test/support/oidc.ts';
import { formOf, submit, visit } from '#test/support/person.ts';
import { PASSWORD } from './scene.ts';

interface Mail {
  to: string;
  text: string;
  html: string;
}

describe('attacks on the pages of sign-in', function () {
  this.timeout(120_000);
  let app: RunningApp;
  let cast: Cast;
  let direct: { id: string; secret: string };
  let people = 0;

  before(async () => {
    app = await startTestApp();
    cast = await setUpCast(app);
    const made = await app.api('POST', '/api/clients', {
      client_name: 'Direct',
      redirect_uris: ['https://app.test/cb'],
      direct_login: true,
    });
    assert.equal(made.status, 201, made.text);
    direct = { id: String(made.body['client_id']), secret: String(made.body['client_secret']) };
  });
  after(() => app?.close());

  const newPerson = () => {
    people += 1;
    return cast.addPerson(`page${people}@example.test`, PASSWORD);
  };
  const ask = (extra: Record<string, string> = {}): string => authorization(cast.client.id, { scope: 'openid', ...extra }).path;
  const begin = async (browser: Browser): Promise<Page> => (await browser.go(ask({ prompt: 'login' }))).page ?? assert.fail('no page');
  const isIn = async (browser: Browser): Promise<boolean> => {
    const { location } = await browser.go(ask({ prompt: 'none' }));
    return location?.searchParams.get('error') !== 'login_required';
  };
  const mails = async (): Promise<Mail[]> => (await fetch(`${app.issuer}/dev/mailbox.json`)).json() as Promise<Mail[]>;
  const raw = (browser: Browser, url: string, fields: Record<string, string>, headers: Record<string, string>): Promise<Response> =>
    browser.request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: String(new URLSearchParams(fields)),
    });
  /** Every page of one's own that a link leads to. */
  async function ownPages(browser: Browser): Promise<Page[]> {
    const [seen, pages] = [new Set<string>(), [] as Page[]];
    const left = ['/account', '/account/security/totp', '/account/security/passkey', '/account/sign-out'];
    for (let path = left.pop(); path !== undefined; path = left.pop()) {
      if (seen.has(path)) continue;
      seen.add(path);
      const { page } = await browser.go(path);
      if (page?.status !== 200) continue;
      pages.push(page);
      for (const [, href = ''] of page.text.matchAll(/href="(\/account[^"?#]*)/g)) left.push(href);
    }
    return pages;
  }

  it('D1: the cookies of before a sign-in are worth nothing after it', async () => {
    const person = await newPerson();
    const browser = app.browser();
    const page = await begin(browser);
    const planted = browser.clone();
    const { location } = await submit(browser, page, { ...person });
    assert.ok(location ?? (await visit(browser, ask(), person)).location);
    assert.ok(await isIn(browser));
    assert.equal(await isIn(planted), false, 'who planted them is nobody');
    const { page: account } = await planted.go('/account');
    assert.match(account?.text ?? '', /name="password"/);
  });

  it('D2: the address of somebody’s sign-in is worth nothing in another browser, and gives nothing back to the first', async () => {
    const victim = await newPerson();
    const theirs = app.browser();
    await visit(theirs, ask(), victim);
    assert.ok(await isIn(theirs));
    const attacker = app.browser();
    const page = await begin(attacker);
    const opened = await theirs.go(page.url);
    assert.equal(opened.location, undefined);
    assert.ok(!opened.page?.text.includes('name="password"'), 'no form of somebody else’s sign-in');
    const { uid } = /\/login\/(?<uid>[\w-]+)/.exec(page.url)?.groups ?? {};
    for (const path of [`/auth/${uid}`, `/login/${uid}`]) await theirs.go(path).catch(() => undefined);
    const resumed = await attacker.go(`/auth/${uid}`);
    assert.ok(!resumed.location?.searchParams.has('code'));
    assert.equal(await isIn(attacker), false);
  });

  it('D17: a sign-in that an attacker prepared signs nobody else in as the attacker', async () => {
    const attacker = await newPerson();
    const page = await begin(app.browser());
    const { action, fields } = formOf(page);
    const victim = app.browser();
    await begin(victim);
    const answer = await raw(victim, action, { ...fields, ...attacker }, {});
    assert.ok(answer.status >= 400 && answer.status < 500, String(answer.status));
    assert.equal(await isIn(victim), false);
    const own = await begin(victim);
    const foreign = await raw(victim, formOf(own).action, { ...formOf(own).fields, ...attacker }, { origin: 'https://evil.test' });
    assert.equal(foreign.status, 403);
    assert.equal(await isIn(victim), false);
  });

  it('D14: no form of one’s own pages is taken from another site, with the right token or without one', async () => {
    const person = await newPerson();
    const browser = app.browser();
    await visit(browser, '/account', person);
    const pages = (await ownPages(browser)).filter(({ text }) => text.includes('<form method="post"'));
    assert.ok(pages.length >= 8, String(pages.map(({ url }) => url)));
    const before = await app.owner.query('select * from users where id = $1', [person.id]);
    for (const page of pages)
      for (const [html] of page.text.matchAll(/<form method="post"[\s\S]*?<\/form>/g)) {
        const { action, fields, buttons } = formOf({ ...page, text: html });
        const all = { ...fields, ...Object.fromEntries(buttons.map(({ name, value }) => [name, value])), new_password: 'x'.repeat(20) };
        const { _csrf: token, ...without } = all as Record<string, string>;
        assert.ok(token, action);
        for (const [values, headers] of [
          [all, { origin: 'https://evil.test' }],
          [all, { 'sec-fetch-site': 'cross-site' }],
          [all, { 'sec-fetch-site': 'same-site' }],
          [without, {}],
          [{ ...without, _csrf: '' }, {}],
          [{ ...without, _csrf: token.slice(0, -1) }, {}],
        ] as [Record<string, string>, Record<string, string>][])
          assert.equal((await raw(browser, action, values, headers)).status, 403, `${action} ${JSON.stringify(headers)}`);
        assert.notEqual((await raw(browser, action, all, { 'content-type': 'text/plain' })).status, 303, action);
      }
    assert.deepEqual((await app.owner.query('select * from users where id = $1', [person.id])).rows, before.rows);
    assert.ok(await isIn(browser), 'still signed in');
  });

  it('I1, K13: links in mails lead to the issuer whatever a request calls it, and opening them uses nothing up', async () => {
    const person = await newPerson();
    const fresh = 'fresh-links@example.test';
    const evil = {
      forwarded: 'host=evil.test;proto=http',
      'x-host': 'evil.test',
      'x-original-host': 'evil.test',
      'x-original-url': '//evil.test',
    };
    const post = (path: string, body: object) => app.api('POST', `/api/auth/${path}`, body, { ...basicAuth(direct), ...evil });
    assert.equal((await post('otp', { channel: 'email', to: person.login })).status, 202);
    const otp = await app.codeFor(person.login);
    const registered = await post('register', { email: fresh, password: PASSWORD });
    assert.equal(registered.status, 202, registered.text);
    const code = await app.codeFor(fresh);
    assert.equal(
      (
        await app.api(
          'POST',
          '/api/auth/password/reset',
          { email: person.login },
          { ...basicAuth(direct), 'x-forwarded-host': 'evil.test' },
        )
      ).status,
      421,
    );
    const browser = app.browser();
    const page = (await browser.go(`${(await begin(browser)).url}/reset`)).page!;
    const sent = await raw(browser, formOf(page).action, { ...formOf(page).fields, email: person.login }, evil);
    assert.equal(sent.status, 303);
    let own: Mail[] = [];
    for (let round = 0; round < 100 && !own.some(({ text }) => text.includes('/login/')); round += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      own = (await mails()).filter(({ to }) => to === person.login || to === fresh);
    }
    assert.ok(own.length >= 3, JSON.stringify(own));
    let links = 0;
    for (const mail of own) {
      assert.ok(!/evil\.test/.test(`${mail.text}${mail.html}`));
      for (const [link] of `${mail.text}\n${mail.html}`.matchAll(/https?:\/\/[^\s"<>]+/g)) {
        assert.equal(new URL(link).origin, app.issuer, link);
        // As programs do that look at mail before people: twice, without a cookie.
        for (let round = 0; round < 2; round += 1) {
          const seen = await app.browser().go(link.replaceAll('&amp;', '&'));
          assert.ok(!seen.location?.searchParams.has('code'));
        }
        links += 1;
      }
    }
    assert.ok(links > 0);
    const verified = await post('verify', { registrationToken: registered.body['registrationToken'], code });
    assert.equal(verified.status, 200, verified.text);
    assert.equal((await post('login/email', { email: person.login, otp })).status, 200);
    const key = /\b(\d{6})\b/.exec(own.find(({ text }) => text.includes('/login/'))?.text ?? '')?.[1] ?? '';
    const next = (await browser.go(new URL(sent.headers.get('location') ?? '', page.url).href)).page!;
    const reset = await submit(browser, next, { code: key, new_password: 'nine lamps eight rivers' });
    assert.match(reset.page?.text ?? '', /name="decision" value="allow"/, 'signed in, and asked by the application');
  });

  it('I11: one password for many people is held by the address, one person from many addresses by the account', async () => {
    const post = (username: string, address: string) =>
      app.api('POST', '/api/auth/login', { username, password: 'Spring2026!!' }, { ...basicAuth(direct), 'x-forwarded-for': address });
    const one = newAddress();
    const many = await Promise.all(Array.from({ length: 45 }, (_, n) => post(`nobody-${n}@example.test`, one)));
    const judged = many.filter(({ status }) => status === 401).length;
    assert.ok(judged <= 30 && many.some(({ status }) => status === 429), `${judged} were judged`);
    const person = await newPerson();
    const spread = await Promise.all(Array.from({ length: 25 }, () => post(person.login, newAddress())));
    const guesses = spread.filter(({ status }) => status === 401).length;
    assert.ok(guesses >= 1 && guesses <= 10, `${guesses} were judged`);
    assert.ok(spread.some(({ status }) => status === 429));
  });

  it('K5: what a request says is text on the page that refuses it', async () => {
    let pages = 0;
    const markup = `"><script>alert(1)</script><img src=//evil.test>`;
    for (const query of [
      { client_id: markup },
      { client_id: cast.client.id, redirect_uri: markup },
      { client_id: cast.client.id, redirect_uri: 'https://app.test/cb', request_uri: `https://evil.test/${markup}` },
      { client_id: cast.client.id, error: markup, error_description: markup },
    ])
      for (const path of ['/auth', '/session/end', `/login/${encodeURIComponent(markup)}`]) {
        const response = await app.browser({ accept: 'text/html' }).request(`${path}?${new URLSearchParams(query)}`);
        const text = await response.text();
        assert.ok(!/<script>alert|<img src=\/\/evil/.test(text), path);
        pages += text.includes('<html') ? 1 : 0;
        if (text.includes('<html')) assert.match(response.headers.get('content-type') ?? '', /^text\/html; charset=utf-8$/i);
        assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
      }
    assert.ok(pages >= 8, String(pages));
  });

  it('K6: a header that no cache knows of changes no document, and no page of one’s own is kept under any name', async () => {
    const headers = {
      forwarded: 'host=evil.test',
      'x-original-url': '/evil',
      'x-rewrite-url': '/evil',
      'x-host': 'evil.test',
      'x-forwarded-prefix': '/evil',
      'x-http-method-override': 'DELETE',
    };
    for (const path of ['/.well-known/openid-configuration', '/jwks', '/openapi.json']) {
      const [plain, odd] = [await fetch(app.issuer + path), await fetch(app.issuer + path, { headers })];
      assert.equal(plain.status, 200, path);
      assert.equal(await odd.text(), await plain.text(), path);
    }
    const browser = app.browser();
    const person = await newPerson();
    await visit(browser, '/account', person);
    for (const path of [
      '/account/x.css',
      '/account/profile/x.js',
      '/account/%2e%2e/app.css',
      '/account;x.css',
      '/account%00.css',
      '/account.css',
    ]) {
      const response = await browser.request(path);
      assert.ok(!(await response.text()).includes(person.login), path);
      assert.ok(response.status === 400 || response.status === 404, `${path}: ${response.status}`);
      assert.ok(!/public|max-age=[1-9]/.test(response.headers.get('cache-control') ?? ''), path);
    }
  });

  it('K7, K10, K11: no page can be framed, tells where somebody came from, or is reached from a window that it opened', async () => {
    const browser = app.browser();
    const pages = [await begin(browser)];
    await visit(browser, '/account', await newPerson());
    pages.push(...(await ownPages(browser)));
    const { page: missing } = await browser.go('/nowhere');
    assert.ok(missing);
    for (const { url, headers } of [...pages, missing]) {
      assert.match(headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/, url);
      assert.equal(headers.get('referrer-policy'), 'no-referrer', url);
      assert.equal(headers.get('cross-origin-opener-policy'), 'same-origin', url);
      assert.match(headers.get('cache-control') ?? '', /no-store/, url);
    }
    let opened = 0;
    for (const folder of ['login/views', 'account/views', 'http/views', 'login/mails']) {
      const at = new URL(`../../src/${folder}/`, import.meta.url);
      for (const file of (await readdir(at)).filter((name) => name.endsWith('.eta')))
        for (const [tag] of (await readFile(new URL(file, at), 'utf8')).matchAll(/<a\b[^\n]*?target="_blank"[^\n]*?>/g)) {
          opened += 1;
          assert.match(tag, /rel="noopener noreferrer"/, `${folder}/${file}`);
        }
    }
    assert.ok(opened >= 2, `only ${opened} links open a window`);
  });
});
