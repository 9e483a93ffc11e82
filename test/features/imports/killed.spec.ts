/** An import whose process is killed in the middle, as a service manager or a machine would. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { basicAuth, MANAGER } from '#test/support/app.ts';
import { createTestDatabase, makeTestDirectory, removeTestDirectory, type TestDatabase } from '#test/support/database.ts';
import { environmentOf } from '#test/support/environment.ts';

describe('an import whose process is killed', function () {
  this.timeout(120_000);
  const LINES = 6000;
  let database: TestDatabase;
  let dataDir: string;
  let base: string;
  let env: Record<string, string>;
  let child: ChildProcess | undefined;

  before(async () => {
    database = await createTestDatabase();
    dataDir = await makeTestDirectory();
    const given = await environmentOf(database.url, dataDir);
    ({ env } = given);
    base = `http://localhost:${given.port}`;
  });
  after(async () => {
    await kill();
    await database?.drop();
    await removeTestDirectory(dataDir);
  });

  async function kill(): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** Starts the server; answers what a management call needs. */
  async function launch(): Promise<Record<string, string>> {
    const started = spawn(process.execPath, ['src/main.ts'], { env, stdio: 'ignore' });
    child = started;
    for (let tries = 0; ; tries += 1) {
      const response = await fetch(`${base}/health/ready`).catch(() => undefined);
      if (response?.status === 200) break;
      assert.ok(started.exitCode === null && tries < 300, 'the server does not start');
      await sleep(100);
    }
    const answer = await fetch(`${base}/token`, {
      method: 'POST',
      headers: basicAuth(MANAGER),
      body: new URLSearchParams({ grant_type: 'client_credentials', resource: `${base}/api` }),
    });
    return { authorization: `Bearer ${((await answer.json()) as { access_token: string }).access_token}` };
  }

  it('goes on with the next process, and has made every person once', async () => {
    const headers = await launch();
    const body = Array.from({ length: LINES }, (_, n) => JSON.stringify({ username: `killed-${n}` })).join('\n');
    const made = await fetch(`${base}/api/users/import`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-ndjson' },
      body,
    });
    assert.equal(made.status, 202);
    const { id } = (await made.json()) as { id: string };
    const state = async (as: Record<string, string>): Promise<{ status: string; done: number; created: number; failed: number }> =>
      (await (await fetch(`${base}/api/users/imports/${id}`, { headers: as })).json()) as never;
    while ((await state(headers)).done < 400) await sleep(5);
    await kill();

    const again = await launch();
    const before = await state(again);
    assert.ok(before.status === 'running' && before.done < LINES, JSON.stringify(before));
    const owner = new pg.Client({ connectionString: database.url });
    await owner.connect();
    try {
      // A minute later, as it were.
      await owner.query(`update user_imports set updated_at = now() - interval '2 minutes' where id = $1`, [id]);
      await owner.query(`select graphile_worker.add_job('users.import-tend', '{}')`);
      let after = before;
      for (let tries = 0; after.status !== 'done' && tries < 600; tries += 1) {
        await sleep(100);
        after = await state(again);
      }
      assert.deepEqual([after.status, after.done, after.created, after.failed], ['done', LINES, LINES, 0]);
      const { rows } = await owner.query<{ people: string; events: string }>(
        `select (select count(*) from users where username_key like 'killed-%') as people,
           (select count(*) from audit_events where type = 'user.created' and data ->> 'importId' = $1) as events`,
        [id],
      );
      assert.deepEqual(rows, [{ people: String(LINES), events: String(LINES) }]);
    } finally {
      await owner.end();
    }
  });
});
