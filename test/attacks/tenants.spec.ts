/** Attacks on tenants, their administration and invitations (group G), each by its number: proven here, or where this says. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { ELSEWHERE, type Operations, startOperations } from './operations.ts';
import { bearer, done, itemsOf, PASSWORD, tokenOf } from './scene.ts';

describe('attacks on tenants', function () {
  this.timeout(120_000);
  let app: Operations['app'];
  let s: Operations['s'];
  let operations: Operations['operations'];
  let ofA: Operations['ofA'];
  let close: Operations['close'] | undefined;

  before(async () => {
    ({ app, s, operations, ofA, close } = await startOperations());
  });
  after(() => close?.());

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
});
