/** Attacks on tenants, their administration and invitations (group G), each by its number: proven here, or where this says. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import { authorization } from '#test/support/oidc.ts';
import { signInDirect } from '#test/support/two-tenants.ts';
import { bearer, codeOf, done, itemsOf, PASSWORD, plain, type Scene, setUpScene, tokenOf } from './scene.ts';

/** Where an attack is proven to fail outside of this file: the file, and words of the test's name. */
const ELSEWHERE: readonly (readonly [attack: string, file: string, words: string])[] = [
  ['G1', 'features/invitations/accept.spec.ts', 'G1: an invented or altered secret opens nothing'],
  ['G2', 'features/invitations/invitations.spec.ts', 'G2: show their secret to nobody but the address'],
  ['G3', 'features/invitations/accept.spec.ts', 'G3: past its time it is refused by the clock'],
  ['G5', 'features/invitations/accept.spec.ts', 'G5: somebody with the same address unproven is refused'],
  ['G7', 'isolation.spec.ts', 'answers an id of the other tenant as one that nobody has, at every route'],
  ['G9', 'features/roles/roles.spec.ts', 'that carry more than the caller holds are not made, changed, deleted or inherited (G9)'],
  ['G11', 'attacks/escalation.spec.ts', 'G11: a manager of applications gives none more than they hold'],
  ['G14', 'oidc/tenants.spec.ts', 'G14: a client of one tenant gets nothing of another’s'],
  ['G15', 'permissions.spec.ts', 'no route but the doors answers who shows nothing'],
  ['G18', 'features/invitations/accept.spec.ts', 'G18: the secret in somebody else’s hands opens nothing'],
  ['G19', 'attacks/mass-assignment.spec.ts', 'takes no member that its document does not name, at any route'],
  ['G21', 'attacks/races.spec.ts', 'of the last two owners one stays'],
  ['G26', 'isolation.spec.ts', 'shows nothing of the other tenant in any list'],
  ['G27', 'features/roles/live.spec.ts', 'on the next call (G27)'],
  ['D9', 'oidc/tenants.spec.ts', 'a role taken away is gone from our API at once, and from tokens at the next issue'],
];

interface Operation {
  method: string;
  path: string;
  security: Record<string, string[]>[];
  query: { name: string; schema: { type?: string; enum?: unknown[]; anyOf?: { const?: unknown }[] } }[];
}

describe('attacks on tenants', function () {
  this.timeout(120_000);
  let app: RunningApp;
  let s: Scene;
  let operations: Operation[];

  before(async () => {
    app = await startTestApp();
    s = await setUpScene(app);
    const { paths } = (await app.api('GET', '/openapi.json')).body as {
      paths: Record<
        string,
        Record<string, { parameters?: (Operation['query'][number] & { in: string })[]; security?: Operation['security'] }>
      >;
    };
    operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { parameters = [], security = [] }]) => ({
        method: method.toUpperCase(),
        path,
        security,
        query: parameters.filter((one) => one.in === 'query'),
      })),
    );
  });
  after(() => app?.close());

  const ofA = (path: string): string =>
    path.replace(/\{[^}]+\}/g, (_, at: number) => s.a.ids[path.slice(0, at).split('/').at(-2) ?? ''] ?? randomUUID());

  for (const [attack, file, words] of ELSEWHERE)
    it(`${attack} is tried in ${file}`, async () => {
      const text = await readFile(new URL(`../${file}`, import.meta.url), 'utf8');
      assert.ok(text.includes(words), `${file} has no test named "${words}"`);
    });

  it('G6: a person’s id in body or query stands in for no credentials, and for no other person', async () => {
    const own = operations.filter((one) => /^\/api\/(me|api-keys)(\/|$)/.test(one.path));
    assert.ok(own.length > 25, `only ${own.length}`);
    for (const { method, path } of own) {
      const body = method === 'GET' || method === 'DELETE' ? undefined : { userId: s.both.id, ownerId: s.both.id, actor: s.both.id };
      const nobody = await app.api(method, `${ofA(path)}?userId=${s.both.id}`, body, { authorization: '' });
      assert.equal(nobody.status, 401, `${method} ${path}: ${nobody.text}`);
    }
    const mine = bearer(await tokenOf(app, s.both, s.a.slug));
    for (const [method, path] of [
      ['GET', '/api/me'],
      ['GET', '/api/me/profile'],
      ['GET', '/api/me/sessions'],
      ['GET', '/api/me/grants'],
      ['GET', '/api/me/tenants'],
    ]) {
      const answer = await app.api(method!, `${path}?userId=${s.a.owner.id}`, undefined, mine);
      assert.equal(answer.status, 422, `${path}: ${answer.text}`);
    }
    const changed = await app.api('PATCH', '/api/me', { userId: s.a.owner.id, givenName: 'Mallory' }, mine);
    assert.equal(changed.status, 422, changed.text);
    for (const name of ['x-user-id', 'x-actor-id', 'x-forwarded-user', 'remote-user', 'x-impersonate']) {
      const answer = await app.api('GET', '/api/me', undefined, { ...mine, [name]: s.a.owner.id });
      assert.equal(answer.body['id'], s.both.id, name);
    }
  });

  it('G10: nobody acts as somebody else: there is no route, no grant and no parameter for it', async () => {
    const suspicious = operations.filter(({ path }) => /impersonat|sudo|act-?as|login-?as|masquerad|switch-?user|assume/i.test(path));
    assert.deepEqual(suspicious, []);
    const [subject, actor] = [await tokenOf(app, s.both, s.a.slug), s.a.token];
    const client = { id: 'test-manager', secret: 'a-management-secret-for-tests-0123456789' };
    for (const form of [
      {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: subject,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        actor_token: actor,
      },
      { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: subject },
      { grant_type: 'password', username: s.both.login, password: PASSWORD },
    ]) {
      const answer = await app.token(form, client);
      assert.deepEqual([answer.status, answer.body['error']], [400, 'unsupported_grant_type'], form.grant_type);
    }
    const machine = await app.token(
      { grant_type: 'client_credentials', resource: `${app.issuer}/api`, sub: s.both.id, user_id: s.both.id, requested_subject: s.both.id },
      client,
    );
    assert.equal((await app.api('GET', '/api/me', undefined, bearer(String(machine.body['access_token'])))).status, 403);
  });

  it('G13: what is bound to a tenant is bound to no other by a body, at its making or later', async () => {
    const before = await s.ofB();
    for (const [path, body] of [
      ['/api/resources', { identifier: 'https://bound.example', name: 'x', clients: [s.b.ids['clients']] }],
      ['/api/clients', { client_name: 'x', redirect_uris: ['https://x.example/cb'], tenantId: s.b.tenantId }],
      [`/api/clients/${s.a.ids['clients']}`, { tenantId: s.b.tenantId }],
      [`/api/resources/${s.a.ids['resources']}`, { clients: [s.b.ids['clients']] }],
      [`/api/tenants/${s.a.tenantId}/domains/${s.a.ids['domains']}`, { tenantId: s.b.tenantId }],
      [`/api/groups/${s.a.ids['groups']}`, { tenantId: s.b.tenantId }],
    ] as [string, object][]) {
      const answer = await s.asA(/\/[^/]+-[^/]+$|clients\/|resources\/|groups\//.test(path) ? 'PATCH' : 'POST', path, body);
      assert.ok([404, 405, 422].includes(answer.status), `${path}: ${answer.status} ${answer.text}`);
    }
    assert.deepEqual(await s.ofB(), before);
  });

  it('G17: nothing simulates, previews or evaluates anything for whoever may only read', () => {
    assert.ok(operations.length > 150, `only ${operations.length}`);
    const readable = operations.filter(({ method, path, security }) => {
      const needed = security.flatMap((one) => Object.values(one).flat());
      const evaluates = method !== 'GET' && /simulat|preview|dry-?run|\beval|\bscript|\btest$/i.test(path);
      return evaluates && !(needed.length > 0 && needed.every((right) => right.endsWith('.write')));
    });
    assert.deepEqual(readable, []);
  });

  it('G21: a member deletes no tenant, not their own, and suspends none; nor does an administrator who is no owner', async () => {
    const own = bearer(await tokenOf(app, s.both, s.a.slug));
    assert.equal((await app.api('DELETE', `/api/tenants/${s.a.tenantId}`, undefined, own)).status, 403);
    assert.equal((await app.api('POST', `/api/tenants/${s.a.tenantId}/suspend`, {}, own)).status, 403);
    assert.equal((await s.asA('POST', `/api/tenants/${s.a.tenantId}/suspend`, {})).status, 403, 'not even an owner');
    const [owners] = itemsOf(await s.asA('GET', '/api/roles?roleName=owner'));
    for (const answer of [
      await s.asA('POST', `/api/roles/${String(owners?.['id'])}/revoke`, { userId: s.a.owner.id }),
      await s.asA('PATCH', `/api/tenants/${s.a.tenantId}/members/${s.a.owner.id}`, { roles: [] }),
      await s.asA('PATCH', `/api/users/${s.a.owner.id}`, { status: 'disabled' }),
      await s.asA('DELETE', `/api/users/${s.a.owner.id}`),
    ])
      assert.equal(answer.status, 409, answer.text);
    const [administrators] = itemsOf(await s.asA('GET', '/api/roles?roleName=administrator'));
    const role = `/api/roles/${String(administrators?.['id'])}`;
    await done(s.asA('POST', `${role}/assign`, { userId: s.both.id }));
    const raised = bearer(await tokenOf(app, s.both, s.a.slug));
    assert.equal(
      (await app.api('GET', `/api/tenants/${s.a.tenantId}/members`, undefined, raised)).status,
      200,
      'an administrator they are',
    );
    assert.equal((await app.api('DELETE', `/api/tenants/${s.a.tenantId}`, undefined, raised)).status, 403);
    assert.equal((await app.api('POST', `/api/tenants/${s.a.tenantId}/suspend`, {}, raised)).status, 403);
    await done(s.asA('POST', `${role}/revoke`, { userId: s.both.id }));
    assert.equal((await s.asA('GET', `/api/tenants/${s.a.tenantId}`)).body['status'], 'active');
  });

  it('G22: no filter and no sort key of any list reaches the database as a statement', async () => {
    const hostile = [
      `createdAt; select pg_sleep(3)--`,
      `name' or '1'='1`,
      `(select pg_sleep(3))`,
      `id desc, (select 1)`,
      `%' union select null--`,
      `\\'; --`,
    ];
    let tried = 0;
    for (const { method, path, query } of operations) {
      if (method !== 'GET' || !path.startsWith('/api/')) continue;
      for (const { name } of query)
        for (const value of hostile) {
          const began = performance.now();
          const answer = await s.asA('GET', `${ofA(path)}?${new URLSearchParams({ [name]: value })}`);
          tried += 1;
          assert.ok(performance.now() - began < 2500, `${path}?${name}=${value} slept`);
          assert.ok(answer.status < 500, `${path}?${name}=${value}: ${answer.text}`);
          if (name === 'sort' || name === 'cursor' || name === 'limit') assert.notEqual(answer.status, 200, `${path}?${name}=${value}`);
          assert.ok(!answer.text.includes(s.b.mark), `${path}?${name}=${value} shows B`);
        }
      for (const unknown of ['sortField', 'field', 'orderBy', 'filter', '$where', 'tenantId', 'tenant_id']) {
        if (query.some(({ name }) => name === unknown)) continue;
        const answer = await s.asA('GET', `${ofA(path)}?${new URLSearchParams({ [unknown]: '1' })}`);
        assert.notEqual(answer.status, 200, `${path} takes ${unknown}`);
        assert.ok(answer.status < 500, answer.text);
      }
    }
    assert.ok(tried > 300, `only ${tried}`);
  });

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
