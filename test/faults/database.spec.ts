/** The database is away, silent, or refuses what has to be recorded: 503 and nothing else, and everything goes on afterwards by itself. */
import assert from 'node:assert/strict';
import pg from 'pg';
import { basicAuth, type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { setUpCast } from '#test/support/cast.ts';
import { createTestDatabase, type PrivateCluster, startPrivateCluster, type TestDatabase } from '#test/support/database.ts';
import { authorization } from '#test/support/oidc.ts';
import { formOf, submit } from '#test/support/person.ts';
import { startDatabaseProxy, type TcpProxy } from '#test/support/tcp-proxy.ts';

/** The promise is five seconds; machines that run tests are busy. */
const RECOVERS_WITHIN_MS = 25_000;
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** Somebody who is signed in, somebody at the login page, and what they and programs ask for. */
async function setScene(app: RunningApp, name = 'app') {
  const cast = await setUpCast(app, { name });
  const browser = app.browser();
  const { body: tokens } = await cast.tokens(browser);
  await browser.go('/account');
  const visitor = app.browser();
  const { page: login } = await visitor.go(authorization(cast.client.id).path);
  assert.ok(login?.text.includes('name="password"'));
  const bearer = { authorization: `Bearer ${String(tokens['access_token'])}` };
  const { page: account } = await browser.go('/account');
  const apiToken = await app.token(
    { grant_type: 'client_credentials', resource: `${app.issuer}/api` },
    { id: 'test-manager', secret: 'a-management-secret-for-tests-0123456789' },
  );
  const api = { authorization: `Bearer ${String(apiToken.body['access_token'])}` };
  const send = (path: string, init: RequestInit) => fetch(app.issuer + path, { redirect: 'manual', ...init });
  const form = (fields: Record<string, string>, headers: Record<string, string>) => ({
    method: 'POST',
    headers: { ...FORM, ...headers },
    body: String(new URLSearchParams(fields)),
  });
  const asks: Record<string, () => Promise<Response>> = {
    client_credentials: () => send('/token', form({ grant_type: 'client_credentials', resource: cast.api }, basicAuth(cast.server))),
    'a refresh': () =>
      send('/token', form({ grant_type: 'refresh_token', refresh_token: String(tokens['refresh_token']) }, basicAuth(cast.client))),
    introspection: () => send('/token/introspection', form({ token: String(tokens['access_token']) }, basicAuth(cast.client))),
    userinfo: () => send('/me', { headers: bearer }),
    authorize: () => browser.request(authorization(cast.client.id).path),
    'the login page': () => visitor.request(login!.url),
    'the login form': () =>
      visitor.post(formOf(login!).action, { ...formOf(login!).fields, login: cast.person.login, password: cast.person.password }),
    'the account': () => browser.request('/account'),
    'the account form': () => browser.post('/account', { ...formOf(account!).fields, decision: 'end-others' }),
    'the API': () => send('/api/users?limit=1', { headers: api }),
    'a change at the API': () =>
      send('/api/users', { method: 'POST', headers: { ...api, 'content-type': 'application/json' }, body: '{"username":"lost"}' }),
    'the token in a session check': () => send('/api/me', { headers: bearer }),
  };
  return { cast, browser, visitor, login: login!, tokens, asks };
}

type Scene = Awaited<ReturnType<typeof setScene>>;

/** Asks for everything at once; all of it has to be 503 with Retry-After and nothing that a client would act on. */
async function assertAllUnavailable(app: RunningApp, { asks, browser, visitor }: Scene, withinMs: number): Promise<void> {
  const before = [browser, visitor].map(({ jar }) => JSON.stringify([...jar]));
  const wrong: string[] = [];
  await Promise.all(
    Object.entries(asks).map(async ([name, ask]) => {
      // An opaque token is none of the API's: refused whatever the database says.
      if (name === 'the token in a session check') return;
      const started = performance.now();
      const response = await ask();
      const text = await response.text();
      const ms = performance.now() - started;
      const headers = ['set-cookie', 'location', 'www-authenticate'].filter((header) => response.headers.has(header));
      if (
        response.status !== 503 ||
        !response.headers.has('retry-after') ||
        headers.length > 0 ||
        ms > withinMs ||
        /access_token"|invalid_|stack|ECONN/.test(text)
      )
        wrong.push(`${name}: ${response.status} ${headers} in ${Math.round(ms)} ms ${text.slice(0, 200)}`);
    }),
  );
  assert.deepEqual(wrong, []);
  assert.deepEqual(
    [browser, visitor].map(({ jar }) => JSON.stringify([...jar])),
    before,
    'cookies are as they were',
  );
  assert.equal((await fetch(`${app.issuer}/health/ready`)).status, 503);
  assert.equal((await fetch(`${app.issuer}/health/live`)).status, 200);
  assert.equal((await fetch(`${app.issuer}/jwks`)).status, 200, 'what needs no database is served');
  assert.equal((await fetch(`${app.issuer}/.well-known/openid-configuration`)).status, 200);
}

/** Everybody goes on where they were: nobody has to sign in again, no token is lost. */
async function assertRecovers(app: RunningApp, scene: Scene): Promise<void> {
  const started = performance.now();
  while ((await fetch(`${app.issuer}/health/ready`)).status !== 200) {
    assert.ok(performance.now() - started < RECOVERS_WITHIN_MS, 'not ready again');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const expected: Record<string, number> = {
    client_credentials: 200,
    'a refresh': 200,
    introspection: 200,
    userinfo: 200,
    'the login page': 200,
    'the account': 200,
    'the API': 200,
  };
  for (const [name, status] of Object.entries(expected)) {
    let response = await scene.asks[name]!();
    while (response.status === 503 && performance.now() - started < RECOVERS_WITHIN_MS) {
      await response.arrayBuffer();
      await new Promise((resolve) => setTimeout(resolve, 200));
      response = await scene.asks[name]!();
    }
    assert.equal(response.status, status, `${name}: ${(await response.text()).slice(0, 300)}`);
  }
  const { location } = await submit(scene.visitor, scene.login, { login: scene.cast.person.login, password: scene.cast.person.password });
  const consent = location ? undefined : (await scene.visitor.go(scene.login.url)).page;
  assert.ok(location ?? consent, 'the sign-in that was under way goes on');
}

describe('a database', function () {
  this.timeout(180_000);

  describe('that is stopped, or killed', () => {
    let cluster: PrivateCluster;
    let app: RunningApp;
    before(async () => {
      cluster = await startPrivateCluster({ durable: true });
      app = await startTestApp({ databaseUrl: cluster.connectionString });
    });
    after(async () => {
      await app?.close();
      await cluster?.stop();
    });

    for (const how of ['halt', 'kill'] as const)
      it(`(${how}) is 503 with Retry-After everywhere, never a sign-out; and its return is enough`, async () => {
        const scene = await setScene(app, how);
        await cluster[how]();
        await assertAllUnavailable(app, scene, 15_000);
        await cluster.restart();
        await assertRecovers(app, scene);
      });
  });

  describe('that stops answering', () => {
    let database: TestDatabase;
    let proxy: TcpProxy & { url: string };
    let app: RunningApp;
    before(async () => {
      database = await createTestDatabase();
      proxy = await startDatabaseProxy(database.url);
      app = await startTestApp({ databaseUrl: proxy.url });
    });
    after(async () => {
      await app?.close();
      await proxy?.close();
      await database?.drop();
    });

    it('keeps nobody waiting for long, and nothing waits that needs no database; its return is enough', async () => {
      const scene = await setScene(app);
      proxy.blackHole(true);
      const answers = assertAllUnavailable(app, scene, 35_000);
      for (let n = 0; n < 10; n++) {
        const started = performance.now();
        assert.equal((await fetch(`${app.issuer}/health/live`)).status, 200);
        assert.equal((await fetch(`${app.issuer}/jwks`)).status, 200);
        assert.ok(performance.now() - started < 2500, 'the process is free for others');
      }
      await answers;
      const flood = await Promise.all(Array.from({ length: 60 }, () => scene.asks['userinfo']!()));
      assert.deepEqual([...new Set(flood.map(({ status }) => status))], [503], 'a full pool is no other refusal');
      proxy.blackHole(false);
      await assertRecovers(app, scene);
    });
  });

  describe('that cannot store audit events', () => {
    let database: TestDatabase;
    let app: RunningApp;
    let owner: pg.Client;
    before(async () => {
      database = await createTestDatabase();
      app = await startTestApp({ databaseUrl: database.url });
      owner = new pg.Client({ connectionString: database.url });
      await owner.connect();
    });
    after(async () => {
      await owner?.end();
      await app?.close();
      await database?.drop();
    });

    const TABLES = [
      'users',
      'credentials',
      'clients',
      'client_secrets',
      'resources',
      'consents',
      'signing_keys',
      'oidc_grants',
      'oidc_access_tokens',
      'revoked_tokens',
      'audit_events',
    ];
    const stateOf = async (): Promise<string> => {
      const parts = [];
      for (const table of TABLES)
        parts.push(
          (await owner.query(`select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) as sum from ${table} t`)).rows[0].sum,
        );
      const sessions = await owner.query('select count(*) from oidc_sessions where user_id is not null and expires_at > now()');
      const used = await owner.query(
        `select count(*) from oidc_objects where model in ('AuthorizationCode', 'RefreshToken') and consumed_at is not null`,
      );
      const codes = await owner.query(`select count(*) from oidc_objects where model in ('AuthorizationCode', 'RefreshToken')`);
      return JSON.stringify([...parts, sessions.rows, used.rows, codes.rows], undefined, 1);
    };

    it('does nothing that would have to be recorded: 503, no token, no cookie, no address to go to, nothing half done', async () => {
      const cast = await setUpCast(app);
      const signedIn = app.browser();
      const { body: tokens } = await cast.tokens(signedIn);
      const { page: account } = await signedIn.go('/account');
      const { page: password } = await signedIn.go('/account/password');
      const { page: signOut } = await signedIn.go('/account/sign-out');
      const { page: end } = await signedIn.go(`/session/end?client_id=${cast.client.id}`);
      const code = await cast.authorize(app.browser());
      const visitor = async (path = ''): Promise<[Browser, Page]> => {
        const browser = app.browser();
        const { page } = await browser.go(authorization(cast.client.id, { scope: 'openid', prompt: 'login' }).path);
        if (path === '') return [browser, page!];
        return [browser, (await browser.go(`${page!.url}${path}`)).page!];
      };
      const [login, wrong, register, denied] = [await visitor(), await visitor(), await visitor('/register'), await visitor()];
      const consenting = app.browser();
      const asked = await consenting.go(authorization(cast.client.id, { scope: 'openid profile', prompt: 'consent' }).path);
      const { page: consent } = await submit(consenting, asked.page!, { login: cast.person.login, password: cast.person.password });
      assert.match(consent!.text, /value="allow"/);
      const [, forReset] = [await app.browser(), await visitor('/reset')];
      const { page: resetCode } = await submit(...forReset, { email: cast.person.login });
      const resetWith = await app.codeFor(cast.person.login);
      const users = await app.api('GET', '/api/users?limit=1');
      assert.equal(users.status, 200);

      const press = (browser: Browser, page: Page, values: Record<string, string>) =>
        browser.post(formOf(page).action, { ...formOf(page).fields, ...values });
      const client = (path: string, fields: Record<string, string>) =>
        fetch(app.issuer + path, {
          method: 'POST',
          redirect: 'manual',
          headers: { ...FORM, ...basicAuth(cast.client) },
          body: String(new URLSearchParams(fields)),
        });
      const api = async (method: string, path: string, body?: unknown) => {
        const { status, headers, text } = await app.api(method, path, body);
        return new Response(text || null, { status, headers: Object.fromEntries(headers) });
      };
      const acts: Record<string, () => Promise<Response>> = {
        'a client’s own token': () =>
          fetch(`${app.issuer}/token`, {
            method: 'POST',
            headers: { ...FORM, ...basicAuth(cast.server) },
            body: 'grant_type=client_credentials',
          }),
        'a code redeemed': () => client('/token', code),
        'a refresh': () => client('/token', { grant_type: 'refresh_token', refresh_token: String(tokens['refresh_token']) }),
        'a refused client': () =>
          fetch(`${app.issuer}/token`, {
            method: 'POST',
            headers: { ...FORM, ...basicAuth({ ...cast.client, secret: 'wrong' }) },
            body: 'grant_type=client_credentials',
          }),
        'a revocation': () => client('/token/revocation', { token: String(tokens['refresh_token']) }),
        'a single sign-on': () => signedIn.clone().request(authorization(cast.client.id, { scope: 'openid email' }).path),
        'a sign-in': () => press(...login, { login: cast.person.login, password: cast.person.password }),
        'a wrong password': () => press(...wrong, { login: cast.person.login, password: 'wrong' }),
        'a registration': () =>
          press(...register, {
            email: 'new@example.test',
            new_password: 'violet cactus thunder marble',
            given_name: 'N',
            family_name: 'N',
          }),
        'a refusal by the person': async () => {
          const back = await press(...denied, { decision: 'deny' });
          return denied[0].request(back.headers.get('location')!);
        },
        'a consent': () => press(consenting, consent!, { decision: 'allow' }),
        'a reset': () => press(forReset[0], resetCode!, { code: resetWith, new_password: 'marble thunder cactus violet' }),
        'a change of password': () =>
          press(signedIn.clone(), password!, { password: cast.person.password, new_password: 'marble thunder cactus violet' }),
        'the end of other sessions': () => press(signedIn.clone(), account!, { decision: 'end-others' }),
        'a withdrawal': () => press(signedIn.clone(), account!, { decision: `withdraw:${cast.client.id}` }),
        'a sign-out': () => press(signedIn.clone(), signOut!, {}),
        'a sign-out by the protocol': () => press(signedIn.clone(), end!, { logout: 'yes' }),
        'a new person': () => api('POST', '/api/users', { username: 'lost' }),
        'a changed person': () => api('PATCH', `/api/users/${cast.person.id}`, { givenName: 'Lost' }),
        'a deleted person': () => api('DELETE', `/api/users/${cast.person.id}`),
        'the end of a person’s sessions': () => api('DELETE', `/api/users/${cast.person.id}/sessions`),
        'a new client': () => api('POST', '/api/clients', { client_name: 'Lost', redirect_uris: ['https://lost.test/cb'] }),
        'a new secret': () => api('POST', `/api/clients/${cast.client.id}/secrets`, {}),
        'a new resource': () => api('POST', '/api/resources', { identifier: 'https://lost.test/', name: 'Lost', scopes: [] }),
        'new keys': () => api('POST', '/api/signing-keys/rotate', { mode: 'scheduled' }),
        'a bad token at the API': () => fetch(`${app.issuer}/api/users`, { headers: { authorization: 'Bearer wrong' } }),
        'a direct login': () =>
          fetch(`${app.issuer}/api/auth/login`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', ...basicAuth(cast.client) },
            body: '{"username":"a","password":"b"}',
          }),
      };
      const before = await stateOf();
      await owner.query('alter table audit_events add constraint broken check (false) not valid');
      const failed: string[] = [];
      for (const [name, act] of Object.entries(acts)) {
        const response = await act();
        const text = await response.text();
        const leaves = ['set-cookie', 'location', 'www-authenticate'].filter((header) => response.headers.has(header));
        const given = /access_token"|"client_secret"|[?&]code=/.test(text);
        if (response.status !== 503 || !response.headers.has('retry-after') || leaves.length > 0 || given)
          failed.push(`${name}: ${response.status} ${leaves} ${text.slice(0, 150)}`);
        const now = await stateOf();
        if (now !== before) failed.push(`${name}: changed something`);
      }
      assert.deepEqual(failed, []);
      await owner.query('alter table audit_events drop constraint broken');
      for (const name of ['a code redeemed', 'a refresh', 'a consent', 'a new person']) {
        const response = await acts[name]!();
        assert.ok(response.status < 400, `${name} works afterwards: ${response.status} ${(await response.text()).slice(0, 200)}`);
      }
    });
  });
});
