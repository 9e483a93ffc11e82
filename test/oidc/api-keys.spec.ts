/** API keys over the whole server: what they may do follows their owner, and they end with whatever they hang on. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Reply } from '#test/support/app.ts';
import { basicAuth } from '#test/support/app.ts';
import { giveRole } from '#test/support/roles.ts';
import { type ApiKeys, PASSWORD, startApiKeys } from '../support/api-keys.ts';

describe('API keys', function () {
  this.timeout(60_000);
  let app: ApiKeys['app'];
  let here: ApiKeys['here'];
  let there: ApiKeys['there'];
  let inside: ApiKeys['inside'];
  let bearer: ApiKeys['bearer'];
  let ok: ApiKeys['ok'];
  let refused: ApiKeys['refused'];
  let settle: ApiKeys['settle'];
  let serviceOf: ApiKeys['serviceOf'];
  let administrator: ApiKeys['administrator'];
  let make: ApiKeys['make'];
  let keyOf: ApiKeys['keyOf'];
  let people: ApiKeys['people'];
  let close: ApiKeys['close'] | undefined;

  before(async () => {
    ({ app, here, there, inside, bearer, ok, refused, settle, serviceOf, administrator, make, keyOf, people, close } =
      await startApiKeys());
  });
  after(() => close?.());

  it('do what they were given as long as their owner may, from one request to the next', async () => {
    const { id, token } = await administrator(here);
    const { key } = await keyOf(token, { permissions: ['users.read'] });
    ok(await people(key));
    refused(await app.api('POST', '/api/users', { username: 'x' }, bearer(key)), 403, 'permission.missing');
    await app.owner.query('delete from role_assignments where user_id = $1', [id]);
    refused(await people(key), 403, 'permission.missing');
    await giveRole(app.owner, here.tenantId, id, 'administrator');
    ok(await people(key));
    ok(await app.api('PATCH', `/api/users/${id}`, { status: 'disabled' }, inside(here.tenantId)));
    refused(await people(key), 401, 'token.invalid');
    ok(await app.api('PATCH', `/api/users/${id}`, { status: 'active' }, inside(here.tenantId)));
    refused(await people(key), 401, 'token.invalid');
  });

  it('end with the membership of who made them', async () => {
    const { id, token } = await administrator(here);
    const { key } = await keyOf(token, { permissions: ['users.read'] });
    ok(await people(key));
    await app.owner.query('delete from memberships where user_id = $1', [id]);
    refused(await people(key), 401, 'token.invalid');
  });

  it('end with the client that made them, and shrink with it', async () => {
    const { id, token } = await serviceOf(here.tenantId, ['api-keys.write', 'users.read']);
    const { key } = await keyOf(token);
    ok(await people(key));
    await app.owner.query(`update clients set permissions = '{api-keys.write}' where client_id = $1`, [id]);
    refused(await people(key), 403, 'permission.missing');
    await app.owner.query(`update clients set permissions = '{users.read}', enabled = false where client_id = $1`, [id]);
    refused(await people(key), 401, 'token.invalid');
    await app.owner.query('update clients set enabled = true where client_id = $1', [id]);
    ok(await people(key));
    ok(await app.api('DELETE', `/api/clients/${id}`, undefined, inside(here.tenantId)));
    refused(await people(key), 401, 'token.invalid');
  });

  it('end by the clock, and with a tenant that is suspended', async () => {
    const { key } = await keyOf(here.service, { expiresAt: new Date(Date.now() + 1500).toISOString() });
    ok(await people(key));
    const lasting = await keyOf(here.service);
    await app.owner.query(`update tenants set status = 'suspended' where id = $1`, [here.tenantId]);
    refused(await people(lasting.key), 401, 'token.invalid');
    await app.owner.query(`update tenants set status = 'active' where id = $1`, [here.tenantId]);
    ok(await people(lasting.key));
    await sleep(1500);
    refused(await people(key), 401, 'token.invalid');
  });

  it('see and change nothing of another tenant', async () => {
    const { key, id } = await keyOf(here.service);
    const foreign = await keyOf(there.service);
    refused(await people(key, inside(there.tenantId)), 404, 'tenant.not_found');
    refused(await app.api('GET', `/api/api-keys/${foreign.id}`, undefined, bearer(key)), 404, 'api_key.not_found');
    refused(await app.api('DELETE', `/api/api-keys/${id}`, undefined, bearer(foreign.key)), 404, 'api_key.not_found');
    const listed = ok(await app.api('GET', `/api/api-keys?ownerId=${here.serviceId}&limit=200`, undefined, bearer(foreign.key)));
    assert.deepEqual(listed['items'], []);
    ok(await people(key));
  });

  it('are nobody’s own account, whoever owns them', async () => {
    const { token } = await administrator(here);
    const { key } = await keyOf(token);
    refused(await app.api('GET', '/api/me', undefined, bearer(key)), 403, 'permission.missing');
  });

  it('of a client of the root tenant act in any tenant, and take in each only what they hold', async () => {
    const { token } = await serviceOf(app.rootTenantId, ['api-keys.write', 'users.read']);
    const { key } = await keyOf(token, { permissions: ['users.read', 'api-keys.write'] });
    ok(await people(key, inside(here.tenantId)));
    refused(
      await app.api('POST', '/api/users', { username: 'y' }, { ...bearer(key), ...inside(here.tenantId) }),
      403,
      'permission.missing',
    );
    const made = ok(await make(key, {}, inside(there.tenantId)), 201);
    ok(await people(String(made['key'])));
    refused(await people(String(made['key']), inside(here.tenantId)), 404, 'tenant.not_found');
  });

  it('stand in the audit log as who acted, with nothing of where for the person acted upon', async () => {
    const { token } = await administrator(here);
    const { id, key } = await keyOf(token);
    const victim = ok(await app.api('POST', '/api/users', { username: 'acted-upon', password: PASSWORD }, bearer(key)), 201);
    const log = ok(await app.api('GET', `/api/audit-events?actorId=${id}`, undefined, bearer(here.service)));
    const [event] = log['items'] as Record<string, unknown>[];
    assert.deepEqual(
      [event?.['type'], event?.['actor'], event?.['clientId'], event?.['target'], event?.['personId']],
      ['user.created', { type: 'api_key', id }, null, { type: 'user', id: victim['id'] }, victim['id']],
    );
    assert.match(String(event?.['address']), /^11\./);
    const login = await app.api('POST', '/api/auth/login', { username: 'acted-upon', password: PASSWORD }, basicAuth(here.direct));
    const own = ok(await app.api('GET', '/api/me/activity', undefined, bearer(String(ok(login)['access_token']))));
    const mine = (own['items'] as Record<string, unknown>[]).filter(({ type }) => type === 'user.created');
    assert.deepEqual(
      mine.map(({ address }) => address),
      [null],
    );
  });

  it('are told by /api/sessions/validate to whoever may ask in their tenant', async () => {
    const { id, key } = await keyOf(here.service, { permissions: ['users.read'] });
    const validate = (token: string): Promise<Reply> => app.api('POST', '/api/sessions/validate', { token: key }, bearer(token));
    assert.deepEqual(ok(await validate(here.service)), {
      active: true,
      sub: here.serviceId,
      client_id: here.serviceId,
      scope: 'users.read',
      token_type: 'ApiKey',
      tenant_id: here.tenantId,
    });
    refused(await validate(there.service), 401, 'session.inactive');
    refused(await app.api('POST', '/api/sessions/logout', { token: key }, bearer(here.service)), 401, 'session.inactive');
    ok(await app.api('DELETE', `/api/api-keys/${id}`, undefined, bearer(here.service)));
    refused(await validate(here.service), 401, 'session.inactive');
  });

  it('make nobody an owner, though their own owner may', async () => {
    const { id, token } = await administrator(there);
    await giveRole(app.owner, there.tenantId, id, 'owner');
    const { key } = await keyOf(token);
    const found = ok(await app.api('GET', '/api/roles?roleName=owner', undefined, bearer(key)));
    const [role] = found['items'] as Record<string, unknown>[];
    const somebody = ok(await app.api('POST', '/api/users', { username: 'would-be-owner' }, bearer(key)), 201);
    const assign = (as: string): Promise<Reply> =>
      app.api('POST', `/api/roles/${String(role?.['id'])}/assign`, { userId: somebody['id'] }, bearer(as));
    assert.equal((await assign(key)).status, 403);
    ok(await assign(token));
  });

  it('come from where the tenant lets its own come from', async () => {
    const place = await settle('fenced');
    const { key } = await keyOf(place.service);
    ok(await app.api('POST', `/api/tenants/${place.tenantId}/ip-rules`, { cidr: '203.0.113.0/24', action: 'allow' }), 201);
    refused(await people(key), 403, 'tenant.address_refused');
    ok(await people(key, { 'x-forwarded-for': '203.0.113.5' }));
  });

  it('come as bearer tokens and need no proof; under another scheme they are nothing', async () => {
    const { key } = await keyOf(here.service);
    ok(await people(key, { dpop: 'a.b.c' }));
    const other = await app.api('GET', '/api/users', undefined, { authorization: `DPoP ${key}` });
    refused(other, 401, 'token.invalid');
  });
});
