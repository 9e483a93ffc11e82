/** API keys over the whole server: what they may do follows their owner, and they end with whatever they hang on. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { newApiKey } from '#src/features/api-keys/key.ts';
import { basicAuth, newAddress, type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import { giveRole } from '#test/support/roles.ts';

const PASSWORD = 'violet cactus thunder marble';

interface Place {
  tenantId: string;
  /** A client of the tenant that signs people in. */
  direct: { id: string; secret: string };
  /** A client of the tenant with all permissions on API keys and people. */
  service: string;
  serviceId: string;
}

describe('API keys', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let here: Place;
  let there: Place;
  let number = 0;

  const inside = (tenantId: string) => ({ 'x-tenant-id': tenantId });
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const ok = (reply: Reply, status = 200): Record<string, unknown> => {
    assert.equal(reply.status, status, reply.text);
    return reply.body;
  };
  const refused = (reply: Reply, status: number, code: string): void =>
    assert.deepEqual([reply.status, reply.body['code']], [status, code], reply.text);

  async function settle(slug: string): Promise<Place> {
    const tenantId = String(ok(await app.api('POST', '/api/tenants', { name: slug, slug, type: 'team' }), 201)['id']);
    const direct = ok(
      await app.api(
        'POST',
        '/api/clients',
        { client_name: 'Direct', redirect_uris: ['https://app.test/cb'], direct_login: true, first_party: true },
        inside(tenantId),
      ),
      201,
    );
    const { token, id } = await serviceOf(tenantId, [
      'api-keys.read',
      'api-keys.write',
      'users.read',
      'users.write',
      'audit.read',
      'tokens.validate',
    ]);
    return {
      tenantId,
      direct: { id: String(direct['client_id']), secret: String(direct['client_secret']) },
      service: token,
      serviceId: id,
    };
  }

  async function serviceOf(tenantId: string, permissions: string[]): Promise<{ token: string; id: string }> {
    const made = ok(
      await app.api(
        'POST',
        '/api/clients',
        { client_name: 'Service', redirect_uris: [], response_types: [], grant_types: ['client_credentials'], permissions },
        inside(tenantId),
      ),
      201,
    );
    const id = String(made['client_id']);
    const token = await app.token(
      { grant_type: 'client_credentials', resource: `${app.issuer}/api` },
      { id, secret: String(made['client_secret']) },
    );
    return { token: String(ok(token)['access_token']), id };
  }

  /** A person of the tenant, with the role of an administrator, signed in. */
  async function administrator({ tenantId, direct }: Place): Promise<{ id: string; token: string }> {
    number += 1;
    const username = `person${number}`;
    const { id } = ok(await app.api('POST', '/api/users', { username, password: PASSWORD }, inside(tenantId)), 201);
    await giveRole(app.owner, tenantId, String(id), 'administrator');
    const login = await app.api('POST', '/api/auth/login', { username, password: PASSWORD }, basicAuth(direct));
    return { id: String(id), token: String(ok(login)['access_token']) };
  }

  const make = (token: string, body: object = {}, headers: Record<string, string> = {}): Promise<Reply> =>
    app.api('POST', '/api/api-keys', { name: 'Key', ...body }, { ...bearer(token), ...headers });
  const keyOf = async (token: string, body: object = {}): Promise<{ id: string; key: string }> => {
    const made = ok(await make(token, body), 201);
    return { id: String(made['id']), key: String(made['key']) };
  };
  const people = (key: string, headers: Record<string, string> = {}): Promise<Reply> =>
    app.api('GET', '/api/users?limit=1', undefined, { ...bearer(key), ...headers });

  before(async () => {
    app = await startTestApp();
    here = await settle('here');
    there = await settle('there');
  });
  after(() => app?.close());

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

  it('are made by members of the tenant only, where people make them', async () => {
    const direct = ok(
      await app.api('POST', '/api/clients', {
        client_name: 'Root',
        redirect_uris: ['https://app.test/cb'],
        direct_login: true,
        first_party: true,
      }),
      201,
    );
    const client = { id: String(direct['client_id']), secret: String(direct['client_secret']) };
    const login = await app.api(
      'POST',
      '/api/auth/login',
      { username: 'admin@example.test', password: 'correct horse battery staple 7' },
      basicAuth(client),
    );
    const token = String(ok(login)['access_token']);
    refused(await make(token, {}, inside(here.tenantId)), 409, 'api_key.not_member');
    const { key } = await keyOf(token);
    ok(await people(key, inside(here.tenantId)));
  });

  it('get no permission that their maker has not, and by default all that it has', async () => {
    const { token } = await serviceOf(here.tenantId, ['api-keys.write', 'users.read']);
    const beyond = await make(token, { permissions: ['users.read', 'users.write'] });
    refused(beyond, 403, 'permission.missing');
    assert.equal(beyond.body['permission'], 'users.write');
    const { body } = await make(token);
    assert.deepEqual(body['permissions'], ['api-keys.write', 'users.read']);
    const path = `/api/api-keys/${String(body['id'])}`;
    const fewer = ok(await app.api('PATCH', path, { permissions: ['users.read'] }, bearer(token)));
    assert.deepEqual(fewer['permissions'], ['users.read']);
    refused(await app.api('PATCH', path, { permissions: ['users.read', 'api-keys.write'] }, bearer(token)), 422, 'input.invalid');
    const replaced = ok(await app.api('PUT', path, { name: 'Other' }, bearer(token)));
    assert.deepEqual([replaced['permissions'], replaced['expiresAt']], [['users.read'], null]);
  });

  it('that a key made exceed it in nothing, end with it, and make none themselves', async () => {
    const end = new Date(Date.now() + 3_600_000).toISOString();
    const parent = await keyOf(here.service, { expiresAt: end, permissions: ['api-keys.write', 'users.read', 'users.write'] });
    refused(await make(parent.key, { permissions: ['audit.read'] }), 403, 'permission.missing');
    for (const expiresAt of [new Date(Date.now() + 3_700_000).toISOString(), null])
      refused(await make(parent.key, { expiresAt }), 422, 'input.invalid');
    const made = ok(await make(parent.key), 201);
    assert.deepEqual([made['expiresAt'], made['madeBy'], made['owner']], [end, parent.id, { type: 'client', id: here.serviceId }]);
    const child = String(made['key']);
    ok(await people(child));
    refused(await make(child), 403, 'api_key.not_allowed');
    const later = { expiresAt: new Date(Date.now() + 7_200_000).toISOString() };
    refused(await app.api('PATCH', `/api/api-keys/${parent.id}`, later, bearer(parent.key)), 422, 'input.invalid');
    ok(await app.api('PATCH', `/api/api-keys/${parent.id}`, { permissions: ['users.write'] }, bearer(here.service)));
    refused(await people(child), 403, 'permission.missing');
    ok(await app.api('DELETE', `/api/api-keys/${parent.id}`, undefined, bearer(here.service)));
    refused(await people(child), 401, 'token.invalid');
    refused(await app.api('GET', `/api/api-keys/${String(made['id'])}`, undefined, bearer(here.service)), 404, 'api_key.not_found');
  });

  it('are bounded and switched off by the tenant, those that exist included', async () => {
    const place = await settle('strict');
    const before = await keyOf(place.service);
    const rule = async (security: object) => ok(await app.api('PATCH', `/api/tenants/${place.tenantId}`, { settings: { security } }));
    await rule({ apiKeyMaxSeconds: 3600 });
    refused(await make(place.service), 422, 'input.invalid');
    refused(await make(place.service, { expiresAt: new Date(Date.now() + 3_700_000).toISOString() }), 422, 'input.invalid');
    const bounded = await keyOf(place.service, { expiresAt: new Date(Date.now() + 3_500_000).toISOString() });
    const path = `/api/api-keys/${bounded.id}`;
    refused(await app.api('PATCH', path, { expiresAt: null }, bearer(place.service)), 422, 'input.invalid');
    ok(await app.api('PATCH', path, { name: 'Renamed' }, bearer(place.service)));
    await rule({ apiKeys: false });
    refused(await make(place.service), 403, 'api_key.not_allowed');
    refused(await people(before.key), 401, 'token.invalid');
    await rule({ apiKeys: true });
    ok(await people(before.key));
  });

  it('are made up to the tenant’s limit, however many ask at once', async () => {
    const place = await settle('limited');
    await app.owner.query(`select set_tenant_limit($1, 'apiKeys', 7)`, [place.tenantId]);
    const replies = await Promise.all(Array.from({ length: 20 }, () => make(place.service)));
    assert.equal(replies.filter(({ status }) => status === 201).length, 7);
    for (const reply of replies.filter(({ status }) => status !== 201)) refused(reply, 409, 'limit.reached');
    const [first] = replies.filter(({ status }) => status === 201);
    ok(await app.api('DELETE', `/api/api-keys/${String(first?.body['id'])}`, undefined, bearer(place.service)));
    ok(await make(place.service), 201);
    const { rows } = await app.owner.query(
      `select count(*)::integer as count from audit_events where tenant_id = $1 and type = 'api_key.created'`,
      [place.tenantId],
    );
    assert.equal(rows[0].count, 8);
  });

  it('stand in no log, no table and no later answer', async () => {
    const reply = await make(here.service, {}, { 'idempotency-key': 'once-only' });
    const { id, key } = ok(reply, 201);
    const secret = String(key).slice(11, -6);
    const shown = [
      await people(String(key)),
      await app.api('GET', `/api/api-keys/${String(id)}`, undefined, bearer(here.service)),
      await app.api('GET', '/api/api-keys?limit=200', undefined, bearer(here.service)),
      await app.api('GET', '/api/audit-events?limit=200', undefined, bearer(here.service)),
      await people(`${String(key).slice(0, -1)}!`),
    ];
    for (const { text } of shown) assert.ok(!text.includes(secret));
    assert.ok(!app.log().includes(secret));
    const { rows: tables } = await app.owner.query(
      `select quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema')`,
    );
    assert.ok(tables.length > 20);
    for (const { name } of tables) {
      const { rows } = await app.owner.query(`select count(*)::integer as count from ${name} t where strpos(t::text, $1) > 0`, [secret]);
      assert.equal(rows[0].count, 0, name);
    }
  });

  it('write once when they were last used, however often they are used meanwhile', async () => {
    await app.owner.query(`
      create table written_uses (id uuid);
      create function note_use() returns trigger language plpgsql security definer as $$ begin insert into public.written_uses values (new.id); return null; end $$;
      create trigger note_use after update of last_used_at on api_keys for each row execute function note_use()`);
    const { id, key } = await keyOf(here.service);
    const replies = await Promise.all(Array.from({ length: 50 }, () => people(key)));
    for (const reply of replies) ok(reply);
    const uses = async (): Promise<number> => (await app.owner.query('select from written_uses where id = $1', [id])).rowCount ?? 0;
    for (let tries = 0; tries < 50 && (await uses()) === 0; tries += 1) await sleep(100);
    ok(await people(key));
    await sleep(1300);
    assert.equal(await uses(), 1);
    const { lastUsedAt } = ok(await app.api('GET', `/api/api-keys/${id}`, undefined, bearer(here.service)));
    assert.ok(Math.abs(Date.parse(String(lastUsedAt)) - Date.now()) < 30_000);
  });

  it('cannot be guessed: who tries from one address waits, is recorded, and holds up nobody else', async () => {
    const { key } = await keyOf(here.service);
    const address = { 'x-forwarded-for': newAddress() };
    const tries: Reply[] = [];
    for (let number = 0; number < 40; number += 1) tries.push(await people(number % 2 === 0 ? newApiKey() : 'gh_nonsense', address));
    assert.equal(tries.filter(({ status }) => status === 401).length, 30);
    for (const reply of tries.slice(30)) refused(reply, 429, 'limit.exceeded');
    assert.ok(tries[0]?.headers.get('www-authenticate')?.includes('invalid_token'));
    assert.equal((await people(key, address)).status, 429);
    ok(await people(key));
    const { rows } = await app.owner.query(
      `select count(*)::integer as count from audit_events where type = 'token.refused' and at > clock_timestamp() - interval '1 minute'`,
    );
    assert.ok(rows[0].count >= 30);
  });

  it('stand in the audit log as who acted, with nothing of where for the person acted upon', async () => {
    const { id: ownerId, token } = await administrator(here);
    const { id, key } = await keyOf(token);
    const victim = ok(await app.api('POST', '/api/users', { username: 'acted-upon', password: PASSWORD }, bearer(key)), 201);
    const log = ok(await app.api('GET', `/api/audit-events?actorId=${id}`, undefined, bearer(here.service)));
    const [event] = log['items'] as Record<string, unknown>[];
    assert.deepEqual(
      [event?.['type'], event?.['actor'], event?.['clientId'], event?.['target'], event?.['personId']],
      ['user.created', { type: 'api_key', id }, null, { type: 'user', id: victim['id'] }, ownerId],
    );
    assert.match(String(event?.['address']), /^11\./);
    const own = ok(await app.api('GET', '/api/me/activity', undefined, bearer(token)));
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
