import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { Browser } from '#test/support/browser.ts';
import { type Answer, authorize, basic, encode, type Form, OPAQUE_API, startIssuer, type TestIssuer } from '#test/support/oidc.ts';
import { withLatency } from '#test/support/slow-database.ts';

const LATENCY_MS = 5;
const PARALLEL = 20;

// Both nodes answer for the one issuer; each request goes to one of them.
describe('one-time things, from two processes with a slow database', () => {
  let first: TestIssuer;
  before(async () => {
    first = await startIssuer({ wrap: withLatency(LATENCY_MS) });
    await first.addClient('app');
    await first.addClient('other');
  });
  after(() => first.close());

  async function withSecondNode<T>(plainUpdate: boolean, work: (urls: [string, string]) => Promise<T>): Promise<T> {
    const settings = {
      databaseUrl: first.databaseUrl,
      tenantId: first.tenantId,
      userId: first.userId,
      issuer: first.url,
      latencyMs: LATENCY_MS,
      plainUpdate,
    };
    const nodes = await Promise.all([start(settings), start(settings)]);
    try {
      return await work([nodes[0]!.url, nodes[1]!.url]);
    } finally {
      for (const { child } of nodes) child.disconnect();
      await Promise.all(nodes.map(({ child }) => once(child, 'exit')));
    }
  }

  const signIn = () => authorize(first, 'app', { scope: 'openid offline_access api:read', prompt: 'consent', resource: OPAQUE_API });
  const burst = (urls: readonly string[], form: Form): Promise<{ status: number; body: Answer['body'] }[]> =>
    Promise.all(Array.from({ length: PARALLEL }, (_, i) => send(urls[i % urls.length]!, form)));
  const successes = (answers: readonly { status: number }[]): number => answers.filter(({ status }) => status === 200).length;

  it('a code redeems once, whichever process is asked, and a refresh leaves one chain alive', async function () {
    this.timeout(40_000);
    await withSecondNode(false, async (urls) => {
      for (let round = 0; round < 3; round += 1) {
        const { form } = await signIn();
        const answers = await burst(urls, form);
        assert.equal(successes(answers), 1);
        for (const { status, body } of answers) if (status !== 200) assert.equal(body.error, 'invalid_grant');
      }
      const { form } = await signIn();
      const tokens = await send(urls[0], form);
      assert.equal(tokens.status, 200);
      const refreshes = await burst(urls, { grant_type: 'refresh_token', refresh_token: tokens.body.refresh_token });
      assert.equal(successes(refreshes), PARALLEL);
      assert.equal(new Set(refreshes.map(({ body }) => body.refresh_token)).size, 1);
    });
  });

  it('these very bursts find an adapter that updates plainly', async function () {
    this.timeout(40_000);
    await withSecondNode(true, async (urls) => {
      let most = 0;
      for (let round = 0; round < 5 && most < 2; round += 1) most = Math.max(most, successes(await burst(urls, (await signIn()).form)));
      assert.ok(most > 1, 'a plain UPDATE redeems a code several times');
    });
  });

  it('twenty redemptions at one process: one success, one audit row of it, and no tokens but its own', async () => {
    const { form } = await signIn();
    const rows = await first.audited(async () => {
      assert.equal(successes(await burst([first.url], form)), 1);
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

async function send(url: string, form: Form): Promise<{ status: number; body: Answer['body'] }> {
  const response = await fetch(`${url}/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...basic('app') },
    body: encode(form),
  });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}
