import assert from 'node:assert/strict';
import { systemClock } from '#src/core/clock.ts';
import { setPassword } from '#src/features/credentials/commands.ts';
import { type AdministratorDeps, ensureAdministrator, recoverAdministrator } from '#src/features/users/administrators.ts';
import { createPasswordHasher } from '#src/infra/password-hash.ts';
import { type ApiHarness, startApi } from '#test/support/api.ts';

describe('administrators', () => {
  let api: ApiHarness;
  let deps: AdministratorDeps;
  const hasher = createPasswordHasher();
  const ended: string[] = [];

  before(async () => {
    api = await startApi(() => []);
    deps = {
      clock: systemClock,
      transact: api.transact,
      hashPassword: hasher.hash,
      setPassword: (work, input) => setPassword({ clock: systemClock }, work, input),
      endAccess: async (_work, userId) => void ended.push(userId),
    };
  });
  after(() => api.close());

  async function stored(email: string) {
    const { rows } = await api.owner.query<{
      id: string;
      status: string;
      verified: boolean;
      roles: string[];
      password: { hash: string; mustChange: boolean };
    }>(
      `select u.id, u.status, u.email_verified_at is not null as verified, role_names_of(u.id, m.tenant_id) as roles, c.data as password from users u
         join memberships m on m.user_id = u.id and m.tenant_id = $2 join credentials c on c.user_id = u.id and c.type = 'password' where u.email_key = $1`,
      [email, api.rootTenantId],
    );
    assert.equal(rows.length, 1);
    return rows[0]!;
  }
  const recorded = async (type: string): Promise<number> =>
    (await api.owner.query('select 1 from audit_events where type = $1', [type])).rowCount ?? 0;

  it('begin with one, also when several processes start at once, whose random password must be changed', async () => {
    const made = await Promise.all([1, 2, 3].map(() => ensureAdministrator(deps, api.rootTenantId, { email: 'Root@example.org' })));
    const [first, ...more] = made.filter((each) => each !== undefined);
    assert.ok(first?.password && more.length === 0);
    const row = await stored('root@example.org');
    assert.deepEqual([row.roles, row.status, row.verified, row.password.mustChange], [['administrator'], 'active', true, true]);
    assert.ok(await hasher.verify(row.password.hash, first.password));
    assert.equal(await recorded('administrator.created'), 1);
    assert.equal(await ensureAdministrator(deps, api.rootTenantId, { email: 'other@example.org', password: 'irrelevant' }), undefined);
  });

  it('find the way back in: enabled, with a new password to be changed, and without what access there was', async () => {
    const { id } = await stored('root@example.org');
    await api.owner.query(`update users set status = 'disabled' where id = $1`, [id]);
    const { userId, password } = await recoverAdministrator(deps, api.rootTenantId, 'ROOT@example.org');
    const row = await stored('root@example.org');
    assert.deepEqual([userId, row.status, row.roles, row.password.mustChange], [id, 'active', ['administrator'], true]);
    assert.ok(await hasher.verify(row.password.hash, password));
    assert.ok(ended.includes(id));
    assert.equal(await recorded('administrator.recovered'), 1);
  });

  it('can be made of anybody by who runs the server, and of nobody without an address', async () => {
    await recoverAdministrator(deps, api.rootTenantId, 'new@example.org');
    assert.deepEqual((await stored('new@example.org')).roles, ['administrator']);
    await assert.rejects(recoverAdministrator(deps, api.rootTenantId, 'nobody'), /invalid/);
  });
});
