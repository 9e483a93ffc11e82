import assert from 'node:assert/strict';
import { Browser } from '#test/support/browser.ts';
import {
  API,
  type AuditedRow,
  authorization,
  authorize,
  basic,
  type Form,
  MACHINE,
  PUBLIC,
  startIssuer,
  type TestIssuer,
} from '#test/support/oidc.ts';

describe('the audit of the protocol', () => {
  let issuer: TestIssuer;
  before(async () => {
    issuer = await startIssuer();
    await issuer.addClient('app');
    await issuer.addClient('rs', MACHINE);
    await issuer.addClient('pub', PUBLIC);
  });
  after(() => issuer.close());
  afterEach(() => assert.deepEqual(issuer.state.errors, []));

  const types = (rows: readonly AuditedRow[]) => rows.map(({ type }) => type);
  const one = async (act: () => Promise<unknown>): Promise<AuditedRow> => {
    const rows = await issuer.audited(act);
    assert.equal(rows.length, 1, JSON.stringify(types(rows)));
    return rows[0]!;
  };
  const redeem = async (extra: Form = {}) => {
    const { form } = await authorize(issuer, 'app', {
      scope: 'openid offline_access api:read',
      prompt: 'consent',
      resource: API,
      ...extra,
    });
    return (await issuer.token(form, basic('app'))).body;
  };

  it('has a row for each step of a sign-in, with who and for which client', async () => {
    const rows = await issuer.audited(() => redeem());
    assert.deepEqual(
      rows.map(({ type, outcome, client_id, actor_type, actor_id }) => [type, outcome, client_id, actor_type, actor_id]),
      [
        ['interaction.started', 'success', 'app', 'anonymous', null],
        ['interaction.started', 'success', 'app', 'user', issuer.userId],
        ['consent.granted', 'success', 'app', 'user', issuer.userId],
        ['authorization.granted', 'success', 'app', 'user', issuer.userId],
        ['token.issued', 'success', 'app', 'user', issuer.userId],
      ],
    );
    assert.ok(rows.every(({ tenant_id }) => tenant_id === issuer.tenantId));
    assert.equal(rows.at(-1)?.data['grantType'], 'authorization_code');
  });

  it('names a client whose authentication failed as a claim only, at each endpoint', async () => {
    const requests: [string, Form][] = [
      ['/token', { grant_type: 'client_credentials' }],
      ['/token/introspection', { token: 'x' }],
      ['/token/revocation', { token: 'x' }],
      ['/request', {}],
    ];
    for (const [path, form] of requests) {
      const row = await one(() => issuer.post(path, form, basic('app', 'wrong')));
      assert.deepEqual(
        [row.type, row.outcome, row.client_id, row.actor_type],
        ['client.authentication_failed', 'failure', null, 'anonymous'],
        path,
      );
      assert.deepEqual(
        [row.reason, row.data['claimedClientId'], row.data['detail']],
        ['invalid_client', 'app', 'invalid_secret_provided'],
        path,
      );
    }
    const unknown = await one(() => issuer.token({ grant_type: 'client_credentials', client_id: 'nobody', client_secret: 'x' }));
    assert.deepEqual([unknown.data['claimedClientId'], unknown.data['detail']], ['nobody', 'client_not_found']);
    const odd = await one(() => issuer.token({ grant_type: 'client_credentials', client_id: 'a b<script>', client_secret: 'x' }));
    assert.equal(odd.data['claimedClientId'], undefined, 'what cannot be an id is not kept');
  });

  it('says by a code why a grant was refused, and what reuse ended', async () => {
    const missing = await one(() =>
      issuer.token({ grant_type: 'authorization_code', code: 'nope', redirect_uri: 'https://app.test/cb' }, basic('app')),
    );
    assert.deepEqual(
      [missing.type, missing.client_id, missing.reason, missing.data['detail']],
      ['token.refused', 'app', 'invalid_grant', 'authorization_code_not_found'],
    );
    const { form } = await authorize(issuer, 'app');
    await issuer.token(form, basic('app'));
    const reused = await one(() => issuer.token(form, basic('app')));
    assert.deepEqual(
      [reused.type, reused.data['detail'], reused.data['grantsRevoked']],
      ['token.refused', 'authorization_code_already_consumed', 1],
    );
  });

  it('has a row for tokens that were given again, and tells them from new ones', async () => {
    const { refresh_token } = await redeem();
    const refresh = () => issuer.token({ grant_type: 'refresh_token', refresh_token }, basic('app'));
    assert.equal((await one(refresh)).type, 'token.issued');
    assert.equal((await one(refresh)).type, 'token.replayed');
  });

  it('counts introspection and userinfo that succeed, and records those that are refused', async () => {
    const jwt = await redeem();
    const { access_token } = await redeem({ scope: 'openid', resource: undefined });
    const before = issuer.state.counts.length;
    const rows = await issuer.audited(async () => {
      await issuer.post('/token/introspection', { token: jwt.access_token }, basic('rs'));
      await issuer.post('/token/introspection', { token: access_token }, basic('app'));
      assert.equal((await issuer.get('/me', { authorization: `Bearer ${access_token}` })).status, 200);
    });
    assert.deepEqual(rows, []);
    assert.deepEqual(issuer.state.counts.slice(before), ['introspection', 'introspection', 'userinfo']);
    const refused = await one(() => issuer.get('/me', { authorization: 'Bearer nope' }));
    assert.deepEqual([refused.type, refused.outcome, refused.data['detail']], ['userinfo.refused', 'failure', 'access_token_not_found']);
  });

  it('counts token answers by their grant', async () => {
    const before = issuer.state.counts.length;
    await issuer.token({ grant_type: 'client_credentials', resource: API }, basic('rs'));
    await issuer.token({ grant_type: 'client_credentials', resource: API }, basic('rs', 'wrong'));
    assert.deepEqual(issuer.state.counts.slice(before), ['token']);
  });

  it('has one row for a revocation, of a JWT too', async () => {
    const { access_token, refresh_token } = await redeem();
    const jwt = await one(() => issuer.post('/token/revocation', { token: access_token }, basic('app')));
    assert.deepEqual([jwt.type, jwt.outcome, jwt.client_id], ['token.revoked', 'success', 'app']);
    assert.equal((await one(() => issuer.post('/token/revocation', { token: refresh_token }, basic('app')))).type, 'token.revoked');
  });

  it('has one row for each request, however many come at once', async () => {
    const rows = await issuer.audited(() =>
      Promise.all(Array.from({ length: 40 }, () => issuer.token({ grant_type: 'client_credentials', resource: API }, basic('rs')))),
    );
    assert.equal(rows.length, 40);
    assert.ok(rows.every(({ type, actor_type, actor_id }) => type === 'token.issued' && actor_type === 'client' && actor_id === 'rs'));
  });

  it('has none for public documents', async () => {
    const rows = await issuer.audited(async () => {
      await issuer.get('/jwks');
      await issuer.get('/.well-known/openid-configuration');
    });
    assert.deepEqual(rows, []);
  });

  it('keeps a session, its cookie and its tokens where the sign-out cannot be recorded', async () => {
    const browser = new Browser(issuer.url);
    await authorize(issuer, 'app', {}, browser);
    const page = await (await browser.request('/session/end')).text();
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(page)?.[1] ?? '';
    await issuer.owner.query(`alter table audit_events add constraint broken check (type <> 'session.ended') not valid`);
    const cookie = browser.cookie('gatehouse');
    const refused = await browser.post('/session/end/confirm', { xsrf, logout: 'yes' });
    assert.deepEqual([refused.status, refused.headers.getSetCookie(), browser.cookie('gatehouse')], [503, [], cookie]);
    await issuer.owner.query('alter table audit_events drop constraint broken');
    issuer.state.errors.length = 0;
    const silent = await browser.clone().go(authorization('app', { prompt: 'none' }).path);
    assert.ok(silent.location?.searchParams.get('code'));
    const done = await one(() => browser.post('/session/end/confirm', { xsrf, logout: 'yes' }));
    assert.deepEqual([done.type, done.actor_id], ['session.ended', issuer.userId]);
  });

  it('tells relying parties of a sign-out that was recorded, each once, and nobody of one that could not be', async () => {
    for (const id of ['told-a', 'told-b']) await issuer.addClient(id, { backchannel_logout_uri: `https://${id}.test/bcl` });
    const browser = new Browser(issuer.url);
    for (const id of ['told-a', 'told-b', 'app']) await authorize(issuer, id, {}, browser);
    const page = await (await browser.request('/session/end')).text();
    const confirm = { xsrf: /name="xsrf" value="([^"]+)"/.exec(page)?.[1] ?? '', logout: 'yes' };
    await issuer.notices();
    await issuer.owner.query(`alter table audit_events add constraint broken check (type <> 'session.ended') not valid`);
    assert.equal((await browser.clone().post('/session/end/confirm', confirm)).status, 503);
    await issuer.owner.query('alter table audit_events drop constraint broken');
    issuer.state.errors.length = 0;
    assert.deepEqual(await issuer.notices(), []);
    const statements = await issuer.counted(async () => {
      assert.equal((await browser.post('/session/end/confirm', confirm)).status, 303);
    });
    assert.ok(statements <= 6, `${statements} statements`);
    const told = await issuer.notices();
    assert.deepEqual(
      told.map(({ clientId, userId }) => [clientId, userId]),
      [
        ['told-a', issuer.userId],
        ['told-b', issuer.userId],
      ],
    );
  });

  it('calls a session that somebody would rather keep kept, not ended', async () => {
    const browser = new Browser(issuer.url);
    await authorize(issuer, 'app', {}, browser);
    const page = await (await browser.request('/session/end')).text();
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(page)?.[1] ?? '';
    const stayed = await one(() => browser.post('/session/end/confirm', { xsrf, decision: 'deny' }));
    assert.deepEqual([stayed.type, stayed.actor_id], ['session.kept', issuer.userId]);
    assert.ok((await browser.go(authorization('app', { prompt: 'none' }).path)).location?.searchParams.get('code'));
  });

  it('holds no token, secret or address in clear', async () => {
    const { access_token, refresh_token, id_token } = await redeem();
    const { rows } = await issuer.owner.query<{ all: string }>('select string_agg(to_jsonb(a)::text, chr(10)) as all from audit_events a');
    for (const secret of [access_token, refresh_token, id_token, '127.0.0.1', 'secret-secret'])
      assert.ok(!rows[0]!.all.includes(String(secret)));
  });

  it('leaves no credential in what the protocol stores either', async () => {
    const browser = new Browser(issuer.url);
    const { form } = await authorize(issuer, 'app', { scope: 'openid offline_access', prompt: 'consent' }, browser);
    const { access_token, refresh_token } = (await issuer.token(form, basic('app'))).body;
    const pending = (await browser.request(authorization('app', { prompt: 'login' }).path)).headers.get('location') ?? '';
    const text = `select string_agg(t, chr(10)) as all from (select to_jsonb(o)::text as t from oidc_objects o union all select to_jsonb(s)::text from oidc_sessions s
      union all select to_jsonb(g)::text from oidc_grants g union all select to_jsonb(a)::text from oidc_access_tokens a) x`;
    const { rows } = await issuer.owner.query<{ all: string }>(text);
    const secrets = [form['code'], access_token, refresh_token, browser.cookie('gatehouse'), pending.split('/').at(-1)];
    for (const [i, secret] of secrets.entries()) assert.ok(secret && !rows[0]!.all.includes(secret), `number ${i}`);
  });
});
