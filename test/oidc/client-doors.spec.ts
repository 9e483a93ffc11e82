/** Wherever a client authenticates, a wrong secret is recorded and counted alike, and the right one has to wait like all others. */
import assert from 'node:assert/strict';
import { MANAGER, newAddress, type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import { basic } from '#test/support/oidc.ts';

describe('the doors at which clients authenticate', function () {
  this.timeout(60_000);
  let app: RunningApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.close());

  const asked = (secret: string): Record<string, string> => basic(MANAGER.id, secret);
  const json = (path: string, body: object) => (secret: string, from: Record<string, string>) =>
    app.api('POST', path, body, { ...from, ...asked(secret) });
  const form =
    (path: string) =>
    async (secret: string, from: Record<string, string>): Promise<Reply> => {
      const headers = { 'content-type': 'application/x-www-form-urlencoded', ...from, ...asked(secret) };
      const response = await fetch(app.issuer + path, { method: 'POST', headers, body: 'token=x&grant_type=client_credentials' });
      const text = await response.text();
      return { status: response.status, headers: response.headers, text, body: text.startsWith('{') ? JSON.parse(text) : {} };
    };
  const DOORS: Readonly<Record<string, (secret: string, from: Record<string, string>) => Promise<Reply>>> = {
    '/token': form('/token'),
    '/token/introspection': form('/token/introspection'),
    '/token/revocation': form('/token/revocation'),
    '/request': form('/request'),
    '/api/auth/login': json('/api/auth/login', { username: 'a', password: 'b' }),
    '/api/sessions/refresh': json('/api/sessions/refresh', { refresh_token: 'x' }),
    '/api/sessions/validate': json('/api/sessions/validate', { token: 'x' }),
  };

  for (const [path, knock] of Object.entries(DOORS))
    it(`${path} records a wrong secret, and lets nobody guess on`, async () => {
      const from = { 'x-forwarded-for': newAddress(), 'x-request-id': `door${path.replaceAll('/', '-')}` };
      assert.equal((await knock('wrong', from)).status, 401);
      const { rows } = await app.owner.query(
        `select type, outcome, data ->> 'claimedClientId' as claimed from audit_events where request_id = $1`,
        [from['x-request-id']],
      );
      assert.deepEqual(rows, [{ type: 'client.authentication_failed', outcome: 'failure', claimed: MANAGER.id }]);
      for (let n = 1; n < 30; n += 1) assert.equal((await knock(`wrong-${n}`, from)).status, 401, String(n));
      for (const secret of ['wrong', MANAGER.secret]) {
        const refused = await knock(secret, from);
        assert.equal(refused.status, 429, `${secret}: ${refused.text}`);
        assert.ok(Number(refused.headers.get('retry-after')) > 0);
        if (!path.startsWith('/api/')) continue;
        assert.match(refused.headers.get('content-type') ?? '', /^application\/problem\+json/);
        assert.deepEqual([refused.body['status'], refused.body['code']], [429, 'limit.exceeded']);
        assert.equal(refused.body['requestId'], from['x-request-id']);
      }
    });
});
