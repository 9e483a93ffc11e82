/** Mocha's own "spec" output; where GATEHOUSE_TEST_REPORT names a file, the counts of what really ran go there. */
import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';

export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const file = process.env['GATEHOUSE_TEST_REPORT'];
    if (file) runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => writeFileSync(file, JSON.stringify({ stats: this.stats })));
  }
}
