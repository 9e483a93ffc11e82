/** What of an attempt is counted, and the code that the engine compares. */
import { recipientOf } from './begun.ts';
import type { CodeTarget } from './method.ts';
import type { Compared, Taken } from './taken.ts';

/** Under which name the account's tries are counted; undefined where nobody is named. */
export function countedOf({ claimed, method, input, facts, isFirst }: Taken): string | undefined {
  if (!isFirst) return facts.account && `id:${facts.account.id}`;
  if (claimed) return claimed.counted;
  const lookup = method.lookup?.(input);
  return lookup && `${lookup.type}:${lookup.lookup}`;
}

const targetOf = ({ method, input, facts, kept }: Taken): CodeTarget | undefined =>
  method.codeTo ? (kept ? kept.target : method.codeTo(input, facts.account)) : undefined;

/** Five tries of what can be guessed: over all second factors of an account, and over all codes to one recipient. */
export function triesOf(taken: Taken): string | undefined {
  const { deps, method, facts, isFirst, claimed } = taken;
  if (!isFirst) return facts.account && `second-factor.${facts.account.id}`;
  if (!method.codeTo) return undefined;
  const target = targetOf(taken);
  return `sign-in.${deps.box.mac('code-recipient', target ? recipientOf(target) : `nobody ${claimed?.counted ?? ''}`)}`;
}

/** Changed since the code was sent, the old address proves nothing of the account any more. */
const isStill = ({ method, input, facts: { account } }: Taken, target: CodeTarget): boolean => {
  const now = account ? method.codeTo?.(input, account) : target;
  return now !== undefined && recipientOf(now) === recipientOf(target);
};

/** Whether the code that was typed is the one that was sent; for somebody who got none it looks as hard. */
export async function compareCode(taken: Taken): Promise<Compared | undefined> {
  const { deps, method, attempt, input, isFirst, claimed } = taken;
  if (!method.codeTo) return undefined;
  const target = targetOf(taken);
  const binding = {
    purpose: isFirst ? 'sign-in' : 'second-factor',
    journeyId: attempt.codeJourneyId ?? attempt.journeyId,
    recipient: target ? recipientOf(target) : `nobody ${claimed?.counted ?? ''}`,
  } as const;
  const { code } = input;
  const found = await deps.codes.find(deps.db, binding, typeof code === 'string' ? code : '');
  if (!found || !target || !isStill(taken, target)) return { says: 'none', id: undefined, target };
  return found.isRight ? { says: 'right', id: found.id, target } : { says: 'wrong', id: undefined, target };
}
