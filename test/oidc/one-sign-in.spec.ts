/** What the flush makes of several requests that finish one interaction at the same instant. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { newId } from '#src/core/ids.ts';
import { limitJob } from '#src/features/sessions/limit.ts';
import { type Database, openDatabase } from '#src/infra/postgres.ts';
import { flush, Unit } from '#src/oidc/unit-of-work.ts';
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts';

describe('requests that finish one sign-in', function () {
  this.timeout(60_000);
  const expires_at = '2100-01-01T00:00:00Z';
  const user_id = newId();
  let database: TestDatabase;
  let db: Database;

  before(async () => {
    database = await createTestDatabase();
    db = openDatabase({ url: database.url });
    const tenant = newId();
    await run(`insert into tenants (id, slug, name, type) values ($1, 't', 'T', 'team')`, [tenant]);
    await run('insert into users (id, home_tenant_id) values ($1, $2)', [user_id, tenant]);
    await db.transaction((sql) => sql.raw(`insert into clients (client_id, tenant_id, metadata) values ('c', ?, '{}')`, [tenant]), {
      tenantId: tenant,
    });
  });
  after(async () => {
    await db.close();
    await database.drop();
  });

  const run = (text: string, values: unknown[] = []) => db.query({ name: `t${text.length}-${text.slice(0, 20)}`, text }, values);
  const interaction = async (): Promise<string> => {
    const id = randomUUID();
    await run(`insert into oidc_objects (model, id, payload, expires_at) values ('Interaction', $1, '{}', $2)`, [id, expires_at]);
    return id;
  };
  /** Session and grant under the interaction's ids, and a code of its own. */
  const finishing = (id: string, epoch = 0): Unit => {
    const unit = new Unit({ deferDeletes: true });
    unit.finishes = id;
    const payload = { accountId: user_id, authorizations: { c: { grantId: `g${id}`, at: 1 } } } as object;
    unit.grants.set('', { id: `g${id}`, user_id, client_id: 'c', payload: {}, expires_at } as never);
    unit.sessions.set('', {
      ...{ id: `s${id}`, uid: `u${id}`, user_id, sids: [], payload, sealed: null, expires_at },
      ...{ known: false, replaces: null, epoch, upstream: null },
    } as never);
    const code = randomUUID();
    const grant_id = `g${id}`;
    unit.objects.set('', { model: 'AuthorizationCode', id: code, grant_id, user_code: null, payload: {}, expires_at, known: false });
    unit.jobs.push(limitJob(user_id));
    return unit;
  };
  const finish = async (id: string): Promise<boolean> => {
    const unit = finishing(id);
    if (await flush(db, unit)) return true;
    unit.join();
    assert.equal(await flush(db, unit), true);
    return false;
  };
  const count = async (table: string, column: string, id: string): Promise<number> =>
    (await run(`select from ${table} where ${column} = $1`, [id])).length;

  it('come to one session with a code for each, one of them first, and never to a deadlock', async () => {
    for (let round = 0; round < 40; round += 1) {
      const id = await interaction();
      const firsts = await Promise.all(Array.from({ length: 8 }, () => finish(id)));
      assert.equal(firsts.filter(Boolean).length, 1);
      assert.deepEqual([await count('oidc_sessions', 'uid', `u${id}`), await count('oidc_objects', 'grant_id', `g${id}`)], [1, 8]);
      assert.equal(await count('oidc_objects', 'id', id), 0);
    }
  });

  it('make nothing where the session has ended before they join it', async () => {
    const id = await interaction();
    assert.equal(await finish(id), true);
    await run('delete from oidc_sessions where uid = $1', [`u${id}`]);
    await run('delete from oidc_grants where id = $1', [`g${id}`]);
    assert.equal(await finish(id), false);
    for (const [table, column, prefix] of [
      ['oidc_sessions', 'uid', 'u'],
      ['oidc_grants', 'id', 'g'],
      ['oidc_objects', 'grant_id', 'g'],
    ] as const)
      assert.equal(await count(table, column, `${prefix}${id}`), 0, table);
  });

  it('leave the interaction as it is where access was ended meanwhile', async () => {
    const id = await interaction();
    const unit = finishing(id, 7);
    assert.equal(await flush(db, unit), false);
    unit.join();
    assert.equal(await flush(db, unit), false);
    assert.deepEqual([await count('oidc_objects', 'id', id), await count('oidc_sessions', 'uid', `u${id}`)], [1, 0]);
  });
});
