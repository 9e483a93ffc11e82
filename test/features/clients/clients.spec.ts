import assert from 'node:assert/strict';
import { invalidInput } from '#src/core/errors.ts';
import { newId } from '#src/core/ids.ts';
import { ALL_PERMISSIONS } from '#src/core/permissions.ts';
import { systemScope } from '#src/core/scope.ts';
import { type ClientDeps, createClient } from '#src/features/clients/commands.ts';
import { clientRoutes } from '#src/features/clients/routes.ts';
import { matchesSecret } from '#src/features/clients/secrets.ts';
import { findForProtocol } from '#src/features/clients/store.ts';
import { describeApiResource } from '#test/contract/api-resource.ts';
import { type ApiHarness, startApi } from '#test/support/api.ts';

const changed: string[] = [];
let deps: ClientDeps;

const start = (): Promise<ApiHarness> =>
  startApi(({ db, transact }) => {
    deps = {
      transact,
      rules: { loopback: false, outboundAllowHosts: [] },
      validateMetadata: async ({ metadata }) => {
        if (metadata['client_name'] === 'unusable') throw invalidInput([{ pointer: '/client_name', message: 'cannot be used' }]);
      },
      changed: (clientId) => void changed.push(clientId),
    };
    return clientRoutes({ ...deps, db });
  });

const WEB = { client_name: 'App', redirect_uris: ['https://rp.test/cb'] };

describeApiResource({
  path: '/api/clients',
  permissions: { read: 'clients.read', write: 'clients.write' },
  start,
  idMember: 'client_id',
  valid: (number) => ({ ...WEB, client_id: `app-${number}`, client_name: `App ${number}` }),
  change: { client_name: 'Changed', redirect_uris: ['https://rp.test/other'] },
  invalid: {
    'a wildcard': { ...WEB, redirect_uris: ['https://*.rp.test/cb'] },
    'plain http': { ...WEB, redirect_uris: ['http://rp.test/cb'] },
    'no redirect address': { client_name: 'App', redirect_uris: [] },
    'two key sets': { ...WEB, jwks: { keys: [{ kty: 'OKP' }] }, jwks_uri: 'https://rp.test/jwks' },
    'private_key_jwt without a key': { ...WEB, token_endpoint_auth_method: 'private_key_jwt' },
    'a private key': { ...WEB, jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'a', d: 'b' }] } },
    'a public client with credentials of its own': { grant_types: ['client_credentials'], token_endpoint_auth_method: 'none' },
    'a password grant': { ...WEB, grant_types: ['password'] },
    'an implicit grant': { ...WEB, response_types: ['id_token'] },
    'a response type without its grant': { ...WEB, grant_types: ['client_credentials'], response_types: ['code'] },
    'a public client without PKCE': { ...WEB, token_endpoint_auth_method: 'none', require_pkce: false },
    'an unknown permission': { ...WEB, permissions: ['everything'] },
    'permissions without client_credentials': { ...WEB, permissions: ['users.read'] },
    'a logout address in a private network': { ...WEB, backchannel_logout_uri: 'https://10.0.0.1/logout' },
    'a key set on loopback': { ...WEB, jwks_uri: 'http://127.0.0.1/jwks' },
    'an origin with a path': { ...WEB, allowed_origins: ['https://spa.test/x'] },
    'an id like that of a person': { ...WEB, client_id: newId() },
    'the id of a client of ours': { ...WEB, client_id: 'gatehouse-account' },
    'a secret of its own choice': { ...WEB, client_secret: 'chosen' },
    'what the protocol could not work with': { ...WEB, client_name: 'unusable' },
    'FAPI 2.0 with a shared secret': { ...WEB, profile: 'fapi2', token_endpoint_auth_method: 'client_secret_basic' },
  },
  takenCode: 'client.id_taken',
  textMember: 'client_name',
});

describe('clients', () => {
  let api: ApiHarness;
  let token: string;
  before(async () => {
    api = await start();
    token = api.tokenOf({ tenantId: api.tenants[0] });
  });
  after(() => api.close());

  const create = async (body: object = WEB): Promise<Record<string, unknown> & { client_id: string; client_secret: string }> => {
    const made = await api.call(token, 'POST /api/clients', { body });
    assert.equal(made.status, 201, made.text);
    return made.body as unknown as Awaited<ReturnType<typeof create>>;
  };
  const protocolView = async (clientId: string) => (await findForProtocol(api.db, clientId))!;
  const opens = async (clientId: string, secret: string): Promise<boolean> =>
    matchesSecret((await protocolView(clientId)).secrets, secret, Date.now() / 1000);

  it('have the defaults of RFC 7591, and PKCE', async () => {
    const made = await create();
    assert.deepEqual(
      [made['grant_types'], made['response_types'], made['token_endpoint_auth_method'], made['application_type'], made['require_pkce']],
      [['authorization_code'], ['code'], 'client_secret_basic', 'web', true],
    );
    assert.deepEqual(
      [made['first_party'], made['direct_login'], made['enabled'], made['permissions'], made['profile']],
      [false, false, true, [], 'default'],
    );
  });

  it('get a secret that is shown once, is nowhere in the database, and opens', async () => {
    const { client_id, client_secret } = await create();
    assert.ok(Buffer.from(client_secret, 'base64url').length >= 32);
    const read = await api.call(token, `GET /api/clients/${client_id}`);
    assert.doesNotMatch(read.text, /"client_secret"|hash/);
    const { rows } = await api.owner.query(
      `select (select json_agg(c)::text from clients c) || (select json_agg(s)::text from client_secrets s) || (select json_agg(a)::text from audit_events a) as everything`,
    );
    assert.ok(!rows[0].everything.includes(client_secret));
    assert.equal(await opens(client_id, client_secret), true);
    assert.equal(await opens(client_id, `${client_secret}x`), false);
  });

  it('have two secrets at most; each opens until it is deleted or has expired', async () => {
    const { client_id, client_secret } = await create();
    const second = await api.call(token, `POST /api/clients/${client_id}/secrets`, { body: { expiresInSeconds: 60 } });
    assert.equal(second.status, 201, second.text);
    const secret = String(second.body['client_secret']);
    assert.deepEqual([await opens(client_id, client_secret), await opens(client_id, secret)], [true, true]);
    assert.equal((await api.call(token, `POST /api/clients/${client_id}/secrets`, { body: {} })).status, 409);
    const { secrets } = (await api.call(token, `GET /api/clients/${client_id}`)).body as unknown as {
      secrets: { id: string; expires_at: string | null }[];
    };
    const first = secrets.find(({ expires_at }) => expires_at === null)!;
    assert.equal((await api.call(token, `DELETE /api/clients/${client_id}/secrets/${first.id}`)).status, 200);
    assert.deepEqual([await opens(client_id, client_secret), await opens(client_id, secret)], [false, true]);
    assert.equal(
      (await api.call(token, `DELETE /api/clients/${client_id}/secrets/${String(second.body['id'])}`)).body['code'],
      'client.last_secret',
    );
    await api.owner.query(`update client_secrets set expires_at = clock_timestamp() - interval '1 second' where client_id = $1`, [
      client_id,
    ]);
    assert.equal(await opens(client_id, secret), false);
    assert.equal(
      (await api.call(token, `POST /api/clients/${client_id}/secrets`, { body: {} })).status,
      201,
      'what has expired makes room',
    );
    assert.ok(changed.filter((id) => id === client_id).length >= 4, 'this process hears of each change at once');
  });

  it('keep the only secret that opens, though an expired one lies beside it', async () => {
    const { client_id } = await create();
    const path = `/api/clients/${client_id}/secrets`;
    const second = await api.call(token, `POST ${path}`, { body: { expiresInSeconds: 60 } });
    const expired = String(second.body['id']);
    await api.owner.query(`update client_secrets set expires_at = clock_timestamp() - interval '1 second' where id = $1`, [expired]);
    const { secrets } = (await api.call(token, `GET /api/clients/${client_id}`)).body as unknown as { secrets: { id: string }[] };
    const living = secrets.find(({ id }) => id !== expired)!.id;
    assert.equal((await api.call(token, `DELETE ${path}/${living}`)).body['code'], 'client.last_secret');
    assert.equal((await api.call(token, `DELETE ${path}/${expired}`)).status, 200);
  });

  it('change no secret of a registration that is another by now', async () => {
    const { client_id } = await create();
    const path = `/api/clients/${client_id}/secrets`;
    const stale = { headers: { 'if-match': '"999"' } };
    assert.equal((await api.call(token, `POST ${path}`, { ...stale, body: {} })).status, 412);
    const second = await api.call(token, `POST ${path}`, { body: {} });
    const one = `DELETE ${path}/${String(second.body['id'])}`;
    assert.equal((await api.call(token, one, stale)).status, 412);
    const etag = (await api.call(token, `GET /api/clients/${client_id}`)).headers.get('etag') ?? '';
    assert.equal((await api.call(token, one, { headers: { 'if-match': etag } })).status, 200);
  });

  it('parallel requests for further secrets leave two', async () => {
    const { client_id } = await create();
    const answers = await Promise.all([1, 2, 3, 4].map(() => api.call(token, `POST /api/clients/${client_id}/secrets`, { body: {} })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409, 409]);
  });

  it('that are public have no secret, and lose theirs when they become public', async () => {
    const made = await create({ ...WEB, token_endpoint_auth_method: 'none' });
    assert.equal('client_secret' in made, false);
    assert.equal(
      (await api.call(token, `POST /api/clients/${made.client_id}/secrets`, { body: {} })).body['code'],
      'client.has_no_secrets',
    );
    const { client_id } = await create();
    const patched = await api.call(token, `PATCH /api/clients/${client_id}`, { body: { token_endpoint_auth_method: 'none' } });
    assert.equal(patched.status, 200, patched.text);
    assert.deepEqual((await protocolView(client_id)).secrets, []);
  });

  it('are granted no more than whoever grants it holds, and are out of reach of whoever holds less', async () => {
    const reader = api.tokenOf({ tenantId: api.tenants[0], permissions: ['clients.read', 'clients.write', 'users.read'] });
    const machine = { client_name: 'M', grant_types: ['client_credentials'] };
    const tooMuch = await api.call(reader, 'POST /api/clients', { body: { ...machine, permissions: ['users.read', 'users.write'] } });
    assert.deepEqual([tooMuch.status, tooMuch.body['permission']], [403, 'users.write']);
    const equal = await api.call(reader, 'POST /api/clients', { body: { ...machine, permissions: ['users.read'] } });
    assert.equal(equal.status, 201);

    const { client_id } = await create({ ...machine, permissions: ['users.write'] });
    const doors: [string, object?][] = [
      [`PATCH /api/clients/${client_id}`, { client_name: 'Mine' }],
      [`PUT /api/clients/${client_id}`, { ...machine }],
      [`POST /api/clients/${client_id}/secrets`, {}],
      [`DELETE /api/clients/${client_id}`],
    ];
    for (const [signature, body] of doors)
      assert.equal((await api.call(reader, signature, { ...(body ? { body } : {}) })).status, 403, signature);
    assert.equal((await protocolView(client_id)).metadata['client_name'], 'M');
    const raised = await api.call(reader, `PATCH /api/clients/${String(equal.body['client_id'])}`, {
      body: { permissions: [...ALL_PERMISSIONS] },
    });
    assert.equal(raised.status, 403);
  });

  it('are trusted with people’s consent or passwords by the installation only; a tenant may take that back', async () => {
    const platform = api.tokenOf({ tenantId: api.rootTenantId });
    const headers = { 'x-tenant-id': api.tenants[0] };
    for (const trust of ['first_party', 'direct_login']) {
      const refused = await api.call(token, 'POST /api/clients', { body: { ...WEB, [trust]: true } });
      assert.deepEqual([refused.status, refused.body['code'], refused.body['member']], [403, 'client.trust_needs_platform', trust]);
      const { client_id } = await create();
      assert.equal((await api.call(token, `PATCH /api/clients/${client_id}`, { body: { [trust]: true } })).status, 403);
      assert.equal((await api.call(platform, `PATCH /api/clients/${client_id}`, { body: { [trust]: true }, headers })).body[trust], true);
      assert.equal((await api.call(token, `PATCH /api/clients/${client_id}`, { body: { client_name: 'Other' } })).body[trust], true);
      assert.equal((await api.call(token, `PATCH /api/clients/${client_id}`, { body: { [trust]: false } })).body[trust], false);
      assert.equal((await api.call(token, `PATCH /api/clients/${client_id}`, { body: { [trust]: true } })).status, 403);
    }
  });

  it('that are deleted take their tokens, grants and consents along', async () => {
    const { client_id } = await create();
    const userId = newId();
    await api.owner.query('insert into users (id, home_tenant_id) values ($1, $2)', [userId, api.tenants[0]]);
    await api.owner.query(
      `insert into oidc_grants (id, user_id, client_id, payload, expires_at) values ($1, $2, $3, '{}', now() + interval '1 day')`,
      [`g-${client_id}`, userId, client_id],
    );
    await api.owner.query(
      `insert into oidc_objects (model, id, grant_id, payload, expires_at) values ('RefreshToken', $1, $2, '{}', now() + interval '1 day')`,
      [`r-${client_id}`, `g-${client_id}`],
    );
    await api.owner.query(
      `insert into oidc_access_tokens (model, id, grant_id, client_id, payload, expires_at) values ('AccessToken', $1, $2, $3, '{}', now() + interval '1 hour')`,
      [`a-${client_id}`, `g-${client_id}`, client_id],
    );
    assert.equal((await api.call(token, `DELETE /api/clients/${client_id}`)).status, 200);
    const { rows } = await api.owner.query(
      `select (select count(*) from oidc_grants where client_id = $1)::int + (select count(*) from oidc_objects where grant_id = $2)::int + (select count(*) from oidc_access_tokens where client_id = $1)::int + (select count(*) from client_secrets where client_id = $1)::int as left`,
      [client_id, `g-${client_id}`],
    );
    assert.equal(rows[0].left, 0);
    assert.equal(await findForProtocol(api.db, client_id), undefined);
  });

  it('of ours may be made by the installation, with a secret that it brings along', async () => {
    const made = await createClient(
      deps,
      systemScope(api.rootTenantId, 'bootstrap', ALL_PERMISSIONS),
      { client_id: 'gatehouse-test', client_name: 'Ours', grant_types: ['client_credentials'], permissions: [...ALL_PERMISSIONS] },
      'brought-along-secret-brought-along-secret',
    );
    assert.equal(made.secret, 'brought-along-secret-brought-along-secret');
    assert.equal(await opens('gatehouse-test', made.secret), true);
  });

  it('are disabled with their tenant', async () => {
    const { client_id } = await create();
    assert.equal((await protocolView(client_id)).enabled, true);
    await api.owner.query(`update tenants set status = 'suspended' where id = $1`, [api.tenants[0]]);
    assert.equal((await protocolView(client_id)).enabled, false);
    await api.owner.query(`update tenants set status = 'active' where id = $1`, [api.tenants[0]]);
  });

  it('are listed by name and state', async () => {
    const { client_id } = await create({ ...WEB, client_name: 'The only one', enabled: false });
    const byName = await api.call(token, 'GET /api/clients?client_name=The%20only%20one');
    assert.deepEqual(
      (byName.body['items'] as unknown as { client_id: string }[]).map((item) => item.client_id),
      [client_id],
    );
    const disabled = await api.call(token, 'GET /api/clients?enabled=false');
    assert.deepEqual(
      (disabled.body['items'] as unknown as { client_id: string }[]).map((item) => item.client_id),
      [client_id],
    );
  });
});
