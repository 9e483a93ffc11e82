import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { systemClock } from '#src/core/clock.ts';
import { currentRequest } from '#src/core/scope.ts';
import type { Answered } from '#src/http/access-log.ts';
import { createHealth } from '#src/http/health.ts';
import { createOwnApp } from '#src/http/own-app.ts';
import { createServer, type HttpServer, OWN_PATHS } from '#src/http/server.ts';
import { createView } from '#src/http/view.ts';

interface Raw {
  status: number;
  head: string;
  body: string;
}

describe('the server', () => {
  const view = createView({ clock: systemClock });
  const lines: Record<string, unknown>[] = [];
  const answered: Answered[] = [];
  const log = {
    info: (fields: object) => void lines.push({ ...fields }),
    warn() {},
    error: (fields: object) => void lines.push({ ...fields }),
  };
  let healthy = true;
  let server: HttpServer;
  let port: number;

  /** What the protocol's handler sees of a request. */
  const seen = (request: { url?: string | undefined; headers: object }): string =>
    JSON.stringify({ url: request.url, headers: request.headers, facts: currentRequest.getStore() });

  before(async () => {
    const own = createOwnApp(
      [
        async (ctx, next) => {
          if (ctx.path === '/account/boom') throw new Error('a secret of ours');
          if (ctx.path === '/account/seen') ctx.body = { ip: ctx.ip, host: ctx.host, protocol: ctx.protocol, href: ctx.href };
          else await next();
        },
      ],
      { view, log },
    );
    server = createServer({
      issuerOf: (host) =>
        ({ 'op.test': 'https://op.test', 'login.acme.test': 'https://login.acme.test', 'localhost:3000': 'http://localhost:3000' })[host],
      baseIssuer: 'https://op.test',
      trustedProxies: ['127.0.0.1'],
      health: createHealth({
        database: async () => {
          if (!healthy) throw new Error('no database at 10.1.2.3');
        },
      }),
      own: own.callback(),
      ownPaths: OWN_PATHS,
      protocol: (issuer) => (request, response) => {
        if (request.url === '/slow') return setTimeout(() => response.end('slow'), 200);
        response.setHeader('x-issuer', issuer);
        return response.end(seen(request));
      },
      view,
      log,
      onAnswered: (entry) => void answered.push(entry),
    });
    port = await server.listen(['127.0.0.1'], 0);
  });
  after(() => server.close(1000));

  const raw = (text: string): Promise<Raw> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(text));
      let data = '';
      socket.setTimeout(5000, () => reject(new Error(`no end: ${data}`)));
      socket.on('data', (chunk) => {
        data += chunk.toString('utf8');
      });
      socket.on('error', reject);
      socket.on('close', () => {
        const [head = '', body = ''] = data.split(/\r\n\r\n(.*)/s);
        resolve({
          status: Number(head.split(' ')[1]),
          head: head.toLowerCase(),
          body: /transfer-encoding: chunked/i.test(head) ? body.replace(/^[0-9a-f]+\r\n|\r\n0\r\n\r\n$/gi, '') : body,
        });
      });
    });
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Raw> => {
    const all = { Host: 'op.test', Connection: 'close', ...headers };
    return raw(
      `${method} ${path} HTTP/1.1\r\n${Object.entries(all)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('')}\r\n`,
    );
  };

  it('sends every kind of answer with the security headers and a request id', async () => {
    const answers = [
      get('/token'),
      get('/account/seen'),
      get('/account/boom'),
      get('/nothing//here'),
      get('/x', { Host: 'evil.test' }),
      get('/health/live'),
      get('/x', {}, 'TRACE'),
    ];
    for (const { head } of await Promise.all(answers)) {
      for (const header of [
        'x-content-type-options: nosniff',
        'referrer-policy: no-referrer',
        'x-request-id: ',
        "frame-ancestors 'none'",
        'strict-transport-security: max-age=31536000',
      ])
        assert.ok(head.includes(header), `${header} in ${head}`);
    }
  });

  it('keeps a sane request id of the caller and replaces any other', async () => {
    assert.match((await get('/token', { 'X-Request-Id': 'abc-123.4:5_6' })).head, /x-request-id: abc-123\.4:5_6/);
    for (const id of ['a b', 'x'.repeat(200), '<script>', '-x', '"'])
      assert.doesNotMatch(
        (await get('/token', { 'X-Request-Id': id })).head,
        new RegExp(`x-request-id: ${id.replace(/[^a-z]/g, '\\$&')}\r`),
      );
  });

  it('answers 421 to a host that is no issuer’s, as a page or a problem, before anything else', async () => {
    for (const host of ['evil.test', 'op.test.evil.test', 'op.test:8443', 'evil.test:x@op.test', 'op.test, evil.test', 'OP.TEST.', '']) {
      const { status, body } = await get('/token', { Host: host });
      assert.equal(status, 421, host);
      assert.equal(JSON.parse(body).code, 'host.unknown');
      assert.match(JSON.parse(body).detail, /https:\/\/op\.test/);
    }
    const page = await get('/account', { Host: '127.0.0.1', Accept: 'text/html' });
    assert.equal(page.status, 421);
    assert.match(page.head, /content-type: text\/html/);
    assert.match(page.body, /https:\/\/op\.test/);
    for (const host of ['op.test', 'OP.test', 'op.test:443']) assert.equal((await get('/token', { Host: host })).status, 200, host);
  });

  it('judges the host of an absolute-form target, and two Host headers', async () => {
    assert.equal((await get('http://evil.test/token')).status, 421);
    assert.equal((await get('http://evil.test/token', { Host: 'evil.test' })).status, 421);
    const good = await get('https://op.test/token?a=1');
    assert.deepEqual([good.status, JSON.parse(good.body).url], [200, '/token?a=1']);
    assert.ok(
      [400, 421].includes((await raw('GET /token HTTP/1.1\r\nHost: op.test\r\nHost: evil.test\r\nConnection: close\r\n\r\n')).status),
    );
    assert.equal((await raw('GET /token HTTP/1.0\r\n\r\n')).status, 421);
  });

  it('serves each issuer its own host, whatever forwarded headers claim', async () => {
    const one = JSON.parse(
      (
        await get('/auth', {
          Host: 'login.acme.test',
          'X-Forwarded-For': '203.0.113.9',
          'X-Forwarded-Proto': 'https',
          Forwarded: 'host=evil.test',
          'X-Original-URL': '/admin',
          'X-HTTP-Method-Override': 'DELETE',
          'X-Forwarded-Port': '1',
          'X-Forwarded-Prefix': '/evil',
        })
      ).body,
    );
    assert.deepEqual(one.facts, { ...one.facts, issuer: 'https://login.acme.test', address: '203.0.113.9' });
    assert.equal(one.headers.host, 'login.acme.test');
    assert.equal(one.headers['x-forwarded-host'], 'login.acme.test');
    assert.equal(one.headers['x-forwarded-proto'], 'https');
    for (const name of ['forwarded', 'x-original-url', 'x-http-method-override', 'x-forwarded-port', 'x-forwarded-prefix'])
      assert.equal(one.headers[name], undefined);
    assert.equal((await get('/auth', { 'X-Forwarded-Host': 'evil.test' })).status, 421);
    assert.equal((await get('/auth', { Host: 'inner:3000', 'X-Forwarded-Host': 'op.test' })).status, 200);
    assert.equal((await get('/auth', { 'X-Forwarded-Proto': 'http' })).status, 421, 'an https issuer is not spoken to over http');
    const ours = JSON.parse((await get('/account/seen', { 'X-Forwarded-For': '203.0.113.9' })).body);
    assert.deepEqual(ours, { ip: '203.0.113.9', host: 'op.test', protocol: 'https', href: 'https://op.test/account/seen' });
  });

  it('lets no second spelling of a path through to the protocol', async () => {
    for (const path of [
      '//token',
      '/./token',
      '/token/',
      '/TOKEN',
      '/%74oken',
      '/token%2f',
      '/../token',
      '/token;x=1',
      '/token//introspection',
      '/.well-known/OpenID-configuration',
      '/\\token',
    ])
      assert.ok([400, 404].includes((await get(path)).status), path);
    for (const path of ['/token', '/auth/AbC_1-2', '/.well-known/openid-configuration', '/token?x=%2F%2f//', '/session/end/confirm'])
      assert.equal((await get(path)).status, 200, path);
  });

  it('knows neither TRACE nor strange methods', async () => {
    for (const method of ['TRACE', 'PROPFIND', 'PURGE']) {
      const answer = await get('/token', {}, method);
      assert.equal(answer.status, 405, method);
      assert.match(answer.head, /allow: get, head/);
    }
  });

  it('answers malformed HTTP and goes on', async () => {
    assert.equal((await raw('nonsense\r\n\r\n')).status, 400);
    assert.equal((await raw('GET / HTTP/1.1\r\n\r\n')).status, 400);
    assert.equal(
      (await raw('POST /token HTTP/1.1\r\nHost: op.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')).status,
      400,
    );
    assert.equal((await raw('POST /token HTTP/1.1\r\nHost: op.test\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef')).status, 400);
    assert.equal((await raw('GET / HTTP/1.1\r\nHost: op.test\r\nX: a\r\n b\r\nConnection: close\r\n\r\n')).status, 400);
    assert.equal((await get('/token', { Cookie: 'a=b;'.repeat(10_000) })).status, 431);
    assert.equal((await get(`/token?${'x'.repeat(20_000)}`)).status, 431);
    assert.equal((await get('/token', { 'Content-Length': '70000' }, 'POST')).status, 413);
    assert.equal((await get('/token')).status, 200);
  });

  it('hides what broke: a page for a browser, a problem else, the cause in the log', async () => {
    const page = await get('/account/boom', { Accept: 'text/html', 'X-Request-Id': 'find-me-1' });
    assert.deepEqual([page.status, /secret/.test(page.body), /find-me-1/.test(page.body)], [500, false, true]);
    assert.match(page.head, /content-type: text\/html/);
    const problem = await get('/account/boom');
    assert.deepEqual([problem.status, JSON.parse(problem.body).code, /secret/.test(problem.body)], [500, 'server.error', false]);
    assert.ok(lines.some((line) => (line['err'] as Error | undefined)?.message === 'a secret of ours'));
    const missing = await get('/account/nothing', { Accept: 'text/html' });
    assert.deepEqual([missing.status, /text\/html/.test(missing.head)], [404, true]);
  });

  it('answers probes for any host, says nothing of why, and asks at most twice a second', async () => {
    assert.equal((await get('/health/live', { Host: '10.0.0.7:3000' })).status, 200);
    assert.deepEqual(await get('/health/ready', { Host: 'x' }).then(({ status, body }) => [status, body]), [200, '{"status":"ok"}']);
    healthy = false;
    await new Promise((resolve) => setTimeout(resolve, 550));
    const unready = await get('/health/ready');
    assert.deepEqual([unready.status, unready.body], [503, '{"status":"unavailable"}']);
    assert.match(unready.head, /^retry-after: 1\r?$/m);
    assert.equal((await get('/health/live')).status, 200);
    healthy = true;
  });

  it('logs one line a request: the route, never the query or an id', async () => {
    lines.length = 0;
    answered.length = 0;
    await get('/auth/SeCrEt-id_1?code=SECRET&state=x');
    await get('/token/SECRETpath');
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(lines.length, 2);
    assert.doesNotMatch(JSON.stringify([lines, answered]), /secret/i);
    assert.deepEqual(
      lines.map(({ method, route, status }) => [method, route, status]),
      [
        ['GET', '/auth/{id}', 200],
        ['GET', '(unknown)', 404],
      ],
    );
    assert.ok(answered.every(({ seconds }) => seconds > 0 && seconds < 5));
  });

  it('names no route after what callers make up, whatever they are answered', async () => {
    answered.length = 0;
    for (const word of ['abcdef', 'ghijkl', 'mnopqr']) {
      await get(`/${word}`, { Host: 'evil.test' });
      await get(`/auth/${word}`);
      await get(`/api/${word}`, {}, 'TRACE');
      await get(`/${word}`, { 'Content-Length': '99999999' }, 'POST');
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(answered.length, 12);
    assert.deepEqual([...new Set(answered.map(({ route }) => route))].sort(), ['(unknown)', '/auth/{id}']);
  });

  it('lets running requests end when it stops, and is not ready meanwhile', async () => {
    const slow = get('/slow');
    await new Promise((resolve) => setTimeout(resolve, 50));
    const closing = server.close(5000);
    assert.deepEqual(await slow.then(({ status, body }) => [status, body]), [200, 'slow']);
    await closing;
    await assert.rejects(get('/token'), /ECONNREFUSED/);
  });
});
