import type { Context } from 'mocha';

const reasons = new Map<string, number>();

/** Leaves out the test (or, in a `before`, the suite) that runs, and has the reason printed at the end of the run. */
export function skip(context: Context, reason: string): never {
  reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  return context.skip();
}

/** Prints each reason with how often it was given. Throws where the environment forbids leaving anything out (TEST_FORBID_SKIPS). */
export function reportSkips(print: (line: string) => void = console.log): void {
  for (const [reason, count] of reasons) print(`  skipped ${count} time${count === 1 ? '' : 's'}: ${reason}`);
  if (reasons.size > 0 && process.env['TEST_FORBID_SKIPS'])
    throw new Error(`nothing may be skipped here, but: ${[...reasons.keys()].join('; ')}`);
}
