import { stopTestCluster } from './support/database.ts';
import { checkViolations } from './support/openapi-guard.ts';
import { reportSkips } from './support/skip.ts';

export { skip } from './support/skip.ts';

/** Run once, after the last test of the run (mocha's root hooks). */
export const mochaHooks = {
  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(60_000);
    await stopTestCluster();
    reportSkips();
    checkViolations();
  },
};
