/** What a stranger pretends: lines of the log, another host, another address, another spelling of a path, no need of credentials. */
import assert from 'node:assert/strict';
import { basicAuth, MANAGER, newAddress, type RunningApp, startTestApp } from '#test/support/app.ts';
import { type Cast, setUpCast } from '#test/support/cast.ts';
import { sendBytes } from '#test/support/hostile.ts';
import { openSignIn, settledMails } from '#test/support/mails.ts';
import { formOf } from '#test/support/person.ts';

describe('somebody who pretends', function () {
  this.timeout(120_000);
  let app: RunningApp;
  let cast: Cast;

  before(async () => {
    app = await startTestApp();
    cast = await setUpCast(app);
  });
  after(() => app?.close());

  const open = (path = '', extra: Record<string, string> = {}) => openSignIn(app, cast.client.id, path, extra);
  const settle = () => settledMails(app);

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
      'post /api/auth/login 422 3',
      'post /api/auth/login/2fa 422 3',
      'post /api/auth/login/email 422 3',
      'post /api/auth/login/mobile 422 3',
      'post /api/auth/login/passkey 422 3',
      'post /api/auth/login/social 422 3',
      'post /api/auth/otp 422 3',
      'post /api/auth/passkey/options 400 3',
      'post /api/auth/password/reset 422 3',
      'post /api/auth/password/reset/complete 422 3',
      'post /api/auth/register 422 3',
      'post /api/auth/verify 422 3',
      'post /api/sessions/refresh 422 3',
    ]);
  });
});
