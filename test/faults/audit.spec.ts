/** What cannot be recorded does not happen, on any path: 503, and nothing that a client or a browser would act on. */
import assert from 'node:assert/strict';
import pg from 'pg';
import { basicAuth, type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser, Page } from '#test/support/browser.ts';
import { setUpCast } from '#test/support/cast.ts';
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts';
import { authorization } from '#test/support/oidc.ts';
import { formOf, submit } from '#test/support/person.ts';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

describe('an audit log that takes no events', function () {
  this.timeout(120_000);
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

  it('lets nothing happen that would have to be recorded: 503, no token, no cookie, no address to go to, nothing half done', async () => {
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
    const forReset = await visitor('/reset');
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
