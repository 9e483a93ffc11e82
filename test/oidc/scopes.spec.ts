import assert from 'node:assert/strict';
import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose';
import { newId } from '#src/core/ids.ts';
import { ALL_PERMISSIONS } from '#src/core/permissions.ts';
import { type Answer, API, authorize, basic, type Form, MACHINE, OPAQUE_API, startIssuer, type TestIssuer } from '#test/support/oidc.ts';

describe('what tokens may do', () => {
  let issuer: TestIssuer;
  let api: string;
  before(async () => {
    issuer = await startIssuer();
    api = `${issuer.url}/api`;
    await issuer.addClient('app', { scope: 'openid offline_access profile email' }, { first_party: true });
    await issuer.addClient('third');
    await issuer.addClient('machine', MACHINE, { permissions: ['users.read', 'audit.read'] });
    await issuer.addClient('nothing', MACHINE);
    await issuer.addClient('limited', { ...MACHINE, scope: 'api:read' });
    await issuer.addClient('rs256', { id_token_signed_response_alg: 'RS256', default_resource: OPAQUE_API }, { first_party: true });
    const tenant = newId();
    await issuer.owner.query(`insert into tenants (id, slug, name, type) values ($1, 'acme', 'Acme', 'team')`, [tenant]);
    await issuer.addClient('acme', MACHINE, { tenant_id: tenant, permissions: ['users.read'] });
    await issuer.owner.query(
      `insert into resources (id, tenant_id, identifier, name, scopes) values ($1, $2, 'https://acme.test/', 'Acme', '[{"name": "x"}]')`,
      [newId(), tenant],
    );
  });
  after(() => issuer.close());
  afterEach(() => assert.deepEqual(issuer.state.errors, []));

  const own = (client: string, form: Form): Promise<Answer> => issuer.token({ grant_type: 'client_credentials', ...form }, basic(client));
  const scopeOf = ({ body }: Answer): string[] => String(decodeJwt(String(body.access_token))['scope'] ?? '').split(' ');

  describe('a client by itself', () => {
    it('gets at our API what an administrator granted it: all of it where it asks for nothing, and never more', async () => {
      const all = await own('machine', { resource: api });
      assert.deepEqual(scopeOf(all), ['users.read', 'audit.read']);
      assert.equal(all.body.scope, 'users.read audit.read');
      const claims = decodeJwt(String(all.body.access_token));
      assert.deepEqual([claims.aud, claims.sub, claims['client_id'], claims['tenant_id']], [api, 'machine', 'machine', issuer.tenantId]);
      assert.deepEqual(scopeOf(await own('machine', { resource: api, scope: 'audit.read' })), ['audit.read']);
      for (const scope of ['users.write', 'users.read users.write', 'account', 'openid']) {
        assert.equal((await own('machine', { resource: api, scope })).body.error, 'invalid_scope', scope);
      }
      assert.deepEqual(scopeOf(await own('nothing', { resource: api })), ['']);
      assert.equal((await own('nothing', { resource: api, scope: 'users.read' })).body.error, 'invalid_scope');
    });

    it('gets at other APIs their scopes, or those of them that its own metadata names', async () => {
      assert.deepEqual(scopeOf(await own('machine', { resource: API })), ['api:read', 'api:write']);
      assert.deepEqual(scopeOf(await own('limited', { resource: API })), ['api:read']);
      assert.equal((await own('limited', { resource: API, scope: 'api:write' })).body.error, 'invalid_scope');
    });

    it('reaches APIs of its own tenant and of the issuer’s, and no others', async () => {
      assert.equal((await own('acme', { resource: 'https://acme.test/' })).status, 200);
      assert.equal((await own('acme', { resource: API })).status, 200);
      assert.equal((await own('machine', { resource: 'https://acme.test/' })).body.error, 'invalid_target');
      for (const resource of ['https://unknown.test/', 'relative', `${api}/`, `${api}#x`]) {
        assert.equal((await own('machine', { resource })).body.error, 'invalid_target', resource);
      }
      assert.equal((await own('machine', { resource: [API, api] })).body.error, 'invalid_target', 'one token, one API');
      assert.equal(decodeJwt(String((await own('acme', { resource: api })).body.access_token))['tenant_id'] !== issuer.tenantId, true);
    });

    it('gets no refresh token and no ID token', async () => {
      const { body } = await own('machine', { resource: api });
      assert.deepEqual([body.refresh_token, body.id_token], [undefined, undefined]);
    });
  });

  describe('a person', () => {
    const MANAGE = `openid account ${ALL_PERMISSIONS.join(' ')}`;
    async function claimsFor(userId: string, client = 'app', scope = MANAGE): Promise<JWTPayload> {
      issuer.state.accountId = userId;
      const { form } = await authorize(issuer, client, { scope, resource: api });
      const { body, text } = await issuer.token(form, basic(client));
      assert.ok(body.access_token, text);
      return decodeJwt(body.access_token);
    }

    it('gets of the management permissions those that their roles give them, silently, and `account` always', async () => {
      const plain = await claimsFor(await issuer.addUser());
      assert.equal(plain['scope'], 'account');
      const admin = await claimsFor(await issuer.addUser({ roles: ['administrator'] }));
      assert.deepEqual(new Set(String(admin['scope']).split(' ')), new Set(['account', ...ALL_PERMISSIONS]));
      assert.deepEqual(admin['roles'], ['administrator']);
      const third = await claimsFor(await issuer.addUser(), 'third');
      assert.equal(third['scope'], 'account', 'a third party gets no more');
    });

    it('loses a permission with the role, at the next refresh', async () => {
      const userId = await issuer.addUser({ roles: ['administrator'] });
      issuer.state.accountId = userId;
      const { form } = await authorize(issuer, 'app', { scope: 'openid account users.read', resource: api });
      const first = await issuer.token(form, basic('app'));
      assert.equal(first.body.scope, 'account users.read');
      await issuer.owner.query('delete from role_assignments where user_id = $1', [userId]);
      const next = await issuer.token({ grant_type: 'refresh_token', refresh_token: first.body.refresh_token }, basic('app'));
      assert.equal(next.body.scope, 'account', next.text);
    });

    it('acts where they belong, at home if nowhere else', async () => {
      const tenant = newId();
      await issuer.owner.query(`insert into tenants (id, slug, name, type) values ($1, 'home', 'Home', 'team')`, [tenant]);
      const stranger = await issuer.addUser();
      await issuer.owner.query('delete from memberships where user_id = $1', [stranger]);
      await issuer.owner.query('update users set home_tenant_id = $2 where id = $1', [stranger, tenant]);
      assert.equal((await claimsFor(stranger))['tenant_id'], tenant);
      assert.equal((await claimsFor(await issuer.addUser()))['tenant_id'], issuer.tenantId);
    });

    it('tells userinfo only what was agreed to, and only by a token that is for nothing else', async () => {
      issuer.state.accountId = issuer.userId;
      const { form } = await authorize(issuer, 'app', { scope: 'openid email' });
      const { body } = await issuer.token(form, basic('app'));
      const info = await issuer.get('/me', { authorization: `Bearer ${body.access_token}` });
      assert.deepEqual(info.body, { sub: issuer.userId, email: 'ada@example.test', email_verified: true });
      const other = await authorize(issuer, 'app', { scope: 'openid email api:read', resource: OPAQUE_API });
      const bound = await issuer.token(other.form, basic('app'));
      assert.equal((await issuer.get('/me', { authorization: `Bearer ${bound.body.access_token}` })).status, 403);
    });

    it('gets an ID token signed as the client wants, and an access token for its default API', async () => {
      issuer.state.accountId = issuer.userId;
      const { form } = await authorize(issuer, 'rs256', { scope: 'openid api:read' });
      const { body } = await issuer.token(form, basic('rs256'));
      assert.equal(decodeProtectedHeader(String(body.id_token)).alg, 'RS256');
      assert.equal(body.scope, 'api:read');
      const { body: seen } = await issuer.post('/token/introspection', { token: body.access_token }, basic('rs256'));
      assert.deepEqual([seen['aud'], seen['acr'], seen['tenant_id']], [OPAQUE_API, 'urn:gatehouse:acr:1fa', issuer.tenantId]);
    });

    it('cannot be asked for scopes that the client may not have', async () => {
      const { Browser } = await import('#test/support/browser.ts');
      const { authorization } = await import('#test/support/oidc.ts');
      const { location } = await new Browser(issuer.url).go(authorization('app', { scope: 'openid phone' }).path);
      assert.equal(location?.searchParams.get('error'), 'invalid_scope');
    });
  });
});
