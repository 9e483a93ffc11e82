/**
 * How a factor comes to belong to a person, in two steps: what is shown, and what proves it. The same for the account page, for the API and
 * for a sign-in that asks for a second factor where there is none.
 */
import type { Static } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { addSeconds } from '../core/clock.ts';
import { AppError, invalidInput } from '../core/errors.ts';
import { sha256 } from '../core/ids.ts';
import { message } from '../core/messages/catalogue.ts';
import { deviceName } from '../core/messages/device.ts';
import type { Scope } from '../core/scope.ts';
import type { Work } from '../features/audit/index.ts';
import { addFactor, type FactorDeps } from '../features/factors/commands.ts';
import { sessionKey } from '../features/factors/demand.ts';
import { parsePasskey } from '../features/factors/schema.ts';
import { findFactors } from '../features/factors/store.ts';
import type { Database } from '../infra/postgres.ts';
import type { Enrolling, Enrolment, Place } from './enrol/kind.ts';
import { passkeyEnrolment } from './enrol/passkey.ts';
import { countCeremonyTry, findCeremony, keepCeremony, takeCeremony } from './enrol/store.ts';
import { totpEnrolment } from './enrol/totp.ts';
import { findPerson } from './people-store.ts';

export interface EnrolmentDeps extends FactorDeps {
  db: Database;
  /** What people call the tenant. */
  tenantName(tenantId: string): Promise<string>;
}

export type EnrolmentId = Enrolment['id'];

const KINDS: { readonly totp: typeof totpEnrolment; readonly passkey: typeof passkeyEnrolment } = {
  totp: totpEnrolment,
  passkey: passkeyEnrolment,
};
export const ENROLMENTS = Object.keys(KINDS) as readonly EnrolmentId[];

/** What is shown, by kind: a `TotpShown`, or the options for `navigator.credentials.create`. */
export type Shown<Id extends EnrolmentId> = Awaited<ReturnType<(typeof KINDS)[Id]['show']>>;

const LIFETIME_SECONDS = 600;

/** Which of a person's enrolments it is: `of` is the session, the journey or a random name. */
export interface Ceremony<Id extends EnrolmentId = EnrolmentId> {
  kind: Id;
  userId: string;
  of: string;
}

const idOf = ({ kind, userId, of }: Ceremony): string => sha256(`enrolment\n${kind}\n${userId}\n${of}`);
const contextOf = (ceremony: Ceremony): string => `enrolment:${idOf(ceremony)}`;

/** It ran out, was tried too often, or was ended by whatever ends what a person has under way. */
export const enrolmentExpired = (): AppError => new AppError('enrolment.expired', 409, 'This enrolment is over: begin again');

/** Begins, in place of what was begun under the same name, and answers what to show. Good for ten minutes. Throws 404 for nobody. */
export async function startEnrolment<Id extends EnrolmentId>(
  deps: EnrolmentDeps,
  scope: Scope,
  ceremony: Ceremony<Id>,
): Promise<Shown<Id>> {
  const { person, place } = await aboutOf(deps, scope, ceremony.userId);
  const kind = kindOf(ceremony.kind);
  const state = await kind.start(person, place);
  await keepCeremony(deps.db, {
    id: idOf(ceremony),
    userId: ceremony.userId,
    sealed: deps.box.seal(JSON.stringify(state), contextOf(ceremony)).toString('base64'),
    expiresAt: addSeconds(deps.clock.now(), LIFETIME_SECONDS),
  });
  return (await kind.show(state, person, place)) as Shown<Id>;
}

/** What was begun, once more; undefined where nothing is. */
export async function showEnrolment<Id extends EnrolmentId>(
  deps: EnrolmentDeps,
  scope: Scope,
  ceremony: Ceremony<Id>,
): Promise<Shown<Id> | undefined> {
  const kind = kindOf(ceremony.kind);
  const sealed = await findCeremony(deps.db, { ...by(deps, ceremony), tries: kind.tries });
  if (sealed === undefined) return undefined;
  const { person, place } = await aboutOf(deps, scope, ceremony.userId);
  return (await kind.show(open(deps, kind, ceremony, sealed), person, place)) as Shown<Id>;
}

/**
 * Judges the proof and keeps the factor, with its audit row and the mail; `also` runs in the same transaction. Answers the factor's id, or
 * undefined where it is not proven. Throws 409 `enrolment.expired`, 422 where the input is none, and what `addFactor` throws.
 */
export async function finishEnrolment(
  deps: EnrolmentDeps,
  scope: Scope,
  ceremony: Ceremony,
  input: unknown,
  locale: string,
  also: (work: Work, id: string) => Promise<void> = async () => {},
): Promise<string | undefined> {
  const kind = kindOf(ceremony.kind);
  if (!Value.Check(kind.input, input)) throw invalidInput([{ pointer: '', message: 'is not what proves this factor' }]);
  const sealed = await countCeremonyTry(deps.db, { ...by(deps, ceremony), tries: kind.tries });
  if (sealed === undefined) throw enrolmentExpired();
  const names = { totp: message(locale, 'factor.totp'), passkey: deviceName(locale, scope.request.device) };
  const finishing = { now: deps.clock.now(), issuer: scope.request.issuer, names };
  const factor = await kind.finish(open(deps, kind, ceremony, sealed), input, finishing);
  if (!factor) return undefined;
  return deps.transact(scope, async (work) => {
    // The person first, as whoever ends what a person has under way does.
    const addedIn = sessionKey(scope.session?.sid ?? ceremony.of);
    const data = { ...factor.data, addedIn };
    const id = await addFactor(deps, work, scope, { userId: ceremony.userId, factor: { ...factor, data }, most: kind.most });
    if (!(await takeCeremony(work.sql, idOf(ceremony), ceremony.userId))) throw enrolmentExpired();
    await also(work, id);
    return id;
  });
}

const kindOf = (id: EnrolmentId): Enrolment => KINDS[id] as unknown as Enrolment;

const by = (deps: EnrolmentDeps, ceremony: Ceremony) => ({ id: idOf(ceremony), userId: ceremony.userId, now: deps.clock.now() });

function open(deps: EnrolmentDeps, kind: Enrolment, ceremony: Ceremony, sealed: string): Static<Enrolment['state']> {
  const state: unknown = JSON.parse(deps.box.open(Buffer.from(sealed, 'base64'), contextOf(ceremony)).toString('utf8'));
  if (!Value.Check(kind.state, state)) throw enrolmentExpired();
  return state;
}

async function aboutOf(deps: EnrolmentDeps, scope: Scope, userId: string): Promise<{ person: Enrolling; place: Place }> {
  const person = await findPerson(deps.db, userId);
  if (!person?.active) throw new AppError('user.not_found', 404, 'Not found');
  const login = person.email ?? person.username ?? person.id;
  const factors = await findFactors(deps.db, userId);
  return {
    person: {
      id: userId,
      login,
      name: [person.givenName, person.familyName].filter(Boolean).join(' ') || login,
      passkeys: factors.flatMap(({ data }) => parsePasskey(data) ?? []),
    },
    place: { issuer: scope.request.issuer, name: await deps.tenantName(person.homeTenantId) },
  };
}
