import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt, type JWTPayload } from 'jose';
import { systemScope } from '#src/core/scope.ts';
import { withdrawGrants } from '#src/features/sessions/commands.ts';
import { ACR } from '#src/oidc/policy.ts';
import { Browser } from '#test/support/browser.ts';
import { type Answer, API, authorization, basic, type Form, PUBLIC, startIssuer, type TestIssuer } from '#test/support/oidc.ts';

const [ONE, TWO, PHR] = ACR;

describe('prompts', () => {
  let issuer: TestIssuer;
  let answer: 'pass' | 'give up' = 'pass';
  before(async () => {
    issuer = await startIssuer();
    const native = { ...PUBLIC, application_type: 'native', redirect_uris: ['test.app:/cb'] };
    await issuer.addClient('own', {}, { first_party: true });
    await issuer.addClient('third');
    await issuer.addClient('ownapp', native, { first_party: true });
    await issuer.addClient('thirdapp', native);
    issuer.state.login = async (interactions, { req, res, interaction }) => {
      const { prompt } = interaction;
      if (prompt.name === 'consent') return interactions.finishConsent(req, res, 'all');
      if (prompt.name === 'select_account') return interactions.finishSelection(req, res);
      if (answer === 'give up')
        return interactions.refuse(req, res, 'unmet_authentication_requirements', 'the second factor was not given');
      return interactions.finishLogin(req, res, {
        accountId: issuer.state.accountId,
        acr: String(prompt.details['acr'] ?? ONE),
        amr: ['pwd', 'otp', 'mfa'],
      });
    };
  });
  beforeEach(() => {
    answer = 'pass';
    Object.assign(issuer.state, { required: ONE, reachable: TWO, accountId: issuer.userId, acr: ONE });
  });
  after(() => issuer.close());
  afterEach(() => assert.deepEqual(issuer.state.errors, []));

  interface Outcome {
    seen: string[];
    error: string | null;
    tokens: Answer['body'];
    id: JWTPayload;
    location: URL;
  }
  async function walk(browser: Browser, client: string, extra: Form = {}): Promise<Outcome> {
    issuer.state.seen.length = 0;
    const app = client.endsWith('app');
    const redirect_uri = app ? 'test.app:/cb' : 'https://app.test/cb';
    const { path, verifier } = authorization(client, { redirect_uri, ...extra });
    const { location, page } = await browser.go(path);
    assert.ok(location, page?.text);
    const code = location.searchParams.get('code');
    const form = {
      grant_type: 'authorization_code',
      code: code ?? '',
      code_verifier: verifier,
      redirect_uri,
      ...(app ? { client_id: client } : {}),
    };
    const tokens = code ? (await issuer.token(form, app ? {} : basic(client))).body : {};
    return {
      seen: [...issuer.state.seen],
      error: location.searchParams.get('error'),
      tokens,
      id: tokens.id_token ? decodeJwt(tokens.id_token) : {},
      location,
    };
  }
  const fresh = () => new Browser(issuer.url);
  const names = ({ seen }: Outcome) => seen.map((one) => one.split(':')[0]);

  it('first-party clients, native ones too, see no consent and get refresh tokens; third-party ones ask', async () => {
    for (const client of ['own', 'ownapp']) {
      const { seen, tokens } = await walk(fresh(), client, { scope: 'openid profile api:read', resource: API });
      assert.deepEqual(seen, ['login:no_session'], client);
      assert.ok(tokens.refresh_token, client);
    }
    assert.deepEqual((await walk(fresh(), 'third')).seen, ['login:no_session', 'consent:op_scopes_missing']);
    assert.match((await walk(fresh(), 'thirdapp')).seen[1] ?? '', /^consent:native_client_prompt/);
    assert.match(
      (await walk(fresh(), 'thirdapp')).seen[1] ?? '',
      /^consent:native_client_prompt/,
      'a native client is asked about each time',
    );
  });

  it('consent is remembered by client and scope, across sessions, and asked again for what is new only', async () => {
    assert.deepEqual((await walk(fresh(), 'third')).seen, ['login:no_session'], 'agreed before');
    const browser = fresh();
    const more = await walk(browser, 'third', { scope: 'openid profile' });
    assert.deepEqual(more.seen, ['login:no_session', 'consent:op_scopes_missing']);
    assert.deepEqual((await walk(browser, 'third', { scope: 'openid profile' })).seen, []);
    assert.deepEqual((await walk(browser, 'third', { scope: 'openid api:read', resource: API })).seen, ['consent:rs_scopes_missing']);
    assert.deepEqual((await walk(fresh(), 'third', { scope: 'openid profile api:read', resource: API })).seen, ['login:no_session']);
    const grown = await walk(fresh(), 'third', { scope: 'openid api:read api:write', resource: API });
    assert.deepEqual(grown.seen, ['login:no_session', 'consent:rs_scopes_missing']);
    assert.deepEqual(names(await walk(browser, 'third', { prompt: 'consent' })), ['consent'], 'prompt=consent asks regardless');
    assert.equal((await walk(browser, 'third', { prompt: 'none' })).error, null);
    issuer.state.accountId = await issuer.addUser();
    assert.deepEqual(names(await walk(fresh(), 'third')), ['login', 'consent'], 'somebody else agreed to nothing');
  });

  it('a withdrawn consent is asked for again, and its tokens are dead at once', async () => {
    const { tokens } = await walk(fresh(), 'third', { scope: 'openid offline_access api:read', prompt: 'consent', resource: API });
    const active = async () => (await issuer.post('/token/introspection', { token: tokens.access_token }, basic('third'))).body['active'];
    assert.equal(await active(), true);
    const auditRows = await issuer.audited(() => withdrawGrants(issuer, systemScope(issuer.tenantId, 'test'), issuer.userId, 'third'));
    assert.deepEqual(
      auditRows.map(({ type }) => type),
      ['consent.withdrawn'],
    );
    assert.equal(await active(), false);
    assert.equal(
      (await issuer.token({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token }, basic('third'))).body.error,
      'invalid_grant',
    );
    assert.deepEqual(names(await walk(fresh(), 'third')), ['login', 'consent']);
  });

  it('a refused part of consent is not granted; a refusal goes back to the client as access_denied', async () => {
    const login = issuer.state.login;
    try {
      issuer.state.login = async (interactions, { req, res }) => interactions.finishConsent(req, res, { oidcScopes: ['openid'] });
      const part = await walk(fresh(), 'third', { scope: 'openid email' });
      assert.deepEqual([part.error, part.tokens.scope], [null, 'openid']);
      issuer.state.login = async (interactions, { req, res }) => interactions.refuse(req, res, 'access_denied', 'no');
      const rows = await issuer.audited(async () => {
        const none = await walk(fresh(), 'third', { scope: 'openid phone', state: 'xyz' });
        assert.equal(none.error, 'access_denied');
        assert.deepEqual([none.location.searchParams.get('state'), none.location.searchParams.get('iss')], ['xyz', issuer.url]);
      });
      assert.deepEqual(rows.at(-1) && [rows.at(-1)!.type, rows.at(-1)!.outcome, rows.at(-1)!.reason], [
        'authorization.refused',
        'failure',
        'access_denied',
      ]);
    } finally {
      issuer.state.login = login;
    }
  });

  it('acr_values is a wish: fulfilled where it can be, dropped where it cannot', async () => {
    const browser = fresh();
    assert.equal((await walk(browser, 'own')).id['acr'], ONE);
    const up = await walk(browser, 'own', { acr_values: TWO });
    assert.deepEqual([up.seen, up.id['acr'], up.id['amr']], [['step_up:acr_requested'], TWO, ['pwd', 'otp', 'mfa']]);
    assert.deepEqual((await walk(browser, 'own', { acr_values: ONE })).seen, [], 'more than enough');
    const cannot = await walk(browser, 'own', { acr_values: PHR });
    assert.deepEqual([cannot.seen, cannot.id['acr']], [[], TWO]);
    assert.deepEqual((await walk(browser, 'own', { acr_values: `${PHR} ${TWO}` })).seen, [], 'any of the values will do');
    assert.deepEqual((await walk(fresh(), 'own', { acr_values: TWO })).seen, ['login:no_session', 'step_up:acr_requested'], 'in one go');
  });

  it('an essential acr is insisted on: not met is unmet_authentication_requirements', async () => {
    const essential = (value: string) => ({ claims: JSON.stringify({ id_token: { acr: { essential: true, value } } }) });
    assert.equal((await walk(fresh(), 'own', essential(TWO))).id['acr'], TWO);
    const browser = fresh();
    await walk(browser, 'own');
    assert.equal((await walk(browser, 'own', { ...essential(PHR), prompt: 'none' })).error, 'unmet_authentication_requirements');
    answer = 'give up';
    assert.equal((await walk(browser, 'own', essential(PHR))).error, 'unmet_authentication_requirements');
  });

  it('single claims that are asked for are consented to once, remembered, and given', async () => {
    const asks = {
      scope: 'openid',
      claims: JSON.stringify({ id_token: { email: null, given_name: { essential: true } }, userinfo: { email: null } }),
    };
    const own = await walk(fresh(), 'own', asks);
    assert.deepEqual([own.seen, own.id['email']], [['login:no_session'], 'ada@example.test'], 'first-party clients are not asked for');
    issuer.state.accountId = await issuer.addUser({ email: 'grace@example.test' });
    const third = await walk(fresh(), 'third', asks);
    assert.deepEqual([names(third), third.id['email']], [['login', 'consent'], 'grace@example.test']);
    const userinfo = await issuer.get('/me', { authorization: `Bearer ${third.tokens.access_token}` });
    assert.deepEqual([userinfo.body['email'], userinfo.body['given_name']], ['grace@example.test', undefined], userinfo.text);
    assert.deepEqual(names(await walk(fresh(), 'third', asks)), ['login'], 'agreed before');
    const more = { scope: 'openid', claims: JSON.stringify({ userinfo: { email: null, locale: null } }) };
    assert.deepEqual(
      (await walk(fresh(), 'third', more)).seen,
      ['login:no_session', 'consent:op_claims_missing'],
      'what is new is asked for',
    );
    assert.equal((await walk(fresh(), 'third')).id['email'], undefined, 'only who asks is given them');
  });

  it('an acr that is asked for in a way nobody understands is the request’s fault', async () => {
    for (const acr of [{ values: TWO }, { values: { a: 1 } }, { value: 7 }, { values: [7, null] }]) {
      const { error } = await walk(fresh(), 'own', { claims: JSON.stringify({ id_token: { acr } }) });
      assert.ok(error === null || error === 'invalid_request', `${JSON.stringify(acr)}: ${error}`);
    }
  });

  it('policy may demand a second factor, whatever the client asks for', async () => {
    issuer.state.required = TWO;
    const { seen, id } = await walk(fresh(), 'own');
    assert.deepEqual([seen, id['acr']], [['login:no_session', 'step_up:policy_requires'], TWO]);
  });

  it('max_age repeats a sign-in that is too old, and auth_time tells', async () => {
    const browser = fresh();
    const first = await walk(browser, 'own');
    assert.deepEqual((await walk(browser, 'own', { max_age: '100' })).seen, []);
    await sleep(2100);
    const again = await walk(browser, 'own', { max_age: '1' });
    assert.deepEqual(again.seen, ['login:max_age']);
    assert.ok(Number(again.id['auth_time']) > Number(first.id['auth_time']));
    await sleep(2100);
    assert.equal((await walk(browser, 'own', { max_age: '1', prompt: 'none' })).error, 'login_required');
  });

  it('auth_time is when the person signed in, not when consent was given', async () => {
    const login = issuer.state.login;
    try {
      issuer.state.login = async (interactions, { req, res }) => {
        await sleep(2100);
        return interactions.finishConsent(req, res, 'all');
      };
      const { id } = await walk(fresh(), 'third', { scope: 'openid email profile', prompt: 'consent' });
      assert.ok(Number(id.iat) - Number(id['auth_time']) >= 2, `${id.iat} ${id['auth_time']}`);
    } finally {
      issuer.state.login = login;
    }
  });

  it('prompt=none never shows a page, and a hint of somebody else never switches silently', async () => {
    assert.equal((await walk(fresh(), 'own', { prompt: 'none' })).error, 'login_required');
    const browser = fresh();
    const { tokens } = await walk(browser, 'own');
    issuer.state.accountId = await issuer.addUser();
    const other = await walk(fresh(), 'own');
    assert.equal((await walk(browser, 'own', { prompt: 'none', id_token_hint: tokens.id_token })).error, null);
    assert.equal((await walk(browser, 'own', { prompt: 'none', id_token_hint: other.tokens.id_token })).error, 'login_required');
  });

  it('prompt=login, select_account and create each show their page once', async () => {
    const browser = fresh();
    await walk(browser, 'own');
    assert.deepEqual((await walk(browser, 'own', { prompt: 'login' })).seen, ['login:login_prompt']);
    assert.deepEqual((await walk(browser, 'own', { prompt: 'select_account' })).seen, ['select_account:select_account_prompt']);
    assert.deepEqual((await walk(fresh(), 'own', { prompt: 'select_account' })).seen, ['login:no_session'], 'who signs in has chosen');
    assert.deepEqual((await walk(fresh(), 'own', { prompt: 'create' })).seen, ['create:create_prompt']);
    assert.equal((await walk(browser, 'own', { prompt: 'dance' })).error, 'invalid_request');
  });

  it('an interaction belongs to the browser that began it, and is gone once it is finished', async () => {
    const mine = fresh();
    const { path } = authorization('own');
    const login = (await mine.request(path)).headers.get('location') ?? '';
    const foreign = await fresh().request(login);
    assert.deepEqual([foreign.status, ((await foreign.json()) as { code: string }).code], [400, 'interaction.expired']);
    const next = (await mine.request(login)).headers.get('location') ?? '';
    const thief = await fresh().request(next);
    assert.deepEqual([thief.status, thief.headers.get('location')], [400, null]);
    const done = await mine.request(next);
    assert.match(done.headers.get('location') ?? '', /code=/);
    assert.equal((await mine.request(login)).status, 400, 'finished');
    assert.equal((await mine.request(next)).status, 400, 'finished');
  });

  it('a disabled person’s session asks to sign in, and gets no code by itself', async () => {
    const browser = fresh();
    issuer.state.accountId = await issuer.addUser();
    await walk(browser, 'own');
    await issuer.owner.query(`update users set status = 'disabled' where id = $1`, [issuer.state.accountId]);
    const { location, page } = await browser.go(authorization('own', { prompt: 'none' }).path);
    assert.equal(location?.searchParams.get('code') ?? null, null);
    assert.ok(location?.searchParams.get('error') ?? page, 'an error');
  });
});
