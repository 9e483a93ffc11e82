/** What a tenant's people have to agree to before their sign-in ends: asked when they register, and again where it changes. */
import { isId } from '../core/ids.ts';
import type { Work } from '../features/audit/index.ts';
import type { CurrentNotice } from '../features/notices/index.ts';
import { type FlowDeps, type Position, type Progress, stepInvalid } from './flow.ts';
import type { Journey } from './journey.ts';
import { saveJourney } from './journey-store.ts';
import { nextStep } from './next-step.ts';
import { holdPerson } from './people-store.ts';

/** As many as a form could have shown. */
const MOST_NOTICES = 4;

export interface Terms {
  /** What holds at the tenant. */
  of(tenantId: string): Promise<readonly CurrentNotice[]>;
  /** Of these ids, the notices that the tenant has published, whether they still hold or not. */
  published(tenantId: string, ids: readonly string[]): Promise<readonly Pick<CurrentNotice, 'id' | 'kind'>[]>;
  /** What holds at the tenant and the person has not agreed to, or has taken back. */
  open(userId: string, tenantId: string): Promise<readonly CurrentNotice[]>;
  /** Keeps that the person agrees, in the transaction of `work`. */
  agree(work: Work, userId: string, noticeIds: readonly string[]): Promise<void>;
}

/**
 * What whoever registers has agreed to, of the versions that were shown to them, and what holds and is missing. A version that another took the place of
 * meanwhile is agreed to as it was shown; for the new one the step after the registration asks.
 */
export async function agreedOf(
  deps: Pick<FlowDeps, 'terms'>,
  { scope }: Pick<Position, 'scope'>,
  ids: readonly string[],
): Promise<{ agreed: readonly string[]; missing: readonly CurrentNotice[] }> {
  const current = (await deps.terms?.of(scope.tenantId)) ?? [];
  const known: Pick<CurrentNotice, 'id' | 'kind'>[] = current.filter(({ id }) => ids.includes(id));
  const others = ids.filter((id) => isId(id) && !known.some((one) => one.id === id));
  if (known.length < current.length && others.length > 0)
    known.push(...((await deps.terms?.published(scope.tenantId, others.slice(0, MOST_NOTICES))) ?? []));
  return { agreed: known.map(({ id }) => id), missing: current.filter(({ kind }) => !known.some((one) => one.kind === kind)) };
}

/** Beside the field of each. */
export const termsRequired = (missing: readonly CurrentNotice[]): Record<string, 'terms.required'> =>
  Object.fromEntries(missing.map(({ kind }) => [`agree_${kind}`, 'terms.required' as const]));

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
    return { errors: termsRequired(missing) };
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
