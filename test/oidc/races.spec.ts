import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { Browser } from '#test/support/browser.ts';
import {
  type Answer,
  API,
  authorization,
  authorize,
  basic,
  dpopKey,
  encode,
  type Form,
  MACHINE,
  OPAQUE_API,
  startIssuer,
  type TestIssuer,
} from '#test/support/oidc.ts';
import { startDatabaseProxy, type TcpProxy } from '#test/support/tcp-proxy.ts';

const LATENCY_MS = 5;
const PARALLEL = 20;
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

interface Replied {
  status: number;
  body: Answer['body'];
}

// Both nodes answer for the one issuer, and reach the database through a wire that is 5 ms long; each request goes to one of them.
describe('one-time things, from two processes with a slow database', () => {
  let first: TestIssuer;
  let wire: TcpProxy & { url: string };
  let key: CryptoKey;
  before(async () => {
    first = await startIssuer();
    wire = await startDatabaseProxy(first.databaseUrl, { delayMs: LATENCY_MS });
    await first.addClient('app');
    await first.addClient('other');
    const pair = await generateKeyPair('ES256', { extractable: true });
    key = pair.privateKey;
    const jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), alg: 'ES256', use: 'sig', kid: 'c' }] };
    await first.addClient('signed', { ...MACHINE, token_endpoint_auth_method: 'private_key_jwt', jwks });
    await first.addClient('machine', MACHINE);
  });
  after(async () => {
    await wire.close();
    await first.close();
  });

  const signIn = () => authorize(first, 'app', { scope: 'openid offline_access api:read', prompt: 'consent', resource: OPAQUE_API });
  const burst = (urls: readonly string[], form: Form, headers: Record<string, string> = basic('app'), parallel = PARALLEL) =>
    Promise.all(Array.from({ length: parallel }, (_, i) => send(urls[i % urls.length]!, form, headers)));
  const successes = (answers: readonly { status: number }[]): number => answers.filter(({ status }) => status === 200).length;
  function onlyOne(answers: readonly Replied[], error: string): void {
    assert.equal(successes(answers), 1);
    for (const { status, body } of answers) if (status !== 200) assert.equal(body.error, error);
  }

  const suite: Record<string, (urls: [string, string]) => Promise<void>> = {
    async 'of twenty redemptions of one code one succeeds'(urls) {
      onlyOne(await burst(urls, (await signIn()).form), 'invalid_grant');
    },

    async 'twenty refreshes with one token leave one chain alive'(urls) {
      const { body: tokens, status } = await send(urls[0], (await signIn()).form, basic('app'));
      assert.equal(status, 200);
      const refreshes = await burst(urls, { grant_type: 'refresh_token', refresh_token: tokens.refresh_token });
      assert.equal(successes(refreshes), PARALLEL);
      assert.equal(new Set(refreshes.map(({ body }) => body.refresh_token)).size, 1);
      const { rows } = await first.owner.query(
        `select count(*)::int as alive from oidc_objects o where model = 'RefreshToken' and consumed_at is null
          and grant_id = (select grant_id from oidc_objects where model = 'RefreshToken' order by created_at desc limit 1)`,
      );
      assert.deepEqual(rows, [{ alive: 1 }]);
      const next = await send(urls[1], { grant_type: 'refresh_token', refresh_token: refreshes[0]?.body.refresh_token }, basic('app'));
      assert.equal(next.status, 200, 'and it goes on');
    },

    async 'of ten showings of one client assertion one is accepted'(urls) {
      const client_assertion = await new SignJWT({ iss: 'signed', sub: 'signed', aud: first.url, jti: randomUUID() })
        .setProtectedHeader({ alg: 'ES256', kid: 'c' })
        .setIssuedAt()
        .setExpirationTime('1 minute')
        .sign(key);
      const form = { grant_type: 'client_credentials', resource: API, client_assertion, client_assertion_type: ASSERTION };
      onlyOne(await burst(urls, form, {}, 10), 'invalid_client');
    },

    async 'of ten showings of one DPoP proof one is accepted'(urls) {
      const dpop = await (await dpopKey()).proof(`${first.url}/token`);
      const answers = await burst(urls, { grant_type: 'client_credentials', resource: API }, { ...basic('machine'), dpop }, 10);
      onlyOne(answers, 'invalid_grant'); // the library's word for it
    },
  };

  describe('with our adapter', () => {
    let nodes: Nodes;
    before(async function () {
      this.timeout(60_000);
      nodes = await startNodes(false);
    });
    after(() => nodes.stop());
    for (const [name, check] of Object.entries(suite)) {
      it(name, async () => {
        for (let round = 0; round < 3; round += 1) await check(nodes.urls);
      });
    }
    it('and all of this went through the slow wire', () => assert.ok(wire.bytes() > 100_000));
  });

  describe('with an adapter that updates plainly', () => {
    let nodes: Nodes;
    before(async function () {
      this.timeout(60_000);
      nodes = await startNodes(true);
    });
    after(() => nodes.stop());
    for (const [name, check] of Object.entries(suite)) {
      it(`it is not so that ${name}`, async () => {
        const failing = async (): Promise<void> => {
          for (let round = 0; round < 5; round += 1) await check(nodes.urls);
        };
        await assert.rejects(failing, assert.AssertionError);
      });
    }
  });

  interface Nodes {
    urls: [string, string];
    stop(): Promise<void>;
  }
  async function startNodes(plainUpdate: boolean): Promise<Nodes> {
    const settings = { databaseUrl: wire.url, tenantId: first.tenantId, userId: first.userId, issuer: first.url, plainUpdate };
    const nodes = await Promise.all([start(settings), start(settings)]);
    return {
      urls: [nodes[0]!.url, nodes[1]!.url],
      async stop() {
        for (const { child } of nodes) child.disconnect();
        await Promise.all(nodes.map(({ child }) => once(child, 'exit')));
      },
    };
  }

  it('twenty redemptions at one process: one success, one audit row of it, and no tokens but its own', async () => {
    const { form } = await signIn();
    const rows = await first.audited(async () => {
      onlyOne(await burst([first.url], form), 'invalid_grant');
    });
    assert.equal(rows.filter(({ type }) => type === 'token.issued').length, 1);
    assert.equal(rows.filter(({ type }) => type === 'token.refused').length, PARALLEL - 1);
  });

  it('a code and a refresh token of one client are nothing in the hands of another', async () => {
    const { form } = await signIn();
    assert.equal((await first.token(form, basic('other'))).body.error, 'invalid_grant');
    const tokens = await first.token(form, basic('app'));
    assert.equal(tokens.status, 200, 'the stranger did not burn it');
    const stolen = await first.token({ grant_type: 'refresh_token', refresh_token: tokens.body.refresh_token }, basic('other'));
    assert.equal(stolen.body.error, 'invalid_grant');
  });

  it('a code that was used before ends the tokens that it gave', async () => {
    const { form } = await signIn();
    const tokens = await first.token(form, basic('app'));
    assert.equal((await first.token(form, basic('app'))).body.error, 'invalid_grant');
    assert.equal(
      (await first.token({ grant_type: 'refresh_token', refresh_token: tokens.body.refresh_token }, basic('app'))).body.error,
      'invalid_grant',
    );
    const check = await first.post('/token/introspection', { token: tokens.body.access_token }, basic('app'));
    assert.deepEqual(check.body, { active: false });
  });
});

describe('several applications at once in one browser', () => {
  const CLIENTS = ['a1', 'a2', 'a3', 'a4', 'a5', 'a6'];
  let issuer: TestIssuer;
  before(async () => {
    issuer = await startIssuer();
    for (const client of CLIENTS) await issuer.addClient(client);
  });
  after(() => issuer.close());

  it('six authorization requests of one session: every code redeems', async () => {
    for (let round = 0; round < 4; round += 1) {
      const { browser } = await authorize(issuer, 'a1');
      const signedIn = await Promise.all(CLIENTS.map((client) => authorize(issuer, client, {}, browser.clone())));
      const answers = await Promise.all(signedIn.map(({ form }, i) => issuer.token(form, basic(CLIENTS[i]!))));
      assert.deepEqual(
        answers.map(({ status, body }) => body.error ?? status),
        CLIENTS.map(() => 200),
      );
      // And go on working afterwards, for whichever cookie the browser was left with.
      for (const [i, { body }] of answers.entries()) {
        const again = await issuer.token({ grant_type: 'refresh_token', refresh_token: body.refresh_token }, basic(CLIENTS[i]!));
        assert.equal(again.status, 200, again.text);
      }
    }
  });

  it('interactions of one browser that are resumed at the same instant all succeed', async () => {
    issuer.state.reachable = 'urn:gatehouse:acr:2fa';
    issuer.state.login = async (interactions, { req, res, interaction }) => {
      if (interaction.prompt.name === 'consent') return interactions.finishConsent(req, res, 'all');
      return interactions.finishLogin(req, res, { accountId: issuer.userId, acr: 'urn:gatehouse:acr:2fa', amr: ['pwd', 'otp', 'mfa'] });
    };
    for (let round = 0; round < 4; round += 1) {
      const { browser } = await authorize(issuer, 'a1');
      const old = browser.cookie('gatehouse');
      const signedIn = await Promise.all(
        CLIENTS.map((client) => authorize(issuer, client, { acr_values: 'urn:gatehouse:acr:2fa' }, browser.clone())),
      );
      const answers = await Promise.all(signedIn.map(({ form }, i) => issuer.token(form, basic(CLIENTS[i]!))));
      assert.deepEqual(
        answers.map(({ status, body }) => body.error ?? status),
        CLIENTS.map(() => 200),
      );
      for (const { browser: own } of signedIn) assert.notEqual(own.cookie('gatehouse'), old, 'each got a new session id');
    }
    assert.deepEqual(issuer.state.errors, []);
  });

  it('a sign-in changes the id of a session that was there before, and the old one is dead', async () => {
    const browser = new Browser(issuer.url);
    browser.jar.set('gatehouse|/', { value: 'planted', path: '/' });
    const planted = browser.clone();
    await authorize(issuer, 'a1', {}, browser);
    assert.notEqual(browser.cookie('gatehouse'), 'planted');
    const { page, location } = await planted.go(
      `/auth?${encode({ client_id: 'a1', response_type: 'code', redirect_uri: 'https://app.test/cb', scope: 'openid', prompt: 'none', code_challenge: 'x'.repeat(43), code_challenge_method: 'S256' })}`,
    );
    assert.equal(location?.searchParams.get('error') ?? page?.text, 'login_required');
  });

  for (const cookie of [undefined, 'the cookie of a session that is over'])
    it(`one sign-in that is finished many times at the same instant is one session, and each answer is signed in, with ${cookie ?? 'no cookie'}`, async () => {
      const { rows: before } = await issuer.owner.query<{ uid: string }>('select uid from oidc_sessions');
      const browser = new Browser(issuer.url);
      if (cookie !== undefined) browser.jar.set('gatehouse|/', { value: 'planted', path: '/' });
      const { path: start, verifier } = authorization('a1');
      const login = (await browser.request(start)).headers.get('location') ?? '';
      const resume = (await browser.request(login)).headers.get('location') ?? '';
      // None is written before all have read.
      const lock = await issuer.owner.connect();
      await lock.query('begin');
      await lock.query(`select from oidc_objects where model = 'Interaction' for update`);
      const browsers = CLIENTS.map(() => browser.clone());
      const pending = browsers.map((one) => one.go(resume));
      await new Promise((resolve) => setTimeout(resolve, 300));
      await lock.query('commit');
      lock.release();
      const codes = (await Promise.all(pending)).map(({ location }) => location?.searchParams.get('code') ?? '');
      const { rows } = await issuer.owner.query<{ uid: string }>('select distinct uid from oidc_sessions where not (uid = any($1))', [
        before.map(({ uid }) => uid),
      ]);
      assert.equal(rows.length, 1);
      const form = { grant_type: 'authorization_code', code_verifier: verifier, redirect_uri: 'https://app.test/cb' };
      for (const code of codes) {
        const answer = await issuer.token({ ...form, code }, basic('a1'));
        assert.equal(answer.status, 200, `${code} ${answer.text}`);
      }
      for (const one of browsers) await authorize(issuer, 'a2', { prompt: 'none' }, one).catch(() => assert.fail('not signed in'));
    });

  it('a session that ended while a request was under way is not written again', async () => {
    const { browser } = await authorize(issuer, 'a1');
    const lock = await issuer.owner.connect();
    await lock.query('begin');
    await lock.query('delete from oidc_sessions');
    const pending = authorize(issuer, 'a1', {}, browser.clone()).catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await lock.query('commit');
    lock.release();
    await pending;
    assert.equal((await issuer.owner.query('select from oidc_sessions')).rowCount, 0);
  });
});

async function start(settings: object): Promise<{ url: string; child: ChildProcess }> {
  const child = fork(path.resolve(import.meta.dirname, '../support/oidc-node.ts'), [JSON.stringify(settings)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [message] = (await once(child, 'message')) as [{ url: string }];
  return { url: message.url, child };
}

async function send(url: string, form: Form, headers: Record<string, string>): Promise<Replied> {
  const response = await fetch(`${url}/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: encode(form),
  });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}
