import assert from 'node:assert/strict';
import type { Reply } from '#test/support/app.ts';
import { PASSWORD, startUpstreamSite, typePassword, type UpstreamSite } from '#test/support/upstream-site.ts';
import { alice } from './people.ts';

describe('what apps and providers do directly', () => {
  let site: UpstreamSite;
  let app: { id: string; secret: string };
  let number = 500;
  const post = (path: string, body: object): Promise<Reply> =>
    site.app.api('POST', path, { client_id: app.id, client_secret: app.secret, ...body }, { authorization: '' });
  const social = (body: object): Promise<Reply> => post('/api/auth/login/social', body);
  const lastRefusal = async () => (await site.events('login.refused'))[0]?.reason;

  before(async function () {
    this.timeout(60_000);
    site = await startUpstreamSite();
    for (const kind of ['oidc', 'google', 'facebook', 'line', 'github', 'microsoft', 'apple'])
      await site.connect(kind, kind === 'oidc' ? { options: { upstreamLogout: true } } : {});
    const made = await site.app.api('POST', '/api/clients', {
      client_name: 'Direct',
      redirect_uris: [],
      response_types: [],
      grant_types: ['refresh_token'],
      direct_login: true,
      first_party: true,
      token_endpoint_auth_method: 'client_secret_post',
    });
    assert.equal(made.status, 201, made.text);
    app = { id: String(made.body['client_id']), secret: String(made.body['client_secret']) };
  });
  beforeEach(() => Object.assign(site.fake, { hostile: {}, someone: alice(++number, { sub: String(number) }) }));
  after(() => site?.close());

  for (const [provider, token] of [
    ['google', 'access_token'],
    ['google', 'id_token'],
    ['facebook', 'access_token'],
    ['line', 'access_token'],
    ['line', 'id_token'],
    ['github', 'access_token'],
    ['microsoft', 'id_token'],
    ['apple', 'id_token'],
    ['oidc', 'id_token'],
  ] as const)
    it(`an app signs somebody in by an ${token} of ${provider}; another app’s is refused, and why is recorded`, async () => {
      const made = (clientId?: string) =>
        token === 'access_token' ? site.fake.accessToken(clientId) : site.fake.idToken(provider as 'oidc', undefined, clientId);
      const answer = await social({ provider, [token]: await made() });
      assert.equal(answer.status, 200, answer.text);
      assert.ok(answer.body['access_token']);
      const foreign = await social({ provider, [token]: await made('another-app') });
      assert.deepEqual([foreign.status, foreign.body['code']], [401, 'auth.invalid_credentials']);
      assert.match((await lastRefusal()) ?? '', /token\.audience|id_token\.(aud|refused)/);
    });

  for (const provider of ['oidc', 'google', 'apple'] as const)
    it(`an id_token of ${provider} in another issuer’s name is refused, though its key signed it`, async () => {
      Object.assign(site.fake, { hostile: { iss: 'https://evil.test' } });
      const answer = await social({ provider, id_token: await site.fake.idToken(provider) });
      assert.deepEqual([answer.status, answer.body['code']], [401, 'auth.invalid_credentials']);
      assert.match((await lastRefusal()) ?? '', /^id_token\./);
    });

  it('an id_token with another nonce than the app names, or with none, is refused; with that one it is good', async () => {
    for (const [made, status] of [
      ['another', 401],
      [undefined, 401],
      ['its-own', 200],
    ] as const) {
      const answer = await social({ provider: 'oidc', id_token: await site.fake.idToken('oidc', made), nonce: 'its-own' });
      assert.equal(answer.status, status, `${made} ${answer.text}`);
      if (status === 401) assert.equal(await lastRefusal(), 'id_token.nonce');
    }
  });

  it('an app signs somebody in by a code with its verifier, once', async () => {
    const redirectUri = 'https://app.test/from-google';
    const page = new URL('https://accounts.google.com/o/oauth2/v2/auth');
    const verifier = 'a-verifier-of-forty-three-characters-or-more-01';
    const { createHash } = await import('node:crypto');
    page.search = new URLSearchParams({
      client_id: 'gatehouse-at-upstream',
      redirect_uri: redirectUri,
      response_type: 'code',
      scope: 'openid email',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    }).toString();
    const { url } = await site.fake.authorize(page);
    const body = { provider: 'google', code: url.searchParams.get('code'), redirectUri, codeVerifier: verifier };
    assert.equal((await social(body)).status, 200);
    assert.equal((await social(body)).status, 401);
    assert.equal(await lastRefusal(), 'code.invalid');
  });

  it('no provider that is unknown, and none of another tenant, is asked', async () => {
    const tenant = await site.app.api('POST', '/api/tenants', { name: 'Other', slug: 'other', type: 'team' });
    const theirs = await site.connect('oidc', { key: 'of-another', name: 'Of another' }, String(tenant.body['id']));
    const token = await site.fake.idToken('oidc');
    const seen = site.fake.seen.length;
    for (const provider of ['nowhere', '01890000-0000-7000-8000-000000000000', '', 'of-another', theirs]) {
      const answer = await social({ provider, id_token: token });
      assert.equal(answer.status, 401, answer.text);
      assert.equal(await lastRefusal(), 'connection.unknown');
    }
    assert.equal(site.fake.seen.length, seen);
  });

  it('where an account has the same address, the app is told, and nothing is linked', async () => {
    const { email, sub } = site.fake.someone;
    await site.addPerson({ email, emailVerified: true });
    const answer = await social({ provider: 'google', id_token: await site.fake.idToken('google') });
    assert.deepEqual([answer.status, answer.body['code']], [403, 'auth.link_required']);
    assert.ok(!answer.text.includes(sub) && answer.body['link'] === undefined);
    const { rows } = await site.app.owner.query('select 1 from identities where subject = $1', [sub]);
    assert.equal(rows.length, 0);
  });

  it('B5 people link and unlink by the API, with a sign-in that is fresh, and never their last way in', async () => {
    const owner = alice(++number, { sub: String(number) });
    await site.addPerson({ email: owner.email, emailVerified: true, username: `user-${number}` });
    const signIn = await post('/api/auth/login', { username: owner.email, password: PASSWORD });
    assert.equal(signIn.status, 200, signIn.text);
    const as = { authorization: `Bearer ${String(signIn.body['access_token'])}` };
    site.fake.someone = { ...alice(++number), sub: String(number) };
    const link = (token: string) => site.app.api('POST', '/api/me/identities', { provider: 'github', access_token: token }, as);
    const linked = await link(site.fake.accessToken());
    assert.equal(linked.status, 200, linked.text);
    assert.equal((await link(site.fake.accessToken('another-app'))).status, 401);
    const list = await site.app.api('GET', '/api/me/identities', undefined, as);
    const [identity] = list.body['items'] as { id: string; connection: { key: string }; email: string }[];
    assert.deepEqual([identity?.connection.key, identity?.email], ['github', site.fake.someone.email]);
    const other = await social({ provider: 'google', id_token: await site.fake.idToken('google') });
    const stranger = { authorization: `Bearer ${String(other.body['access_token'])}` };
    const theirs = await site.app.api(
      'POST',
      '/api/me/identities',
      { provider: 'github', access_token: site.fake.accessToken() },
      stranger,
    );
    assert.deepEqual([theirs.status, theirs.body['code']], [409, 'identity.taken']);
    assert.equal((await site.app.api('DELETE', `/api/me/identities/${identity?.id}`, undefined, stranger)).status, 404);
    assert.equal((await site.app.api('DELETE', `/api/me/identities/${identity?.id}`, undefined, as)).status, 200);

    site.fake.someone = { ...alice(++number), sub: String(number), email: undefined, emailVerified: undefined };
    const only = await social({ provider: 'google', id_token: await site.fake.idToken('google') });
    const alone = { authorization: `Bearer ${String(only.body['access_token'])}` };
    const [last] = (await site.app.api('GET', '/api/me/identities', undefined, alone)).body['items'] as { id: string }[];
    const kept = await site.app.api('DELETE', `/api/me/identities/${last?.id}`, undefined, alone);
    assert.deepEqual([kept.status, kept.body['code']], [409, 'identity.last_way_in']);
  });

  it('a logout at the provider ends the sessions of that person, and of nobody else', async () => {
    const { rows } = await site.app.owner.query(`select id from connections where key = 'oidc'`);
    const send = (token: string, id = rows[0].id) => site.app.browser().post(`/login/backchannel/${id}`, { logout_token: token });
    const sessions = async (sub: string): Promise<number> =>
      ((await site.app.api('GET', `/api/users/${sub}/sessions`)).body['items'] as unknown[]).length;
    site.fake.someone = { ...site.fake.someone, sid: 'sid-of-ada' };
    const ada = await site.subjectOf(await site.signIn(site.app.browser(), 'oidc'));
    site.fake.someone = { ...alice(++number), sub: String(number) };
    const bob = await site.subjectOf(await site.signIn(site.app.browser(), 'oidc'));
    assert.deepEqual([await sessions(ada.sub), await sessions(bob.sub)], [1, 1]);
    site.fake.hostile = { iss: 'https://evil.test' };
    assert.equal((await send(await site.fake.logoutToken({ sid: 'sid-of-ada' }))).status, 400);
    site.fake.hostile = {};
    assert.equal((await send('x')).status, 400);
    assert.equal((await send(await site.fake.logoutToken({ sid: 'sid-of-nobody' }))).status, 200);
    assert.deepEqual([await sessions(ada.sub), await sessions(bob.sub)], [1, 1]);
    assert.equal((await send(await site.fake.logoutToken({ sid: 'sid-of-ada' }))).status, 200);
    assert.deepEqual([await sessions(ada.sub), await sessions(bob.sub)], [0, 1]);
    assert.equal((await send(await site.fake.logoutToken({ sub: site.fake.someone.sub }))).status, 200);
    assert.equal(await sessions(bob.sub), 0);
    const google = await site.app.owner.query(`select id from connections where key = 'google'`);
    assert.equal((await send('x', google.rows[0].id)).status, 404, 'only where the connection says so');
    assert.equal((await site.events('upstream_logout.refused')).length, 2);
  });
});

describe('tenants and their providers', () => {
  let site: UpstreamSite;
  let tenantId: string;
  let number = 900;
  before(async function () {
    this.timeout(60_000);
    site = await startUpstreamSite();
    const made = await site.app.api('POST', '/api/tenants', { name: 'Corp', slug: 'corp', type: 'enterprise' });
    tenantId = String(made.body['id']);
    await site.app.owner.query(
      `insert into tenant_domains (id, tenant_id, domain, challenge, verified_at, verified_by) values (gen_random_uuid(), $1, 'corp.test', 'x', now(), 'platform')`,
      [tenantId],
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    await site.connect('oidc', { key: 'corp-idp', name: 'Corp', domains: ['corp.test'] }, tenantId);
    await site.connect('google');
  });
  beforeEach(() => Object.assign(site.fake, { hostile: {}, someone: alice(++number) }));
  after(() => site?.close());

  const typed = async (login: string): Promise<string> => {
    const browser = site.app.browser();
    const { authorization } = await import('#test/support/oidc.ts');
    const { page } = await browser.go(authorization(site.client.id).path);
    const { page: next } = await typePassword(browser, page, login);
    return next?.headers.get('refresh') ?? '';
  };

  it('B11 an address leads to the provider of exactly its domain, and of no other', async () => {
    assert.match(await typed('u@corp.test'), /^0; url=\/login\/[\w-]+\/social\//);
    assert.match(await typed('U@CORP.test'), /social/);
    for (const login of ['u@evilcorp.test', 'u@corp.test.evil.test', 'u@sub.corp.test', 'u@corp.test@evil.test', '@corp.test', 'corp.test'])
      assert.equal(await typed(login), '', login);
  });

  it('whoever comes by the tenant’s provider is at home in the tenant, by an address of its domain also where nobody registers', async () => {
    await site.app.api('PATCH', `/api/tenants/${tenantId}`, { settings: { signUp: 'invitation' } });
    site.fake.someone = alice(number, { email: `alice-${number}@corp.test` });
    const extra = { tenant: 'corp', connection: 'corp-idp' };
    const { sub } = await site.subjectOf(await site.signIn(site.app.browser(), 'corp-idp', {}, extra));
    const { rows } = await site.app.owner.query('select home_tenant_id from users where id = $1', [sub]);
    assert.equal(rows[0].home_tenant_id, tenantId);
    for (const email of ['u@evilcorp.test', 'u@sub.corp.test']) {
      site.fake.someone = alice(++number, { email });
      const { location } = await site.signIn(site.app.browser(), 'corp-idp', {}, extra);
      assert.equal(location, undefined);
      assert.equal((await site.events('login.refused'))[0]?.reason, 'registration.closed');
    }
  });

  it('B7 a tenant’s provider opens no account of another tenant’s, whatever it says of addresses and subjects', async () => {
    const owner = alice(++number, { email: `owner-${number}@elsewhere.test` });
    site.fake.someone = owner;
    const { sub } = await site.subjectOf(await site.signIn(site.app.browser(), 'google'));
    const extra = { tenant: 'corp', connection: 'corp-idp' };
    const { location, page } = await site.signIn(site.app.browser(), 'corp-idp', {}, extra);
    assert.equal(location, undefined);
    assert.match(page?.text ?? '', /role="alert"/);
    assert.equal((await site.events('login.refused'))[0]?.reason, 'identity.address_taken');
    // Linked by whatever means, and no member any more.
    await site.app.owner.query(
      `insert into identities (id, connection_id, subject, user_id) select gen_random_uuid(), id, 'planted', $1 from connections where key = 'corp-idp'`,
      [sub],
    );
    site.fake.someone = { ...owner, sub: 'planted' };
    const planted = await site.signIn(site.app.browser(), 'corp-idp', {}, extra);
    assert.equal(planted.location, undefined);
    assert.equal((await site.events('login.refused'))[0]?.reason, 'identity.not_member');
  });
});
