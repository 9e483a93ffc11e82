import assert from 'node:assert/strict';
import { decodeJwt, type JWTPayload } from 'jose';
import { newId } from '#src/core/ids.ts';
import { type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import { giveRole } from '#test/support/roles.ts';
import { isChooser, type Person, setUpTenancy, type Tenancy } from '#test/support/tenancy.ts';

const claimsOf = ({ body }: Reply): JWTPayload => decodeJwt(String(body['access_token']));
const tenantIn = (reply: Reply): unknown => claimsOf(reply)['tenant_id'];

describe('tenants at the protocol', function () {
  this.timeout(60_000);
  let server: RunningApp;
  let t: Tenancy;
  before(async () => {
    server = await startTestApp();
    t = await setUpTenancy(server);
  });
  after(() => server.close());

  const errorOf = ({ location }: { location?: URL }): (string | null | undefined)[] => [
    location?.searchParams.get('error'),
    location?.searchParams.get('error_description'),
  ];
  const NOT_A_MEMBER = ['access_denied', 'not a member of this organization'];
  const me = (reply: Reply): Promise<Reply> =>
    server.api('GET', '/api/users?limit=1', undefined, { authorization: `Bearer ${reply.body['access_token']}` });
  const setStatus = async (tenantId: string, action: 'suspend' | 'restore'): Promise<void> => {
    const done = await server.api('POST', `/api/tenants/${tenantId}/${action}`, action === 'suspend' ? { reason: 'test' } : {});
    assert.equal(done.status, 200, done.text);
  };
  const refusals = async (): Promise<{ tenant_id: string; reason: string; client_id: string; actor_id: string }[]> =>
    (await server.owner.query(`select tenant_id, reason, client_id, actor_id from audit_events where type = 'tenant.refused' order by id`))
      .rows;

  describe('an application of one tenant', () => {
    it('serves its members, and refuses everybody else by an error that tells nothing, which is recorded', async () => {
      const member = await t.addPerson({ [t.one.id]: 'member' });
      assert.equal(tenantIn(await t.tokens(server.browser(), t.appOfOne, member)), t.one.id);
      const stranger = await t.addPerson({ [t.two.id]: 'owner' });
      const browser = server.browser();
      assert.deepEqual(errorOf(await t.begin(browser, t.appOfOne, stranger)), NOT_A_MEMBER);
      assert.deepEqual(errorOf(await t.begin(browser, t.appOfOne, undefined, { prompt: 'none' })), NOT_A_MEMBER);
      const kept = (await refusals()).filter(({ actor_id }) => actor_id === stranger.id);
      assert.deepEqual(
        kept.map(({ tenant_id, reason, client_id }) => [tenant_id, reason, client_id]),
        [
          [t.one.id, 'tenant.foreign', t.appOfOne.id],
          [t.one.id, 'tenant.foreign', t.appOfOne.id],
        ],
      );
    });

    it('cannot be asked for another tenant, be it theirs, somebody else’s, suspended or none', async () => {
      const member = await t.addPerson({ [t.one.id]: 'member', [t.two.id]: 'member' });
      const browser = server.browser();
      for (const tenant of [t.two.id, t.two.slug, 'nobody', newId(), 'root', server.rootTenantId]) {
        assert.deepEqual(errorOf(await t.begin(browser, t.appOfOne, member, { tenant })), NOT_A_MEMBER, tenant);
      }
      assert.equal(tenantIn(await t.tokens(browser, t.appOfOne, undefined, { tenant: t.one.slug })), t.one.id);
    });
  });

  describe('an application of the installation', () => {
    it('asks who belongs to several tenants which, remembers it for the session, and asks again for select_account', async () => {
      const person = await t.addPerson({ [t.one.id]: 'administrator', [t.two.id]: 'member' });
      const browser = server.browser();
      assert.equal((await t.begin(browser, t.app, person, { prompt: 'none' })).location?.searchParams.get('error'), 'login_required');
      const { page } = await t.begin(browser, t.app, person);
      assert.ok(isChooser(page), page?.text);
      assert.match(page.text, /ACME[\s\S]*administrator[\s\S]*ACME-TWO[\s\S]*member/);
      assert.equal(
        (await t.begin(browser, t.app, undefined, { prompt: 'none' })).location?.searchParams.get('error'),
        'interaction_required',
      );
      assert.equal(tenantIn(await t.tokens(browser, t.app, undefined, {}, t.two.id)), t.two.id);
      assert.equal(tenantIn(await t.tokens(browser, t.app, undefined, { prompt: 'none' })), t.two.id, 'remembered');
      const other = await t.addClient(server.rootTenantId);
      assert.ok(isChooser((await t.begin(browser, other)).page), 'by client');
      const again = await t.begin(browser, t.app, undefined, { prompt: 'select_account' });
      assert.match(again.page?.text ?? '', /value="continue"/);
      const { submit } = await import('#test/support/person.ts');
      const next = await submit(browser, again.page!, { decision: 'continue' });
      assert.ok(isChooser(next.page), next.page?.text ?? next.location?.href);
      const chosen = await submit(browser, next.page, { tenant: t.one.id });
      assert.equal(tenantIn(await t.redeem(t.app, chosen.location, again.verifier)), t.one.id);
    });

    it('asks nobody who fits one tenant: home without a role counts only for who belongs nowhere else', async () => {
      assert.equal(tenantIn(await t.tokens(server.browser(), t.app, await t.addPerson({ [t.two.id]: 'member' }))), t.two.id);
      assert.equal(tenantIn(await t.tokens(server.browser(), t.app, await t.addPerson({}))), server.rootTenantId);
    });

    it('takes `tenant` by id or slug, and refuses the unknown, the foreign and the suspended alike', async () => {
      const gone = await t.addTenant('gone');
      const person = await t.addPerson({ [t.one.id]: 'member', [t.two.id]: 'member', [gone.id]: 'member' });
      await setStatus(gone.id, 'suspend');
      const browser = server.browser();
      assert.equal(tenantIn(await t.tokens(browser, t.app, person, { tenant: t.two.slug })), t.two.id);
      assert.equal(tenantIn(await t.tokens(browser, t.app, undefined, { tenant: t.one.id })), t.one.id);
      const foreign = await t.addTenant('foreign');
      for (const tenant of ['nobody', newId(), foreign.id, foreign.slug, gone.id, gone.slug]) {
        assert.deepEqual(errorOf(await t.begin(browser, t.app, undefined, { tenant })), NOT_A_MEMBER, tenant);
      }
    });

    it('cannot be told a tenant that the page did not offer', async () => {
      const person = await t.addPerson({ [t.one.id]: 'member', [t.two.id]: 'member' });
      const browser = server.browser();
      const { page } = await t.begin(browser, t.app, person);
      assert.ok(isChooser(page));
      const { submit } = await import('#test/support/person.ts');
      const next = await submit(browser, page, { tenant: server.rootTenantId });
      assert.ok(isChooser(next.page), 'asked again');
      const denied = await submit(browser, next.page, { decision: 'deny' });
      assert.equal(denied.location?.searchParams.get('error'), 'access_denied');
    });
  });

  describe('a refresh', () => {
    let person: Person;
    beforeEach(async () => {
      person = await t.addPerson({ [t.one.id]: 'administrator', [t.two.id]: 'member' });
    });

    it('switches to another tenant with its own rights, and stays there', async () => {
      const first = await t.tokens(server.browser(), t.app, person, { tenant: t.one.slug });
      assert.equal(claimsOf(first)['scope'], 'account users.read');
      const switched = await t.refresh(t.app, first.body['refresh_token'], { tenant: t.two.slug });
      assert.deepEqual([tenantIn(switched), claimsOf(switched)['scope'], claimsOf(switched)['roles']], [t.two.id, 'account', ['member']]);
      assert.equal((await me(switched)).status, 403);
      const next = await t.refresh(t.app, switched.body['refresh_token']);
      assert.equal(tenantIn(next), t.two.id, 'stays');
      const back = await t.refresh(t.app, next.body['refresh_token'], { tenant: t.one.id });
      assert.deepEqual([tenantIn(back), claimsOf(back)['scope']], [t.one.id, 'account users.read']);
      assert.equal((await me(back)).status, 200);
    });

    it('is refused another’s tenant, and leaves the refresh token good', async () => {
      const first = await t.tokens(server.browser(), t.app, person, { tenant: t.one.slug });
      const foreign = await t.addTenant(`foreign-${newId().slice(-8)}`);
      const answers = [];
      for (const tenant of [foreign.id, foreign.slug, 'nobody'])
        answers.push(await t.refresh(t.app, first.body['refresh_token'], { tenant }));
      assert.deepEqual(
        answers.map(({ status, body }) => [status, body]),
        answers.map(() => [400, { error: 'access_denied', error_description: 'not a member of this organization' }]),
      );
      assert.equal((await t.refresh(t.app, first.body['refresh_token'])).status, 200);
      const own = await t.tokens(server.browser(), t.appOfOne, person);
      assert.equal((await t.refresh(t.appOfOne, own.body['refresh_token'], { tenant: t.two.id })).body['error'], 'access_denied');
    });

    it('in two tenants at the same instant gives each its own access token, and one chain lives', async () => {
      const first = await t.tokens(server.browser(), t.app, person, { tenant: t.one.slug });
      const token = first.body['refresh_token'];
      const both = await Promise.all([t.one, t.two].map(({ id }) => t.refresh(t.app, token, { tenant: id })));
      assert.deepEqual(both.map(tenantIn), [t.one.id, t.two.id]);
      assert.equal(new Set(both.map(({ body }) => body['refresh_token'])).size, 1);
      assert.equal((await t.refresh(t.app, both[0]?.body['refresh_token'])).status, 200);
    });
  });

  it('keeps two tabs of one session in two tenants apart', async () => {
    const person = await t.addPerson({ [t.one.id]: 'member', [t.two.id]: 'member' });
    const browser = server.browser();
    const left = await t.begin(browser, t.app, person, { tenant: t.one.slug });
    const right = await t.begin(browser, t.app, undefined, { tenant: t.two.slug });
    const [one, two] = [await t.redeem(t.app, left.location, left.verifier), await t.redeem(t.app, right.location, right.verifier)];
    assert.deepEqual([tenantIn(one), tenantIn(two)], [t.one.id, t.two.id]);
    const next = [await t.refresh(t.app, one.body['refresh_token']), await t.refresh(t.app, two.body['refresh_token'])];
    assert.deepEqual(next.map(tenantIn), [t.one.id, t.two.id]);
  });

  it('lets nobody in through any door while the tenant is suspended, and everybody again once it is restored', async () => {
    const tenant = await t.addTenant('paused');
    const client = await t.addClient(tenant.id, { direct_login: true });
    const direct = await t.addClient(server.rootTenantId, { direct_login: true });
    const person = await t.addPerson({ [tenant.id]: 'administrator' });
    const browser = server.browser();
    const tokens = await t.tokens(browser, t.app, person, { tenant: tenant.slug });
    const opaque = await t.tokens(browser, t.app, undefined, { tenant: tenant.slug, resource: '', scope: 'openid' });
    const { verifier, location } = await t.begin(browser, t.app, undefined, { tenant: tenant.slug });
    const login = (app: { id: string; secret: string }, extra = {}): Promise<Reply> =>
      server.api(
        'POST',
        '/api/auth/login',
        { username: person.login, password: person.password, ...extra },
        {
          authorization: `Basic ${Buffer.from(`${app.id}:${app.secret}`).toString('base64')}`,
        },
      );
    const userinfo = async (): Promise<number> =>
      (await server.api('GET', '/me', undefined, { authorization: `Bearer ${opaque.body['access_token']}` })).status;
    assert.deepEqual([(await me(tokens)).status, await userinfo()], [200, 200]);
    assert.equal(tenantIn(await login(direct, { tenant: tenant.slug })), tenant.id);

    await setStatus(tenant.id, 'suspend');
    assert.deepEqual(errorOf(await t.begin(browser, t.app, undefined, { tenant: tenant.slug })), NOT_A_MEMBER, 'authorize');
    assert.deepEqual(errorOf(await t.begin(browser, t.app)), NOT_A_MEMBER, 'nor at home instead');
    assert.equal((await t.redeem(t.app, location, verifier)).body['error'], 'invalid_grant', 'code');
    assert.equal((await t.refresh(t.app, tokens.body['refresh_token'])).body['error'], 'invalid_grant', 'refresh');
    assert.deepEqual([(await me(tokens)).status, await userinfo()], [401, 401], 'tokens');
    const named = await login(direct, { tenant: tenant.slug });
    assert.deepEqual([named.status, named.body['code']], [403, 'auth.tenant_refused']);
    assert.equal((await login(client)).status, 401, 'its own client is none');
    assert.equal((await server.token({ grant_type: 'refresh_token', refresh_token: 'x' }, client)).status, 401);

    await setStatus(tenant.id, 'restore');
    assert.deepEqual([(await me(tokens)).status, await userinfo()], [200, 200]);
    assert.equal((await t.refresh(t.app, tokens.body['refresh_token'])).status, 200);
    assert.equal((await t.redeem(t.app, location, verifier)).status, 200, 'a refusal burns nothing');
  });

  it('forgets who leaves in the middle: neither code nor refresh token nor access token outlives the membership', async () => {
    const person = await t.addPerson({ [t.one.id]: 'administrator', [t.two.id]: 'member' });
    const browser = server.browser();
    const tokens = await t.tokens(browser, t.app, person, { tenant: t.one.slug });
    const { verifier, location } = await t.begin(browser, t.app, undefined, { tenant: t.one.slug });
    await t.leave(person, t.one.id);
    assert.equal((await t.redeem(t.app, location, verifier)).body['error'], 'invalid_grant');
    assert.equal((await t.refresh(t.app, tokens.body['refresh_token'])).body['error'], 'invalid_grant');
    assert.equal((await me(tokens)).status, 401);
    assert.equal(tenantIn(await t.tokens(browser, t.app)), t.two.id, 'what was remembered is worth nothing');
    const reasons = await server.owner.query(
      `select reason, data ->> 'detail' as detail from audit_events where tenant_id = $1 or actor_id = $2 order by id desc limit 30`,
      [t.one.id, person.id],
    );
    assert.ok(
      reasons.rows.some(({ detail }) => detail === 'not_an_active_member_of_the_tenant'),
      JSON.stringify(reasons.rows),
    );
  });

  it('a role taken away is gone from our API at once, and from tokens at the next issue', async () => {
    const person = await t.addPerson({ [t.one.id]: 'administrator' });
    const tokens = await t.tokens(server.browser(), t.app, person, { tenant: t.one.slug });
    assert.deepEqual([claimsOf(tokens)['roles'], (await me(tokens)).status], [['administrator'], 200]);
    await server.owner.query('delete from role_assignments where user_id = $1 and tenant_id = $2', [person.id, t.one.id]);
    assert.equal((await me(tokens)).status, 403);
    const next = await t.refresh(t.app, tokens.body['refresh_token']);
    assert.deepEqual([claimsOf(next)['roles'], claimsOf(next)['scope']], [undefined, 'account']);
    await giveRole(server.owner, t.one.id, person.id, 'administrator');
    assert.equal(claimsOf(await t.refresh(t.app, next.body['refresh_token']))['scope'], 'account users.read');
  });

  it('records what is done in the tenant that is acted in', async () => {
    const person = await t.addPerson({ [t.two.id]: 'member' });
    const tokens = await t.tokens(server.browser(), t.app, person);
    await t.refresh(t.app, tokens.body['refresh_token']);
    const { rows } = await server.owner.query(
      `select type, tenant_id from audit_events where actor_id = $1 and type in ('token.issued', 'authorization.granted') order by id`,
      [person.id],
    );
    assert.deepEqual(
      rows.map(({ type, tenant_id }) => [type, tenant_id]),
      [
        ['authorization.granted', t.two.id],
        ['token.issued', t.two.id],
        ['token.issued', t.two.id],
      ],
    );
  });

  it('G14: a client of one tenant gets nothing of another’s, by header, by path or by id', async () => {
    const client = await t.addClient(t.one.id, {
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
      permissions: ['users.read', 'users.write', 'clients.read', 'tenants.read', 'members.read'],
    });
    const stranger = await t.addPerson({ [t.two.id]: 'member' });
    for (const extra of [{}, { tenant: t.two.id }]) {
      const answer = await server.token({ grant_type: 'client_credentials', resource: t.api, ...extra }, client);
      assert.equal(tenantIn(answer), t.one.id);
      const as = (method: string, path: string, body?: unknown, more: Record<string, string> = {}): Promise<Reply> =>
        server.api(method, path, body, { authorization: `Bearer ${answer.body['access_token']}`, ...more });
      assert.equal((await as('GET', '/api/users')).status, 200);
      assert.equal((await as('GET', '/api/users', undefined, { 'x-tenant-id': t.two.id })).status, 404);
      for (const path of [
        `/api/tenants/${t.two.id}`,
        `/api/tenants/${t.two.id}/members`,
        `/api/users/${stranger.id}`,
        `/api/clients/${t.app.id}`,
      ]) {
        assert.equal((await as('GET', path)).status, 404, path);
      }
      assert.equal((await as('PATCH', `/api/users/${stranger.id}`, { givenName: 'Eve' })).status, 404);
      assert.equal((await as('POST', '/api/roles', { name: 'x' })).status, 403);
    }
  });
});
