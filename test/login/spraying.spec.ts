/** I11: passwords that are sprayed from many addresses over many accounts, so that no address and no account has too many of them. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { newId, newSecret, sha256 } from '#src/core/ids.ts';
import { type Limits, RULES } from '#src/infra/limits.ts';
import { createCodes } from '#src/login/codes.ts';
import { createEngine } from '#src/login/engine.ts';
import { createHarness, type Harness, PASSWORD } from './harness.ts';

describe('sprayed passwords', function () {
  this.timeout(60_000);
  let h: Harness;
  beforeEach(async () => {
    h = await createHarness();
  });
  afterEach(() => h?.close());

  const attempt = (input: Record<string, string>, engine = h.engine) =>
    engine.attempt(h.stranger(), { door: 'direct', journeyId: sha256(newSecret()), methodId: 'password', input });
  const guess = () => attempt({ login: `${randomUUID()}@example.com`, password: 'guess' });
  const alerts = () => h.events('alert.login_failures');
  const { points } = RULES.loginFailuresByTenant;

  it('are told once of a tenant, by the one failure that is more than usual, and hold nobody', async () => {
    const person = await h.addPerson({ password: PASSWORD });
    await h.limits.consume(RULES.loginFailuresByTenant, h.tenantId, points - 1);
    await guess();
    assert.deepEqual(await alerts(), [], 'as many as are usual');
    assert.ok('step' in (await attempt({ login: person.email, password: PASSWORD })));
    assert.deepEqual(await alerts(), [], 'a right one is no failure');

    const refused = await Promise.all(Array.from({ length: 12 }, guess));
    assert.deepEqual(
      new Set(refused.map((one) => ('refused' in one ? `${one.status} ${one.refused}` : ''))),
      new Set(['401 auth.invalid_credentials']),
    );
    const [alert, ...more] = await alerts();
    assert.deepEqual(more, [], 'once, however many come at the same time');
    assert.deepEqual(
      [alert?.outcome, alert?.reason, alert?.target_id, alert?.data],
      ['failure', 'limit.tenant', h.tenantId, { failures: points, seconds: 60 }],
    );
    assert.ok('step' in (await attempt({ login: person.email, password: PASSWORD })), 'who has the password is let in');
  });

  it('at one tenant are nothing to another', async () => {
    await h.limits.consume(RULES.loginFailuresByTenant, newId(), points);
    await guess();
    assert.deepEqual(await alerts(), []);
  });

  it('are told by the next failure where the alert could not be recorded', async () => {
    await h.limits.consume(RULES.loginFailuresByTenant, h.tenantId, points);
    let isBroken = true;
    const { db, clock, box, audit, methods } = h;
    const limits: Limits = h.limits;
    const engine = createEngine({
      db,
      clock,
      box,
      limits,
      transact: audit.transact,
      codes: createCodes({ clock, box, limits }),
      methods,
      audit: {
        ...audit.audit,
        append: (scope, event) =>
          isBroken && event.type.startsWith('alert.') ? Promise.reject(new Error('no room')) : audit.audit.append(scope, event),
      },
    });
    const wrong = () => attempt({ login: `${randomUUID()}@example.com`, password: 'guess' }, engine);
    await assert.rejects(wrong(), /no room/);
    assert.deepEqual(await alerts(), []);
    isBroken = false;
    await wrong();
    assert.equal((await alerts()).length, 1);
  });
});
