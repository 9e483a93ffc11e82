import assert from 'node:assert/strict';
import { newId } from '#src/core/ids.ts';
import { type PurgeDeps, purgeHandler } from '#src/features/tenants/purge.ts';
import { type ApiHarness, startApi } from '#test/support/api.ts';
import { giveRole } from '#test/support/roles.ts';

describe('the purge of deleted tenants', () => {
  let api: ApiHarness;
  let deps: PurgeDeps;
  let doomed: string;
  const ended: string[] = [];
  const dropped: string[] = [];

  before(async () => {
    api = await startApi(({ db, transact, forget }) => {
      deps = { db, transact, forget, endAccess: async (_work, userId) => void ended.push(userId), changed: (id) => void dropped.push(id) };
      return [];
    });
  });
  after(() => api.close());

  const query = async <Row = Record<string, unknown>>(text: string, values: unknown[] = []): Promise<Row[]> =>
    (await api.owner.query(text, values)).rows as Row[];
  const count = async (table: string): Promise<number> =>
    (await query<{ count: number }>(`select count(*)::int as count from ${table} where tenant_id = $1`, [doomed]))[0]!.count;
  const person = async (home: string): Promise<string> => {
    const id = newId();
    await query('insert into users (id, home_tenant_id) values ($1, $2)', [id, home]);
    return id;
  };
  const homeOf = async (id: string) =>
    (await query<{ home: string }>('select home_tenant_id as home from users where id = $1', [id]))[0]?.home;
  const exists = async (): Promise<boolean> => (await query('select 1 from tenants where id = $1', [doomed])).length > 0;
  const happened = async (type: string): Promise<number> =>
    (
      await query<{ count: number }>('select count(*)::int as count from audit_events where type = $1 and tenant_id = $2', [type, doomed])
    )[0]!.count;
  const purge = (options = {}, more: Partial<PurgeDeps> = {}) => purgeHandler({ ...deps, ...more }, options)({}, { attempt: 1 });

  /** A tenant with everything that one can have. */
  beforeEach(async () => {
    ended.length = 0;
    dropped.length = 0;
    doomed = newId();
    await query(
      `insert into tenants (id, slug, name, type, status, deleted_at, purge_after) values ($1, $2, 'D', 'team', 'deleted', now(), now() - interval '1 second')`,
      [doomed, `d-${doomed}`],
    );
    await query(`insert into clients (client_id, tenant_id, metadata) values ($1, $2, '{}')`, [`c-${doomed}`, doomed]);
    await query('insert into groups (id, tenant_id, name) values (gen_random_uuid(), $1, $2)', [doomed, 'g']);
    await query(
      `insert into invitations (id, tenant_id, email, email_key, secret_hash, expires_at) select gen_random_uuid(), $1::uuid, n::text, n::text, $1::uuid::text || n::text, now() from generate_series(1, 20) n`,
      [doomed],
    );
    await query(`insert into ip_rules (id, tenant_id, cidr, action) values (gen_random_uuid(), $1, '192.0.2.0/24', 'deny')`, [doomed]);
    await query(`select set_tenant_limit($1, 'members', 100)`, [doomed]);
    await query(
      `select add_usage(jsonb_build_array(jsonb_build_object('tenantId', $1::text, 'metric', 'messages', 'period', '2026-11-01', 'amount', 3)))`,
      [doomed],
    );
  });

  const everything = [
    'memberships',
    'roles',
    'role_assignments',
    'groups',
    'clients',
    'invitations',
    'ip_rules',
    'tenant_counters',
    'usage_totals',
    'member_names',
  ];
  const isGone = async (): Promise<void> => {
    assert.equal(await exists(), false);
    for (const table of everything) assert.equal(await count(table), 0, table);
    assert.equal(await happened('tenant.purged'), 1);
  };

  it('takes everything of it, in batches, and tells processes; the audit log stays', async () => {
    const people = [];
    for (let n = 0; n < 7; n += 1) people.push(await person(doomed));
    await giveRole(api.owner, doomed, people[0]!, 'owner');
    await purge({ batch: 4, people: 3 });
    await isGone();
    assert.deepEqual(ended.sort(), people.sort());
    assert.deepEqual(dropped, [doomed]);
    assert.equal(await happened('user.deleted'), 7);
  });

  it('gives who belongs to another active tenant a home in the root tenant, and no other tenant power over them, with all that is theirs', async () => {
    const [moving, staying, lost] = [await person(doomed), await person(api.tenants[0]), await person(doomed)];
    const suspended = newId();
    await query(`insert into tenants (id, slug, name, type, status) values ($1, $2, 'S', 'team', 'suspended')`, [
      suspended,
      `s-${suspended}`,
    ]);
    await query(`insert into credentials (id, user_id, type) values (gen_random_uuid(), $1, 'password')`, [moving]);
    for (const [index, tenant] of [suspended, api.tenants[1], api.tenants[0]].entries())
      await query(`insert into memberships (tenant_id, user_id, created_at) values ($1, $2, now() + make_interval(secs => $3))`, [
        tenant,
        moving,
        index,
      ]);
    await query('insert into memberships (tenant_id, user_id) values ($1, $2)', [suspended, lost]);
    await giveRole(api.owner, doomed, staying, 'member');
    await purge();
    await isGone();
    assert.deepEqual([await homeOf(moving), await homeOf(staying), await homeOf(lost)], [api.rootTenantId, api.tenants[0], undefined]);
    assert.equal((await query('select 1 from credentials where user_id = $1', [moving])).length, 1);
    assert.deepEqual(ended, [lost]);
    assert.deepEqual([await happened('user.moved'), await happened('user.deleted')], [1, 1]);
  });

  it('goes on where a crash stopped it, wherever that was, and does nothing twice', async () => {
    for (let n = 0; n < 5; n += 1) await person(doomed);
    let steps = 0;
    let crashes = 0;
    for (let most = 1; await exists(); most = 1 + (most % 3)) {
      steps = 0;
      const transact: PurgeDeps['transact'] = async (scope, work) => {
        const result = await deps.transact(scope, work);
        // Between two transactions, or before the answer of one that was committed came.
        if (++steps > most) throw new Error('the power is gone');
        return result;
      };
      await purge({ batch: 5, people: 2 }, { transact }).catch(() => {
        crashes += 1;
      });
    }
    assert.ok(crashes >= 3, String(crashes));
    await isGone();
    assert.equal(await happened('user.deleted'), 5);
    await purge();
    assert.equal(await happened('tenant.purged'), 1);
  });

  it('is done once by several processes at the same time', async () => {
    for (let n = 0; n < 5; n += 1) await person(doomed);
    await Promise.all([purge({ people: 1 }), purge({ people: 1 }), purge({ people: 2 })]);
    await purge();
    await isGone();
    assert.equal(await happened('user.deleted'), 5);
  });

  it('touches nothing that is not due: tenants in their grace, restored, active, and the root', async () => {
    await query(`update tenants set purge_after = now() + interval '1 day' where id = $1`, [doomed]);
    const ada = await person(doomed);
    await purge();
    await query('select purge_tenant($1, 100)', [doomed]);
    assert.deepEqual([await exists(), await homeOf(ada), await count('invitations')], [true, doomed, 20]);
    await query(`update tenants set status = 'active', purge_after = now() - interval '1 day' where id = $1`, [doomed]);
    await purge();
    await query('select purge_tenant($1, 100)', [api.rootTenantId]);
    assert.deepEqual([await exists(), (await query('select 1 from tenants where id = $1', [api.rootTenantId])).length], [true, 1]);
  });
});
