import { pickLocale } from '../core/messages/catalogue.ts';
import { setPassword } from '../features/credentials/commands.ts';
import { findPassword } from '../features/credentials/store.ts';
import { aboutPerson, type FlowDeps, type Position, type Progress, stepInvalid } from './flow.ts';
import type { Journey } from './journey.ts';
import { deleteJourneysOf, saveJourney } from './journey-store.ts';
import { nextStep } from './next-step.ts';
import { tellPasswordChanged } from './password-mail.ts';
import { findPerson, lockAccount } from './people-store.ts';

/** The new password in place of one that somebody else chose. The step cannot be left out, and the old password cannot be kept. */
export async function changeForcedPassword(deps: FlowDeps, at: Position, input: { password: string }): Promise<Progress> {
  const { journey, scope } = at;
  if (nextStep(journey, at.policy).name !== 'change_password' || journey.accountId === undefined) throw stepInvalid();
  const [person, current] = await Promise.all([findPerson(deps.db, journey.accountId), findPassword(deps.db, journey.accountId)]);
  if (!person?.active || !current) throw stepInvalid();
  if (await deps.passwords.verify(current.hash, input.password)) return { errors: { new_password: 'password.unchanged' } };
  const owner = { tenantId: person.homeTenantId, userId: person.id };
  const fault = await deps.passwords.judge(input.password, await aboutPerson(deps, scope.tenantId, person), owner);
  if (fault) return { errors: { new_password: fault } };
  const hash = await deps.passwords.hash(input.password);
  const next: Journey = { ...journey, demands: journey.demands.filter((demand) => demand !== 'change_password') };
  await deps.transact(scope, async (work) => {
    // The person first, as whoever ends access does.
    if (!(await lockAccount(work.sql, person.id))?.active) throw stepInvalid();
    if (!(await saveJourney(work.sql, next, at.row))) throw stepInvalid();
    if (!(await setPassword(deps, work, { userId: person.id, hash, insteadOf: current.hash, reason: 'forced' }))) throw stepInvalid();
    await deleteJourneysOf(work.sql, person.id, journey.id);
    await deps.endAccess(person.id, work.sql);
    if (person.email) await tellPasswordChanged(deps, work, { scope, locale: pickLocale(person.locale, at.locale) }, person.email);
  });
  return { journey: { ...next, version: next.version + 1 } };
}
