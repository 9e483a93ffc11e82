/** Every cause that ends access against every door it opens: after each cause, each door is shut on the next call, or it says here why not. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { basicAuth, MANAGER, type RunningApp, startTestApp } from '#test/support/app.ts';
import type { Browser } from '#test/support/browser.ts';
import { formOf, submit, visit } from '#test/support/person.ts';
import {
  BROWSER_STAYS,
  type Cause,
  type Credentials,
  DOORS,
  type Door,
  OF_ANOTHER_APP,
  OFFLINE_STAYS,
  SESSION_STAYS,
  type Subject,
} from './causes.ts';

const CALLBACK = 'https://app.test/cb';
const [JWT_API, OPAQUE_API] = ['https://api.test/jwt', 'https://api.test/opaque'];
const RS = { id: 'doors-rs' };

describe('causes and doors', () => {
  let app: RunningApp;
  /** Another node of the same issuer: causes happen at the first, doors are tried at both. */
  let elsewhere: RunningApp;
  let rs: Credentials;
  let other: Credentials;
  /** The management token, until its key is withdrawn. */
  let manager: string | undefined;
  const table: string[][] = [];
  const notes: string[] = [];

  before(async function () {
    this.timeout(60_000);
    const env = { ENCRYPTION_KEY: randomBytes(32).toString('base64'), COOKIE_KEYS: randomBytes(32).toString('base64url') };
    app = await startTestApp({ env });
    elsewhere = await startTestApp({ env: { ...env, ISSUER: app.issuer }, databaseUrl: app.databaseUrl });
    rs = await createClient({ client_id: RS.id, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] });
    other = await createClient({ first_party: true });
    for (const [identifier, accessTokenFormat] of [
      [JWT_API, 'jwt'],
      [OPAQUE_API, 'opaque'],
    ])
      await done('POST', '/api/resources', {
        identifier,
        name: 'API',
        accessTokenFormat,
        scopes: [{ name: 'things.read' }],
        clients: [rs.id],
      });
  });
  after(async () => {
    await elsewhere.close();
    await app.close();
    const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
    for (const note of notes) console.log(`      ${note}`);
    for (const row of table) console.log(`      ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`);
  });

  async function done(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    manager ??= String(
      (await app.token({ grant_type: 'client_credentials', resource: `${app.issuer}/api` }, MANAGER)).body['access_token'],
    );
    const answer = await app.api(method, path, body, { authorization: `Bearer ${manager}` });
    assert.ok(answer.status === 200 || answer.status === 201, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.body;
  }

  async function createClient(metadata: object): Promise<Credentials> {
    const made = await done('POST', '/api/clients', {
      client_name: 'App',
      redirect_uris: [CALLBACK],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
      post_logout_redirect_uris: ['https://app.test/bye'],
      ...metadata,
    });
    return { id: String(made['client_id']), secret: String(made['client_secret']) };
  }

  const post = (node: RunningApp, path: string, form: Record<string, string>, client: Credentials) =>
    node.browser(basicAuth(client)).post(path, form);

  function request(clientId: string, extra: readonly (readonly [string, string])[] = []): { url: string; verifier: string } {
    const verifier = randomBytes(32).toString('base64url');
    const query = new URLSearchParams([
      ['client_id', clientId],
      ['response_type', 'code'],
      ['redirect_uri', CALLBACK],
      ['code_challenge', createHash('sha256').update(verifier).digest('base64url')],
      ['code_challenge_method', 'S256'],
      ...extra.map(([name, value]): [string, string] => [name, value]),
    ]);
    return { url: `/auth?${query}`, verifier };
  }

  async function authorize(browser: Browser, client: Credentials, person: { login: string; password: string }, extra: [string, string][]) {
    const { url, verifier } = request(client.id, extra);
    const { location, page } = await visit(browser, url, person);
    const code = location?.searchParams.get('code');
    assert.ok(code, location?.href ?? page?.text);
    return { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: verifier };
  }

  let people = 0;
  async function signedIn(offline: boolean): Promise<Subject> {
    people += 1;
    const [email, password] = [`person-${people}@example.test`, `an unlikely passphrase ${people}`];
    const { id } = await done('POST', '/api/users', { email, emailVerified: true, password });
    const client = await createClient({});
    const browser = app.browser();
    const person = { login: email, password };
    const targets = [`${app.issuer}/api`, JWT_API, OPAQUE_API].map((resource): [string, string] => ['resource', resource]);
    const token = async (form: Record<string, string>): Promise<Record<string, string>> => {
      const answer = await app.token(form, client);
      assert.equal(answer.status, 200, answer.text);
      return answer.body as Record<string, string>;
    };
    await authorize(browser, other, person, [['scope', 'openid']]);
    // The library gives offline access only where the request asks for consent.
    const asked: [string, string][] = offline ? [['prompt', 'consent']] : [];
    const keeps = offline ? ' offline_access' : '';
    const first = await token(await authorize(browser, client, person, [['scope', `openid account${keeps}`], ...asked]));
    const wide: [string, string][] = [['scope', `openid account things.read${keeps}`], ...targets, ...asked];
    const own = await token({ ...(await authorize(browser, client, person, wide)), resource: `${app.issuer}/api` });
    const jwt = await token({ grant_type: 'refresh_token', refresh_token: own['refresh_token']!, resource: JWT_API });
    const opaque = await token({ grant_type: 'refresh_token', refresh_token: jwt['refresh_token']!, resource: OPAQUE_API });
    return {
      userId: String(id),
      email,
      password,
      browser,
      app: client,
      refresh: opaque['refresh_token']!,
      idToken: own['id_token']!,
      jwt: jwt['access_token']!,
      opaque: opaque['access_token']!,
      userinfo: first['access_token']!,
      own: own['access_token']!,
      sid: String(decodeJwt(own['id_token']!)['sid']),
      codeForm: await authorize(browser, client, person, wide),
    };
  }

  /** Whether each door that can be tried without using something up lets the subject in. */
  async function tryPlainDoors(node: RunningApp, subject: Subject): Promise<Record<Exclude<Door, 'refresh' | 'unused code'>, boolean>> {
    const { app: client } = subject;
    const silent = async (clientId: string): Promise<boolean> => {
      const { url } = request(clientId, [
        ['scope', 'openid'],
        ['prompt', 'none'],
      ]);
      const browser = node.browser();
      for (const [name, cookie] of subject.browser.jar) browser.jar.set(name, cookie);
      const { location } = await browser.go(url);
      return location?.searchParams.has('code') ?? false;
    };
    const introspect = async (token: string, caller: Credentials): Promise<boolean> => {
      const answer = await post(node, '/token/introspection', { token }, caller);
      assert.ok(answer.status < 500, `introspection answered ${answer.status}`);
      return ((await answer.json()) as { active?: boolean }).active === true;
    };
    const validate = async (token: string, caller: Credentials): Promise<boolean> => {
      const answer = await node.browser({ ...basicAuth(caller), 'content-type': 'application/json' }).request('/api/sessions/validate', {
        method: 'POST',
        body: JSON.stringify({ token }),
      });
      const body = (await answer.json()) as Record<string, unknown>;
      assert.ok(
        answer.status === 200 ? body['active'] === true : answer.status === 401 && body['code'] !== undefined,
        `validate: ${answer.status}`,
      );
      return answer.status === 200;
    };
    const opens = async (path: string, token: string): Promise<boolean> => {
      const { status, headers } = await node.browser({ authorization: `Bearer ${token}` }).request(path);
      assert.ok(status === 200 || (status === 401 && headers.get('www-authenticate')), `${path} answered ${status}`);
      return status === 200;
    };
    return {
      'introspect refresh': await introspect(subject.refresh, client),
      'introspect JWT': await introspect(subject.jwt, rs),
      'introspect opaque': await introspect(subject.opaque, rs),
      'validate JWT': await validate(subject.jwt, rs),
      'validate opaque': await validate(subject.opaque, rs),
      'validate sid': await validate(subject.sid, client),
      userinfo: await opens('/me', subject.userinfo),
      'own API': await opens('/api/me', subject.own),
      'silent, same app': await silent(client.id),
      'silent, other app': await silent(other.id),
    };
  }

  async function tryDoors(subject: Subject): Promise<Record<Door, boolean>> {
    const redeems = async (form: Record<string, string>): Promise<boolean> => {
      const { status, body } = await elsewhere.token(form, subject.app);
      assert.ok(status === 200 || ['invalid_grant', 'invalid_client'].includes(String(body['error'])), `${status} ${JSON.stringify(body)}`);
      return status === 200;
    };
    const there = await tryPlainDoors(elsewhere, subject);
    assert.deepEqual(await tryPlainDoors(app, subject), there, 'both nodes answer alike');
    return {
      ...there,
      refresh: await redeems({ grant_type: 'refresh_token', refresh_token: subject.refresh }),
      'unused code': await redeems({ ...subject.codeForm, resource: JWT_API }),
    };
  }

  const causes: Record<string, Cause> = {
    'person disabled': { act: ({ userId }) => done('PATCH', `/api/users/${userId}`, { status: 'disabled' }) },
    'person disabled, and enabled again': {
      act: async ({ userId }) => {
        await done('PATCH', `/api/users/${userId}`, { status: 'disabled' });
        await done('PATCH', `/api/users/${userId}`, { status: 'active' });
      },
    },
    'person deleted': { act: ({ userId }) => done('DELETE', `/api/users/${userId}`) },
    'password set by an administrator': { act: ({ userId }) => done('PUT', `/api/users/${userId}`, { password: 'another passphrase 42' }) },
    'password reset by mail': { act: ({ email }) => resetPassword(email) },
    'password changed in another browser': { act: (subject) => changePassword(subject) },
    'logout by the application (RP-initiated)': { act: (subject) => logOutAtProvider(subject), survivesOffline: OFFLINE_STAYS },
    'logout at the account page': { act: (subject) => signOutAtAccount(subject), survivesOffline: OFFLINE_STAYS },
    'logout by API': {
      act: ({ own }) => done2xx('/api/sessions/logout', {}, own),
      survivesOffline: OFFLINE_STAYS,
    },
    'logout by API, all': { act: ({ own }) => done2xx('/api/sessions/logout', { all: true }, own) },
    'session ended by an administrator': {
      act: ({ userId, sid }) => done('DELETE', `/api/users/${userId}/sessions/${sid}`),
      survivesOffline: OFFLINE_STAYS,
    },
    'all sessions ended by an administrator': {
      act: ({ userId }) => done('DELETE', `/api/users/${userId}/sessions`),
      survivesOffline: OFFLINE_STAYS,
    },
    'consent withdrawn by the person': {
      act: async ({ app: client, own }) => {
        const answer = await app.api('DELETE', `/api/me/grants/${client.id}`, undefined, { authorization: `Bearer ${own}` });
        assert.equal(answer.status, 200, answer.text);
      },
      survives: { ...BROWSER_STAYS, 'validate sid': OF_ANOTHER_APP },
    },
    'grants withdrawn by an administrator': {
      act: ({ userId, app: client }) => done('DELETE', `/api/users/${userId}/grants/${client.id}`),
      survives: { ...BROWSER_STAYS, 'validate sid': OF_ANOTHER_APP },
    },
    'client disabled': {
      heard: true,
      act: ({ app: client }) => done('PATCH', `/api/clients/${client.id}`, { enabled: false }),
      survives: BROWSER_STAYS,
    },
    'client deleted': {
      heard: true,
      act: ({ app: client }) => done('DELETE', `/api/clients/${client.id}`),
      survives: BROWSER_STAYS,
    },
    'refresh token revoked': { act: ({ refresh, app: client }) => revoke(refresh, client), survives: SESSION_STAYS },
    'JWT access token revoked': { act: ({ jwt, app: client }) => revoke(jwt, client), survives: SESSION_STAYS },
    'opaque access token revoked': { act: ({ opaque, app: client }) => revoke(opaque, client), survives: SESSION_STAYS },
    'refresh token used again by a thief': { act: (subject) => reuse(subject), survives: SESSION_STAYS },
    'signing keys revoked (emergency)': {
      heard: true,
      act: async () => {
        await done('POST', '/api/signing-keys/rotate', { mode: 'emergency' });
        manager = undefined;
      },
      survives: Object.fromEntries(
        DOORS.filter((door) => !['introspect JWT', 'validate JWT', 'own API'].includes(door)).map((door) => [
          door,
          'nothing of it is signed: only what a withdrawn key has signed dies (contract 8)',
        ]),
      ),
    },
  };

  async function done2xx(path: string, body: object, token: string): Promise<void> {
    const answer = await app.api('POST', path, body, { authorization: `Bearer ${token}` });
    assert.equal(answer.status, 200, answer.text);
  }

  async function revoke(token: string, client: Credentials): Promise<void> {
    assert.equal((await post(app, '/token/revocation', { token }, client)).status, 200);
  }

  async function resetPassword(email: string): Promise<void> {
    const browser = app.browser();
    const { page } = await browser.go(request(other.id, [['scope', 'openid']]).url);
    const link = /href="([^"]*\/reset)"/.exec(page!.text)?.[1];
    assert.ok(link, 'the sign-in page links to the reset');
    const asking = await browser.go(link);
    const sent = await submit(browser, asking.page!, { email });
    const finished = await submit(browser, sent.page!, { code: await app.codeFor(email), new_password: 'a passphrase after the reset' });
    assert.ok(!finished.page?.text.includes('role="alert"'), finished.page?.text);
  }

  async function changePassword({ email, password }: Subject): Promise<void> {
    const browser = app.browser();
    await visit(browser, '/account', { login: email, password });
    const { page } = await browser.go('/account/password');
    const changed = await submit(browser, page!, { password, new_password: 'a passphrase of mine, changed' });
    assert.match(changed.page?.url ?? '', /done=password/, changed.page?.text);
  }

  async function logOutAtProvider({ browser, idToken, app: client }: Subject): Promise<void> {
    const query = new URLSearchParams({ id_token_hint: idToken, post_logout_redirect_uri: 'https://app.test/bye', client_id: client.id });
    const { location, page } = await visit(browser.clone(), `/session/end?${query}`);
    assert.equal(location?.href, 'https://app.test/bye', page?.text);
  }

  async function signOutAtAccount({ browser }: Subject): Promise<void> {
    const visitor = browser.clone();
    const { page } = await visitor.go('/account/sign-out');
    const { page: after } = await submit(visitor, page!, { decision: 'allow' });
    assert.equal(after?.status, 200);
  }

  /** A refresh token that was replaced longer ago than any repetition takes. */
  async function reuse(subject: Subject): Promise<void> {
    const stolen = subject.refresh;
    const answer = await app.token({ grant_type: 'refresh_token', refresh_token: stolen, resource: OPAQUE_API }, subject.app);
    assert.equal(answer.status, 200, answer.text);
    subject.refresh = String(answer.body['refresh_token']);
    await app.owner.query(`update oidc_objects set consumed_at = consumed_at - interval '1 minute' where consumed_at is not null`);
    assert.equal((await app.token({ grant_type: 'refresh_token', refresh_token: stolen }, subject.app)).body['error'], 'invalid_grant');
  }

  it('every door is open to somebody against whom nothing was done', async () => {
    for (const offline of [false, true]) {
      const subject = await signedIn(offline);
      const open = await tryDoors(subject);
      assert.deepEqual(
        DOORS.filter((door) => !open[door]),
        [],
      );
      const { payload } = await jwtVerify(subject.jwt, createRemoteJWKSet(new URL(`${app.issuer}/jwks`)), { audience: JWT_API });
      assert.equal(payload.sub, subject.userId);
    }
    table.push(['after', ...DOORS]);
  });

  for (const [name, cause] of Object.entries(causes)) {
    for (const offline of [false, true]) {
      const survivors = (offline ? cause.survivesOffline : undefined) ?? cause.survives ?? {};
      const title = `${name}${offline ? ', with offline access' : ''}`;
      const but = Object.keys(survivors).length;
      it(`after: ${title}, ${but === 0 ? 'every door is shut' : `all are shut but ${but}, for a reason`}`, async () => {
        const subject = await signedIn(offline);
        await cause.act(subject);
        if (cause.heard) await sleep(300);
        const open = await tryDoors(subject);
        table.push([title, ...DOORS.map((door) => (open[door] ? 'OPEN' : 'shut'))]);
        const expected = DOORS.filter((door) => door in survivors);
        assert.deepEqual(
          DOORS.filter((door) => open[door]),
          expected,
        );
      });
    }
  }

  it('offline access that was agreed to later outlives the session too, whatever it began with', async () => {
    for (const cause of ['logout by API', 'logout by the application (RP-initiated)']) {
      const subject = await signedIn(false);
      const { email: login, password, browser, app: client } = subject;
      const code = await authorize(browser, client, { login, password }, [
        ['scope', 'openid offline_access'],
        ['prompt', 'consent'],
      ]);
      const { body } = await app.token(code, client);
      await causes[cause]?.act(subject);
      const refresh = (token: string) => app.token({ grant_type: 'refresh_token', refresh_token: token }, client);
      assert.equal((await refresh(String(body['refresh_token']))).status, 200, cause);
      assert.equal((await refresh(subject.refresh)).body['error'], 'invalid_grant', 'what was given before was not meant to last');
    }
  });

  it('a sign-in that proved the old password and was not followed up is worth nothing afterwards', async () => {
    for (const cause of [
      'person disabled',
      'person deleted',
      'password set by an administrator',
      'password reset by mail',
      'password changed in another browser',
      'logout by API, all',
    ]) {
      const subject = await signedIn(false);
      const browser = app.browser();
      const { page } = await browser.go(request(other.id, [['scope', 'openid']]).url);
      const { action, fields } = formOf(page!);
      const proven = await browser.post(action, { ...fields, login: subject.email, password: subject.password });
      assert.equal(proven.status, 303);
      await causes[cause]?.act(subject);
      const followed = await browser.go(proven.headers.get('location')!);
      assert.ok(!followed.location?.searchParams.has('code'), cause);
      const { location } = await browser.go(
        request(other.id, [
          ['scope', 'openid'],
          ['prompt', 'none'],
        ]).url,
      );
      assert.equal(location?.searchParams.get('error'), 'login_required', cause);
    }
  });

  it('whoever signs in with the old password again and again, while it is changed, is left with nothing', async () => {
    for (let round = 0; round < 3; round += 1) {
      const subject = await signedIn(false);
      const { email: login, password } = subject;
      const thieves: Browser[] = [];
      let changed = false;
      const hammer = async (): Promise<void> => {
        while (!changed) {
          const browser = app.browser();
          thieves.push(browser);
          await visit(browser, request(other.id, [['scope', 'openid']]).url, { login, password });
        }
      };
      const hammering = [hammer(), hammer(), hammer()];
      await sleep(200);
      await done('PUT', `/api/users/${subject.userId}`, { password: `another passphrase ${round}` });
      changed = true;
      await Promise.all(hammering);
      let tickets = 0;
      for (const thief of thieves) {
        const { location } = await thief.go(
          request(other.id, [
            ['scope', 'openid'],
            ['prompt', 'none'],
          ]).url,
        );
        if (location?.searchParams.has('code')) tickets += 1;
      }
      assert.equal(tickets, 0, `of ${thieves.length}`);
    }
  });

  it('what stays open has a reason that is written down', () => {
    const reasons = new Map<string, Set<string>>();
    for (const [name, { survives = {}, survivesOffline = {} }] of Object.entries(causes))
      for (const reason of [...Object.values(survives), ...Object.values(survivesOffline)])
        reasons.set(reason, (reasons.get(reason) ?? new Set()).add(name));
    for (const [reason, names] of reasons) {
      assert.ok(reason.length > 20);
      notes.push(`open after ${[...names].join('; ')}: ${reason}`);
    }
    assert.equal(table.filter((row) => row.length === DOORS.length + 1).length, 1 + 2 * Object.keys(causes).length, 'a cell is empty');
  });
});
