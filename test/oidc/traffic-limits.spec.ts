import assert from 'node:assert/strict';
import { createLimits } from '#src/infra/limits.ts';
import { useTrafficLimits } from '#src/oidc/traffic-limits.ts';
import { API, basic, MACHINE, startIssuer, type TestIssuer } from '#test/support/oidc.ts';

const MOST = 5;

describe('traffic limits', () => {
  let issuer: TestIssuer;
  const counts: [string, Record<string, string>][] = [];
  before(async () => {
    issuer = await startIssuer();
    for (const id of ['rs', 'other']) await issuer.addClient(id, MACHINE);
    const limits = createLimits({ db: issuer.db });
    useTrafficLimits(issuer.provider, {
      // The same rules with fewer points, since fifty thousand requests take their time.
      limits: { consume: (rule, key) => limits.consume({ ...rule, points: MOST }, key) },
      pages: { error: (ctx, { status, error }) => void Object.assign(ctx, { status, type: 'html', body: `<p>${error}</p>` }) },
      log: { error: (details) => void issuer.state.errors.push(details) },
      count: (name, labels) => void counts.push([name, labels]),
    });
  });
  after(() => issuer.close());
  afterEach(() => {
    assert.deepEqual(issuer.state.errors, []);
    counts.length = 0;
  });

  const machine = (id: string) => issuer.token({ grant_type: 'client_credentials', resource: API }, basic(id));

  it('hold a client that asks for too many tokens, at no cost, and no other client at its address', async () => {
    for (let n = 0; n < MOST; n += 1) assert.equal((await machine('rs')).status, 200);
    const rows = await issuer.audited(async () => {
      const statements = await issuer.counted(async () => {
        const refused = await machine('rs');
        assert.deepEqual([refused.status, refused.body], [429, { error: 'temporarily_unavailable' }]);
        const seconds = Number(refused.headers.get('retry-after'));
        assert.ok(seconds >= 1 && seconds <= 10, `${seconds} s`);
        assert.equal(refused.headers.get('cache-control'), 'no-store');
        assert.equal((await issuer.post('/token/introspection', { token: 'x' }, basic('rs'))).status, 429);
      });
      assert.equal(statements, 0);
    });
    assert.deepEqual(rows, []);
    assert.deepEqual(counts, Array(2).fill(['limited', { rule: 'tokenByClient' }]));
    assert.equal((await machine('other')).status, 200);
  });

  it('hold an address whose calls name no client by Basic, in the words of the endpoint', async () => {
    for (let n = 0; n < MOST; n += 1) assert.equal((await issuer.get('/me', { authorization: 'Bearer nope' })).status, 401);
    assert.equal((await issuer.get('/me', { authorization: 'Bearer nope' })).status, 429);
    const api = await issuer.post('/api/sessions/refresh', {});
    assert.deepEqual([api.status, api.headers.get('content-type')], [429, 'application/problem+json; charset=utf-8']);
    assert.deepEqual([api.body['code'], api.headers.get('retry-after')], ['limit.exceeded', String(api.body['retryAfterSeconds'])]);
  });

  it('count what browsers visit together with pushed requests, and answer each as it asks', async () => {
    const visits = [() => issuer.get('/auth?client_id=nobody'), () => issuer.get('/session/end'), () => issuer.post('/request', {})];
    for (let n = 0; n < MOST; n += 1) assert.notEqual((await visits[n % visits.length]!()).status, 429);
    const html = { accept: 'text/html' };
    for (const path of ['/auth?client_id=nobody', '/auth/unknown', '/session/end']) {
      const page = await issuer.get(path, html);
      assert.deepEqual([page.status, page.text, page.headers.getSetCookie()], [429, '<p>temporarily_unavailable</p>', []], path);
      assert.ok(Number(page.headers.get('retry-after')) >= 1, path);
    }
    assert.deepEqual((await issuer.post('/request', {}, html)).body, { error: 'temporarily_unavailable' });
    for (const path of ['/jwks', '/.well-known/openid-configuration']) assert.equal((await issuer.get(path)).status, 200, path);
  });
});
