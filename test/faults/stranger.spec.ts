/** What a stranger may learn or smuggle in: who has an account, markup in names, mails elsewhere. */
import assert from 'node:assert/strict';
import { newAddress, type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Page } from '#test/support/browser.ts';
import { type Cast, setUpCast } from '#test/support/cast.ts';
import { openSignIn, settledMails } from '#test/support/mails.ts';
import { authorization } from '#test/support/oidc.ts';
import { formOf, submit, visit } from '#test/support/person.ts';

const MARKUP = `<img src=x onerror=alert(1)>"'><a href=//evil.test>click</a>{{7*7}}<%= 7 %>`;
const RAW = /<img src=x|<a href=\/\/evil|onerror=alert\(1\)>|<script>alert/;

describe('a stranger', function () {
  this.timeout(120_000);
  let app: RunningApp;
  let cast: Cast;

  before(async () => {
    app = await startTestApp();
    cast = await setUpCast(app);
    for (const [email, status] of [
      ['known@example.test', 'active'],
      ['disabled@example.test', 'disabled'],
    ]) {
      const made = await app.api('POST', '/api/users', { email, emailVerified: true, password: 'violet cactus thunder marble', status });
      assert.equal(made.status, 201, made.text);
    }
  });
  after(() => app?.close());

  const open = (path = '', extra: Record<string, string> = {}) => openSignIn(app, cast.client.id, path, extra);
  const settle = () => settledMails(app);

  /** Status, headers and body of an answer and of the page that it leads to, with what is this visit's own put aside. */
  async function seen(path: string, fields: Record<string, string>, mine: string): Promise<string> {
    const [browser, page] = await open(path);
    const { action, fields: hidden } = formOf(page);
    const uid = new URL(page.url).pathname.split('/')[2]!;
    const own = new Map([
      [uid, 'UID'],
      [mine, 'MINE'],
      [encodeURIComponent(mine), 'MINE'],
      [hidden['_csrf']!, 'CSRF'],
    ]);
    const parts: string[] = [];
    let response = await browser.post(action, { ...hidden, ...fields });
    for (let hop = 0; hop < 4; hop += 1) {
      const headers = [...response.headers]
        .filter(([name]) => !['date', 'x-request-id', 'content-length', 'etag'].includes(name))
        .map(([name, value]) => `${name}: ${value.replace(/(gatehouse[\w.]*)=[^;]+/g, '$1=…').replace(/expires=[^;]+/gi, 'expires=…')}`)
        .sort();
      parts.push(String(response.status), ...headers, await response.text());
      const location = response.headers.get('location');
      if (!location) break;
      response = await browser.request(new URL(location, action).href);
    }
    let text = parts.join('\n');
    for (const [value, name] of own) text = text.replaceAll(value, name);
    return text;
  }

  it('cannot tell by sign-in, registration or reset who has an account, or a closed one: the same bytes', async () => {
    const cases: [string, (email: string) => Record<string, string>][] = [
      ['', (login) => ({ login, password: 'wrong password' })],
      ['', (login) => ({ login, password: '' })],
      ['', (login) => ({ login, password: 'x'.repeat(2000) })],
      ['/register', (email) => ({ email, given_name: 'A', family_name: 'B', new_password: 'silver teapot window rain 6' })],
      ['/reset', (email) => ({ email })],
    ];
    for (const [path, fields] of cases) {
      const known = await seen(path, fields('known@example.test'), 'known@example.test');
      for (const other of ['stray@example.test', 'disabled@example.test', 'KNOWN@example.test'])
        assert.equal(await seen(path, fields(other), other), known, `${path} ${other}`);
    }
    const direct = async (username: string): Promise<string> => {
      const response = await fetch(`${app.issuer}/api/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': newAddress() },
        body: JSON.stringify({ username, password: 'wrong password', client_id: 'direct' }),
      });
      return `${response.status} ${(await response.text()).replace(/"requestId":"[^"]+"/, '')}`;
    };
    const made = await app.api('POST', '/api/clients', {
      client_id: 'direct',
      client_name: 'Direct',
      redirect_uris: ['https://app.test/cb'],
      token_endpoint_auth_method: 'none',
      direct_login: true,
    });
    assert.equal(made.status, 201, made.text);
    assert.equal(await direct('known@example.test'), await direct('stray@example.test'));
    assert.equal(await direct('known@example.test'), await direct('disabled@example.test'));
  });

  it('gets no markup into a page or a mail, by names, parameters or errors', async () => {
    // Past the API, which refuses it: as an import or an upstream might bring it.
    const email = 'markup@example.test';
    const person = { login: email, password: 'violet cactus thunder marble' };
    const made = await app.api('POST', '/api/users', { email, emailVerified: true, password: person.password });
    await app.owner.query('update users set given_name = $2, family_name = $2 where id = $1', [made.body['id'], MARKUP]);
    const client = await app.api('POST', '/api/clients', {
      client_id: 'markup',
      client_name: 'M',
      redirect_uris: ['https://app.test/cb'],
      token_endpoint_auth_method: 'none',
    });
    assert.equal(client.status, 201, client.text);
    await app.owner.query(
      `update clients set metadata = metadata || jsonb_build_object('client_name', $1::text) where client_id = 'markup'`,
      [MARKUP],
    );
    await app.owner.query(`select pg_notify('gatehouse', '{}')`);
    await app.api('PATCH', '/api/clients/markup', { tos_uri: 'https://app.test/tos' });

    const pages: Page[] = [];
    const look = (page: Page | undefined): Page => {
      assert.ok(page);
      pages.push(page);
      return page;
    };
    const hostile = { state: MARKUP, nonce: MARKUP, ui_locales: MARKUP, login_hint: MARKUP, acr_values: MARKUP };
    const browser = app.browser();
    const login = look((await browser.go(authorization('markup', { scope: 'openid', ...hostile }).path)).page);
    look((await submit(browser, login, { login: MARKUP, password: 'x' })).page);
    const register = look((await browser.go(`${login.url}/register`)).page);
    look((await submit(browser, register, { email: MARKUP, given_name: MARKUP, family_name: MARKUP, new_password: 'x' })).page);
    look((await submit(browser, look((await browser.go(`${login.url}/reset`)).page), { email: MARKUP })).page);
    const consent = look((await submit(browser, look((await browser.go(`${login.url}?page=sign-in`)).page), { ...person })).page);
    assert.match(consent.text, /value="allow"/);
    assert.match(consent.text, /&lt;img src=x/, 'the name is shown as text');
    const { location } = await submit(browser, consent, { decision: 'allow' });
    assert.equal(location?.searchParams.get('state'), MARKUP);
    look((await visit(browser, '/account', person)).page);
    look((await browser.go('/account/sign-out')).page);
    look((await browser.go(`/session/end?client_id=markup&state=${encodeURIComponent(MARKUP)}`)).page);
    const posted = look((await browser.go(authorization('markup', { scope: 'openid', ...hostile, response_mode: 'form_post' }).path)).page);
    assert.match(posted.text, /name="state"/);
    const word = encodeURIComponent(MARKUP);
    for (const path of [
      `/auth?client_id=${word}`,
      `/auth?client_id=markup&redirect_uri=${word}&response_type=code`,
      `/auth?client_id=markup&request_uri=${word}&${word}=1`,
      `/auth?client_id=markup&redirect_uri=https://app.test/cb&response_type=${word}&scope=${word}&error=${word}&error_description=${word}`,
      `/account?error=x&error_description=${word}`,
      `/account?code=${word}&state=${word}`,
      `/login/${word}`,
      `/demo/callback?error=${word}&error_description=${word}`,
      `/session/end?id_token_hint=${word}&post_logout_redirect_uri=${word}`,
      `/${word}`,
      `/assets/${word}`,
      `/docs/${word}`,
      '/dev/mailbox',
    ]) {
      const { page } = await app.browser({ accept: 'text/html' }).go(path);
      if (page) pages.push(page);
    }
    await settle();
    pages.push((await app.browser({ accept: 'text/html' }).go('/dev/mailbox')).page!);
    for (const page of pages) {
      assert.doesNotMatch(page.text, RAW, page.url);
      assert.equal(page.headers.get('x-content-type-options'), 'nosniff', page.url);
      assert.doesNotMatch(page.headers.get('content-security-policy') ?? 'none', /unsafe-inline|unsafe-eval|script-src \*/, page.url);
      assert.ok(page.headers.get('content-security-policy'), page.url);
      assert.ok(page.status < 500, page.url);
    }
    // The reset mail to somebody of that name.
    const [asking, reset] = await open('/reset');
    await submit(asking, reset, { email });
    await app.codeFor(email);
    for (const mail of (await settle()).filter(({ to }) => to === email)) {
      assert.doesNotMatch(mail.html, RAW);
      assert.doesNotMatch(mail.subject, /[\r\n]/);
    }
  });

  it('gets no mail sent elsewhere by an address that readers read differently', async () => {
    const before = (await settle()).length;
    const stored = 'mike@example.test';
    const made = await app.api('POST', '/api/users', { email: stored, emailVerified: true, password: 'violet cactus thunder marble' });
    assert.equal(made.status, 201, made.text);
    const tricks = [
      'm\u0131ke@example.test',
      'mike@ex\u0430mple.test',
      'm\uff49ke@example.test',
      'mike@example\u3002test',
      '"mike@example.test x"@evil.test',
      'mike@example.test(x)evil.test',
      'mike@example.test,evil@evil.test',
      'mike@example.test;evil@evil.test',
      'mike@example.test evil@evil.test',
      '<evil@evil.test> mike@example.test',
      'Mike <mike@example.test>',
      'mike@example.test\r\nBcc: evil@evil.test',
      'mike@example.test%0d%0abcc:evil@evil.test',
      'mike@[127.0.0.1]',
      'mike@localhost\u0000.evil.test',
      '=?utf-8?q?mike?=@example.test\n',
    ];
    for (const email of tricks) {
      for (const path of ['/reset', '/register'] as const) {
        const [browser, page] = await open(path);
        const { status } = await browser.post(formOf(page).action, {
          ...formOf(page).fields,
          email,
          ...(path === '/register' ? { given_name: 'M', family_name: 'M', new_password: 'silver teapot window rain 6' } : {}),
        });
        assert.ok(status < 500, `${path} ${email}`);
      }
    }
    const sent = (await settle()).slice(0, -before || undefined);
    assert.deepEqual(
      sent.filter(({ to }) => !/^[!-?A-~]+@example\.test$/.test(to)).map(({ to }) => to),
      [],
      'no mail outside',
    );
    const [browser, page] = await open('/reset');
    await submit(browser, page, { email: ' MIKE@Example.TEST ' });
    assert.match(await app.codeFor(stored), /^\d{6}$/, 'and the mail goes to the address as it is stored');
  });
});
