/** How many API keys there may be, who may make them, and what they leave behind. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { newApiKey } from '#src/features/api-keys/key.ts';
import { basicAuth, newAddress, type Reply } from '#test/support/app.ts';
import { type ApiKeys, startApiKeys } from '../support/api-keys.ts';

describe('API keys', function () {
  this.timeout(60_000);
  let app: ApiKeys['app'];
  let here: ApiKeys['here'];
  let inside: ApiKeys['inside'];
  let bearer: ApiKeys['bearer'];
  let ok: ApiKeys['ok'];
  let refused: ApiKeys['refused'];
  let settle: ApiKeys['settle'];
  let serviceOf: ApiKeys['serviceOf'];
  let make: ApiKeys['make'];
  let keyOf: ApiKeys['keyOf'];
  let people: ApiKeys['people'];
  let close: ApiKeys['close'] | undefined;

  before(async () => {
    ({ app, here, inside, bearer, ok, refused, settle, serviceOf, make, keyOf, people, close } = await startApiKeys());
  });
  after(() => close?.());

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
});
