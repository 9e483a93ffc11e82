import assert from 'node:assert/strict';
import { basicAuth, type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import { type App, setUpTenancy } from '#test/support/tenancy.ts';

const PASSWORD = 'violet cactus thunder marble';

describe('sign-in by an app on a server that cannot send mail', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let client: App;
  before(async () => {
    // Only on a loopback issuer is there a mailbox for development.
    app = await startTestApp({
      env: { ISSUER: 'https://sign-in.example.test', COOKIE_KEYS: 'a-cookie-key-of-thirty-two-letters-or-more' },
    });
    client = await (await setUpTenancy(app)).addClient(app.rootTenantId, { direct_login: true });
  });
  after(() => app?.close());

  const post = (path: string, body: object): Promise<Reply> => app.api('POST', `/api/auth/${path}`, body, basicAuth(client));

  it('begins neither a registration nor a reset, as the pages do not, keeps nothing of them, and signs in as ever', async () => {
    const email = 'somebody@example.test';
    const made = await app.api('POST', '/api/users', { email, emailVerified: true, password: PASSWORD });
    assert.equal(made.status, 201, made.text);
    for (const [path, body] of [
      ['register', { email: 'newcomer@example.test', password: PASSWORD }],
      ['password/reset', { email }],
    ] as const) {
      const answer = await post(path, body);
      assert.deepEqual([answer.status, answer.body['code']], [503, 'mail.not_configured'], answer.text);
      assert.ok(!answer.text.includes('Token"'));
    }
    assert.equal((await app.owner.query('select 1 from journeys')).rowCount, 0);
    const code = await post('otp', { channel: 'email', to: email });
    assert.deepEqual([code.status, code.body['code']], [422, 'auth.method_unknown'], code.text);
    assert.equal((await post('login', { username: email, password: PASSWORD })).status, 200);
  });
});
