/** What a stranger may learn, smuggle in or pretend: who has an account, markup in names, mails elsewhere, lines in the log, another host or address. */
import assert from 'node:assert/strict';
import { basicAuth, MANAGER, newAddress, type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { type Cast, setUpCast } from '#test/support/cast.ts';
import { sendBytes } from '#test/support/hostile.ts';
import { authorization } from '#test/support/oidc.ts';
import { formOf, submit, visit } from '#test/support/person.ts';

const MARKUP = `<img src=x onerror=alert(1)>"'><a href=//evil.test>click</a>{{7*7}}<%= 7 %>`;
const RAW = /<img src=x|<a href=\/\/evil|onerror=alert\(1\)>|<script>alert/;

interface Mail {
  to: string;
  subject: string;
  text: string;
  html: string;
}

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

  const open = async (path = '', extra: Record<string, string> = {}): Promise<[Browser, Page]> => {
    const browser = app.browser();
    const { page } = await browser.go(authorization(cast.client.id, { scope: 'openid', ...extra }).path);
    return [browser, path === '' ? page! : (await browser.go(`${page!.url}${path}`)).page!];
  };
  const mails = async (): Promise<Mail[]> => (await fetch(`${app.issuer}/dev/mailbox.json`)).json() as Promise<Mail[]>;
  /** Waits until everything that is to be mailed has been. */
  const settle = async (): Promise<Mail[]> => {
    for (let round = 0; round < 100; round += 1) {
      const { rows } = await app.owner.query<{ left: string }>(
        `select count(*) as left from graphile_worker.jobs where task_identifier like '%mail%' or task_identifier like 'login%'`,
      );
      if (rows[0]?.left === '0') break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return mails();
  };

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

  it('writes no line of their own into the log, and no header into an answer', async () => {
    const host = new URL(app.issuer).host;
    const crlf = '%0d%0a{"level":"fatal","msg":"forged"}%0d%0aset-cookie:%20evil=1';
    for (const path of [
      `/auth?client_id=${crlf}`,
      `/login/${crlf}`,
      `/${crlf}`,
      `/auth?client_id=${cast.client.id}&redirect_uri=https://app.test/cb&state=${crlf}&response_type=x`,
      `/session/end?post_logout_redirect_uri=${crlf}`,
    ]) {
      const response = await fetch(app.issuer + path, {
        redirect: 'manual',
        headers: { 'user-agent': 'x\\r\\n{"level":"fatal"}', 'x-request-id': 'a b\tc', 'x-forwarded-for': newAddress() },
      });
      assert.equal(
        response.headers.getSetCookie().some((cookie) => cookie.startsWith('evil')),
        false,
        path,
      );
      assert.match(response.headers.get('x-request-id') ?? '', /^[\w-]{36}$/);
    }
    await sendBytes(app.issuer, [
      `GET /account HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: a\u0085b\u2028c\r\nX-Request-Id: {"level":"fatal"}\r\n\r\n`,
    ]);
    for (const line of app.log().split('\n').filter(Boolean)) {
      const entry = JSON.parse(line) as Record<string, unknown>;
      assert.notEqual(entry['msg'], 'forged');
      assert.notEqual(entry['level'], 'fatal');
    }
  });

  it('changes neither the links in a mail nor a document by naming another host', async () => {
    const evil = {
      'x-forwarded-host': 'evil.test',
      forwarded: 'host=evil.test;proto=https',
      'x-original-url': '/evil',
      'x-host': 'evil.test',
      'x-forwarded-server': 'evil.test',
    };
    const email = 'hosts@example.test';
    assert.equal((await app.api('POST', '/api/users', { email, emailVerified: true })).status, 201);
    const [browser, page] = await open('/reset');
    const { action, fields } = formOf(page);
    for (const [name, value] of Object.entries(evil)) {
      const response = await browser.request(action, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', [name]: value },
        body: String(new URLSearchParams({ ...fields, email })),
      });
      // A host that a trusted proxy names is no issuer's; what nobody reads changes nothing.
      assert.ok(name === 'x-forwarded-host' ? response.status === 421 : response.status === 303, `${name}: ${response.status}`);
    }
    await app.codeFor(email);
    for (const mail of await settle()) assert.ok(!`${mail.text}${mail.html}${mail.subject}`.includes('evil.test'), mail.subject);
    const plain = await (await fetch(`${app.issuer}/.well-known/openid-configuration`)).text();
    for (const [name, value] of Object.entries(evil).filter(([key]) => key !== 'x-forwarded-host'))
      assert.equal(
        await (await fetch(`${app.issuer}/.well-known/openid-configuration`, { headers: { [name]: value } })).text(),
        plain,
        name,
      );
  });

  it('dodges no limit by the spelling of an address, and gains nothing by what is none', async () => {
    const attempt = (address: string): Promise<number> =>
      app
        .token({ grant_type: 'client_credentials' }, { id: cast.server.id, secret: 'wrong' }, { 'x-forwarded-for': address })
        .then(({ status }) => status);
    const many = async (addresses: string[]): Promise<number> => {
      let refused = 0;
      for (const address of addresses) refused += (await attempt(address)) === 429 ? 1 : 0;
      return refused;
    };
    const sixtyFour = Array.from({ length: 40 }, (_, n) => `2001:db8:7:7::${n.toString(16)}`);
    assert.ok((await many(sixtyFour)) > 0, 'addresses of one /64 are one');
    const mapped = Array.from({ length: 40 }, (_, n) => (n % 2 ? '198.51.100.77' : '::ffff:198.51.100.77'));
    assert.ok((await many(mapped)) > 0, 'IPv4 within IPv6 is that IPv4');
    // The right-most address that is not a proxy's counts: what is left of it is the caller's own invention.
    const invented = Array.from({ length: 40 }, (_, n) => `203.0.113.${n}, 198.51.100.78`);
    assert.ok((await many(invented)) > 0, 'nobody names addresses for themselves');
    assert.equal(await attempt('198.51.100.79'), 401, 'others are not held');
    for (const odd of ['a.b.c', 'unknown', '256.1.1.1', '1.2.3.4.5', '::ffff:999.1.1.1', '[::1', 'evil.test', '"1.2.3.4"', ',,,,'])
      assert.ok([401, 429].includes(await attempt(odd)), odd);
  });

  it('reaches no endpoint by another spelling of its path', async () => {
    const host = new URL(app.issuer).host;
    const body = 'grant_type=client_credentials';
    for (const path of [
      '//token',
      '/%74oken',
      '/token/',
      '/TOKEN',
      '/./token',
      '/x/../token',
      '/token;x',
      '/token%00',
      '/token%2f',
      '\\token',
      '/token/.',
    ]) {
      const line = await sendBytes(app.issuer, [
        `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${basicAuth(MANAGER)['authorization']}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      ]);
      assert.match(line, /^HTTP\/1\.1 40[04]/, path);
    }
    for (const path of ['//api/users', '/API/users', '/api//users', '/api/./users', '/api/users/..', '/%61pi/users', '/api/users;x'])
      assert.match(await sendBytes(app.issuer, [`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`]), /^HTTP\/1\.1 (40[0145])/, path);
  });

  it('finds no route of the published document that answers without credentials, but those that say so', async () => {
    const document = (await (await fetch(`${app.issuer}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, { security: unknown[] }>>;
    };
    const open: string[] = [];
    for (const [path, operations] of Object.entries(document.paths))
      for (const [method, { security }] of Object.entries(operations)) {
        const response = await fetch(app.issuer + path.replace(/\{\w+\}/g, '0192f0c0-1111-7000-8000-000000000000'), {
          method: method.toUpperCase(),
          headers: { 'x-forwarded-for': newAddress(), ...(method === 'get' ? {} : { 'content-type': 'application/json' }) },
          ...(method === 'get' ? {} : { body: '{}' }),
        });
        if (response.status !== 401) open.push(`${method} ${path} ${response.status} ${security.length}`);
      }
    assert.deepEqual(open.sort(), [
      'get /health/live 200 0',
      'get /health/ready 200 0',
      'post /api/auth/login 422 0',
      'post /api/sessions/refresh 422 0',
    ]);
  });
});
