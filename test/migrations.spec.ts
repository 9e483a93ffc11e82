/** Migrations go up, down and up again, bear two processes at once, survive a kill, and leave the server's role with no more than it needs. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { migrate, migrateDown } from '#src/infra/migrate.ts';
import { openDatabase } from '#src/infra/postgres.ts';
import { createEmptyDatabase, type TestDatabase } from '#test/support/database.ts';

const files = readdirSync(new URL('../migrations/', import.meta.url)).filter((name) => name.endsWith('.ts'));

async function shape(url: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const columns =
      await client.query(`select table_name, column_name, data_type, is_nullable from information_schema.columns where table_schema = 'public'
      and table_name !~ '_[0-9]{6,8}$' order by 1, 2`);
    const indexes = await client.query(
      `select indexname, indexdef from pg_indexes where schemaname = 'public' and tablename !~ '_[0-9]{6,8}$' order by 1`,
    );
    const policies = await client.query(
      `select tablename, policyname, cmd, qual, with_check from pg_policies where schemaname = 'public' order by 1, 2`,
    );
    const functions = await client.query(`select proname, prosecdef from pg_proc where pronamespace = 'public'::regnamespace order by 1`);
    return { columns: columns.rows, indexes: indexes.rows, policies: policies.rows, functions: functions.rows };
  } finally {
    await client.end();
  }
}

describe('migrations', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createEmptyDatabase();
  });
  afterEach(async () => {
    await database.drop();
  });

  it('go up, down and up again, to the same schema', async () => {
    const ran = await migrate(database.url);
    assert.equal(ran.length, files.length);
    const first = await shape(database.url);
    await migrateDown(database.url);
    const between = (await shape(database.url)) as { columns: { table_name: string }[] };
    assert.deepEqual([...new Set(between.columns.map((column) => column.table_name))].sort(), ['migrations', 'migrations_lock']);
    assert.equal((await migrate(database.url)).length, files.length);
    assert.deepEqual(await shape(database.url), first);
  });

  it('run once where three processes start at the same time', async () => {
    const ran = await Promise.all([migrate(database.url), migrate(database.url), migrate(database.url)]);
    assert.deepEqual(ran.map((names) => names.length).sort(), [0, 0, files.length]);
  });

  it('go on after a process was killed in the middle', async () => {
    const child = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `const { migrate } = await import(${JSON.stringify(new URL('../src/infra/migrate.ts', import.meta.url).href)}); await migrate(${JSON.stringify(database.url)}, { log: (m) => console.log(m) });`,
      ],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await sleep(5);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    await migrate(database.url);
    assert.deepEqual(await migrate(database.url), []);
  });

  it('give up waiting for another process after the time they were given', async () => {
    await migrate(database.url);
    const holder = new pg.Client({ connectionString: database.url });
    await holder.connect();
    await holder.query('select pg_advisory_lock(4710302619)');
    await assert.rejects(migrate(database.url, { waitMs: 100 }), /lock timeout/);
    await holder.end();
  });

  it('leave the server a role that owns nothing and cannot touch what was audited', async () => {
    await migrate(database.url);
    const db = openDatabase({ url: database.url });
    try {
      const [role] = await db.query<{ name: string; rolsuper: boolean; rolbypassrls: boolean; owned: number }>(
        {
          name: 'role',
          text: `select current_user as name, rolsuper, rolbypassrls, (select count(*)::int from pg_class where relowner = r.oid) as owned from pg_roles r where rolname = current_user`,
        },
        [],
      );
      assert.deepEqual(role, { name: 'gatehouse_app', rolsuper: false, rolbypassrls: false, owned: 0 });
      for (const text of [
        'delete from audit_events',
        'truncate audit_events',
        `update audit_events set type = 'x'`,
        'drop table users',
        'select * from audit_events_rest',
      ]) {
        await assert.rejects(db.query({ name: `try ${text}`, text }, []), /permission denied|must be owner/, text);
      }
      await assert.rejects(db.query({ name: 'young', text: `select drop_audit_partitions(current_date)` }, []), /younger than 90 days/);
      const [dropped] = await db.query<{ n: number }>({ name: 'old', text: `select drop_audit_partitions(current_date - 91) as n` }, []);
      assert.equal(dropped?.n, 0);
    } finally {
      await db.close();
    }
  });

  it('index every foreign key that a deletion has to follow', async () => {
    await migrate(database.url);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query<{
      fk: string;
    }>(`select c.conrelid::regclass || '.' || c.conname as fk from pg_constraint c where c.contype = 'f' and c.conparentid = 0
      and not exists (select from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1])`);
    await client.end();
    assert.deepEqual(rows, []);
  });
});
