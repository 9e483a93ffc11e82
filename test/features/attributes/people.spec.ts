import assert from 'node:assert/strict';
import { attributeRoutes } from '#src/features/attributes/routes.ts';
import { valueRoutes } from '#src/features/attributes/value-routes.ts';
import { userRoutes } from '#src/features/users/routes.ts';
import { userDeps } from '#test/features/users/start.ts';
import { type ApiAnswer, type ApiHarness, type Loose, startApi } from '#test/support/api.ts';

describe('attributes of people who are created and changed', () => {
  let api: ApiHarness;
  let token: string;

  before(async () => {
    api = await startApi((parts) => [
      ...userRoutes(userDeps(parts)),
      ...attributeRoutes(parts),
      ...valueRoutes({ ...parts, tenantInPath: async (scope) => scope }),
    ]);
    token = api.tokenOf({ tenantId: api.tenants[0] });
    for (const body of [
      { path: 'user.level', type: 'number' },
      { path: 'user.teams', type: 'string', cardinality: 'many' },
    ])
      assert.equal((await call('POST /api/attributes', body)).status, 201);
  });
  after(() => api.close());

  const call = (signature: string, body: object, as = token): Promise<ApiAnswer> => api.call(as, signature, { body });
  const pointers = (answer: ApiAnswer): unknown[] => {
    assert.equal(answer.status, 422, answer.text);
    return (answer.body['errors'] as unknown as Loose[]).map(({ pointer }) => pointer);
  };

  it('are as the tenant defined them, at creation and at each change of theirs', async () => {
    const wrong = { level: 'three', teams: 'red', free: 1 };
    assert.deepEqual(pointers(await call('POST /api/users', { username: 'ada', attributes: wrong })), [
      '/attributes/level',
      '/attributes/teams',
    ]);
    const made = await call('POST /api/users', { username: 'ada', attributes: { level: 3, teams: ['red'], free: 1 } });
    assert.equal(made.status, 201, made.text);
    const path = `/api/users/${String(made.body['id'])}`;
    for (const method of ['PUT', 'PATCH'])
      assert.deepEqual(pointers(await call(`${method} ${path}`, { attributes: { level: '4' } })), ['/attributes/level']);
    const patched = await call(`PATCH ${path}`, { attributes: { level: 4, free: null } });
    assert.deepEqual(patched.body['attributes'], { level: 4, teams: ['red'] });
    assert.equal(
      (await call('POST /api/users', { username: 'bob', attributes: wrong }, api.tokenOf({ tenantId: api.tenants[1] }))).status,
      201,
    );
  });

  it('are all kept where several are changed at the same instant, by whichever way', async () => {
    const made = await call('POST /api/users', { username: 'busy' });
    const path = `/api/users/${String(made.body['id'])}`;
    const names = Array.from({ length: 12 }, (_, n) => `a${n}`);
    const answers = await Promise.all(
      names.map((name, n) =>
        n % 2 ? call(`PUT ${path}/attributes`, { [name]: n }) : call(`PATCH ${path}`, { attributes: { [name]: n } }),
      ),
    );
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    const { body } = await api.call(token, `GET ${path}/attributes`);
    assert.deepEqual(Object.keys(body).sort(), names.sort());
  });

  it('that are older than their definition stay while others change', async () => {
    const made = await call('POST /api/users', { username: 'old', attributes: { since: 'long ago', other: 1 } });
    assert.equal((await call('POST /api/attributes', { path: 'user.since', type: 'date' })).status, 201);
    const path = `/api/users/${String(made.body['id'])}`;
    const patched = await call(`PATCH ${path}`, { attributes: { other: 2 } });
    assert.deepEqual([patched.status, patched.body['attributes']], [200, { since: 'long ago', other: 2 }]);
    assert.deepEqual(pointers(await call(`PATCH ${path}`, { attributes: { since: 'longer ago' } })), ['/attributes/since']);
  });
});
