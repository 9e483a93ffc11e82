/** Whatever a stranger sends, nothing breaks: no 5xx, no wait, no line in the log that says that we were wrong. */
import assert from 'node:assert/strict';
import { ADMIN, basicAuth, MANAGER, newAddress, type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser } from '#test/support/browser.ts';
import { HOSTILE_TEXTS, type HostileRequest, hostileRequests, sendBytes } from '#test/support/hostile.ts';
import { pageRequests, protocolRequests } from '#test/support/hostile-protocol.ts';
import { formOf, submit } from '#test/support/person.ts';

const WITHIN_MS = 5000;
// More at once would be busy with password hashes, and say so: 503.
const AT_ONCE = 4;
const CALLBACK = 'https://app.test/cb';

interface Sent {
  what: string;
  status: number;
  ms: number;
}

describe('hostile input', function () {
  this.timeout(480_000);
  let app: RunningApp;
  let metadata: Record<string, string>;
  let people: { id: string; clientId: string; resourceId: string };
  let managers: string[];
  let personToken: string;

  before(async () => {
    app = await startTestApp();
    metadata = (await (await fetch(`${app.issuer}/.well-known/openid-configuration`)).json()) as Record<string, string>;
    const user = await app.api('POST', '/api/users', {
      email: 'target@example.test',
      emailVerified: true,
      password: 'violet cactus thunder marble',
    });
    const client = await app.api('POST', '/api/clients', {
      client_id: 'target',
      client_name: 'Target',
      redirect_uris: [CALLBACK],
      token_endpoint_auth_method: 'none',
      direct_login: true,
    });
    const resource = await app.api('POST', '/api/resources', { identifier: 'https://api.test/', name: 'Target', scopes: [] });
    // What the routes change is not what the pages and endpoints are asked for.
    const changeable = await app.api('POST', '/api/clients', { client_id: 'victim', client_name: 'Victim', redirect_uris: [CALLBACK] });
    for (const made of [user, client, resource, changeable]) assert.equal(made.status, 201, made.text);
    people = { id: String(user.body['id']), clientId: 'victim', resourceId: String(resource.body['id']) };
    // Each actor may call so often: several take turns.
    managers = [];
    for (let n = 0; n < 40; n++) {
      const made = await app.api('POST', '/api/clients', {
        client_id: `hostile-${n}`,
        client_name: 'Manager',
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        permissions: ((await app.api('GET', `/api/clients/${MANAGER.id}`)).body['permissions'] as string[]) ?? [],
      });
      assert.equal(made.status, 201, made.text);
      const token = await app.token(
        { grant_type: 'client_credentials', resource: `${app.issuer}/api` },
        { id: `hostile-${n}`, secret: String(made.body['client_secret']) },
      );
      managers.push(String(token.body['access_token']));
    }
    const response = await fetch(`${app.issuer}/api/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        username: 'target@example.test',
        password: 'violet cactus thunder marble',
        client_id: 'target',
        scope: 'openid account',
      }),
    });
    const login = (await response.json()) as Record<string, unknown>;
    assert.equal(response.status, 200, JSON.stringify(login));
    personToken = String(login['access_token']);
  });
  afterEach(async () => {
    assert.equal((await fetch(`${app.issuer}/health/ready`)).status, 200, 'alive afterwards');
    assert.equal((await app.api('GET', '/api/users?limit=1')).status, 200, 'and working');
    assert.equal(({} as Record<string, unknown>)['admin'], undefined, 'no prototype was touched');
    const wrong = app
      .log()
      .split('\n')
      .filter((line) => line !== '' && (JSON.parse(line) as { level: number | string }).level !== 'info')
      .filter((line) => ['error', 'fatal', 50, 60].includes((JSON.parse(line) as { level: number | string }).level));
    assert.deepEqual(wrong.map((line) => line.slice(0, 600)).slice(0, 5), []);
  });
  after(() => app?.close());

  async function send({ method, path, headers, body }: HostileRequest, who?: string): Promise<Sent> {
    const started = performance.now();
    const what = `${method} ${path.slice(0, 200)} ${JSON.stringify(headers).slice(0, 200)} ${String(body ?? '').slice(0, 300)}`;
    const init: RequestInit = {
      method,
      headers: { 'x-forwarded-for': newAddress(), ...(who ? { authorization: `Bearer ${who}` } : {}), ...headers },
      redirect: 'manual',
      signal: AbortSignal.timeout(WITHIN_MS * 2),
    };
    if (body !== undefined && method !== 'GET') init.body = typeof body === 'string' ? body : new Uint8Array(body);
    const response = await fetch(app.issuer + path, init);
    await response.arrayBuffer();
    for (const [name] of response.headers) assert.notEqual(name, 'evil', what);
    assert.ok(!response.headers.getSetCookie().some((cookie) => cookie.startsWith('evil')), what);
    return { what, status: response.status, ms: performance.now() - started };
  }

  /** Sends all, a few at once; answers how often each status came. Fails on a 5xx, on 429 (which would hide what comes after) and on what takes too long. */
  async function sendAll(
    requests: Iterable<HostileRequest>,
    who: (n: number, request: HostileRequest) => string | undefined = () => undefined,
  ) {
    const statuses: Record<number, number> = {};
    const bad: string[] = [];
    const waiting = requests[Symbol.iterator]();
    let count = 0;
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let next = waiting.next(); !next.done; next = waiting.next()) {
          count += 1;
          const { what, status, ms } = await send(next.value, who(count, next.value)).catch((error: unknown) => {
            throw new Error(
              `${next.value.method} ${next.value.path.slice(0, 200)}: ${String(error)} ${String((error as Error).cause ?? '')}`,
            );
          });
          statuses[status] = (statuses[status] ?? 0) + 1;
          if (status >= 500 || status === 429 || ms > WITHIN_MS) bad.push(`${status} in ${Math.round(ms)} ms: ${what}`);
        }
      }),
    );
    assert.deepEqual(bad.slice(0, 20), [], `${bad.length} of ${count}`);
    return { statuses, count };
  }

  it('breaks no route of the published document, with every permission', async () => {
    const document = (await (await fetch(`${app.issuer}/openapi.json`)).json()) as Record<string, unknown>;
    const known = (path: string, parameter: string): string | undefined => {
      if (parameter === 'client_id') return people.clientId;
      if (parameter === 'id')
        return path.startsWith('/api/resources') ? people.resourceId : path.startsWith('/api/users') ? people.id : undefined;
      return undefined;
    };
    const { statuses, count } = await sendAll(hostileRequests(document, known), (n, { path }) =>
      path.startsWith('/api/me') ? personToken : managers[n % managers.length],
    );
    assert.ok(count > 3000, `${count} requests`);
    for (const expected of [400, 404, 415, 422]) assert.ok(statuses[expected]! > 0, JSON.stringify(statuses));
  });

  it('breaks no protocol endpoint', async () => {
    const { statuses } = await sendAll(protocolRequests(metadata));
    assert.ok(statuses[400]! > 0 && statuses[401]! > 0, JSON.stringify(statuses));
  });

  it('breaks no page for a browser on its way through sign-in, nor for one that is signed in', async () => {
    const bad: string[] = [];
    const post = async (browser: Browser, path: string, fields: Record<string, string>, name: string, value: string): Promise<void> => {
      const { status } = await browser.post(path, { ...fields, [name]: value });
      if (status >= 500) bad.push(`${status} POST ${path} ${name}=${value.slice(0, 40)}`);
    };
    const authorize = `/auth?${new URLSearchParams({ client_id: 'target', redirect_uri: CALLBACK, response_type: 'code', scope: 'openid', code_challenge: 'x'.repeat(43), code_challenge_method: 'S256' })}`;
    for (const [page, names] of [
      ['', ['login', 'password', 'method', 'decision', '_csrf', '__proto__', 'code']],
      ['/register', ['email', 'given_name', 'family_name', 'new_password', 'decision']],
      ['/reset', ['email', 'decision', 'login']],
    ] as const) {
      for (const name of names)
        for (const value of HOSTILE_TEXTS) {
          // Addresses of their own, or the limits would answer.
          const browser = app.browser();
          const { page: shown } = await browser.go(authorize);
          const { fields } = formOf(shown!);
          await post(browser, new URL(shown!.url).pathname + page, fields, name, value);
        }
    }
    const browser = app.browser();
    const { page: login } = await browser.go('/account');
    const { page: account } = await submit(browser, login!, { login: ADMIN.email, password: ADMIN.password });
    const { fields } = formOf(account!);
    for (const path of ['/account', '/account/password', '/account/sign-out'])
      for (const name of ['decision', 'password', 'new_password', '_csrf'])
        for (const value of HOSTILE_TEXTS) await post(browser, path, fields, name, value);
    assert.deepEqual(bad, []);
    await sendAll(pageRequests());
  });

  it('is answered where it is no HTTP, too large, too slow to end, or too much', async () => {
    const host = new URL(app.issuer).host;
    const head = (line: string, ...headers: string[]): string => [line, `Host: ${host}`, ...headers, '', ''].join('\r\n');
    const cases: [string, (string | Buffer)[], RegExp][] = [
      ['no HTTP', ['\x16\x03\x01 nonsense\r\n\r\n'], /^HTTP\/1\.1 400/],
      ['64 kB of headers', [head('GET / HTTP/1.1', `X-Long: ${'x'.repeat(65_536)}`)], /^HTTP\/1\.1 431/],
      [
        '10,000 cookies',
        [head('GET /account HTTP/1.1', `Cookie: ${Array.from({ length: 10_000 }, (_, n) => `c${n}=1`).join('; ')}`)],
        /^HTTP\/1\.1 431/,
      ],
      [
        '1,500 cookies',
        [head('GET /account HTTP/1.1', `Cookie: ${Array.from({ length: 1500 }, (_, n) => `c${n}=1`).join('; ')}`)],
        /^HTTP\/1\.1 303/,
      ],
      ['a cookie twice', [head('GET /account HTTP/1.1', 'Cookie: gatehouse=a; gatehouse=b', 'Cookie: gatehouse=c')], /^HTTP\/1\.1 303/],
      ['a raw NUL in the path', ['GET /api/users/\0 HTTP/1.1\r\nHost: x\r\n\r\n'], /^HTTP\/1\.1 400/],
      [
        'bytes above 127 in the path',
        [Buffer.concat([Buffer.from('GET /api/users/'), Buffer.from([0xff, 0xfe]), Buffer.from(` HTTP/1.1\r\nHost: ${host}\r\n\r\n`)])],
        /^HTTP\/1\.1 4\d\d/,
      ],
      ['two lengths', [head('POST /token HTTP/1.1', 'Content-Length: 1', 'Content-Length: 2')], /^HTTP\/1\.1 400/],
      ['length and chunks', [head('POST /token HTTP/1.1', 'Content-Length: 1', 'Transfer-Encoding: chunked')], /^HTTP\/1\.1 400/],
      [
        'an announced 10 MB at the token endpoint',
        [head('POST /token HTTP/1.1', 'Content-Type: application/x-www-form-urlencoded', `Content-Length: ${10 << 20}`)],
        /^HTTP\/1\.1 413/,
      ],
      [
        'an announced 10 MB at the API',
        [
          head(
            'POST /api/users HTTP/1.1',
            'Content-Type: application/json',
            `Content-Length: ${10 << 20}`,
            `Authorization: Bearer ${managers[0]}`,
          ),
        ],
        /^HTTP\/1\.1 413/,
      ],
      [
        '100 kB of spaces and commas for a proxy',
        [head('GET /health/live HTTP/1.1', `X-Forwarded-For: ${' ,'.repeat(7000)}`, 'X-Forwarded-Host: ,,,')],
        /^HTTP\/1\.1 200/,
      ],
      ['an unknown method', [head('BREW /token HTTP/1.1')], /^HTTP\/1\.1 4\d\d/],
      ['TRACE', [head('TRACE / HTTP/1.1')], /^HTTP\/1\.1 405/],
      ['a target that is no path', [head('OPTIONS * HTTP/1.1')], /^HTTP\/1\.1 [24]\d\d/],
      ['CONNECT', [head('CONNECT evil.test:443 HTTP/1.1')], /^(HTTP\/1\.1 4\d\d.*|)$/],
      ['an upgrade', [head('GET / HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket')], /^HTTP\/1\.1 \d\d\d/],
      ['Expect', [head('POST /token HTTP/1.1', 'Expect: nothing-known', 'Content-Length: 0')], /^HTTP\/1\.1 4\d\d/],
    ];
    for (const [name, bytes, expected] of cases) {
      const line = await sendBytes(app.issuer, bytes);
      assert.match(line, expected, name);
      assert.doesNotMatch(line, /^HTTP\/1\.1 5/, name);
    }
  });

  it('of 10 MB in chunks is cut off with 413, and slow bodies keep nobody else waiting', async () => {
    const host = new URL(app.issuer).host;
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    for (const [path, type, auth] of [
      ['/token', 'application/x-www-form-urlencoded', ''],
      ['/token/introspection', 'application/x-www-form-urlencoded', ''],
      ['/request', 'application/x-www-form-urlencoded', ''],
      ['/api/users', 'application/json', `Authorization: Bearer ${managers[0]}\r\n`],
      ['/api/auth/login', 'application/json', ''],
    ]) {
      const parts = [
        `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${type}\r\n${auth}Transfer-Encoding: chunked\r\n\r\n`,
        ...Array<string>(160).fill(chunk),
      ];
      assert.match(await sendBytes(app.issuer, parts), /^HTTP\/1\.1 413/, path);
    }
    const chunked = [
      `POST /token HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/x-www-form-urlencoded\r\nAuthorization: ${basicAuth(MANAGER)['authorization']}\r\nTransfer-Encoding: chunked\r\n\r\n`,
      '11\r\ngrant_type=client\r\nc\r\n_credentials\r\n0\r\n\r\n',
    ];
    assert.match(await sendBytes(app.issuer, chunked), /^HTTP\/1\.1 200/, 'a small one is as good as any other');
    const slow = Array.from({ length: 50 }, () =>
      sendBytes(
        app.issuer,
        [
          `POST /token HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n`,
          ...Array<string>(12).fill('a'),
        ],
        { pauseMs: 100, withinMs: 2000 },
      ).catch(() => 'waits'),
    );
    const started = performance.now();
    assert.equal((await fetch(`${app.issuer}/jwks`)).status, 200);
    assert.ok(performance.now() - started < WITHIN_MS);
    for (const line of await Promise.all(slow)) assert.doesNotMatch(line, /^HTTP\/1\.1 5/);
  });

  it('in the Host header is 421 or 400 on every path but health, and reaches nothing', async () => {
    for (const host of ['evil.test', 'evil.test:x@localhost', 'localhost:1', '', `${'a'.repeat(300)}.test`, 'localhost\t', '[::1', '%00'])
      for (const path of ['/.well-known/openid-configuration', '/auth', '/account', '/api/users', '/docs'])
        assert.match(
          await sendBytes(app.issuer, [`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`]),
          /^HTTP\/1\.1 (421|400)/,
          `${host} ${path}`,
        );
    const twice = `GET /account HTTP/1.1\r\nHost: ${new URL(app.issuer).host}\r\nHost: evil.test\r\n\r\n`;
    assert.match(await sendBytes(app.issuer, [twice]), /^HTTP\/1\.1 (421|400)/);
    assert.match(await sendBytes(app.issuer, ['GET http://evil.test/account HTTP/1.1\r\nHost: evil.test\r\n\r\n']), /^HTTP\/1\.1 421/);
    assert.match(await sendBytes(app.issuer, ['GET /health/live HTTP/1.1\r\nHost: evil.test\r\n\r\n']), /^HTTP\/1\.1 200/);
  });
});
