import assert from 'node:assert/strict';
import { knownClients } from '#src/features/clients/queries.ts';
import { resourceRoutes } from '#src/features/resources/routes.ts';
import { findForProtocol } from '#src/features/resources/store.ts';
import { describeApiResource } from '#test/contract/api-resource.ts';
import { type ApiHarness, startApi } from '#test/support/api.ts';

const changed: string[] = [];
const start = (): Promise<ApiHarness> =>
  startApi(({ db, transact }) =>
    resourceRoutes({
      db,
      transact,
      issuer: 'https://op.test',
      knownClients: (scope, ids) => knownClients({ db }, scope, ids),
      changed: (identifier) => void changed.push(identifier),
    }),
  );

const API = { identifier: 'https://api.test/', name: 'API' };

describeApiResource({
  path: '/api/resources',
  permissions: { read: 'resources.read', write: 'resources.write' },
  start,
  valid: (number) => ({ ...API, identifier: `https://api.test/${number}` }),
  change: { name: 'Changed', accessTokenTtlSeconds: 300 },
  invalid: {
    'a relative identifier': { ...API, identifier: '/api' },
    'an identifier with a fragment': { ...API, identifier: 'https://api.test/#x' },
    'our own API': { ...API, identifier: 'https://op.test/api' },
    'a scope of OpenID Connect': { ...API, scopes: [{ name: 'openid' }] },
    'a scope that is a permission of ours': { ...API, scopes: [{ name: 'users.read' }] },
    'a scope with a space': { ...API, scopes: [{ name: 'a b' }] },
    'a scope twice': { ...API, scopes: [{ name: 'a' }, { name: 'a' }] },
    'a token that lives for ever': { ...API, accessTokenTtlSeconds: 86_401 },
    'a token that never lived': { ...API, accessTokenTtlSeconds: 0 },
    'an algorithm that is none': { ...API, signingAlg: 'none' },
    'a client that does not exist': { ...API, clients: ['nobody'] },
  },
  takenCode: 'resource.identifier_taken',
  textMember: 'name',
});

describe('resources', () => {
  let api: ApiHarness;
  let token: string;
  before(async () => {
    api = await start();
    token = api.tokenOf({ tenantId: api.tenants[0] });
  });
  after(() => api.close());

  it('have defaults, and are what the protocol sees', async () => {
    const { body } = await api.call(token, 'POST /api/resources', { body: { ...API, scopes: [{ name: 'api:read' }] } });
    assert.deepEqual(
      [body['accessTokenFormat'], body['signingAlg'], body['accessTokenTtlSeconds'], body['scopes']],
      ['jwt', 'RS256', 600, [{ name: 'api:read', description: '' }]],
    );
    const seen = await findForProtocol(api.db, API.identifier);
    assert.deepEqual([seen?.id, seen?.tenantId, seen?.scopes], [body['id'], api.tenants[0], body['scopes']]);
    assert.ok(changed.includes(API.identifier));
  });

  it('take clients of their own tenant only', async () => {
    await api.owner.query(`insert into clients (client_id, tenant_id, metadata) values ('mine', $1, '{}'), ('theirs', $2, '{}')`, [
      ...api.tenants,
    ]);
    const mine = await api.call(token, 'POST /api/resources', { body: { ...API, identifier: 'https://a.test/', clients: ['mine'] } });
    assert.equal(mine.status, 201, mine.text);
    const theirs = await api.call(token, 'POST /api/resources', { body: { ...API, identifier: 'https://b.test/', clients: ['theirs'] } });
    assert.equal(theirs.status, 422);
  });

  it('need an identifier', async () => {
    assert.equal((await api.call(token, 'POST /api/resources', { body: { name: 'API' } })).status, 422);
  });

  it('are found by identifier', async () => {
    const { body } = await api.call(token, `GET /api/resources?identifier=${encodeURIComponent('https://a.test/')}`);
    assert.deepEqual(
      (body['items'] as unknown as { identifier: string }[]).map(({ identifier }) => identifier),
      ['https://a.test/'],
    );
  });

  it('get a default back where a patch says null, and keep what must be there', async () => {
    const { body } = await api.call(token, 'POST /api/resources', {
      body: { ...API, identifier: 'https://c.test/', accessTokenTtlSeconds: 60 },
    });
    const patched = await api.call(token, `PATCH /api/resources/${String(body['id'])}`, { body: { accessTokenTtlSeconds: null } });
    assert.deepEqual([patched.status, patched.body['accessTokenTtlSeconds']], [200, 600]);
    assert.equal((await api.call(token, `PATCH /api/resources/${String(body['id'])}`, { body: { name: null } })).status, 422);
  });
});
