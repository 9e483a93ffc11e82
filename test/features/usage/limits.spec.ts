/** Metered limits over the whole server: at decisions, invitations and sign-ins. */
import assert from 'node:assert/strict';
import { basicAuth, type RunningApp, startTestApp } from '#test/support/app.ts';

describe('metered limits', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let tenantId: string;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.close());
  beforeEach(async () => {
    const made = await app.api('POST', '/api/tenants', { name: 'Metered' });
    assert.equal(made.status, 201, made.text);
    tenantId = String(made.body['id']);
  });
  const limit = async (limits: object): Promise<void> => {
    const answer = await app.api('PUT', `/api/tenants/${tenantId}/limits`, { limits });
    assert.equal(answer.status, 200, answer.text);
  };
  const inside = () => ({ 'x-tenant-id': tenantId });

  it('refuse decisions past the tenant’s, with 429 and no answer', async () => {
    await limit({ decisions: 2 });
    const ask = () => app.api('GET', `/api/auth/authorize/rbac?userId=${tenantId}&permission=users.read`, undefined, inside());
    assert.deepEqual([(await ask()).status, (await ask()).status], [200, 200]);
    const refused = await ask();
    assert.deepEqual(
      [refused.status, refused.body['code'], refused.body['limit'], refused.body['access_granted']],
      [429, 'limit.reached', 'decisions', undefined],
    );
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
  });

  it('refuse invitations where no more messages fit, and leave none behind', async () => {
    await limit({ messages: 1 });
    const invite = (email: string) => app.api('POST', `/api/tenants/${tenantId}/invitations`, { email });
    assert.equal((await invite('one@example.test')).status, 201);
    const refused = await invite('two@example.test');
    assert.deepEqual([refused.status, refused.body['code'], refused.body['limit']], [409, 'limit.reached', 'messages'], refused.text);
    const list = (await app.api('GET', `/api/tenants/${tenantId}/invitations`)).body['items'] as unknown[];
    assert.equal(list.length, 1);
  });

  it('let nobody new sign in past the month’s, and whoever was there go on', async () => {
    await limit({ monthlyActiveUsers: 1 });
    const password = 'violet cactus thunder marble';
    for (const name of ['ada', 'bob']) {
      const made = await app.api('POST', '/api/users', { username: `${name}.metered`, password }, inside());
      assert.equal(made.status, 201, made.text);
    }
    const client = await app.api(
      'POST',
      '/api/clients',
      {
        client_name: 'App',
        redirect_uris: ['https://app.test/cb'],
        grant_types: ['authorization_code', 'refresh_token'],
        direct_login: true,
      },
      inside(),
    );
    assert.equal(client.status, 201, client.text);
    const credentials = basicAuth({ id: String(client.body['client_id']), secret: String(client.body['client_secret']) });
    const login = (name: string) => app.api('POST', '/api/auth/login', { username: `${name}.metered`, password }, credentials);
    assert.equal((await login('ada')).status, 200);
    const refused = await login('bob');
    assert.deepEqual(
      [refused.status, refused.body['code'], refused.body['limit']],
      [403, 'limit.reached', 'monthlyActiveUsers'],
      refused.text,
    );
    assert.equal((await login('ada')).status, 200);
    await app.api('POST', `/api/tenants/${tenantId}/suspend`, {});
    const suspended = await login('ada');
    assert.ok(suspended.status >= 400 && suspended.status < 500, suspended.text);
  });
});
