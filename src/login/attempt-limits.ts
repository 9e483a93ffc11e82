/** What one attempt counts for, before anything is compared. */
import type { Scope } from '../core/scope.ts';
import { addressKey, type Counted, type LimitRule, RULES } from '../infra/limits.ts';
import type { Attempt } from './attempt.ts';
import { countedOf, triesOf } from './compare.ts';
import { limited, type Refusal } from './refusal.ts';
import type { JudgeDeps, Taken } from './taken.ts';

export interface AttemptCounts {
  /** Refunded where the attempt turns out well, as many people may share an address: failures are what is counted. */
  byAddress: Counted;
  /** The account, and the tries of a code: forgotten where it turns out well. */
  rest: readonly Counted[];
  /** What stands for the account that was typed, wherever the attempt comes from. */
  held?: string;
}

/** An attempt that is none of this step counts for its address only. */
export function countsOf(deps: JudgeDeps, scope: Scope, { door }: Attempt, taken: Taken | undefined): AttemptCounts {
  const byAddress = { rule: RULES.loginByAddress, key: addressKey(scope.request.address) };
  if (!taken) return { byAddress, rest: [] };
  // By what was typed, not by whom it names: a name that nobody has is held back in the same way. An application is no device of one person.
  const typed = countedOf(taken);
  const held = typed === undefined ? undefined : deps.box.mac('login-account', typed);
  const isOwn = door === 'browser' && taken.facts.knownDevice && taken.deviceHash;
  const tries = triesOf(taken);
  const byTries = tries ? [{ rule: RULES.codeTryByAccount, key: tries }] : [];
  if (held === undefined) return { byAddress, rest: byTries };
  return { byAddress, rest: [{ rule: RULES.loginByAccount, key: isOwn ? `${held}.${taken.deviceHash}` : held }, ...byTries], held };
}

/** Counts in turn, and none after one that refuses: who is held at an address closes no account. */
export async function overLimit(
  { limits }: JudgeDeps,
  all: readonly Counted[],
): Promise<{ rule: LimitRule; refusal: Refusal } | undefined> {
  let rule: LimitRule | undefined;
  const refusal = await limited(() =>
    limits.consumeInTurn(all, (refused) => {
      rule = refused;
    }),
  );
  return refusal && rule && { rule, refusal };
}
