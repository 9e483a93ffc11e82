import assert from 'node:assert/strict';
import { systemClock } from '#src/core/clock.ts';
import { isApiKey, looksLikeApiKey, newApiKey, prefixOf } from '#src/features/api-keys/key.ts';
import { apiKeyRoutes } from '#src/features/api-keys/routes.ts';
import { describeApiResource } from '#test/contract/api-resource.ts';
import { type ApiHarness, startApi } from '#test/support/api.ts';

const start = (): Promise<ApiHarness> =>
  startApi(async ({ db, transact, owner, tenants }) => {
    await owner.query(
      `insert into clients (client_id, tenant_id, metadata) values ('test-client', $1, '{}'), ('another-client', $1, '{}') on conflict do nothing`,
      [tenants[0]],
    );
    return apiKeyRoutes({ db, transact, clock: systemClock, policyOf: async () => ({ allowed: true }) });
  });

describeApiResource({
  path: '/api/api-keys',
  permissions: { read: 'api-keys.read', write: 'api-keys.write' },
  start,
  valid: (number) => ({ name: `Key ${number}`, permissions: ['users.read', 'users.write'] }),
  change: { name: 'Changed', permissions: ['users.read'], expiresAt: '2999-01-01T00:00:00.000Z' },
  invalid: {
    'a name of no characters': { name: '' },
    'a permission that there is not': { permissions: ['users.everything'] },
    'a scope that is no management permission': { permissions: ['account'] },
    'no permission at all': { permissions: [] },
    'a permission twice': { permissions: ['users.read', 'users.read'] },
    'an end in the past': { expiresAt: '2020-01-01T00:00:00Z' },
    'an end that is no instant': { expiresAt: 'tomorrow' },
  },
  textMember: 'name',
});

describe('an API key', () => {
  it('is told by its checksum, whatever one character is mistaken', () => {
    const key = newApiKey();
    assert.match(key, /^gh_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}$/);
    assert.ok(isApiKey(key) && looksLikeApiKey(key));
    for (let place = 3; place < key.length; place += 1) {
      const wrong = key.slice(0, place) + (key[place] === 'A' ? 'B' : 'A') + key.slice(place + 1);
      assert.equal(isApiKey(wrong), false, `character ${place}`);
    }
    for (const other of ['', 'gh_', key.slice(1), `${key}A`, key.slice(0, -1), ` ${key}`, `${key}\n`]) assert.equal(isApiKey(other), false);
    assert.equal(prefixOf(key), key.slice(0, 11));
    assert.notEqual(newApiKey(), key);
  });
});
