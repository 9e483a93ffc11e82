/** Imports and exports over the whole server: taken in as they come, worked on in batches, each once. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import argon2 from 'argon2';
import { newId } from '#src/core/ids.ts';
import { type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';

describe('imports of people', () => {
  let app: RunningApp;
  let tenant: string;
  let other: string;
  const hash = '$2b$04$abcdefghijklmnopqrstuu5LoMZ9HHhqF9Xf0XJQZbZ0wX8i1oQfK';

  before(async function () {
    this.timeout(60_000);
    app = await startTestApp();
    [tenant, other] = [newId(), newId()];
    await app.owner.query(`insert into tenants (id, slug, name, type) values ($1, 'imp-a', 'A', 'team'), ($2, 'imp-b', 'B', 'team')`, [
      tenant,
      other,
    ]);
    await app.owner.query(
      `insert into tenant_domains (id, tenant_id, domain, challenge, verified_at) values ($1, $2, 'imp-a.test', 'x', now())`,
      [newId(), tenant],
    );
  });
  after(() => app?.close());

  const inTenant = (id: string): Record<string, string> => ({ 'x-tenant-id': id });
  const send = (lines: readonly (object | string)[], query = '', headers: Record<string, string> = {}): Promise<Reply> =>
    app.api('POST', `/api/users/import${query}`, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'), {
      'content-type': 'application/x-ndjson',
      ...headers,
    });
  const ended = async (made: Reply, headers: Record<string, string> = {}): Promise<Record<string, unknown>> => {
    assert.equal(made.status, 202, made.text);
    const path = String(made.headers.get('location'));
    for (const until = Date.now() + 30_000; Date.now() < until; await sleep(100)) {
      const { status, body } = await app.api('GET', path, undefined, headers);
      assert.equal(status, 200);
      if (body['status'] === 'done' || body['status'] === 'failed') return body;
    }
    throw new Error('the import does not end');
  };
  const faults = async (id: unknown): Promise<unknown[]> =>
    ((await app.api('GET', `/api/users/imports/${id}/faults`)).body['items'] as { line: number; code: string }[]).map(({ line, code }) => [
      line,
      code,
    ]);
  const count = async (text: string, values: unknown[] = []): Promise<number> =>
    Number((await app.owner.query<{ n: string }>(`select count(*) as n from ${text}`, values)).rows[0]?.n);

  it('make people as POST /api/users does, report faults by line, and let no line stop another', async function () {
    this.timeout(40_000);
    const good = Array.from({ length: 450 }, (_, n) => ({ username: `imp-${n}`, givenName: 'Imp', attributes: { n } }));
    const lines = [
      ...good,
      'no json',
      { username: 'imp-1' },
      { username: 'imp-new', colour: 'red' },
      { username: 'bad name' },
      { username: 'imp-pw', password: 'password' },
      { email: 'imp-hash@corp.test', emailVerified: true, passwordHash: hash, roles: ['administrator'] },
      { username: 'imp-weak', passwordHash: '5f4dcc3b5aa765d61d8327deb882cf99' },
      { username: 'imp-role', roles: ['nobody'] },
    ];
    const done = await ended(await send(lines));
    const { lines: all, created, failed, invited, status } = done;
    assert.deepEqual([status, all, done['done'], created, failed, invited], ['done', 458, 458, 451, 7, 0]);
    assert.deepEqual(await faults(done['id']), [
      [451, 'input.malformed'],
      [452, 'user.username_taken'],
      [453, 'input.invalid'],
      [454, 'input.invalid'],
      [455, 'input.invalid'],
      [457, 'input.invalid'],
      [458, 'input.invalid'],
    ]);
    assert.equal(await count(`users where username_key like 'imp-%'`), 450);
    assert.equal(await count(`audit_events where type = 'user.created' and data ->> 'importId' = $1`, [done['id']]), 451);
    assert.equal(
      await count(`memberships m join users u on u.id = m.user_id where u.username_key = 'imp-7' and m.attributes = '{"n": 7}'`),
      1,
    );
    assert.equal(
      await count(
        `users u join credentials c on c.user_id = u.id and c.data ->> 'hash' = $1 join role_assignments a on a.user_id = u.id where u.email_key = 'imp-hash@corp.test'`,
        [hash],
      ),
      1,
    );
    assert.equal(await count('user_import_batches'), 0);
    assert.doesNotMatch(app.log(), /imp-hash@corp\.test/);
    const { rows } = await app.owner.query('select message from user_import_faults');
    assert.doesNotMatch(JSON.stringify(rows), /bad name|5f4dcc/);
  });

  it('judge the same in a dry run, duplicates across batches among them, and write nobody', async function () {
    this.timeout(40_000);
    const before = await count('users');
    const lines = [...Array.from({ length: 250 }, (_, n) => ({ username: `dry-${n}` })), { username: 'DRY-3' }, { username: 'imp-1' }, 'x'];
    const done = await ended(await send(lines, '?dryRun=true'));
    assert.deepEqual([done['dryRun'], done['created'], done['failed']], [true, 250, 3]);
    assert.deepEqual(await faults(done['id']), [
      [251, 'user.username_taken'],
      [252, 'user.username_taken'],
      [253, 'input.malformed'],
    ]);
    assert.equal(await count('users'), before);
    assert.equal(await count('user_import_names'), 0);
  });

  it('read what Keycloak and Auth0 export, with hashes that let people in', async function () {
    this.timeout(40_000);
    const phc = await argon2.hash('violet cactus thunder', { type: argon2.argon2id, memoryCost: 1024, timeCost: 2, parallelism: 1 });
    const [, , , , salt, value] = phc.split('$');
    const keycloak = {
      username: 'kc-ada',
      email: 'kc-ada@corp.test',
      emailVerified: true,
      firstName: 'Ada',
      enabled: true,
      credentials: [
        {
          type: 'password',
          secretData: JSON.stringify({ value, salt, additionalParameters: {} }),
          credentialData: JSON.stringify({
            hashIterations: 2,
            algorithm: 'argon2',
            additionalParameters: { hashLength: ['32'], memory: ['1024'], type: ['id'], version: ['1.3'], parallelism: ['1'] },
          }),
        },
      ],
    };
    assert.deepEqual((await ended(await send([keycloak], '?format=keycloak')))['created'], 1);
    const auth0 = {
      email: 'a0@corp.test',
      email_verified: true,
      given_name: 'A',
      blocked: true,
      custom_password_hash: { algorithm: 'argon2', hash: { value: phc } },
    };
    assert.deepEqual((await ended(await send([auth0], '?format=auth0')))['created'], 1);
    const { rows } = await app.owner.query(
      `select u.given_name, u.status, c.data ->> 'hash' as hash from users u join credentials c on c.user_id = u.id where u.email_key in ('kc-ada@corp.test', 'a0@corp.test') order by u.given_name`,
    );
    assert.deepEqual(
      rows.map((row) => [row.given_name, row.status]),
      [
        ['A', 'disabled'],
        ['Ada', 'active'],
      ],
    );
    for (const row of rows) assert.ok(await argon2.verify(row.hash, 'violet cactus thunder'), row.given_name);
  });

  it('invite for a tenant whoever is outside its domains, known or not, and tell nothing of them', async function () {
    this.timeout(40_000);
    const client = await app.api(
      'POST',
      '/api/clients',
      {
        client_name: 'Importer',
        redirect_uris: [],
        response_types: [],
        grant_types: ['client_credentials'],
        permissions: ['users.read', 'users.write', 'invitations.write'],
      },
      inTenant(tenant),
    );
    assert.equal(client.status, 201, client.text);
    const credentials = { id: String(client.body['client_id']), secret: String(client.body['client_secret']) };
    const token = await app.token({ grant_type: 'client_credentials', resource: `${app.issuer}/api` }, credentials);
    const as = { authorization: `Bearer ${token.body['access_token']}` };
    const lines = [
      { email: 'kc-ada@corp.test', passwordHash: hash },
      { email: 'never-seen@corp.test', passwordHash: hash },
      { email: 'own@imp-a.test', emailVerified: true, passwordHash: hash },
      { email: 'kc-ada@corp.test', emailVerified: true },
      { username: 'imp-up', roles: ['administrator'] },
    ];
    for (const dryRun of ['true', 'false']) {
      const made = await send(lines, `?dryRun=${dryRun}`, as);
      const done = await ended(made, as);
      assert.deepEqual([done['invited'], done['created'], done['failed']], [2, 1, 2], JSON.stringify(done));
      const listed = await app.api('GET', `/api/users/imports/${done['id']}/faults`, undefined, as);
      assert.deepEqual(
        (listed.body['items'] as { code: string }[]).map(({ code }) => code),
        ['user.verification_forbidden', 'permission.missing'],
      );
    }
    assert.equal(
      await count(`invitations where tenant_id = $1 and email_key in ('kc-ada@corp.test', 'never-seen@corp.test')`, [tenant]),
      2,
    );
    assert.equal(
      await count(`credentials c join users u on u.id = c.user_id where u.email_key = 'kc-ada@corp.test' and c.data ->> 'hash' = $1`, [
        hash,
      ]),
      0,
    );
  });

  it('are nobody’s but the tenant’s that began them', async () => {
    const made = await send([{ username: 'mine-1' }]);
    await ended(made);
    const { id } = made.body;
    for (const path of [`/api/users/imports/${id}`, `/api/users/imports/${id}/faults`])
      assert.equal((await app.api('GET', path, undefined, inTenant(other))).status, 404, path);
    assert.equal((await app.api('DELETE', `/api/users/imports/${id}`, undefined, inTenant(other))).status, 404);
    assert.deepEqual((await app.api('GET', '/api/users/imports', undefined, inTenant(other))).body['items'], []);
    assert.equal((await app.api('DELETE', `/api/users/imports/${id}`)).status, 200);
    assert.equal((await app.api('GET', `/api/users/imports/${id}`)).status, 404);
    assert.equal(await count(`users where username_key = 'mine-1'`), 1, 'people who were made stay');
  });

  it('stop at the limit of the tenant, line by line, and not before', async function () {
    this.timeout(40_000);
    await app.owner.query(`select set_tenant_limit($1, 'members', 12)`, [other]);
    const done = await ended(
      await send(
        Array.from({ length: 20 }, (_, n) => ({ username: `lim-${n}` })),
        '',
        inTenant(other),
      ),
      inTenant(other),
    );
    assert.deepEqual([done['created'], done['failed']], [12, 8]);
    assert.equal(await count('memberships where tenant_id = $1', [other]), 12);
  });

  it('go on where a process died, without doing a line twice', async function () {
    this.timeout(40_000);
    const made = await send(Array.from({ length: 1000 }, (_, n) => ({ username: `twice-${n}` })));
    // Another process, as it were, at the same time.
    const { id } = made.body;
    const add = `select graphile_worker.add_job('users.import', json_build_object('tenantId', $1::text, 'importId', $2::text))`;
    for (let n = 0; n < 3; n += 1) await app.owner.query(add, [app.rootTenantId, id]);
    const done = await ended(made);
    assert.deepEqual([done['done'], done['created'], done['failed']], [1000, 1000, 0]);
    assert.equal(await count(`users where username_key like 'twice-%'`), 1000);
    // What died in the middle is found again by the clock.
    await app.owner.query(`update user_imports set status = 'running', updated_at = now() - interval '2 minutes' where id = $1`, [id]);
    await app.owner.query(`select graphile_worker.add_job('users.import-tend', '{}')`);
    assert.equal((await ended(made))['status'], 'done');
  });

  it('keep nothing of a body that breaks off, and refuse what is none', async () => {
    const before = await count('user_imports');
    const token = await app.token(
      { grant_type: 'client_credentials', resource: `${app.issuer}/api` },
      { id: 'test-manager', secret: 'a-management-secret-for-tests-0123456789' },
    );
    await new Promise<void>((resolve) => {
      const sending = request(`${app.issuer}/api/users/import`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token.body['access_token']}`,
          'content-type': 'application/x-ndjson',
          'content-length': 100_000,
        },
      });
      sending.on('error', () => resolve());
      sending.write(`${JSON.stringify({ username: 'broken-off' })}\n`);
      setTimeout(() => sending.destroy(), 300);
    });
    for (const until = Date.now() + 5000; Date.now() < until && (await count('user_imports')) > before; ) await sleep(50);
    assert.equal(await count('user_imports'), before);
    assert.equal((await send([])).status, 422);
    assert.equal((await send(['', ' '])).status, 422);
    assert.equal((await send([{}], '', { 'content-type': 'application/json' })).status, 415);
    assert.equal((await send([{}], '?format=xml')).status, 422);
    assert.equal((await send([{}], '', { 'content-encoding': 'gzip' })).status, 415);
    assert.equal(await count('user_imports'), before);
  });

  it('are matched by an export, one line a person, of this tenant only and without hashes', async function () {
    this.timeout(40_000);
    const exported = await app.api('GET', '/api/users/export');
    assert.equal(exported.headers.get('content-type'), 'application/x-ndjson; charset=utf-8');
    const people = exported.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string; username: string });
    assert.equal(people.length, await count('memberships where tenant_id = $1', [app.rootTenantId]));
    assert.equal(new Set(people.map(({ id }) => id)).size, people.length);
    assert.ok(!/argon2|[$]2b[$]|"password/.test(exported.text));
    assert.equal((await app.api('POST', '/api/users', { username: 'of-other' }, inTenant(tenant))).status, 201);
    const others = (await app.api('GET', '/api/users/export', undefined, inTenant(tenant))).text.trim().split('\n');
    assert.equal(others.length, await count('memberships where tenant_id = $1', [tenant]));
    assert.ok(others.at(-1)?.includes('of-other') && !exported.text.includes('of-other'));
    assert.equal((await app.api('GET', '/api/users/export', undefined, inTenant(newId()))).status, 404);
  });
});
