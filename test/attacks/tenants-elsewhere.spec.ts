/** What a tenant says of addresses and of itself, what its log keeps, and who is at home elsewhere (group G and its neighbours), each by its number. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Reply } from '#test/support/app.ts';
import { authorization } from '#test/support/oidc.ts';
import { signInDirect } from '#test/support/two-tenants.ts';
import { type Operations, startOperations } from './operations.ts';
import { bearer, codeOf, done, PASSWORD, plain, tokenOf } from './scene.ts';

describe('attacks on tenants', function () {
  this.timeout(120_000);
  let app: Operations['app'];
  let s: Operations['s'];
  let close: Operations['close'] | undefined;

  before(async () => {
    ({ app, s, close } = await startOperations());
  });
  after(() => close?.());

  it('G23: a name with a path in it is refused, or is a name and nothing else', async () => {
    for (const name of ['../../etc/passwd', '..%2f..%2fetc', '..\\..\\windows', '/etc/passwd', 'a/../b', '.', '..']) {
      for (const [path, body] of [
        ['/api/clients', { client_id: name, client_name: 'x', redirect_uris: ['https://x.example/cb'] }],
        [`/api/tenants/${s.a.tenantId}/domains`, { domain: name }],
      ] as [string, object][]) {
        const answer = await s.asA('POST', path, body);
        assert.ok(answer.status === 422 || answer.status === 400, `${path} ${name}: ${answer.status} ${answer.text}`);
      }
      assert.equal((await s.asA('PATCH', `/api/tenants/${s.a.tenantId}`, { slug: name })).status, 422, name);
      for (const list of ['users', 'roles', 'clients', 'resources', 'groups', 'users/imports']) {
        const answer = await s.asA('GET', `/api/${list}/${encodeURIComponent(name)}`);
        assert.ok([400, 404].includes(answer.status) || name === '.' || name === '..', `${list} ${name}: ${answer.status}`);
        assert.ok(!/root:x:/.test(answer.text));
      }
    }
  });

  it('G26: nobody writes, changes or deletes an audit event over HTTP, and nobody reads another tenant’s', async () => {
    const id = s.a.ids['audit-events']!;
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
      for (const path of ['/api/audit-events', `/api/audit-events/${id}`]) {
        const answer = await s.asA(method, path, method === 'DELETE' ? undefined : { type: 'user.created' });
        assert.ok([404, 405].includes(answer.status), `${method} ${path}: ${answer.status}`);
      }
    const [theirs, nobodys] = [
      await s.asA('GET', `/api/audit-events/${s.b.ids['audit-events']}`),
      await s.asA('GET', `/api/audit-events/${randomUUID()}`),
    ];
    assert.equal(plain(theirs), plain(nobodys));
    // What a service reports is never taken for ours, and tells nobody of another tenant.
    for (const type of ['session.created', 'user.deleted', 'login.succeeded']) {
      const kept = await s.asA('POST', '/api/logs/auth', { type, outcome: 'failure', userId: s.stranger.id, ip: '203.0.113.1' });
      assert.equal(kept.status, 201, kept.text);
      assert.deepEqual([kept.body['source'], kept.body['type']], ['external', `external.${type}`]);
    }
    for (const path of [
      `/api/users/${s.stranger.id}/attempts`,
      '/api/logs/auth?limit=200',
      '/api/audit-events?limit=200',
      `/api/logs/auth/failed?userId=${s.stranger.id}`,
    ]) {
      const { text } = await s.asB('GET', path);
      assert.ok(!text.includes('external.'), `${path}: ${text}`);
    }
    const own = bearer(await tokenOf(app, s.stranger, s.b.slug));
    assert.ok(!(await app.api('GET', '/api/me/activity?limit=200', undefined, own)).text.includes('external.'));
  });

  it('I10: address rules hold for tokens and keys, whatever a caller says of where they are', async () => {
    const made = await done(s.asA('POST', '/api/api-keys', { name: 'from there', permissions: ['users.read'] }), 201);
    const { id } = await done(app.api('POST', `/api/tenants/${s.a.tenantId}/ip-rules`, { cidr: '203.0.113.0/24', action: 'allow' }), 201);
    // A deny rule of its own stands in the way of that network.
    await done(app.api('DELETE', `/api/tenants/${s.a.tenantId}/ip-rules/${s.a.ids['ip-rules']}`));
    const from = async (headers: Record<string, string>): Promise<string[]> =>
      Promise.all(
        [s.a.token, String(made['key'])].map(async (token) =>
          codeOf(await app.api('GET', '/api/users', undefined, { ...bearer(token), ...headers })),
        ),
      );
    const [inside, outside] = [
      ['200 ', '200 '],
      ['403 tenant.address_refused', '403 tenant.address_refused'],
    ];
    for (const address of ['203.0.113.0', '203.0.113.255', '::ffff:203.0.113.9', '::ffff:cb00:7109', '198.51.100.1, 203.0.113.7'])
      assert.deepEqual(await from({ 'x-forwarded-for': address }), inside, address);
    for (const address of [
      '203.0.112.255',
      '203.0.114.0',
      '203.0.113.9, 198.51.100.7',
      '2001:db8::1',
      'unknown',
      '203.0.113.9:evil',
      '::203.0.113.9',
    ])
      assert.deepEqual(await from({ 'x-forwarded-for': address }), outside, address);
    for (const name of ['x-real-ip', 'forwarded', 'true-client-ip', 'cf-connecting-ip', 'x-client-ip'])
      assert.deepEqual(
        await from({ 'x-forwarded-for': '198.51.100.7', [name]: name === 'forwarded' ? 'for=203.0.113.9' : '203.0.113.9' }),
        outside,
        name,
      );
    await done(app.api('DELETE', `/api/tenants/${s.a.tenantId}/ip-rules/${String(id)}`));
    assert.deepEqual(await from({}), inside);
  });

  it('K14: what a tenant calls itself and looks like is text and a colour, and reaches no page of another', async () => {
    for (const branding of [
      { primaryColor: 'red;}body{display:none' },
      { primaryColor: '#12345g' },
      { primaryColor: '#fff}</style><script>alert(1)</script>' },
      { logoUri: 'javascript:alert(1)' },
      { logoUri: 'https://x.example/"><script>' },
      { logoUri: 'http://x.example/logo.png' },
      { css: 'body{}' },
      { template: '<script>' },
    ]) {
      const answer = await s.asA('PATCH', `/api/tenants/${s.a.tenantId}`, { settings: { branding } });
      assert.equal(answer.status, 422, `${JSON.stringify(branding)}: ${answer.text}`);
    }
    const evil = `</title><script>alert("${s.a.mark}")</script>`;
    await done(s.asA('PATCH', `/api/tenants/${s.a.tenantId}`, { settings: { branding: { displayName: evil } } }));
    const signIn = (client: string | undefined): string =>
      authorization(String(client), {
        scope: 'openid',
        redirect_uri: `https://${client === s.a.ids['clients'] ? s.a.mark : s.b.mark}.example/cb`,
      }).path;
    const shown = async (path: string): Promise<string> => (await app.browser().go(path)).page?.text ?? assert.fail(path);
    const own = await shown(signIn(s.a.ids['clients']));
    assert.ok(own.includes(`&lt;/title&gt;&lt;script&gt;alert(&quot;${s.a.mark}&quot;)`), own);
    assert.ok(!own.includes(evil), own);
    for (const path of ['/account', signIn(s.b.ids['clients'])]) {
      const text = await shown(path);
      assert.match(text, /name="password"/);
      assert.ok(!text.includes(s.a.mark), path);
    }
    await done(s.asA('PATCH', `/api/tenants/${s.a.tenantId}`, { settings: { branding: null } }));
  });

  it('D5: who is disabled at home is in nowhere, in the other tenants neither, by token or by key', async () => {
    const email = `leaving@${s.b.mark}.test`;
    const login = `${s.b.mark}.leaving`;
    const { id } = await done(
      app.api('POST', '/api/users', { username: login, email, emailVerified: true, password: PASSWORD }, { 'x-tenant-id': s.b.tenantId }),
      201,
    );
    await done(app.api('POST', `/api/tenants/${s.a.tenantId}/members`, { userId: id, roles: ['administrator'] }), 201);
    const token = await tokenOf(app, { login, password: PASSWORD }, s.a.slug);
    const key = String(
      (await done(app.api('POST', '/api/api-keys', { name: 'leaving', permissions: ['users.read'] }, bearer(token)), 201))['key'],
    );
    const tries = async (): Promise<number[]> =>
      Promise.all([token, key].map(async (one): Promise<number> => (await app.api('GET', '/api/users', undefined, bearer(one))).status));
    assert.deepEqual(await tries(), [200, 200]);
    await done(s.asB('PATCH', `/api/users/${String(id)}`, { status: 'disabled' }));
    assert.deepEqual(await tries(), [401, 401]);
    const again: Reply = await signInDirect(app, { login, password: PASSWORD }, s.a.slug);
    assert.equal(again.status, 401, again.text);
  });
});
