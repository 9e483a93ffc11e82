/** What a tenant's people have to agree to before their sign-in ends: asked when they register, and again where it changes. */
import type { Work } from '../features/audit/index.ts';
import type { CurrentNotice } from '../features/notices/index.ts';
import { type FlowDeps, type Position, type Progress, stepInvalid } from './flow.ts';
import type { Journey } from './journey.ts';
import { saveJourney } from './journey-store.ts';
import { nextStep } from './next-step.ts';
import { holdPerson } from './people-store.ts';

export interface Terms {
  /** What holds at the tenant and the person has not agreed to, or has taken back. */
  open(userId: string, tenantId: string): Promise<readonly CurrentNotice[]>;
  /** Keeps that the person agrees, in the transaction of `work`. */
  agree(work: Work, userId: string, noticeIds: readonly string[]): Promise<void>;
}

/** What the page of the step asks for. */
export const termsAt = async (deps: Pick<FlowDeps, 'terms'>, { journey, scope }: Position): Promise<readonly CurrentNotice[]> =>
  journey.accountId === undefined ? [] : ((await deps.terms?.open(journey.accountId, scope.tenantId)) ?? []);

/** The person has agreed to these: where anything else is asked for by now, the step is shown again. */
export async function acceptTerms(deps: FlowDeps, at: Position, agreed: readonly string[]): Promise<Progress> {
  const { journey, scope } = at;
  const userId = journey.accountId;
  if (nextStep(journey, at.policy).name !== 'terms' || userId === undefined) throw stepInvalid();
  const open = await termsAt(deps, at);
  const missing = open.filter(({ id }) => !agreed.includes(id));
  if (missing.length > 0) {
    const about = { target: { type: 'user', id: userId }, personId: userId };
    await deps.audit.append(scope, { ...about, type: 'agreement.refused', outcome: 'failure', reason: 'agreement.missing' });
    return { errors: Object.fromEntries(missing.map(({ kind }) => [`agree_${kind}`, 'terms.required' as const])) };
  }
  const next: Journey = { ...journey, demands: journey.demands.filter((demand) => demand !== 'accept_terms') };
  await deps.transact(scope, async (work) => {
    if (!(await holdPerson(work.sql, userId))) throw stepInvalid();
    if (!(await saveJourney(work.sql, next, at.row))) throw stepInvalid();
    await deps.terms?.agree(
      work,
      userId,
      open.map(({ id }) => id),
    );
  });
  return { journey: { ...next, version: next.version + 1 } };
}
