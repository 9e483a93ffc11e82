/** The step of a sign-in where policy asks for a second factor and the person has none yet: one is set up on the way. */
import { epochSeconds } from '../core/clock.ts';
import { countFactors } from '../features/factors/store.ts';
import { type Fault, faultOf, nameIn, notProven, readCredential } from './enrol-form.ts';
import { type EnrolmentDeps, type EnrolmentId, finishEnrolment, type Shown, showEnrolment, startEnrolment } from './enrolment.ts';
import { stepInvalid } from './flow.ts';
import type { Journey } from './journey.ts';
import { saveJourney } from './journey-store.ts';
import type { Step } from './next-step.ts';
import { type Again, base, optionsOf, pathOf } from './screens.ts';
import { findJourney } from './store.ts';
import { showLoginPage } from './views/pages.ts';
import type { Visit } from './visit.ts';

type Enrolling = Extract<Step, { name: 'enrol' }>;
type Form = Readonly<Record<string, string>>;

export interface EnrolStepDeps {
  enrolments?: EnrolmentDeps | undefined;
}

const isEnrolment = (id: unknown): id is EnrolmentId => id === 'totp' || id === 'passkey';

/** Shows what was begun in this journey; `?set-up=passkey` asks for the other kind. */
export async function showEnrolStep({ enrolments }: EnrolStepDeps, visit: Visit, step: Enrolling, again: Again = {}): Promise<void> {
  const { ctx, view, at } = visit;
  const offered = step.methods.filter(isEnrolment);
  const wish = ctx.query['set-up'];
  const kind = offered.find((id) => id === wish) ?? offered[0];
  if (!enrolments || kind === undefined || at.journey.accountId === undefined) throw new Error('Nothing can be set up here');
  const other = offered.find((id) => id !== kind);
  const page = {
    ...base(visit, again),
    action: pathOf(visit, `?set-up=${kind}`),
    backUrl: pathOf(visit, '/restart'),
    required: true,
    other: other && { id: other, url: pathOf(visit, `?set-up=${other}`) },
  };
  const options = optionsOf(visit, again);
  if (kind === 'totp') return showLoginPage(ctx, view, 'enrol-totp', { ...page, ...(await begun(enrolments, visit, kind)) }, options);
  showLoginPage(ctx, view, 'enrol-passkey', { ...page, options: JSON.stringify(await begun(enrolments, visit, kind)) }, options);
}

const ceremonyOf = <Id extends EnrolmentId>({ at: { journey } }: Visit, kind: Id) => ({
  kind,
  userId: journey.accountId ?? '',
  of: journey.id,
});

async function begun<Id extends EnrolmentId>(deps: EnrolmentDeps, visit: Visit, kind: Id): Promise<Shown<Id>> {
  const ceremony = ceremonyOf(visit, kind);
  return (await showEnrolment(deps, visit.at.scope, ceremony)) ?? (await startEnrolment(deps, visit.at.scope, ceremony));
}

/**
 * Judges the proof; with it the factor is kept and the journey goes on, in one transaction. Answers what to mend, or undefined. Throws 409
 * `auth.step_invalid` where the journey moved on, or the person got a factor elsewhere meanwhile: that one has to be shown then.
 */
export async function finishEnrolStep(
  { enrolments }: EnrolStepDeps,
  visit: Visit,
  step: Enrolling,
  form: Form,
): Promise<Fault | undefined> {
  const { at } = visit;
  const kind: EnrolmentId = form['credential'] === undefined ? 'totp' : 'passkey';
  if (!enrolments || !step.methods.includes(kind) || at.journey.accountId === undefined) throw stepInvalid();
  const userId = at.journey.accountId;
  const proof = kind === 'totp' ? { code: form['code'] ?? '' } : { credential: readCredential(form) };
  try {
    const id = await finishEnrolment(
      enrolments,
      at.scope,
      ceremonyOf(visit, kind),
      { ...proof, ...nameIn(form) },
      at.locale,
      async ({ sql }) => {
        const factors = (await countFactors(sql, userId, 'totp')) + (await countFactors(sql, userId, 'passkey'));
        if (factors !== 1 || !(await saveJourney(sql, proven(enrolments, at.journey, kind), at.row))) throw stepInvalid();
      },
    );
    return id === undefined ? notProven(kind) : undefined;
  } catch (error) {
    const fault = faultOf(error, kind);
    if (await hasMovedOn(enrolments, visit)) throw stepInvalid();
    return fault;
  }
}

/** The same form came twice: whoever was second is shown what the first has led to, and no other key to set up. */
async function hasMovedOn({ db, clock }: EnrolmentDeps, { at: { scope, journey } }: Visit): Promise<boolean> {
  const now = await findJourney(db, journey.id, scope.tenantId, clock.now());
  return now.journey.version !== journey.version;
}

/** What proves that it was set up proves that it is there. */
function proven({ clock }: EnrolmentDeps, journey: Journey, kind: EnrolmentId): Journey {
  const amr = kind === 'totp' ? ['otp'] : [];
  const proof = { methodId: kind, factor: 'possession' as const, amr, means: kind, at: epochSeconds(clock.now()) };
  return { ...journey, proofs: [...journey.proofs, proof], secondFactors: [kind], asked: true };
}
