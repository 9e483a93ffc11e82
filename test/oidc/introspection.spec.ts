import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose';
import type { Browser } from '#test/support/browser.ts';
import { type Answer, API, authorize, basic, MACHINE, OPAQUE_API, PUBLIC, startIssuer, type TestIssuer } from '#test/support/oidc.ts';

describe('introspection and revocation', () => {
  let issuer: TestIssuer;
  before(async () => {
    issuer = await startIssuer();
    for (const client of ['app', 'other']) await issuer.addClient(client);
    for (const client of ['rs', 'cc', 'stranger']) await issuer.addClient(client, MACHINE);
    await issuer.addClient('pub', PUBLIC);
  });
  after(() => issuer.close());
  afterEach(() => assert.deepEqual(issuer.state.errors, []));

  interface Tokens {
    access: string;
    refresh: string;
    id: string;
    claims: JWTPayload;
    browser: Browser;
  }
  async function signIn(scope = 'openid offline_access api:read', client = 'app', resource = API): Promise<Tokens> {
    const { form, browser } = await authorize(issuer, client, { scope, prompt: 'consent', resource });
    const { body } = await issuer.token(form, basic(client));
    const access = String(body.access_token);
    return {
      access,
      refresh: String(body.refresh_token),
      id: String(body.id_token),
      claims: resource === API ? decodeJwt(access) : {},
      browser,
    };
  }
  const introspect = (token: string, client = 'rs', headers: Record<string, string> = {}): Promise<Answer> =>
    issuer.post('/token/introspection', { token }, { ...basic(client), ...headers });
  const active = async (token: string, client = 'rs') => (await introspect(token, client)).body['active'];
  const revoke = (token: string, client = 'app') => issuer.post('/token/revocation', { token }, basic(client));
  const run = (sql: string, values: unknown[] = []) => issuer.owner.query(sql, values);
  const heard = () => sleep(150);

  it('a JWT access token is active for its audience and for its client, and for nobody else', async () => {
    const { access, claims } = await signIn();
    assert.equal(decodeProtectedHeader(access).typ, 'at+jwt');
    assert.equal(decodeProtectedHeader(access).alg, 'ES256', 'the algorithm that the API asks for');
    const { body } = await introspect(access);
    assert.deepEqual(
      [body['active'], body['sub'], body['client_id'], body['scope'], body['tenant_id']],
      [true, issuer.userId, 'app', 'api:read', issuer.tenantId],
    );
    assert.deepEqual([body['gid'], body['suid']], [undefined, undefined]);
    assert.ok(claims['gid']);
    assert.equal(await active(access, 'app'), true);
    assert.deepEqual((await introspect(access, 'stranger')).body, { active: false });
    assert.deepEqual((await introspect(access, 'other')).body, { active: false });
  });

  it('clients are authenticated before anything is said, whatever they accept', async () => {
    const { access } = await signIn();
    for (const headers of [{}, { accept: 'text/html' }]) {
      const wrong = await issuer.post('/token/introspection', { token: access }, { ...basic('rs', 'wrong'), ...headers });
      assert.equal(wrong.status, 401);
      assert.doesNotMatch(wrong.text, /active/);
    }
    assert.equal((await issuer.post('/token/introspection', { token: access })).status, 400);
    assert.equal((await issuer.post('/token/revocation', { token: access }, basic('app', 'wrong'))).status, 401);
    assert.equal((await introspect(access, 'rs', { accept: 'text/html,*/*;q=0.1' })).body['active'], true);
    assert.deepEqual((await issuer.post('/token/introspection', { token: access, client_id: 'pub' })).body, { active: false });
  });

  it('a token is inactive at once when its grant, person, client or session is gone', async () => {
    const revoked = await signIn();
    await run('delete from oidc_grants');
    assert.equal(await active(revoked.access), false);

    for (const resource of [API, OPAQUE_API]) {
      const token = await signIn(undefined, 'app', resource);
      await run(`update users set status = 'disabled' where id = $1`, [issuer.userId]);
      assert.equal(await active(token.access), false, 'person disabled');
      assert.equal(await active(token.refresh, 'app'), false, 'person disabled');
      await run(`update users set status = 'active' where id = $1`, [issuer.userId]);
      assert.equal(await active(token.access), true);
      await run(`update clients set enabled = false where client_id = 'app'`);
      await heard();
      assert.equal(await active(token.access), false, 'client disabled');
      await run(`update clients set enabled = true where client_id = 'app'`);
      await heard();
      const bound = await signIn('openid api:read', 'app', resource);
      assert.equal(await active(bound.access), true);
      await run('delete from oidc_sessions');
      assert.equal(await active(bound.access), false, 'session ended');
      assert.equal(await active(token.access), true, 'offline access outlives the session');
    }
  });

  it('a tampered opaque token is none: cut short, longer, other letters', async () => {
    const { access } = await signIn('openid api:read', 'app', OPAQUE_API);
    const others = [access.slice(0, -1), access.slice(0, -8), `${access}x`, access.toUpperCase(), access.toLowerCase()];
    for (const token of others.filter((one) => one !== access)) assert.equal(await active(token, 'app'), false);
    assert.equal(await active(access, 'app'), true);
  });

  it('signing out ends the tokens that are bound to the session, tells the relying parties, and spares offline access', async () => {
    await run(`update clients set metadata = metadata || '{"backchannel_logout_uri": "https://app.test/bcl"}' where client_id = 'app'`);
    await heard();
    for (const [scope, expected] of [
      ['openid api:read', false],
      ['openid offline_access api:read', true],
    ] as const) {
      const { access, browser, claims } = await signIn(scope);
      await issuer.notices();
      const stolen = browser.clone();
      const page = await (await browser.request('/session/end')).text();
      const xsrf = /name="xsrf" value="([^"]+)"/.exec(page)?.[1] ?? '';
      const forged = await browser.clone().post('/session/end/confirm', { xsrf: 'forged', logout: 'yes' });
      assert.equal(forged.status, 400);
      const rows = await issuer.audited(() => browser.post('/session/end/confirm', { xsrf, logout: 'yes' }));
      assert.deepEqual(
        rows.map(({ type, actor_id }) => [type, actor_id]),
        [['session.ended', issuer.userId]],
      );
      assert.deepEqual(await issuer.notices(), [{ issuer: issuer.url, clientId: 'app', userId: issuer.userId, sid: claims['sid'] }]);
      assert.equal(await active(access), expected, scope);
      assert.equal(browser.cookie('gatehouse'), undefined);
      const { location } = await stolen.go(
        `/auth?client_id=app&response_type=code&redirect_uri=https://app.test/cb&scope=openid&prompt=none&code_challenge=${'x'.repeat(43)}&code_challenge_method=S256`,
      );
      assert.equal(location?.searchParams.get('error'), 'login_required', 'the cookie is dead');
    }
  });

  it('revoking a JWT ends it and its family; foreign, forged and unknown tokens all get the same empty 200', async () => {
    const mine = await signIn();
    const foreign = await signIn(undefined, 'other');
    const opaque = await signIn(undefined, 'other', OPAQUE_API);
    const forged = `${mine.access.slice(0, -4)}AAAA`;
    const garbage = `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`;
    for (const token of [foreign.access, opaque.access, opaque.refresh, forged, garbage, 'unknown']) {
      const { status, text } = await revoke(token);
      assert.deepEqual([status, text], [200, '']);
    }
    for (const token of [mine.access, foreign.access, opaque.access]) assert.equal(await active(token), true);
    const done = await revoke(mine.access);
    assert.deepEqual([done.status, done.text], [200, '']);
    assert.equal(await active(mine.access), false);
    assert.equal(
      (await issuer.token({ grant_type: 'refresh_token', refresh_token: mine.refresh }, basic('app'))).body.error,
      'invalid_grant',
    );
  });

  it('revoking a refresh token or an opaque access token ends the JWTs of its grant', async () => {
    const one = await signIn();
    await revoke(one.refresh);
    assert.equal(await active(one.access), false);
    const { form } = await authorize(issuer, 'app', {
      scope: 'openid offline_access api:read',
      prompt: 'consent',
      resource: [API, OPAQUE_API],
    });
    const first = (await issuer.token({ ...form, resource: OPAQUE_API }, basic('app'))).body;
    const second = (await issuer.token({ grant_type: 'refresh_token', refresh_token: first.refresh_token, resource: API }, basic('app')))
      .body;
    assert.equal(await active(String(second.access_token)), true);
    await revoke(String(first.access_token));
    assert.equal(await active(String(second.access_token)), false);
  });

  it('a client’s own token is introspected, and revoked by its jti', async () => {
    const { body } = await issuer.token({ grant_type: 'client_credentials', resource: API, scope: 'api:read' }, basic('cc'));
    const token = String(body.access_token);
    assert.equal(decodeJwt(token).sub, 'cc');
    assert.equal(await active(token), true);
    assert.equal((await revoke(token, 'cc')).status, 200);
    assert.equal(await active(token), false);
  });

  it('signed answers are signed, and say of an unknown audience no more than plain ones', async () => {
    const { access } = await signIn();
    const accept = { accept: 'application/token-introspection+jwt' };
    const seen = await introspect(access, 'rs', accept);
    assert.match(seen.headers.get('content-type') ?? '', /token-introspection\+jwt/);
    assert.equal(decodeProtectedHeader(seen.text).typ, 'token-introspection+jwt');
    assert.equal((decodeJwt(seen.text)['token_introspection'] as { active: boolean }).active, true);
    const unseen = await introspect(access, 'stranger', accept);
    assert.deepEqual(decodeJwt(unseen.text)['token_introspection'], { active: false });
  });

  it('an ID token is no access token, and neither is one of another type or without a signature', async () => {
    const { id, access } = await signIn();
    assert.deepEqual((await introspect(id, 'app')).body, { active: false });
    const none = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${access.split('.')[1]}.`;
    assert.deepEqual((await introspect(none, 'app')).body, { active: false });
  });

  it('a refresh token is seen by its own client only', async () => {
    const { refresh } = await signIn();
    assert.equal(await active(refresh, 'app'), true);
    assert.deepEqual((await introspect(refresh, 'rs')).body, { active: false });
  });
});
