import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Answer,
  API,
  authorize,
  basic,
  dpopKey,
  type Form,
  OPAQUE_API,
  PUBLIC,
  startIssuer,
  type TestIssuer,
} from '#test/support/oidc.ts';

const GRACE_SECONDS = 2;

describe('refresh tokens', () => {
  let issuer: TestIssuer;
  before(async () => {
    issuer = await startIssuer({ graceSeconds: GRACE_SECONDS });
    await issuer.addClient('conf');
    await issuer.addClient('pub', PUBLIC);
    await issuer.addClient('pubd', { ...PUBLIC, dpop_bound_access_tokens: true });
    await issuer.addClient('fapi', {}, { profile: 'fapi2' });
    await issuer.addClient('other');
  });
  after(() => issuer.close());
  afterEach(() => assert.deepEqual(issuer.state.errors, []));

  type Proof = (() => Promise<string>) | undefined;
  const credentials = async (client: string, proof: Proof): Promise<[Form, Record<string, string>]> => [
    client.startsWith('pub') ? { client_id: client } : {},
    { ...(client.startsWith('pub') ? {} : basic(client)), ...(proof ? { DPoP: await proof() } : {}) },
  ];

  async function signIn(client: string, { proof, extra = {} }: { proof?: Proof; extra?: Form } = {}): Promise<Answer> {
    const { form } = await authorize(issuer, client, {
      scope: 'openid offline_access api:read',
      prompt: 'consent',
      resource: [API, OPAQUE_API],
      ...extra,
    });
    const [who, headers] = await credentials(client, proof);
    const answer = await issuer.token({ ...form, ...who, resource: OPAQUE_API }, headers);
    assert.equal(answer.status, 200, answer.text);
    return answer;
  }
  const refreshAs = async (client: string, refreshToken: unknown, extra: Form = {}, proof?: Proof): Promise<Answer> => {
    const [who, headers] = await credentials(client, proof);
    return issuer.token({ grant_type: 'refresh_token', refresh_token: String(refreshToken), ...who, ...extra }, headers);
  };
  const alive = async (client: string): Promise<number> => {
    const text = `select count(*)::int as n from oidc_objects where model = 'RefreshToken' and consumed_at is null and payload ->> 'clientId' = $1`;
    return (await issuer.owner.query<{ n: number }>(text, [client])).rows[0]!.n;
  };
  const distinct = (answers: readonly Answer[], name: string): number => new Set(answers.map(({ body }) => body[name])).size;

  for (const client of ['conf', 'pub', 'pubd']) {
    it(`${client}: twenty repetitions are one refresh, and reuse afterwards ends the family`, async () => {
      const key = client === 'pubd' ? await dpopKey() : undefined;
      const proof: Proof = key && (() => key.proof(`${issuer.url}/token`));
      const first = await signIn(client, { proof });
      const refresh = (token: unknown, extra: Form = {}) => refreshAs(client, token, extra, proof);

      const many = await Promise.all(Array.from({ length: 20 }, () => refresh(first.body.refresh_token)));
      assert.deepEqual([...new Set(many.map(({ status }) => status))], [200]);
      assert.equal(distinct(many, 'refresh_token'), 1, 'one successor');
      assert.equal(distinct(many, 'access_token'), 1, 'one access token');
      assert.equal(await alive(client), 1);
      const successor = many[0]!.body.refresh_token;

      await sleep(1000);
      const again = await refresh(first.body.refresh_token);
      assert.equal(again.body.refresh_token, successor);
      assert.ok(Number(again.body['expires_in']) < Number(many[0]!.body['expires_in']), 'less what has passed');

      const narrower = await refresh(first.body.refresh_token, { resource: API });
      assert.equal(narrower.body.refresh_token, successor, 'another resource: the same successor');
      assert.notEqual(narrower.body.access_token, again.body.access_token);
      assert.equal(await alive(client), 1);

      const next = await refresh(successor);
      assert.equal(next.status, 200);
      await sleep((GRACE_SECONDS + 0.3) * 1000);
      assert.equal((await refresh(first.body.refresh_token)).body.error, 'invalid_grant');
      assert.equal((await refresh(next.body.refresh_token)).body.error, 'invalid_grant', 'the family is gone');
      assert.equal(await alive(client), 0);
    });
  }

  it('give two resources two access tokens and one successor, at the same instant', async () => {
    for (let round = 0; round < 3; round += 1) {
      const first = await signIn('conf');
      const before = await alive('conf');
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, i) => refreshAs('conf', first.body.refresh_token, { resource: i % 2 ? API : OPAQUE_API })),
      );
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200], answers.find(({ status }) => status !== 200)?.text);
      assert.equal(distinct(answers, 'refresh_token'), 1);
      assert.equal(await alive('conf'), before);
      for (const { body } of answers.filter((_, i) => i % 2 === 0)) {
        const check = await issuer.post('/token/introspection', { token: body.access_token }, basic('conf'));
        assert.equal(check.body['active'], true, 'every opaque access token that was handed out exists');
      }
    }
  });

  it('give a public client with another DPoP key nothing, and harm the owner in nothing', async () => {
    const [mine, theirs] = [await dpopKey(), await dpopKey()];
    const htu = `${issuer.url}/token`;
    const first = await signIn('pubd', { proof: () => mine.proof(htu) });
    const refresh = (key: typeof mine) => refreshAs('pubd', first.body.refresh_token, {}, () => key.proof(htu));
    assert.equal((await refresh(mine)).status, 200);
    assert.equal((await refresh(theirs)).body.error, 'invalid_grant');
    assert.equal((await refresh(mine)).status, 200);
  });

  it('give another client nothing, and need the client that they were made for', async () => {
    const first = await signIn('conf');
    assert.equal((await refreshAs('other', first.body.refresh_token)).body.error, 'invalid_grant');
    const bare = await issuer.token({ grant_type: 'refresh_token', refresh_token: first.body.refresh_token, client_id: 'conf' });
    assert.equal(bare.status, 401);
    assert.equal((await refreshAs('conf', first.body.refresh_token)).status, 200);
    assert.equal((await refreshAs('pub', first.body.refresh_token)).body.error, 'invalid_grant');
  });

  it('never give more than was granted: other scopes and resources are refused', async () => {
    const first = await signIn('conf');
    assert.equal((await refreshAs('conf', first.body.refresh_token, { scope: 'openid api:write' })).body.error, 'invalid_scope');
    assert.equal((await refreshAs('conf', first.body.refresh_token, { resource: 'https://elsewhere.test/' })).body.error, 'invalid_target');
    assert.equal((await refreshAs('conf', first.body.refresh_token)).status, 200, 'refusals do not use the token up');
  });

  it('are refreshed in at most three statements, warm', async () => {
    const first = await signIn('conf');
    const second = await refreshAs('conf', first.body.refresh_token);
    const statements = await issuer.counted(async () => assert.equal((await refreshAs('conf', second.body.refresh_token)).status, 200));
    assert.ok(statements <= 3, `${statements} statements`);
  });

  it('end with their session unless offline access was agreed to', async () => {
    const end = () => issuer.owner.query('delete from oidc_sessions');
    const bound = await signIn('conf', { extra: { scope: 'openid api:read', prompt: undefined } });
    assert.ok(bound.body.refresh_token);
    const alsoBound = await refreshAs('conf', bound.body.refresh_token);
    assert.equal(alsoBound.status, 200);
    const offline = await signIn('conf');
    await end();
    assert.equal((await refreshAs('conf', alsoBound.body.refresh_token)).body.error, 'invalid_grant');
    assert.equal((await refreshAs('conf', offline.body.refresh_token)).status, 200);
  });

  it('end with a disabled person, and with a disabled client', async () => {
    const first = await signIn('conf');
    await issuer.owner.query(`update users set status = 'disabled' where id = $1`, [issuer.userId]);
    assert.equal((await refreshAs('conf', first.body.refresh_token)).body.error, 'invalid_grant');
    await issuer.owner.query(`update users set status = 'active' where id = $1`, [issuer.userId]);
    await issuer.owner.query(`update clients set enabled = false where client_id = 'conf'`);
    await sleep(200);
    assert.equal((await refreshAs('conf', first.body.refresh_token)).status, 401);
    await issuer.owner.query(`update clients set enabled = true where client_id = 'conf'`);
    await sleep(200);
    assert.equal((await refreshAs('conf', first.body.refresh_token)).status, 200);
  });

  it('meet revocations of their grant at full speed without a server error or an orphan', async () => {
    for (let round = 0; round < 15; round += 1) {
      const first = await signIn('conf');
      const refresh = () => refreshAs('conf', first.body.refresh_token);
      const revoke = () =>
        issuer.post('/token/revocation', { token: first.body.refresh_token, token_type_hint: 'refresh_token' }, basic('conf'));
      const answers = await Promise.all([refresh(), revoke(), refresh(), revoke(), refresh(), refresh(), revoke(), refresh()]);
      for (const { status, text } of answers) assert.ok([200, 400].includes(status), `${status} ${text}`);
      for (const { body } of answers.filter(({ status, body }) => status === 200 && body.refresh_token)) {
        assert.equal((await refreshAs('conf', body.refresh_token)).body.error, 'invalid_grant', 'revoked means revoked');
      }
    }
    const orphans = `select count(*)::int as n from oidc_objects o where grant_id is not null and not exists (select from oidc_grants g where g.id = o.grant_id)`;
    assert.equal((await issuer.owner.query<{ n: number }>(orphans)).rows[0]!.n, 0);
  });

  it('stay as they are for sender-constrained FAPI 2.0 clients', async () => {
    const key = await dpopKey();
    const headers = async (path: string) => ({ ...basic('fapi'), DPoP: await key.proof(`${issuer.url}${path}`) });
    const { form } = await pushed('fapi', headers);
    const first = await issuer.token(form, await headers('/token'));
    assert.equal(first.status, 200, first.text);
    const refresh = async () =>
      issuer.token({ grant_type: 'refresh_token', refresh_token: first.body.refresh_token }, await headers('/token'));
    const answers = await Promise.all(Array.from({ length: 5 }, refresh));
    assert.deepEqual(
      [...new Set(answers.map(({ status, body }) => `${status} ${body.refresh_token === first.body.refresh_token}`))],
      ['200 true'],
    );
  });

  async function pushed(client: string, headers: (path: string) => Promise<Record<string, string>>) {
    const { authorization } = await import('#test/support/oidc.ts');
    const { Browser } = await import('#test/support/browser.ts');
    const { path, verifier } = authorization(client, { scope: 'openid offline_access', prompt: 'consent' });
    const request = await issuer.post('/request', Object.fromEntries(new URL(path, issuer.url).searchParams), await headers('/request'));
    assert.equal(request.status, 201, request.text);
    const direct = await new Browser(issuer.url).go(path);
    assert.ok(direct.location?.searchParams.get('error') ?? direct.page?.status === 400, 'what was not pushed is refused');
    const { location, page } = await new Browser(issuer.url).go(
      `/auth?client_id=${client}&request_uri=${encodeURIComponent(String(request.body['request_uri']))}`,
    );
    const code = location?.searchParams.get('code');
    assert.ok(code, page?.text ?? location?.href);
    return { form: { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: 'https://app.test/cb' } };
  }
});

describe('refresh tokens on two nodes', () => {
  it('are refreshed once by forty repetitions across both, which all get the same answer', async () => {
    const one = await startIssuer({ issuer: 'http://sso.test' });
    const two = await startIssuer({ node: one, issuer: 'http://sso.test' });
    try {
      await one.addClient('app');
      const { Browser } = await import('#test/support/browser.ts');
      const { authorization } = await import('#test/support/oidc.ts');
      const { path, verifier } = authorization('app', { scope: 'openid offline_access api:read', prompt: 'consent', resource: OPAQUE_API });
      const browser = new Browser(one.url);
      let url = path;
      let code: string | null = null;
      for (let hops = 0; hops < 8 && !code; hops += 1) {
        const next = new URL((await browser.request(url)).headers.get('location') ?? '', 'http://sso.test');
        code = next.origin === 'https://app.test' ? next.searchParams.get('code') : null;
        url = next.pathname + next.search;
      }
      const form = { grant_type: 'authorization_code', code: String(code), code_verifier: verifier, redirect_uri: 'https://app.test/cb' };
      const first = await one.token(form, basic('app'));
      assert.equal(first.status, 200, first.text);
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, i) =>
          (i % 2 ? one : two).token({ grant_type: 'refresh_token', refresh_token: first.body.refresh_token }, basic('app')),
        ),
      );
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
      assert.equal(new Set(answers.map(({ body }) => body.refresh_token)).size, 1);
      const living = `select count(*)::int as n from oidc_objects where model = 'RefreshToken' and consumed_at is null`;
      assert.equal((await one.owner.query<{ n: number }>(living)).rows[0]!.n, 1);
      assert.deepEqual([one.state.errors, two.state.errors], [[], []]);
    } finally {
      await two.close();
      await one.close();
    }
  });
});
