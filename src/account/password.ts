import type { Note } from '../core/messages/catalogue.ts';
import type { Scope } from '../core/scope.ts';
import { setPassword } from '../features/credentials/commands.ts';
import { findPassword } from '../features/credentials/store.ts';
import { RULES } from '../infra/limits.ts';
import { aboutPerson, type FlowDeps } from '../login/flow.ts';
import { deleteJourneysOf } from '../login/journey-store.ts';
import { tellPasswordChanged } from '../login/password-mail.ts';
import { lockAccount, type Person } from '../login/people-store.ts';
import { limited, type Refusal } from '../login/refusal.ts';

/** What of sign-in's parts an account page works with. */
export type AccountFlow = Pick<
  FlowDeps,
  'db' | 'clock' | 'box' | 'limits' | 'audit' | 'transact' | 'passwords' | 'queueMail' | 'queueText' | 'endAccess'
>;

export interface PasswordChange {
  person: Person;
  locale: string;
  /** The session that goes on; every other one ends. */
  sessionId: string;
  current: string;
  next: string;
}

/**
 * Changes one's own password: the current one has to be right, whatever the session's age. Every other session and everything that rests on
 * it ends in the same transaction, and a mail tells of it. Answers what to mend, a refusal, or undefined where it is done.
 */
export async function changeOwnPassword(
  deps: AccountFlow,
  scope: Scope,
  { person, locale, sessionId, current, next }: PasswordChange,
): Promise<{ errors: Readonly<Record<string, Note>> } | Refusal | undefined> {
  const about = { target: { type: 'user', id: person.id }, personId: person.id };
  const key = deps.box.mac('account-password', person.id);
  const held = await limited(() => deps.limits.consume(RULES.loginByAccount, key));
  if (held) {
    await deps.audit.append(scope, { ...about, type: 'password.refused', outcome: 'failure', reason: 'limit.account' });
    return held;
  }
  const stored = await findPassword(deps.db, person.id);
  if (!(await deps.passwords.verify(stored?.hash, current)) || !stored) {
    await deps.audit.append(scope, { ...about, type: 'password.refused', outcome: 'failure', reason: 'password.wrong' });
    return { errors: { password: 'password.wrong' } };
  }
  await deps.limits.reset(RULES.loginByAccount, key);
  if (await deps.passwords.verify(stored.hash, next)) return { errors: { new_password: 'password.unchanged' } };
  const owner = { tenantId: person.homeTenantId, userId: person.id };
  const fault = await deps.passwords.judge(next, await aboutPerson(deps, scope.tenantId, person), owner);
  if (fault) return { errors: { new_password: fault } };
  const hash = await deps.passwords.hash(next);
  const changed = await deps.transact(scope, async (work) => {
    // The person first, as whoever ends access does.
    if (!(await lockAccount(work.sql, person.id))?.active) return false;
    if (!(await setPassword(deps, work, { userId: person.id, hash, insteadOf: stored.hash, reason: 'changed' }))) return false;
    await deleteJourneysOf(work.sql, person.id);
    await deps.endAccess(person.id, work.sql, { exceptSession: sessionId });
    if (person.email) await tellPasswordChanged(deps, work, { scope, locale }, person.email);
    return true;
  });
  return changed ? undefined : { errors: { password: 'password.wrong' } };
}
