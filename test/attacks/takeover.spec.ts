/** An owner of one tenant, with every right in it, against people at home in another: one who belongs to both, and one who does not. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import { authorization, CB } from '#test/support/oidc.ts';
import { visit } from '#test/support/person.ts';
import { signInDirect } from '#test/support/two-tenants.ts';
import { basicAuth, bearer, codeOf, done, itemsOf, PASSWORD, plain, type Scene, setUpScene, tokenOf, type Victim } from './scene.ts';

describe('taking people over from another tenant', function () {
  this.timeout(120_000);
  let app: RunningApp;
  let s: Scene;

  before(async () => {
    app = await startTestApp();
    s = await setUpScene(app);
  });
  after(() => app?.close());

  /** Every way to lay hands on the person themselves. */
  const grips = (id: string): [string, string, unknown?][] => [
    ['PATCH', `/api/users/${id}`, { password: 'another horse battery staple' }],
    ['PUT', `/api/users/${id}`, { password: 'another horse battery staple', passwordMustChange: false }],
    ['PATCH', `/api/users/${id}`, { email: 'mine@evil.test' }],
    ['PATCH', `/api/users/${id}`, { email: null }],
    ['PATCH', `/api/users/${id}`, { emailVerified: false }],
    ['PATCH', `/api/users/${id}`, { phone: '+66899999999' }],
    ['PATCH', `/api/users/${id}`, { phoneVerified: true }],
    ['PATCH', `/api/users/${id}`, { username: 'taken-over' }],
    ['PATCH', `/api/users/${id}`, { status: 'disabled' }],
    ['PATCH', `/api/users/${id}`, { verification: { level: 'high', method: 'said', verifiedAt: '2026-01-01T00:00:00Z' } }],
    ['PUT', `/api/users/${id}/profile`, { givenName: 'Mallory' }],
    ['PUT', `/api/users/${id}/settings`, { theme: 'dark' }],
    ['GET', `/api/users/${id}/settings`],
    ['GET', `/api/users/${id}/factors`],
    ['DELETE', `/api/users/${id}/factors`],
    ['GET', `/api/users/${id}/sessions`],
    ['DELETE', `/api/users/${id}/sessions`],
    ['DELETE', `/api/users/${id}/sessions/nobody-has-this-sid`],
    ['GET', `/api/users/${id}/grants`],
    ['DELETE', `/api/users/${id}/grants`],
    ['DELETE', `/api/users/${id}/grants/${s.b.ids['clients']}`],
    ['DELETE', `/api/users/${id}/tenants/${s.b.tenantId}`],
    ['DELETE', `/api/tenants/${s.b.tenantId}/members/${id}`],
    ['PATCH', `/api/tenants/${s.b.tenantId}/members/${id}`, { roles: ['owner'] }],
    ['POST', `/api/roles/${s.b.ids['roles']}/assign`, { userId: id }],
    ['POST', `/api/groups/${s.b.ids['groups']}/members`, { userId: id }],
  ];

  it('changes nothing of who belongs to both, and tells the owner nothing but that they are at home elsewhere', async () => {
    const before = await s.ofB();
    for (const [method, path, body] of grips(s.both.id)) {
      const answer = await s.asA(method, path, body);
      assert.match(
        codeOf(answer),
        /^(403 user\.(not_home|verification_forbidden)|404 \w+\.not_found)$/,
        `${method} ${path} ${JSON.stringify(body)}: ${answer.text}`,
      );
    }
    assert.deepEqual(await s.ofB(), before);
    assert.equal((await signInDirect(app, s.both, s.b.slug)).status, 200, 'and they come in as before');
  });

  it('answers for who does not belong, with and without X-Tenant-Id, as for nobody, to the byte', async () => {
    const before = await s.ofB();
    const nobody = grips(randomUUID());
    for (const [at, [method, path, body]] of grips(s.stranger.id).entries())
      for (const headers of [{}, { 'x-tenant-id': s.b.tenantId }, { 'x-tenant-id': s.b.slug }]) {
        const [theirs, unknown] = [await s.asA(method, path, body, headers), await s.asA(method, nobody[at]![1], body, headers)];
        assert.equal(theirs.status, 404, `${method} ${path}: ${theirs.text}`);
        assert.equal(plain(theirs), plain(unknown), `${method} ${path}`);
        assert.equal(theirs.headers.get('content-length'), unknown.headers.get('content-length'));
      }
    assert.deepEqual(await s.ofB(), before);
  });

  it('takes no more time for who belongs elsewhere than for nobody', async () => {
    const timed = async (id: string): Promise<number> => {
      const began = performance.now();
      await s.asA('PATCH', `/api/users/${id}`, { password: 'another horse battery staple' });
      return performance.now() - began;
    };
    const median = (all: number[]): number => all.sort((one, other) => one - other)[Math.floor(all.length / 2)]!;
    const [theirs, nobodys]: [number[], number[]] = [[], []];
    for (let round = 0; round < 15; round += 1) {
      theirs.push(await timed(s.stranger.id));
      nobodys.push(await timed(randomUUID()));
    }
    const [known, unknown] = [median(theirs), median(nobodys)];
    assert.ok(known < unknown * 5 + 5 && unknown < known * 5 + 5, `${known} ms and ${unknown} ms`);
  });

  it('ends, deleted from the other tenant, with the membership there and nothing else', async () => {
    const before = await s.ofB();
    const { id } = await done(
      app.api('POST', '/api/users', { username: `${s.b.mark}.visitor`, password: PASSWORD }, { 'x-tenant-id': s.b.tenantId }),
      201,
    );
    await done(app.api('POST', `/api/tenants/${s.a.tenantId}/members`, { userId: id }), 201);
    const visitor = { login: `${s.b.mark}.visitor`, password: PASSWORD };
    await done(s.asA('DELETE', `/api/users/${String(id)}`));
    assert.equal((await s.asA('GET', `/api/users/${String(id)}`)).status, 404);
    assert.equal((await signInDirect(app, visitor, s.b.slug)).status, 200);
    await done(s.asB('DELETE', `/api/users/${String(id)}`));
    const after = await s.ofB();
    for (const table of ['roles', 'groups', 'credentials', 'users', 'memberships']) assert.equal(after[table], before[table], table);
  });

  const names = (of: Victim, other: { login: string; email: string; phone: string }): [string, object, object][] => [
    ['a phone number', { username: `fresh-${randomUUID()}`, phone: of.phone }, { username: `fresh-${randomUUID()}`, phone: other.phone }],
    ['an address', { email: of.email }, { email: other.email }],
    ['an address and a password', { email: of.email, password: PASSWORD }, { email: other.email, password: PASSWORD }],
  ];
  const shapeOf = ({ status, body }: Reply): string => `${status} ${Object.keys(body).sort().join()} ${String(body['code'] ?? '')}`;

  it('learns by no new person who has an address or a number elsewhere', async () => {
    const before = await s.ofB();
    let n = 0;
    for (const [what, known] of names(s.stranger, { login: '', email: '', phone: '' })) {
      n += 1;
      const other = { login: '', email: `nobody-${n}@${s.b.mark}.test`, phone: `+6681222000${n}` };
      const unknown = names(s.stranger, other).find(([name]) => name === what)![2];
      const [one, two] = [await s.asA('POST', '/api/users', known), await s.asA('POST', '/api/users', unknown)];
      assert.equal(shapeOf(one), shapeOf(two), `${what}: ${one.text}`);
      assert.ok(one.status < 300, `${what}: ${one.text}`);
    }
    assert.deepEqual(await s.ofB(), before);
    assert.equal(
      (await signInDirect(app, { login: s.stranger.phone, password: PASSWORD }, s.b.slug)).status,
      200,
      'the number is still theirs',
    );
  });

  it('learns by no change of its own people who has an address or a number elsewhere', async () => {
    const { id } = await done(s.asA('POST', '/api/users', { username: `own-${s.a.mark}` }), 201);
    for (const [known, unknown] of [
      [{ email: s.stranger.email }, { email: `nobody@${s.b.mark}.test` }],
      [{ phone: s.stranger.phone }, { phone: '+66812220099' }],
    ]) {
      const [one, two] = [
        await s.asA('PATCH', `/api/users/${String(id)}`, known),
        await s.asA('PATCH', `/api/users/${String(id)}`, unknown),
      ];
      assert.equal(`${one.status} ${String(one.body['code'])}`, `${two.status} ${String(two.body['code'])}`, one.text);
    }
  });

  it('learns and changes nothing by an import of the same names', async () => {
    const before = await s.ofB();
    const lines = [
      { email: s.stranger.email, password: PASSWORD, roles: ['member'] },
      { email: `nobody-imported@${s.b.mark}.test`, password: PASSWORD, roles: ['member'] },
      { username: 'imported-one', phone: s.stranger.phone, password: PASSWORD },
      { username: 'imported-two', phone: '+66812220077', password: PASSWORD },
      { id: s.both.id, username: 'imported-three' },
      { username: 'imported-four', homeTenantId: s.b.tenantId },
    ];
    const answer = await s.asA('POST', '/api/users/import', lines.map((line) => JSON.stringify(line)).join('\n'), {
      'content-type': 'application/x-ndjson',
    });
    const job = await done(Promise.resolve(answer), 202);
    let state: Record<string, unknown> = {};
    for (let tries = 0; tries < 100 && state['status'] !== 'done'; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      state = (await s.asA('GET', `/api/users/imports/${String(job['id'])}`)).body;
    }
    const faults = itemsOf(await s.asA('GET', `/api/users/imports/${String(job['id'])}/faults`));
    assert.deepEqual(
      faults.map(({ line }) => line),
      [5, 6],
      JSON.stringify(faults),
    );
    assert.deepEqual([state['status'], state['invited'], state['created'], state['failed']], ['done', 2, 2, 2]);
    assert.deepEqual(await s.ofB(), before);
  });

  it('gets nobody in by an invitation that the person does not accept themselves', async () => {
    const before = await s.ofB();
    const listed = async (): Promise<Reply> => s.asA('GET', `/api/tenants/${s.a.tenantId}/members?limit=200`);
    const path = `/api/tenants/${s.a.tenantId}/invitations`;
    const email = `invited@${s.b.mark}.test`;
    const { id } = await done(
      app.api(
        'POST',
        '/api/users',
        { username: `${s.b.mark}.invited`, email, emailVerified: true, password: PASSWORD },
        { 'x-tenant-id': s.b.tenantId },
      ),
      201,
    );
    const made = await s.asA('POST', path, { email, roles: ['owner'] });
    assert.equal(made.status, 201, made.text);
    assert.ok(!made.text.includes(String(id)), 'nothing says who that is');
    assert.ok(!(await listed()).text.includes(String(id)));
    assert.equal((await s.asA('GET', `/api/users/${String(id)}`)).status, 404);
    for (const body of [{ userId: id }, { userIds: [id] }]) {
      const grant = await s.asA('POST', `/api/roles/${s.a.ids['roles']}/assign`, body);
      assert.equal(grant.status, 422, grant.text);
    }
    // Nobody accepts in their name.
    const accept = await s.asA('POST', `/api/me/invitations/${String(made.body['id'])}/accept`);
    assert.ok([403, 404].includes(accept.status), accept.text);
    await done(s.asB('DELETE', `/api/users/${String(id)}`));
    assert.equal((await s.ofB())['users'], before['users']);
  });

  it('takes no domain that the other has proven, and none of its slug', async () => {
    const domain = `proven-${s.b.mark}.example`;
    await done(app.api('POST', `/api/tenants/${s.b.tenantId}/domains`, { domain, verified: true }), 201);
    const before = await s.ofB();
    const claimed = await s.asA('POST', `/api/tenants/${s.a.tenantId}/domains`, { domain });
    const [theirs, nobodys] = [
      claimed,
      await s.asA('POST', `/api/tenants/${s.a.tenantId}/domains`, { domain: `free-${s.b.mark}.example` }),
    ];
    assert.equal(theirs.status, nobodys.status, `claiming tells nothing: ${theirs.text}`);
    assert.equal((await s.asA('POST', '/api/users', { email: `x@${domain}`, emailVerified: true })).status, 403);
    assert.equal((await s.asA('POST', '/api/users', { email: `x@${domain}` })).status, 202, 'an invitation, nothing else');
    const verified = await s.asA('POST', `/api/tenants/${s.a.tenantId}/domains`, { domain: `other-${s.b.mark}.example`, verified: true });
    assert.ok(verified.status === 403 || verified.status === 422, verified.text);
    assert.equal((await s.asA('PATCH', `/api/tenants/${s.a.tenantId}`, { slug: s.b.slug })).status, 409);
    assert.equal((await s.asA('PATCH', `/api/tenants/${s.a.tenantId}`, { slug: s.b.tenantId })).status, 422);
    assert.equal((await s.asA('PATCH', `/api/tenants/${s.a.tenantId}`, { slug: s.b.slug.toUpperCase() })).status, 422);
    assert.deepEqual(await s.ofB(), before);
  });

  it('gets tokens of the other tenant by no client, no name and no resource of it', async () => {
    const client = await done(
      s.asA('POST', '/api/clients', { client_name: 'Of A', redirect_uris: [CB], grant_types: ['authorization_code', 'refresh_token'] }),
      201,
    );
    const own = { id: String(client['client_id']), secret: String(client['client_secret']) };
    const theirs = `https://${s.b.mark}.example/api`;
    for (const extra of [{ tenant: s.b.slug }, { tenant: s.b.tenantId }]) {
      const { path } = authorization(own.id, { scope: 'openid', ...extra });
      const { location } = await visit(app.browser(), path, s.both);
      assert.equal(location?.searchParams.get('error'), 'access_denied', location?.href);
    }
    const landing = await visit(app.browser(), authorization(own.id, { scope: 'openid' }).path, s.stranger);
    assert.equal(landing.location?.searchParams.get('error'), 'access_denied', landing.location?.href ?? landing.page?.text);
    const [known, unknown] = [
      await visit(app.browser(), authorization(own.id, { scope: 'openid', resource: theirs }).path, s.both),
      await visit(app.browser(), authorization(own.id, { scope: 'openid', resource: 'https://nobody.example/api' }).path, s.both),
    ].map(({ location }) => `${location?.searchParams.get('error')} ${location?.searchParams.get('error_description')}`);
    assert.match(known!, /^invalid_target/);
    assert.equal(known, unknown);
    // A role and a scope of its own by the same names give nothing there.
    const role = await done(s.asA('POST', '/api/roles', { roleName: `${s.b.mark}.role`, permissions: ['users.read'] }), 201);
    await done(s.asA('POST', `/api/roles/${String(role['id'])}/assign`, { userId: s.both.id }));
    const inB = await tokenOf(app, s.both, s.b.slug);
    assert.equal((await app.api('GET', '/api/users', undefined, bearer(inB))).status, 403);
    const resource = await s.asA('POST', '/api/resources', { identifier: theirs, name: 'Mine', scopes: [{ name: `${s.b.mark}.read` }] });
    assert.equal(codeOf(resource), '409 resource.identifier_taken');
    const scoped = await s.asA('POST', '/api/roles', { roleName: 'borrowed', permissions: [`${s.b.mark}.read`] });
    assert.equal(scoped.status, 422, scoped.text);
  });

  it('an application of a tenant gets no hand on the account of who is at home elsewhere', async () => {
    const client = await done(
      s.asA('POST', '/api/clients', {
        client_name: 'Account of A',
        redirect_uris: [CB],
        grant_types: ['authorization_code', 'refresh_token'],
      }),
      201,
    );
    const own = { id: String(client['client_id']), secret: String(client['client_secret']) };
    const { path, verifier } = authorization(own.id, { scope: 'openid account', resource: `${app.issuer}/api` });
    const { location, page } = await visit(app.browser(), path, s.both);
    const code = location?.searchParams.get('code');
    assert.ok(code, location?.href ?? page?.text);
    const tokens = await app.token({ grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: CB }, own);
    assert.equal(tokens.status, 200, tokens.text);
    const as = bearer(String(tokens.body['access_token']));
    for (const [method, where, body] of [
      ['GET', '/api/me'],
      ['PATCH', '/api/me', { givenName: 'Mallory' }],
      ['GET', '/api/me/tenants'],
      ['GET', '/api/me/sessions'],
      ['DELETE', '/api/me/sessions'],
      ['DELETE', `/api/me/grants/${s.b.ids['clients']}`],
      ['DELETE', `/api/me/tenants/${s.a.tenantId}`],
    ] as [string, string, object?][]) {
      const answer = await app.api(method, where, body, as);
      assert.equal(codeOf(answer), '403 permission.missing', `${method} ${where}: ${answer.text}`);
    }
    // Of its own people it does, as they agree.
    const begun = authorization(own.id, { scope: 'openid account', resource: `${app.issuer}/api` });
    const at = await visit(app.browser(), begun.path, { login: `${s.a.mark}.user`, password: PASSWORD });
    const mine = await app.token(
      {
        grant_type: 'authorization_code',
        code: at.location?.searchParams.get('code') ?? '',
        code_verifier: begun.verifier,
        redirect_uri: CB,
      },
      own,
    );
    assert.equal((await app.api('GET', '/api/me', undefined, bearer(String(mine.body['access_token'])))).status, 200, mine.text);
  });

  it('an application of a tenant signs its member out of itself, and not out of everything they have elsewhere', async () => {
    const client = await done(
      s.asA('POST', '/api/clients', { client_name: 'Ends all', redirect_uris: [CB], grant_types: ['authorization_code', 'refresh_token'] }),
      201,
    );
    const own = { id: String(client['client_id']), secret: String(client['client_secret']) };
    const elsewhere = await tokenOf(app, s.both, s.b.slug);
    const { path, verifier } = authorization(own.id, { scope: 'openid' });
    const { location } = await visit(app.browser(), path, s.both);
    const tokens = await app.token(
      { grant_type: 'authorization_code', code: location?.searchParams.get('code') ?? '', code_verifier: verifier, redirect_uri: CB },
      own,
    );
    assert.equal(tokens.status, 200, tokens.text);
    const token = String(tokens.body['access_token']);
    const out = await app.api('POST', '/api/sessions/logout', { token, all: true }, { authorization: '' });
    assert.equal(out.status, 200, out.text);
    assert.equal((await app.api('GET', '/me', undefined, bearer(token))).status, 401, 'what it was given is over');
    assert.equal((await app.api('GET', '/api/me', undefined, bearer(elsewhere))).status, 200, 'the session elsewhere goes on');
  });

  it('gets nothing of the other by the API key of who belongs to both', async () => {
    const admin = itemsOf(await s.asA('GET', '/api/roles?roleName=administrator'))[0]!;
    await done(s.asA('POST', `/api/roles/${String(admin['id'])}/assign`, { userId: s.both.id }));
    const made = await app.api(
      'POST',
      '/api/api-keys',
      { name: 'both', permissions: ['users.read', 'users.write'] },
      bearer(await tokenOf(app, s.both, s.a.slug)),
    );
    assert.equal(made.status, 201, made.text);
    const key = bearer(String(made.body['key']));
    const before = await s.ofB();
    assert.equal((await app.api('GET', '/api/users', undefined, key)).status, 200);
    for (const headers of [{}, { 'x-tenant-id': s.b.tenantId }]) {
      assert.equal((await app.api('GET', `/api/users/${s.stranger.id}`, undefined, { ...key, ...headers })).status, 404);
      assert.equal((await app.api('PATCH', `/api/users/${s.stranger.id}`, { givenName: 'X' }, { ...key, ...headers })).status, 404);
    }
    assert.equal(codeOf(await app.api('PATCH', `/api/users/${s.both.id}`, { givenName: 'X' }, key)), '403 user.not_home');
    assert.equal((await app.api('GET', '/api/me', undefined, key)).status, 403, 'a key is nobody’s account');
    assert.equal((await app.api('GET', '/api/api-keys', undefined, bearer(await tokenOf(app, s.both, s.b.slug)))).status, 403);
    assert.deepEqual(
      { ...(await s.ofB()), oidc_sessions: '', oidc_grants: '', users: '' },
      { ...before, oidc_sessions: '', oidc_grants: '', users: '' },
    );
    await done(s.asA('POST', `/api/roles/${String(admin['id'])}/revoke`, { userId: s.both.id }));
  });

  it('keeps attributes of the other to itself, whoever asks in A', async () => {
    await done(s.asB('PUT', `/api/users/${s.both.id}/attributes`, { desk: `${s.b.mark}-desk` }));
    for (const path of [
      `/api/users/${s.both.id}`,
      `/api/users/${s.both.id}/attributes`,
      `/api/attributes?userId=${s.both.id}`,
      '/api/users/export',
    ]) {
      const { text } = await s.asA('GET', path);
      assert.ok(!text.includes(`${s.b.mark}-desk`), `${path}: ${text}`);
    }
    const before = await s.ofB();
    await s.asA('PUT', `/api/users/${s.both.id}/attributes`, { desk: 'A' });
    assert.deepEqual(await s.ofB(), before);
  });

  it('validates and ends no session of the other by its name', async () => {
    const token = await tokenOf(app, s.stranger, s.b.slug);
    const current = (await app.api('GET', '/api/sessions/current', undefined, bearer(token))).body;
    for (const sid of [String(current['id']), token]) {
      const [known, unknown] = [
        await s.asA('POST', '/api/sessions/validate', { token: sid }),
        await s.asA('POST', '/api/sessions/validate', { token: 'nobody-has-this-session' }),
      ];
      assert.equal(plain(known), plain(unknown));
      const client = { id: s.a.ids['clients']!, secret: '' };
      assert.equal((await app.api('POST', '/api/sessions/validate', { token: sid }, basicAuth(client))).status, 401);
    }
    const ended = await s.asA('POST', '/api/sessions/logout', { token: String(current['id']), all: true });
    assert.equal(ended.status, 401, ended.text);
    assert.equal((await app.api('GET', '/api/sessions/current', undefined, bearer(token))).status, 200);
  });
});
