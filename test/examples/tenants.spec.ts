import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { MANAGER, type RunningApp, startTestApp } from '#test/support/app.ts';
import { tryTenants } from '../../examples/tenants/run.ts';

describe('examples/tenants', function () {
  this.timeout(60_000);
  let app: RunningApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.close());

  it('needs nothing: by itself it starts a server of its own, and ends it', async () => {
    const main = path.resolve(import.meta.dirname, '../../examples/tenants/main.ts');
    const env = { PATH: process.env['PATH'], HOME: process.env['HOME'] };
    const { stdout } = await promisify(execFile)(process.execPath, [main], { env });
    assert.equal(stdout.match(/✓/g)?.length, 10, stdout);
    const issuer = /^At (\S+)$/m.exec(stdout)?.[1];
    await assert.rejects(fetch(`${issuer}/health/live`), 'the server is still there');
  });

  it('tells its whole story, and can be told again', async () => {
    for (const time of ['first', 'second']) {
      const told: string[] = [];
      await tryTenants({ issuer: app.issuer, client: MANAGER, say: (line) => told.push(line) });
      assert.equal(told.length, 10, `the ${time} time: ${told.join('\n')}`);
    }
  });
});
