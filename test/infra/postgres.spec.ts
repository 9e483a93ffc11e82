import assert from 'node:assert/strict';
import pg from 'pg';
import { type Database, openDatabase } from '#src/infra/postgres.ts';
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts';

const TENANT = '11111111-1111-4111-8111-111111111111';

describe('a transaction', () => {
  let at: TestDatabase;
  let owner: pg.Client;
  let db: Database;

  beforeEach(async () => {
    at = await createTestDatabase();
    owner = new pg.Client({ connectionString: at.url });
    await owner.connect();
    // One connection: what a transaction leaves behind on it, the next one finds.
    db = openDatabase({ url: at.url, poolSize: 1 });
  });
  afterEach(async () => {
    await db.close();
    await owner.end();
    await at.drop();
  });

  const tenantOf = async (tenantId?: string): Promise<unknown> =>
    db.transaction(
      async (sql) => (await sql.raw<{ rows: { id: string }[] }>(`select current_setting('app.tenant_id', true) as id`)).rows[0]?.id,
      tenantId === undefined ? {} : { tenantId },
    );

  it('says its tenant in the message that begins it, so that one statement costs three round trips', async () => {
    await tenantOf(TENANT);
    const before = db.statements.count;
    assert.equal(await tenantOf(TENANT), TENANT);
    assert.equal(db.statements.count - before, 3);
  });

  it('leaves no tenant behind on its connection', async () => {
    await tenantOf(TENANT);
    assert.ok([null, ''].includes((await tenantOf()) as string | null));
  });

  it('takes whatever a tenant is called as text', async () => {
    for (const name of [`'; drop table users; --`, `\\'; rollback; --`, 'é "x"']) assert.equal(await tenantOf(name), name);
    assert.equal((await owner.query(`select to_regclass('users') is not null as there`)).rows[0].there, true);
  });

  it('rolls back what a thrown error ends, and the next one finds a connection that is good', async () => {
    const failing = db.transaction(
      async (sql) => {
        await sql.raw('select 1 / 0');
      },
      { tenantId: TENANT },
    );
    await assert.rejects(failing, /division by zero/);
    assert.equal(await tenantOf(TENANT), TENANT);
  });

  it('that fails while it begins runs nothing, and nobody gets its connection again', async () => {
    const pidOf = async (): Promise<number> =>
      (await db.query<{ pid: number }>({ name: 'pid', text: 'select pg_backend_pid() as pid' }, []))[0]!.pid;
    await owner.query(`create schema faulty;
      create function faulty.set_config(text, text, boolean) returns text language plpgsql as $$ begin raise exception 'not now'; end $$;
      grant usage on schema faulty to public`);
    await owner.query(`alter role current_user in database ${pg.escapeIdentifier(at.name)} set search_path = faulty, pg_catalog, public`);
    let worked = false;
    const first = await pidOf();
    const failing = db.transaction(
      async (sql) => {
        await sql.raw('select 1');
        worked = true;
      },
      { tenantId: TENANT },
    );
    await assert.rejects(failing, /not now/);
    assert.equal(worked, false);
    await owner.query('drop schema faulty cascade');
    assert.equal(await tenantOf(TENANT), TENANT);
    assert.notEqual(await pidOf(), first);
  });
});
