import assert from 'node:assert/strict';
import { systemClock } from '#src/core/clock.ts';
import { newId } from '#src/core/ids.ts';
import { tenantInPath } from '#src/features/tenants/in-path.ts';
import { createMeter } from '#src/features/usage/meter.ts';
import { usageRoutes } from '#src/features/usage/routes.ts';
import type { ApiHarness } from '#test/support/api.ts';
import { startTenantApi } from '../tenants/start.ts';

describe('the meter', () => {
  let api: ApiHarness;
  let tenants: Parameters<typeof createMeter>[0]['tenants'];
  const faults: string[] = [];
  const open: ReturnType<typeof createMeter>[] = [];
  const meter = (options = {}, db = api.db) => {
    const made = createMeter(
      { db, clock: systemClock, tenants, log: (message) => void faults.push(message) },
      { flushMs: 3_600_000, ...options },
    );
    open.push(made);
    return made;
  };
  let tenantId: string;
  const usage = async (id = tenantId) => {
    const { body, text, status } = await api.call(api.tokenOf({ tenantId: id }), `GET /api/tenants/${id}/usage`);
    assert.equal(status, 200, text);
    return body['metrics'] as unknown as Record<string, { used: number; limit: number | null }>;
  };
  const limit = async (limits: object): Promise<void> => {
    await api.owner.query(
      'insert into tenant_limits (tenant_id, limits) values ($1, $2) on conflict (tenant_id) do update set limits = excluded.limits',
      [tenantId, limits],
    );
  };

  before(async () => {
    api = await startTenantApi(({ deps }) => {
      // Each question anew: what a cache adds is tested where it is.
      tenants = { find: async (id) => ((await deps.tenants.drop(id)) as undefined) ?? deps.tenants.find(id) };
      return usageRoutes({ db: deps.db, clock: systemClock, tenants, inTenant: (scope, id) => tenantInPath(deps, scope, id) });
    });
  });
  after(() => api.close());
  beforeEach(async () => {
    tenantId = newId();
    await api.owner.query(`insert into tenants (id, slug, name, type) values ($1, $2, 'T', 'team')`, [tenantId, `t-${tenantId}`]);
  });
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
    faults.length = 0;
  });

  it('adds up what several processes count, in one statement each for all tenants', async () => {
    const [one, other] = [meter(), meter()];
    for (let n = 0; n < 50; n += 1) {
      one.count(tenantId, 'messages');
      one.count(api.tenants[0], 'decisions', 2);
      other.count(tenantId, 'messages', 3);
    }
    assert.equal((await usage())['messages']!.used, 0);
    const before = api.db.statements.count;
    await one.flush();
    assert.equal(api.db.statements.count - before, 1);
    await Promise.all([one.flush(), other.flush()]);
    assert.equal((await usage())['messages']!.used, 200);
    assert.equal((await usage(api.tenants[0]))['decisions']!.used, 100);
    assert.equal((await usage())['decisions']!.used, 0, 'of another tenant');
  });

  it('counts a person once a month, whichever process saw them', async () => {
    const [one, other] = [meter(), meter()];
    const [ada, bob] = [newId(), newId()];
    for (const one_ of [one, other]) for (const person of [ada, bob, ada]) one_.active(tenantId, person);
    await Promise.all([one.flush(), other.flush()]);
    one.active(tenantId, ada);
    await one.flush();
    assert.equal((await usage())['monthlyActiveUsers']!.used, 2);
  });

  it('costs no statement where there is no limit', async () => {
    const one = meter();
    const kept = await tenants.find(tenantId);
    const free = createMeter({ db: api.db, clock: systemClock, tenants: { find: async () => kept }, log: () => {} });
    open.push(free);
    const before = api.db.statements.count;
    assert.deepEqual([await free.allows(tenantId, 'decisions', 1e9), await free.admits(tenantId, newId())], [true, true]);
    free.count(tenantId, 'messages');
    one.active(tenantId, newId());
    assert.equal(api.db.statements.count, before);
  });

  it('allows up to the limit, and passes it by no more than what another process has not told yet', async () => {
    await limit({ decisions: 10 });
    const [one, other] = [meter(), meter()];
    const take = async (from: ReturnType<typeof meter>): Promise<boolean> => {
      const fits = await from.allows(tenantId, 'decisions');
      if (fits) from.count(tenantId, 'decisions');
      return fits;
    };
    let given = 0;
    for (let n = 0; n < 30; n += 1) if (await take(one)) given += 1;
    assert.equal(given, 10, 'alone it is exact');
    for (let n = 0; n < 30; n += 1) if (await take(other)) given += 1;
    assert.equal(given, 20, 'two processes bring at most twice as much between two flushes');
    await Promise.all([one.flush(), other.flush()]);
    assert.deepEqual([await take(one), await take(other), (await usage())['decisions']], [false, false, { used: 20, limit: 10 }]);
    await limit({ decisions: 21 });
    assert.equal(await take(meter()), true);
  });

  it('counts what is just being written', async () => {
    await limit({ decisions: 3 });
    const one = meter();
    assert.equal(await one.allows(tenantId, 'decisions', 3), true);
    one.count(tenantId, 'decisions', 3);
    const flushing = one.flush();
    assert.equal(await one.allows(tenantId, 'decisions'), false);
    await flushing;
    assert.equal(await one.allows(tenantId, 'decisions'), false);
  });

  it('lets nobody new be active past the limit, and whoever was before go on', async () => {
    await limit({ monthlyActiveUsers: 2 });
    const one = meter();
    const [ada, bob, eve] = [newId(), newId(), newId()];
    for (const person of [ada, bob]) {
      assert.equal(await one.admits(tenantId, person), true);
      one.active(tenantId, person);
    }
    assert.equal(await one.admits(tenantId, eve), false, 'what waits counts');
    await one.flush();
    const fresh = meter();
    assert.deepEqual(
      [await fresh.admits(tenantId, ada), await fresh.admits(tenantId, bob), await fresh.admits(tenantId, eve)],
      [true, true, false],
    );
  });

  it('keeps what could not be written for the next time, within bounds, and forgets tenants that are gone', async () => {
    let broken = true;
    const db = {
      ...api.db,
      query: ((...given: Parameters<typeof api.db.query>) =>
        broken ? Promise.reject(new Error('away')) : api.db.query(...given)) as typeof api.db.query,
    };
    const one = meter({ mostWaiting: 3 }, db);
    one.count(tenantId, 'messages', 5);
    one.active(tenantId, newId());
    await one.flush();
    one.count(tenantId, 'messages', 2);
    for (let n = 0; n < 10; n += 1) one.count(newId(), 'messages');
    await one.flush();
    assert.ok(faults.some((fault) => fault.includes('kept')) && faults.some((fault) => fault.includes('lost')));
    broken = false;
    await one.flush();
    await one.flush();
    const { messages, monthlyActiveUsers } = await usage();
    assert.deepEqual([messages!.used, monthlyActiveUsers!.used], [7, 1]);
  });

  it('writes what waits when it closes', async () => {
    const one = meter();
    one.count(tenantId, 'messages');
    await one.close();
    assert.equal((await usage())['messages']!.used, 1);
  });

  it('shows members, keys and open invitations as they are, with their limits, to the tenant alone', async () => {
    await limit({ members: 5 });
    await api.owner.query(`select apply_limits($1)`, [tenantId]);
    const person = newId();
    await api.owner.query('insert into users (id, home_tenant_id) values ($1, $2)', [person, tenantId]);
    const shown = await usage();
    assert.deepEqual(
      [shown['members'], shown['apiKeys'], shown['invitations']],
      [
        { used: 1, limit: 5 },
        { used: 0, limit: null },
        { used: 0, limit: null },
      ],
    );
    const foreign = await api.call(api.tokenOf({ tenantId: api.tenants[1] }), `GET /api/tenants/${tenantId}/usage`);
    assert.equal(foreign.status, 404);
    const odd = await api.call(api.tokenOf({ tenantId }), `GET /api/tenants/${tenantId}/usage?period=2026-13`);
    assert.equal(odd.status, 422);
  });
});
