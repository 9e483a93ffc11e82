import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import { API, authorize, basic, OPAQUE_API, startIssuer, type TestIssuer } from '#test/support/oidc.ts';

describe('authorization codes', () => {
  let issuer: TestIssuer;
  before(async () => {
    issuer = await startIssuer();
    await issuer.addClient('app');
  });
  after(() => issuer.close());

  it('become tokens in at most three statements, warm', async () => {
    const redeem = async () => {
      const { form } = await authorize(issuer, 'app', { scope: 'openid offline_access api:read', prompt: 'consent', resource: OPAQUE_API });
      return () => issuer.token(form, basic('app'));
    };
    assert.equal((await (await redeem())()).status, 200);
    const again = await redeem();
    const statements = await issuer.counted(async () => assert.equal((await again()).status, 200));
    assert.ok(statements <= 3, `${statements} statements`);
  });

  it('carry who signed in, how and for which tenant into ID token and access token', async () => {
    const { form } = await authorize(issuer, 'app', { scope: 'openid api:read', resource: API });
    const { body } = await issuer.token(form, basic('app'));
    const id = decodeJwt(String(body.id_token));
    assert.equal(id.sub, issuer.userId);
    assert.deepEqual([id['acr'], id['amr'], typeof id['auth_time']], ['urn:gatehouse:acr:1fa', ['pwd'], 'number']);
    const access = decodeJwt(String(body.access_token));
    assert.deepEqual([access.iss, access.aud, access['scope'], access['client_id']], [issuer.url, API, 'api:read', 'app']);
    for (const name of ['sid', 'acr', 'amr', 'auth_time', 'gid', 'suid']) assert.ok(name in access, name);
    assert.equal(access['tenant_id'], issuer.tenantId);
    assert.equal(access['sid'], id['sid']);
    assert.deepEqual(issuer.state.errors, []);
  });
});
