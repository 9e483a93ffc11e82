/** An owner of one tenant, by applications, keys, attributes and sessions, against people at home in another. */
import assert from 'node:assert/strict';
import { authorization, CB } from '#test/support/oidc.ts';
import { visit } from '#test/support/person.ts';
import { basicAuth, bearer, codeOf, done, itemsOf, PASSWORD, plain, tokenOf } from './scene.ts';
import { startTaking, type Taking } from './taking.ts';

describe('taking people over from another tenant', function () {
  this.timeout(120_000);
  let app: Taking['app'];
  let s: Taking['s'];
  let close: Taking['close'] | undefined;

  before(async () => {
    ({ app, s, close } = await startTaking());
  });
  after(() => close?.());

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
