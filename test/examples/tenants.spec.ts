import assert from 'node:assert/strict';
import { MANAGER, type RunningApp, startTestApp } from '#test/support/app.ts';
import { tryTenants } from '../../examples/tenants/run.ts';

describe('examples/tenants', function () {
  this.timeout(60_000);
  let app: RunningApp;
  before(async () => {
    app = await startTestApp();
  });
  after(() => app.close());

  it('tells its whole story, and can be told again', async () => {
    for (const time of ['first', 'second']) {
      const told: string[] = [];
      await tryTenants({ issuer: app.issuer, client: MANAGER, say: (line) => told.push(line) });
      assert.equal(told.length, 10, `the ${time} time: ${told.join('\n')}`);
    }
  });
});
