import assert from 'node:assert/strict';
import { newId } from '#src/core/ids.ts';
import { personalTenantHandler, personalTenantJob } from '#src/features/tenants/personal.ts';
import { faultsOfSettings, settingsOf, storedSettings } from '#src/features/tenants/settings.ts';
import { loginSettingsOf, mayRegister } from '#src/login/policy.ts';
import type { ApiHarness } from '#test/support/api.ts';
import { startTenantApi, type TenantParts } from './start.ts';

describe('personal tenants', () => {
  let api: ApiHarness;
  let parts: TenantParts;
  before(async () => {
    api = await startTenantApi((given) => {
      parts = given;
      return [];
    });
  });
  after(() => api.close());
  const made = async (userId: string) =>
    (
      await api.owner.query(
        `select t.name, t.type, r.name as role from tenants t join role_assignments a on a.tenant_id = t.id join roles r on r.id = a.role_id where a.user_id = $1`,
        [userId],
      )
    ).rows;

  it('are made once for who registers, however often the job is tried, and theirs', async () => {
    const userId = newId();
    await api.owner.query(`insert into users (id, home_tenant_id, given_name, family_name) values ($1, $2, 'Ada', 'Lovelace')`, [
      userId,
      api.rootTenantId,
    ]);
    const run = () => personalTenantHandler(parts.deps, api.rootTenantId)(personalTenantJob({ userId }).payload, { attempt: 1 });
    await Promise.all([run(), run()]);
    await run();
    assert.deepEqual(await made(userId), [{ name: 'Ada Lovelace', type: 'personal', role: 'owner' }]);
  });

  it('are plain ones where their template was deleted since it was chosen', async () => {
    const userId = newId();
    await api.owner.query(`insert into users (id, home_tenant_id, given_name) values ($1, $2, 'Grace')`, [userId, api.rootTenantId]);
    const { payload } = personalTenantJob({ userId, templateId: newId() });
    await personalTenantHandler(parts.deps, api.rootTenantId)(payload, { attempt: 1 });
    assert.deepEqual(await made(userId), [{ name: 'Grace', type: 'personal', role: 'owner' }]);
  });

  it('are not made for who is gone', async () => {
    const userId = newId();
    await personalTenantHandler(parts.deps, api.rootTenantId)({ userId }, { attempt: 1 });
    assert.deepEqual(await made(userId), []);
  });
});

describe('settings of a tenant', () => {
  it('have defaults, and are read by their old names too', () => {
    const { signUp, verifiedEmail, secondFactor, timeZone, security } = settingsOf({ settings: {} });
    assert.deepEqual([signUp, verifiedEmail, secondFactor, timeZone, security], ['open', false, 'optional', 'UTC', { apiKeys: true }]);
    assert.deepEqual(storedSettings({ login: { registration: false, verifiedEmail: true }, timeZone: 'Asia/Tokyo' }), {
      signUp: 'closed',
      verifiedEmail: true,
      timeZone: 'Asia/Tokyo',
    });
    assert.equal(
      settingsOf({ settings: { login: { registration: false }, signUp: 'invitation' } }).signUp,
      'invitation',
      'the new name wins',
    );
    for (const odd of [null, 'x', [], { login: null }, { login: { registration: 'no' } }])
      assert.equal(loginSettingsOf(odd).signUp, 'open');
  });

  it('say who may register: everybody, who is invited, or nobody', () => {
    const allowed = (['open', 'invitation', 'closed'] as const).map((signUp) => [mayRegister({ signUp }), mayRegister({ signUp }, true)]);
    assert.deepEqual(allowed, [
      [true, true],
      [false, true],
      [false, false],
    ]);
  });

  it('are judged beyond their form', () => {
    assert.deepEqual(faultsOfSettings({ timeZone: 'Europe/Berlin', methods: ['password'] }, ['password']), []);
    const faults = faultsOfSettings({ timeZone: '+01:00', methods: ['x'], sessions: { idleSeconds: 100, absoluteSeconds: 60 } }, [
      'password',
    ]);
    assert.deepEqual(
      faults.map(({ pointer }) => pointer),
      ['/settings/timeZone', '/settings/sessions/idleSeconds', '/settings/methods/0'],
    );
  });
});
