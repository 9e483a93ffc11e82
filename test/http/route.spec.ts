import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Type } from '@sinclair/typebox';
import Koa from 'koa';
import type { AuditEvent } from '#src/core/audit-event.ts';
import { AppError, unavailable } from '#src/core/errors.ts';
import { anonymousScope, type Scope } from '#src/core/scope.ts';
import { createCsrf } from '#src/http/csrf.ts';
import { checkIfMatch, isUnchanged } from '#src/http/etag.ts';
import { mergePatch } from '#src/http/merge-patch.ts';
import { mountRoutes, type RouteDeps } from '#src/http/mount-routes.ts';
import { answer, type Route, route } from '#src/http/route.ts';
import { createRouter } from '#src/http/router.ts';
import { takeViolations } from '#test/support/openapi-guard.ts';

const about = { summary: 'For a test', tag: 'Test' } as const;
const NAMED = Type.Object({ name: Type.String() });

describe('routes', () => {
  const events: AuditEvent[] = [];
  const closers: (() => void)[] = [];
  after(() => {
    for (const close of closers) close();
  });
  afterEach(() => {
    events.length = 0;
    assert.deepEqual(takeViolations(), []);
  });

  const callerOf = (permissions: string[], more: Partial<Scope> = {}): Scope => ({
    ...anonymousScope('tenant'),
    actor: { type: 'client', id: 'c' },
    permissions: new Set(permissions),
    ...more,
  });

  async function start(
    routes: Route[],
    deps: Partial<RouteDeps> = {},
  ): Promise<(signature: string, init?: RequestInit) => Promise<Response>> {
    const app = new Koa();
    app.silent = true;
    app.use(
      mountRoutes(routes, {
        authenticate: async (ctx) => (ctx.get('authorization') ? callerOf(ctx.get('authorization').split(' ')) : undefined),
        audit: { append: async (_scope, event) => void events.push(event) },
        defaultTenantId: 'tenant',
        tenantExists: async () => false,
        strict: true,
        ...deps,
      }),
    );
    const server = createServer(app.callback()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(() => server.close().closeAllConnections());
    const { port } = server.address() as AddressInfo;
    return (signature, init = {}) => {
      const [method, path] = signature.split(' ');
      return fetch(`http://127.0.0.1:${port}${path}`, { ...init, method: method! });
    };
  }
  const codeOf = async (response: Response): Promise<string> => `${response.status} ${((await response.json()) as { code: string }).code}`;

  it('answer 500 and report where the answer is not as documented', async () => {
    const call = await start([
      route('GET /api/leak', { ...about, access: 'public', reply: NAMED, handle: async () => answer({ name: 'x', passwordHash: 'y' }) }),
      route('GET /api/status', { ...about, access: 'public', reply: NAMED, handle: async () => answer({ name: 'x' }, { status: 418 }) }),
      route('GET /api/refusal', {
        ...about,
        access: 'public',
        reply: NAMED,
        handle: () => Promise.reject(new AppError('tea.pot', 418, 'No')),
      }),
      route('GET /api/missing', { ...about, access: 'public', reply: NAMED, handle: async () => answer({}) }),
    ]);
    for (const path of ['leak', 'status', 'refusal', 'missing'])
      assert.equal(await codeOf(await call(`GET /api/${path}`)), '500 server.error');
    assert.deepEqual(
      takeViolations().map(({ route: name, status }) => `${name} ${status}`),
      ['GET /api/leak 200', 'GET /api/status 418', 'GET /api/refusal 418', 'GET /api/missing 200'],
    );
  });

  it('let nothing undeclared out in production either, and log it', async () => {
    const lines: unknown[] = [];
    const log = { info() {}, warn() {}, error: (fields: object) => void lines.push(fields) };
    const leak = route('GET /api/leak', {
      ...about,
      access: 'public',
      reply: NAMED,
      handle: async () => answer({ name: 'x', passwordHash: 'y' }),
    });
    const call = await start([leak], { strict: false, log });
    assert.deepEqual(await (await call('GET /api/leak')).json(), { name: 'x' });
    assert.equal(lines.length, 1);
  });

  it('let platform routes be used by whoever acts for the whole installation only', async () => {
    let platform = false;
    const all = route('GET /api/all', {
      ...about,
      access: 'signing-keys.read',
      platform: true,
      reply: NAMED,
      handle: async () => ({ name: 'x' }),
    });
    const call = await start([all], { authenticate: async () => callerOf(['signing-keys.read'], { platform }) });
    assert.equal(await codeOf(await call('GET /api/all')), '403 permission.missing');
    platform = true;
    assert.equal((await call('GET /api/all')).status, 200);
  });

  it('hand a client’s authentication to the handler, and a bearer’s scope where there is one', async () => {
    const asked = route('POST /api/ask', { ...about, access: 'client', reply: NAMED, handle: async ({ actor }) => ({ name: actor.type }) });
    const call = await start([asked]);
    assert.deepEqual(await (await call('POST /api/ask')).json(), { name: 'anonymous' });
    assert.deepEqual(await (await call('POST /api/ask', { headers: { authorization: 'x' } })).json(), { name: 'client' });
  });

  it('give nothing where a refusal cannot be recorded', async () => {
    const closed = route('GET /api/closed', { ...about, access: 'users.read', reply: NAMED, handle: async () => ({ name: 'x' }) });
    const call = await start([closed], { audit: { append: () => Promise.reject(unavailable()) } });
    const response = await call('GET /api/closed', { headers: { authorization: 'nothing' } });
    assert.equal(response.headers.get('retry-after'), '1');
    assert.equal(await codeOf(response), '503 service.unavailable');
  });

  it('are limited before anything costs something', async () => {
    const limited = route('GET /api/limited', { ...about, access: 'public', reply: NAMED, handle: async () => ({ name: 'x' }) });
    const call = await start([limited], {
      limit: () =>
        Promise.reject(
          new AppError('limit.exceeded', 429, 'Too many', { headers: { 'retry-after': '7' }, extra: { retryAfterSeconds: 7 } }),
        ),
    });
    const response = await call('GET /api/limited');
    assert.equal(response.headers.get('retry-after'), '7');
    assert.equal(await codeOf(response), '429 limit.exceeded');
  });

  it('are limited where a token is refused, too, since the refusal is kept', async () => {
    const closed = route('GET /api/closed', { ...about, access: 'users.read', reply: NAMED, handle: async () => ({ name: 'x' }) });
    let left = 2;
    const call = await start([closed], {
      authenticate: () => Promise.reject(new AppError('token.invalid', 401, 'No', { headers: { 'www-authenticate': 'Bearer' } })),
      limit: async () => {
        left -= 1;
        if (left < 0) throw new AppError('limit.exceeded', 429, 'Too many', { headers: { 'retry-after': '7' } });
      },
    });
    const codes = [];
    for (let n = 0; n < 4; n += 1) codes.push(await codeOf(await call('GET /api/closed', { headers: { authorization: 'x' } })));
    assert.deepEqual(codes, ['401 token.invalid', '401 token.invalid', '429 limit.exceeded', '429 limit.exceeded']);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['token.refused', 'token.refused'],
    );
  });

  it('keep that somebody reached for a tenant which is not theirs', async () => {
    const listed = route('GET /api/listed', { ...about, access: 'users.read', reply: NAMED, handle: async () => ({ name: 'x' }) });
    const call = await start([listed]);
    const headers = { authorization: 'users.read', 'x-tenant-id': '019a0000-0000-7000-8000-000000000000' };
    assert.equal(await codeOf(await call('GET /api/listed', { headers })), '404 tenant.not_found');
    assert.deepEqual(
      events.map(({ type, reason }) => [type, reason]),
      [['permission.refused', 'tenant.foreign']],
    );
  });

  it('answer 404 below their prefix and leave other paths to others', async () => {
    const call = await start([]);
    assert.equal(await codeOf(await call('GET /api/nothing')), '404 path.not_found');
    assert.equal(await codeOf(await call('GET /api')), '404 path.not_found');
    assert.equal(await (await call('GET /apiary')).text(), 'Not Found');
  });

  it('are found by their most fixed segments, and never twice', () => {
    const make = (signature: `GET /${string}`): Route =>
      route(signature, { ...about, access: 'public', reply: NAMED, handle: async () => ({ name: '' }) });
    const match = createRouter(
      ['GET /a/current', 'GET /a/{id}', 'GET /a/{id}/x', 'GET /a/current/y'].map((signature) => make(signature as `GET /${string}`)),
    );
    const found = (path: string): unknown => {
      const hit = match('GET', path);
      return hit && 'route' in hit ? [hit.route.path, hit.params] : hit;
    };
    assert.deepEqual(found('/a/current'), ['/a/current', {}]);
    assert.deepEqual(found('/a/b%2Fc'), ['/a/{id}', { id: 'b/c' }]);
    assert.deepEqual(found('/a/current/x'), ['/a/{id}/x', { id: 'current' }]);
    assert.deepEqual(found('/a/%E0%A4%A'), ['/a/{id}', { id: '' }]);
    for (const path of ['/a', '/a/', '/a//x', '/a/b/', '//a/b', '/A/b']) assert.equal(found(path), undefined, path);
    assert.throws(() => createRouter([make('GET /a/{id}'), make('GET /a/{name}')]), /Two routes/);
    assert.throws(
      () => route('GET /a/{id}', { ...about, access: 'public', params: NAMED, handle: async () => ({}) }),
      /different parameters/,
    );
  });

  it('compare versions as RFC 9110 says', () => {
    for (const good of [undefined, '*', '"3"', '"1", "3"']) checkIfMatch(good, 3);
    for (const bad of ['"4"', 'W/"3"x', '3', '', 'W/"3"']) assert.throws(() => checkIfMatch(bad, 3), { code: 'precondition.failed' });
    for (const same of ['*', '"3"', 'W/"3"', '"1", W/"3"']) assert.ok(isUnchanged(same, '"3"'));
    for (const other of [undefined, '', '"4"', '3']) assert.ok(!isUnchanged(other, '"3"'));
  });

  it('merge patches as the examples of RFC 7396 do', () => {
    const cases: [unknown, unknown, unknown][] = [
      [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
      [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
      [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
      [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
      [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
      [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
      [
        ['a', 'b'],
        ['c', 'd'],
        ['c', 'd'],
      ],
      [{ a: 'foo' }, null, null],
      [{ e: null }, { a: 1 }, { e: null, a: 1 }],
      [[1, 2], { a: 'b', c: null }, { a: 'b' }],
      [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
    ];
    for (const [target, patch, expected] of cases) assert.deepEqual(mergePatch(target, patch), expected);
  });

  it('take forms of their own pages only', () => {
    const box = {
      mac: (context: string, text: string) => `new-${context}-${text}`,
      macAll: (context: string, text: string) => [`new-${context}-${text}`, `old-${context}-${text}`],
    };
    const csrf = createCsrf(box);
    const issuer = 'https://op.test';
    for (const headers of [{}, { origin: 'null' }, { origin: issuer, 'sec-fetch-site': 'same-origin' }])
      csrf.check('s1', csrf.token('s1'), headers, issuer);
    csrf.check('s1', 'old-csrf-s1', {}, issuer);
    for (const token of [undefined, '', 'x', csrf.token('s2')])
      assert.throws(() => csrf.check('s1', token, {}, issuer), { code: 'csrf.invalid', status: 403 });
    for (const headers of [
      { origin: 'https://evil.test' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'http://op.test' },
    ])
      assert.throws(() => csrf.check('s1', csrf.token('s1'), headers, issuer), { code: 'csrf.invalid' });
  });
});
