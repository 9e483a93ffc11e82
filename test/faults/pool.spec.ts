/** Connections that are all taken, and a database that only reads: whoever cannot be served is told so soon, and nothing has to be restarted. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { basicAuth, type Reply, type RunningApp, startTestApp } from '#test/support/app.ts';
import { type Cast, setUpCast } from '#test/support/cast.ts';
import { createTestDatabase, type TestDatabase } from '#test/support/database.ts';

describe('the pool of connections', function () {
  this.timeout(120_000);
  let database: TestDatabase;
  let app: RunningApp;
  let cast: Cast;
  let owner: pg.Client;
  before(async () => {
    database = await createTestDatabase();
    app = await startTestApp({ databaseUrl: database.url });
    cast = await setUpCast(app);
    owner = new pg.Client({ connectionString: database.url });
    await owner.connect();
  });
  after(async () => {
    await owner?.end();
    await app?.close();
    await database?.drop();
  });

  const addUser = (): Promise<Reply> => app.api('POST', '/api/users', { username: `u${randomBytes(8).toString('hex')}` });
  const token = (): Promise<Reply> => app.token({ grant_type: 'client_credentials', resource: cast.api }, cast.server);

  it('that are all held by a lock sheds with 503 what comes too late, stays ready, and deadlocks with nobody', async () => {
    await owner.query('begin');
    await owner.query('lock table users in access exclusive mode');
    const waiting = Array.from({ length: 100 }, () => Promise.all([addUser(), app.api('GET', '/api/users?limit=1')]));
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal((await fetch(`${app.issuer}/health/ready`)).status, 200, 'a full pool is no reason to be taken out of service');
    assert.equal((await fetch(`${app.issuer}/jwks`)).status, 200);
    const answers = (await Promise.all(waiting)).flat();
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [503]);
    assert.ok(answers.every(({ headers }) => headers.has('retry-after')));
    await owner.query('rollback');
    assert.equal((await addUser()).status, 201);
    const burst = await Promise.all(Array.from({ length: 150 }, (_, n) => (n % 3 === 0 ? token() : addUser())));
    assert.deepEqual(
      burst.map(({ status }) => status).filter((status) => ![200, 201, 503].includes(status)),
      [],
    );
    assert.ok(burst.some(({ status }) => status === 201));
    assert.equal((await token()).status, 200);
  });

  it('to a standby serves what is read, refuses what is written with 503, and finds the primary by itself', async () => {
    const made = await cast.tokens(app.browser());
    const userinfo = (): Promise<number> =>
      fetch(`${app.issuer}/me`, { headers: { authorization: `Bearer ${String(made.body['access_token'])}` } }).then(({ status }) => status);
    const revoke = (): Promise<number> =>
      fetch(`${app.issuer}/token/revocation`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...basicAuth(cast.client) },
        body: String(new URLSearchParams({ token: String(made.body['refresh_token']) })),
      }).then(({ status }) => status);
    assert.equal(await userinfo(), 200);
    await owner.query(`alter database ${database.name} set default_transaction_read_only = on`);
    await owner.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()`, [
      database.name,
    ]);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    for (const act of [addUser, token])
      assert.deepEqual([...new Set((await Promise.all(Array.from({ length: 12 }, act))).map(({ status }) => status))], [503]);
    assert.equal(await revoke(), 503, 'a revocation that was not stored is not acknowledged');
    assert.equal(await userinfo(), 200);

    await owner.query('set session characteristics as transaction read write');
    await owner.query(`alter database ${database.name} reset default_transaction_read_only`);
    const started = performance.now();
    // Connections to the standby stay open: whoever meets one gives it up. The promise is ten seconds.
    for (let good = 0; good < 10; ) {
      // Transactions alone: nobody else cleans up for them.
      good = (await addUser()).status === 201 ? good + 1 : 0;
      assert.ok(performance.now() - started < 20_000, 'still only reads');
    }
    assert.equal((await token()).status, 200);
    assert.equal(await revoke(), 200);
    assert.equal(await userinfo(), 401);
  });
});
