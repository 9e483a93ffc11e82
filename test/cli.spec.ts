import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { createEmptyDatabase, type TestDatabase } from '#test/support/database.ts';

describe('the gatehouse command', () => {
  let dir: string;
  let at: TestDatabase;

  before(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'gatehouse-cli-'));
    at = await createEmptyDatabase();
  });
  after(async () => {
    await at.drop();
    rmSync(dir, { recursive: true, force: true });
  });

  const run = (args: string[], env: Record<string, string> = {}) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      const options = { env: { PATH: process.env['PATH'], DATA_DIR: path.join(dir, 'data'), DATABASE_URL: at.url, ...env } };
      execFile(process.execPath, ['src/cli.ts', ...args], options, (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
      );
    });

  async function hasUsers(): Promise<boolean> {
    const client = new pg.Client({ connectionString: at.url });
    await client.connect();
    const { rows } = await client.query(`select to_regclass('users') is not null as found`);
    await client.end();
    return rows[0].found;
  }

  it('brings the database up to date, says what it did, and takes everything back only when that is meant', async () => {
    const first = await run(['migrate']);
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /^migrated \d{14}-foundation$/m);
    assert.equal((await run(['migrate'])).stdout, 'nothing to do\n');
    const unsure = await run(['migrate', '--down']);
    assert.deepEqual([unsure.code, await hasUsers()], [1, true]);
    assert.match(unsure.stderr, /deletes all data/);
    assert.equal((await run(['migrate', '--down', '--yes'])).code, 0);
    assert.equal(await hasUsers(), false);
  });

  it('names every wrong setting and ends with code 78', async () => {
    const { code, stderr } = await run(['migrate'], { PORT: 'x', LOG_LEVEL: 'loud' });
    assert.equal(code, 78);
    assert.match(stderr, /PORT [\s\S]*LOG_LEVEL /);
  });

  it('explains itself, and refuses what it does not know', async () => {
    const help = await run(['--help']);
    assert.equal(help.code, 0);
    for (const command of ['migrate', 'client', 'user', 'admin']) assert.match(help.stdout, new RegExp(`^  ${command}\\b`, 'm'));
    assert.equal((await run(['explode'])).code, 1);
    assert.equal((await run(['admin', 'recover', 'not-an-address'])).code, 1);
    assert.equal((await run(['client', 'create'])).code, 1);
  });
});
