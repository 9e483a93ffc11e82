import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import type { Note } from '../core/messages/catalogue.ts';
import type { Scope } from '../core/scope.ts';
import type { AuditLog, Transact, Work } from '../features/audit/index.ts';
import type { Passwords } from '../features/credentials/passwords.ts';
import { wordsOf } from '../features/credentials/policy.ts';
import type { Limits } from '../infra/limits.ts';
import type { QueueMail } from '../infra/mail.ts';
import type { Database, Sql } from '../infra/postgres.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import type { QueueText } from '../infra/sms.ts';
import type { Codes } from './codes.ts';
import type { Journey } from './journey.ts';
import type { JourneyRow } from './journey-store.ts';
import type { LoginMethod } from './method.ts';
import { type LoginPolicy, ONE_FACTOR, rank } from './next-step.ts';
import { tenantWords } from './people-store.ts';
import type { TenantLoginSettings } from './policy.ts';
import type { Refusal } from './refusal.ts';
import type { Terms } from './terms.ts';

/** What the steps beside a proof work with. */
export interface FlowDeps {
  db: Database;
  clock: Clock;
  box: SecretBox;
  limits: Limits;
  audit: AuditLog;
  transact: Transact;
  passwords: Passwords;
  codes: Codes;
  methods: readonly LoginMethod[];
  queueMail: QueueMail;
  /** Undefined where no text messages can be sent. */
  queueText?: QueueText | undefined;
  /** What tenants ask people to agree to; nothing where it is left out. */
  terms?: Terms | undefined;
  /** Called in the transaction that makes somebody's account by registration, whose scope is the tenant they registered at. */
  onRegistered?: ((work: Work, person: { id: string; tenantId: string }) => Promise<void>) | undefined;
  /** Ends the person's sessions and the grants and tokens that hang on them, in that transaction; `exceptSession` is the id of one that goes on. */
  endAccess(userId: string, sql: Sql, options?: { exceptSession?: string | undefined }): Promise<unknown>;
}

/** Somebody with an invitation: may make an account for its address where only the invited may, and has to prove the address. */
export interface Invited {
  email: string;
  /** Who invites. */
  tenantId: string;
}

/** Where somebody stands, and what is asked of them. */
export interface Position {
  scope: Scope;
  journey: Journey;
  settings: TenantLoginSettings;
  /** Whose invitation the browser brings along, where it brings one. */
  invited?: Invited | undefined;
  policy: LoginPolicy;
  row: JourneyRow;
  /** The least assurance that policy asks of the person, where nobody asks again later: the pages' protocol does. */
  required?(userId: string): Promise<string> | undefined;
  locale: string;
  /** The page of the journey, for mails; without a secret. */
  url: string;
}

/** Fields to mend, a refusal, or the journey as it now stands. */
export type Progress = { errors: Readonly<Record<string, Note>> } | Refusal | { journey: Journey };

/** The step was taken in another window, or is not this journey's: show where it stands. Thrown, so that the transaction is taken back. */
export const stepInvalid = (): AppError => new AppError('auth.step_invalid', 409, 'This step is not the next one');

/** Runs the check of a form that was posted. Who posted it from elsewhere, or too late, is refused, and the refusal kept. */
export async function checkForm(audit: AuditLog, scope: Scope, path: string, check: () => void): Promise<void> {
  try {
    check();
  } catch (error) {
    if (error instanceof AppError)
      await audit.append(scope, {
        type: 'request.refused',
        outcome: 'failure',
        reason: error.code,
        target: { type: 'route', id: `POST ${path}` },
      });
    throw error;
  }
}

/** What of that has to be remembered. */
export async function requiredAt({ required }: Pick<Position, 'required'>, userId: string): Promise<Pick<Journey, 'required'>> {
  const least = await required?.(userId);
  return least === undefined || rank(least) <= rank(ONE_FACTOR) ? {} : { required: least };
}

/** Words that would make a password of this person guessable. */
export async function aboutPerson(
  deps: Pick<FlowDeps, 'db'>,
  tenantId: string,
  person: { email?: string | undefined; givenName?: string | undefined; familyName?: string | undefined; username?: string | undefined },
): Promise<string[]> {
  return wordsOf(person.email, person.givenName, person.familyName, person.username, ...(await tenantWords(deps.db, tenantId)));
}
