import assert from 'node:assert/strict';
import { planHandler } from '#src/features/plans/plans.ts';
import { planRoutes } from '#src/features/plans/routes.ts';
import { subscriptionRoutes } from '#src/features/plans/subscription-routes.ts';
import { type SubscriptionDeps, subscriptionHandler } from '#src/features/plans/subscriptions.ts';
import { tenantInPath } from '#src/features/tenants/in-path.ts';
import { describeApiResource } from '#test/contract/api-resource.ts';
import type { ApiAnswer, ApiHarness } from '#test/support/api.ts';
import { startTenantApi } from '../tenants/start.ts';

let deps: SubscriptionDeps;
const start = (): Promise<ApiHarness> =>
  startTenantApi((parts) => {
    const { db, transact, tenants } = parts.deps;
    deps = { db, transact, changed: tenants.drop };
    return [
      ...planRoutes({ db, transact }),
      ...subscriptionRoutes({ ...deps, inTenant: (scope, id) => tenantInPath({ tenants }, scope, id) }),
    ];
  });

describeApiResource({
  path: '/api/plans',
  permissions: { read: 'plans.read', write: 'plans.write' },
  start,
  ofRoot: true,
  valid: (number) => ({ name: `Plan ${number}`, limits: { members: 5 }, features: { support: 'mail', seats: 3, beta: true } }),
  change: { description: 'Changed', limits: { members: 7 } },
  invalid: {
    'a plan without a name': { name: '' },
    'a limit below nothing': { limits: { members: -1 } },
    'half a member': { limits: { members: 1.5 } },
    'a limit of what is not limited': { limits: { elephants: 1 } },
    'a feature that is a tree': { features: { a: { b: 1 } } },
  },
  takenCode: 'plan.name_taken',
  textMember: 'description',
});

describe('what a tenant subscribes to', () => {
  let api: ApiHarness;
  let platform: string;
  let tenantId: string;
  let token: string;
  const code = ({ status, body }: ApiAnswer) => [status, body['code']];
  const put = (path: string, body: object, as = platform) => api.call(as, `PUT /api/tenants/${tenantId}/${path}`, { body });
  const plan = async (limits: object): Promise<string> => {
    const made = await api.call(platform, 'POST /api/plans', { body: { name: `P${Math.random()}`, limits } });
    assert.equal(made.status, 201, made.text);
    return String(made.body['id']);
  };
  const most = async (metric = 'members'): Promise<number | undefined> => {
    const { rows } = await api.owner.query('select most from tenant_counters where tenant_id = $1 and metric = $2', [tenantId, metric]);
    return rows[0] && Number(rows[0].most);
  };
  const effective = async () => (await api.call(token, `GET /api/tenants/${tenantId}/limits`)).body['effective'];

  before(async () => {
    api = await start();
    platform = api.tokenOf({ tenantId: api.rootTenantId });
    tenantId = api.tenants[0];
    token = api.tokenOf({ tenantId });
  });
  after(() => api.close());
  afterEach(() => api.owner.query('delete from subscriptions; delete from tenant_limits; delete from tenant_counters'));

  it('sets its limits at once, is seen by the tenant, and changed by the platform only', async () => {
    assert.deepEqual(code(await api.call(token, `GET /api/tenants/${tenantId}/subscription`)), [404, 'subscription.not_found']);
    const planId = await plan({ members: 5, decisions: 100 });
    const made = await put('subscription', { planId, endsAt: '2999-01-01T00:00:00Z' });
    assert.deepEqual([made.status, made.body['status'], made.body['planId']], [200, 'active', planId], made.text);
    assert.deepEqual([await most(), await effective()], [5, { members: 5, decisions: 100 }]);
    const seen = await api.call(token, `GET /api/tenants/${tenantId}/subscription`);
    assert.deepEqual(seen.body, made.body);
    for (const refused of [
      await put('subscription', { planId }, token),
      await put('limits', { limits: {} }, token),
      await api.call(token, `DELETE /api/tenants/${tenantId}/subscription`),
    ])
      assert.deepEqual(code(refused), [403, 'permission.missing']);
    assert.deepEqual(code(await api.call(platform, `DELETE /api/plans/${planId}`)), [409, 'plan.in_use']);
    assert.equal((await api.call(platform, `DELETE /api/tenants/${tenantId}/subscription`)).status, 200);
    assert.deepEqual([await most(), await effective()], [undefined, {}]);
    assert.equal((await api.call(platform, `DELETE /api/plans/${planId}`)).status, 200);
  });

  it('refuses a plan that is none, times that cross, and what has changed', async () => {
    const planId = await plan({});
    assert.equal((await put('subscription', { planId: '01890000-0000-7000-8000-000000000000' })).status, 422);
    assert.equal((await put('subscription', { planId: 'gold' })).status, 422);
    assert.equal((await put('subscription', { planId, startsAt: '2026-02-01T00:00:00Z', endsAt: '2026-01-01T00:00:00Z' })).status, 422);
    assert.equal((await put('subscription', { planId })).status, 200);
    const stale = await api.call(platform, `PUT /api/tenants/${tenantId}/subscription`, {
      body: { planId },
      headers: { 'if-match': '"9"' },
    });
    assert.deepEqual(code(stale), [412, 'precondition.failed']);
    const other = api.tokenOf({ tenantId: api.tenants[1] });
    for (const part of ['subscription', 'limits'])
      assert.deepEqual(code(await api.call(other, `GET /api/tenants/${tenantId}/${part}`)), [404, 'tenant.not_found']);
  });

  it('is overlaid by limits of the tenant’s own, which may lift the plan’s', async () => {
    await put('subscription', { planId: await plan({ members: 5, apiKeys: 2 }) });
    const answer = await put('limits', { limits: { members: 9, apiKeys: null, messages: 1 } });
    assert.deepEqual(answer.body, {
      limits: { members: 9, apiKeys: null, messages: 1 },
      plan: { members: 5, apiKeys: 2 },
      effective: { members: 9, messages: 1 },
    });
    assert.deepEqual([await most(), await most('apiKeys')], [9, undefined]);
    const { rows } = await api.owner.query('select tenant_for_protocol($1) as facts', [tenantId]);
    assert.deepEqual(rows[0].facts.limits, { members: 9, messages: 1 });
  });

  it('changes for every tenant with its plan, by a job that goes on wherever it stopped', async () => {
    const planId = await plan({ members: 5 });
    for (const id of api.tenants) await api.call(platform, `PUT /api/tenants/${id}/subscription`, { body: { planId } });
    await api.call(platform, `PATCH /api/plans/${planId}`, { body: { limits: { members: 2, apiKeys: 1 } } });
    const { rows: jobs } = await api.owner.query(
      `select count(*)::int as count from graphile_worker.jobs where task_identifier = 'plan.apply'`,
    );
    assert.ok(jobs[0].count >= 1, 'the job came with the change');
    assert.equal(await most(), 5);
    await planHandler(deps, 1)({ planId }, { attempt: 1 });
    const { rows } = await api.owner.query(
      'select metric, most::int, count(*)::int as count from tenant_counters group by 1, 2 order by 1',
    );
    assert.deepEqual(rows, [
      { metric: 'apiKeys', most: 1, count: 2 },
      { metric: 'members', most: 2, count: 2 },
    ]);
  });

  it('ends by the clock, and begins by it', async () => {
    await put('subscription', { planId: await plan({ members: 5 }), startsAt: '2999-01-01T00:00:00Z' });
    assert.deepEqual([await most(), await effective()], [undefined, {}]);
    await api.owner.query(
      `update subscriptions set starts_at = clock_timestamp() - interval '1 second', updated_at = clock_timestamp() - interval '1 hour'`,
    );
    const tend = subscriptionHandler(deps);
    await tend({}, { attempt: 1 });
    await tend({}, { attempt: 1 });
    assert.deepEqual([await most(), await effective()], [5, { members: 5 }]);
    await api.owner.query(`update subscriptions set ends_at = clock_timestamp()`);
    await Promise.all([tend({}, { attempt: 1 }), tend({}, { attempt: 1 })]);
    assert.deepEqual([await most(), await effective()], [undefined, {}]);
    assert.equal((await api.call(token, `GET /api/tenants/${tenantId}/subscription`)).body['status'], 'expired');
    const { rows } = await api.owner.query(
      `select type, count(*)::int as count from audit_events where type in ('subscription.begun', 'subscription.expired') group by 1 order by 1`,
    );
    assert.deepEqual(rows, [
      { type: 'subscription.begun', count: 1 },
      { type: 'subscription.expired', count: 1 },
    ]);
  });

  it('takes nothing away that is there, and lets nothing more in', async () => {
    await api.owner.query(`insert into invitations (id, tenant_id, email, email_key, secret_hash, expires_at)
      select gen_random_uuid(), '${tenantId}', n || '@a.test', n || '@a.test', n, now() + interval '1 day' from generate_series(1, 5) n`);
    await put('limits', { limits: { invitations: 3 } });
    const count = async () => (await api.owner.query('select count(*)::int as count from invitations')).rows[0].count;
    assert.equal(await count(), 5);
    const one = `insert into invitations (id, tenant_id, email, email_key, secret_hash, expires_at) values (gen_random_uuid(), '${tenantId}', 'x', 'x', 'x', now())`;
    await assert.rejects(api.owner.query(one), { code: 'GH001', detail: 'invitations' });
    await api.owner.query(`update invitations set status = 'revoked'`);
    await api.owner.query(one);
    assert.equal(await count(), 6);
  });
});
