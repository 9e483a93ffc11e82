/** The database is away or silent: 503 and nothing else, and everything goes on afterwards by itself. */
import assert from 'node:assert/strict';
import { basicAuth, MANAGER, type RunningApp, startTestApp } from '#test/support/app.ts';
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
  const apiToken = await app.token({ grant_type: 'client_credentials', resource: `${app.issuer}/api` }, MANAGER);
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
        // What serves connections outlives a killed postmaster by a moment.
        while ((await fetch(`${app.issuer}/health/ready`)).status === 200) await new Promise((resolve) => setTimeout(resolve, 100));
        await new Promise((resolve) => setTimeout(resolve, 500));
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
});
