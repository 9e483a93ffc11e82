import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import { systemClock } from '#src/core/clock.ts';
import { AppError } from '#src/core/errors.ts';
import { newId } from '#src/core/ids.ts';
import type { Scope } from '#src/core/scope.ts';
import { createPersonKeys } from '#src/features/audit/person-keys.ts';
import { type Audit, createAudit } from '#src/features/audit/record.ts';
import { listEvents, type StoredEvent } from '#src/features/audit/store.ts';
import { createJobs } from '#src/infra/jobs.ts';
import { createLogger } from '#src/infra/log.ts';
import { type Database, openDatabase } from '#src/infra/postgres.ts';
import { createSecretBox } from '#src/infra/secret-box.ts';
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts';

describe('audit', () => {
  const log = createLogger({ level: 'silent' });
  const box = createSecretBox([randomBytes(32)]);
  let at: TestDatabase;
  let db: Database;
  let owner: pg.Client;
  let audit: Audit;

  const open = (): Audit => createAudit({ db, box, clock: systemClock, jobs: createJobs(db, log), log });

  function scopeOf(userId?: string, tenantId: string = randomUUID()): Scope {
    return {
      tenantId,
      actor: userId ? { type: 'user', id: userId } : { type: 'anonymous' },
      clientId: 'shop',
      request: { id: 'request-1', address: '203.0.113.9', device: 'Firefox', issuer: '' },
      permissions: new Set(),
      platform: false,
    };
  }

  const eventsOf = (tenantId: string): Promise<StoredEvent[]> => db.transaction((sql) => listEvents(sql, tenantId, {}, 100), { tenantId });

  before(async () => {
    at = await createTestDatabase();
    db = openDatabase({ url: at.url });
    owner = new pg.Client({ connectionString: at.url });
    await owner.connect();
    audit = open();
  });

  after(async () => {
    await owner.end();
    await db.close();
    await at.drop();
  });

  it('takes who, where and in which request from the scope, and keeps personal data sealed only', async () => {
    const userId = newId();
    const scope = scopeOf(userId);
    await audit.audit.append(scope, {
      type: 'login.refused',
      outcome: 'failure',
      reason: 'password.wrong',
      target: { type: 'user', id: userId },
      data: { tries: 2 },
      note: 'said Ada',
    });
    const [row] = await eventsOf(scope.tenantId);
    assert.ok(row);
    assert.deepEqual(
      [
        row.type,
        row.outcome,
        row.actor_type,
        row.actor_id,
        row.client_id,
        row.target_id,
        row.person_id,
        row.reason,
        row.request_id,
        row.data,
      ],
      ['login.refused', 'failure', 'user', userId, 'shop', userId, userId, 'password.wrong', 'request-1', { tries: 2 }],
    );
    const { rows } = await owner.query('select audit_events::text as line from audit_events where tenant_id = $1', [scope.tenantId]);
    assert.doesNotMatch(rows[0].line, /203\.0\.113\.9|Firefox|Ada/);
    assert.deepEqual(await audit.openPersonal(row), { address: '203.0.113.9', device: 'Firefox', note: 'said Ada' });
  });

  it('is read by nobody outside the tenant, and changed by nobody at all', async () => {
    const scope = scopeOf();
    await audit.audit.append(scope, { type: 'a.b', outcome: 'success' });
    const other = await db.transaction((sql) => listEvents(sql, scope.tenantId, {}, 10), { tenantId: randomUUID() });
    assert.deepEqual(other, []);
    await assert.rejects(
      db.transaction((sql) => sql('audit_events').update({ type: 'x.y' }), { tenantId: scope.tenantId }),
      /permission denied/,
    );
    await assert.rejects(
      db.transaction((sql) => sql('audit_events').delete(), { tenantId: scope.tenantId }),
      /permission denied/,
    );
  });

  it('writes the events of concurrent requests in far fewer statements, and each of them once', async () => {
    const scope = scopeOf();
    const before = db.statements.count;
    await Promise.all(Array.from({ length: 100 }, (_, n) => audit.audit.append(scope, { type: 'a.b', outcome: 'success', data: { n } })));
    assert.ok(db.statements.count - before <= 10, `${db.statements.count - before} statements`);
    const seen = (await eventsOf(scope.tenantId)).map((row) => row.data['n']);
    assert.deepEqual(
      [...seen].sort((a, b) => Number(a) - Number(b)),
      Array.from({ length: 100 }, (_, n) => n),
    );
  });

  it('lets no request fail for the bad event of another', async () => {
    const scope = scopeOf();
    const good = Array.from({ length: 9 }, () => audit.audit.append(scope, { type: 'good.one', outcome: 'success' }));
    const bad = audit.audit.append(scope, { type: 'bad.one', outcome: 'success', data: { text: '\u0000' } });
    await assert.rejects(bad, (error) => error instanceof AppError && error.status === 503);
    await Promise.all(good);
    assert.equal((await eventsOf(scope.tenantId)).length, 9);
  });

  it('answers 503 when the row cannot be stored', async () => {
    await owner.query('revoke insert on audit_events from gatehouse_app');
    try {
      await assert.rejects(
        audit.audit.append(scopeOf(), { type: 'a.b', outcome: 'success' }),
        (error) => error instanceof AppError && error.status === 503,
      );
    } finally {
      await owner.query('grant insert on audit_events to gatehouse_app');
    }
  });

  it('writes change, audit row and job in one transaction, or none of them', async () => {
    const scope = scopeOf();
    const run = (fail: boolean): Promise<string> =>
      audit.transact(scope, async ({ sql, record, later }) => {
        await sql('revoked_tokens').insert({ jti: `t-${scope.tenantId}`, expires_at: new Date('2030-01-01') });
        record({ type: 'token.revoked', outcome: 'success' });
        later({ name: 'test.job', payload: { of: scope.tenantId } });
        if (fail) throw new Error('changed my mind');
        return 'done';
      });
    const counts = async (): Promise<unknown[]> => {
      const jobs = await owner.query(`select 1 from graphile_worker._private_jobs where payload ->> 'of' = $1`, [scope.tenantId]);
      const tokens = await owner.query('select 1 from revoked_tokens where jti = $1', [`t-${scope.tenantId}`]);
      return [tokens.rowCount, (await eventsOf(scope.tenantId)).length, jobs.rowCount];
    };
    await assert.rejects(run(true), /changed my mind/);
    assert.deepEqual(await counts(), [0, 0, 0]);
    assert.equal(await run(false), 'done');
    assert.deepEqual(await counts(), [1, 1, 1]);
  });

  it('changes nothing where the audit row cannot be written', async () => {
    const scope = scopeOf();
    await owner.query('revoke insert on audit_events from gatehouse_app');
    try {
      const change = audit.transact(scope, async ({ sql, record }) => {
        await sql('revoked_tokens').insert({ jti: scope.tenantId, expires_at: new Date('2030-01-01') });
        record({ type: 'token.revoked', outcome: 'success' });
      });
      await assert.rejects(change, (error) => error instanceof AppError && error.status === 503);
      assert.equal((await owner.query('select 1 from revoked_tokens where jti = $1', [scope.tenantId])).rowCount, 0);
    } finally {
      await owner.query('grant insert on audit_events to gatehouse_app');
    }
  });

  it('makes one key a person, also when many requests need it at once', async () => {
    const userId = newId();
    const [one, two] = [createPersonKeys({ db, box }), createPersonKeys({ db, box })];
    const boxes = await Promise.all(Array.from({ length: 10 }, (_, n) => (n % 2 ? one : two).get(userId)));
    const sealed = boxes[0]!.seal('x', 'y');
    for (const each of boxes) assert.equal(each!.open(sealed, 'y').toString(), 'x');
    assert.equal((await owner.query('select 1 from person_keys where user_id = $1', [userId])).rowCount, 1);
  });

  it('does not hold a key that was rolled back', async () => {
    const userId = newId();
    const scope = scopeOf(userId);
    const failing = audit.transact(scope, async ({ record }) => {
      record({ type: 'a.b', outcome: 'success' });
      record({ type: 'a.c', outcome: 'nonsense' as 'success' });
    });
    await assert.rejects(failing);
    await audit.audit.append(scope, { type: 'a.d', outcome: 'success' });
    const [row] = await eventsOf(scope.tenantId);
    assert.equal((await open().openPersonal(row!)).address, '203.0.113.9');
  });

  it('opens nothing once a person is erased: here, on other nodes once told, and for what is recorded later', async () => {
    const userId = newId();
    const scope = scopeOf(userId);
    const other = open();
    await audit.audit.append(scope, { type: 'a.b', outcome: 'success' });
    const [row] = await eventsOf(scope.tenantId);
    assert.equal((await other.openPersonal(row!)).device, 'Firefox');
    let told: (payload: string) => void = () => {};
    const heard = new Promise<string>((resolve) => {
      told = resolve;
    });
    const stop = await db.listen(
      'gatehouse_changed',
      (payload) => told(payload),
      () => {},
    );
    await audit.transact(scope, async ({ sql, record }) => {
      await audit.forget(userId, sql);
      record({ type: 'user.deleted', outcome: 'success' });
    });
    const { kind, id } = JSON.parse(await heard) as { kind: string; id: string };
    await stop();
    assert.deepEqual([kind, id], ['person', userId]);
    other.drop(id);
    await audit.audit.append(scope, { type: 'a.late', outcome: 'success' });
    const rows = await eventsOf(scope.tenantId);
    assert.deepEqual(
      rows.map(({ type }) => type),
      ['a.late', 'user.deleted', 'a.b'],
    );
    for (const each of rows) {
      assert.deepEqual(await audit.openPersonal(each), {});
      assert.deepEqual(await other.openPersonal(each), {});
    }
    assert.equal(await createPersonKeys({ db, box }).get(userId), undefined);
  });
});
