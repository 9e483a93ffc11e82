/** What goes into the engine, and what comes out. */
import type { AuditEvent } from '../core/audit-event.ts';
import type { Clock } from '../core/clock.ts';
import type { Scope } from '../core/scope.ts';
import type { AuditLog, Transact, Work } from '../features/audit/index.ts';
import type { Limits } from '../infra/limits.ts';
import type { Database } from '../infra/postgres.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import type { Codes } from './codes.ts';
import type { Journey } from './journey.ts';
import type { Account, Demand, ExternalIdentity, LoginMethod } from './method.ts';
import type { LoginPolicy, Step } from './next-step.ts';
import type { Refusal } from './refusal.ts';

export interface EngineDeps {
  db: Database;
  clock: Clock;
  box: SecretBox;
  limits: Limits;
  audit: AuditLog;
  transact: Transact;
  codes: Codes;
  methods: readonly LoginMethod[];
  /** How long a journey of the API may take; the browser's ends with its interaction. */
  journeySeconds?: number;
  count?: (name: string, labels: Record<string, string>) => void;
  /**
   * The least assurance that policy asks of the person at the scope's client and tenant, and with `acting` in the tenant that a sign-in without
   * pages will act in. One factor where nothing is said.
   */
  required?: Required | undefined;
  /** What else has to happen before this person's sign-in ends. */
  demands?(account: Account, scope: Scope): Promise<readonly Demand[]>;
  /** An attempt was held back since there were too many wrong ones; `key` is what they were counted by, also where nobody has that name. */
  locked?(scope: Scope, userId: string | undefined, key: string): Promise<void>;
  /** Somebody has proven who they are on a device that they, who signed in before, have not signed in on. */
  newDevice?(scope: Scope, userId: string, locale: string | undefined): Promise<void>;
  /** A recovery code was used; so many are left. */
  codeUsed?(scope: Scope, userId: string, left: number): Promise<void>;
  /** Whose an identity at another provider is: the only way from one to a person. */
  resolve?(scope: Scope, identity: ExternalIdentity, invited?: Visit['invited']): Promise<Resolution>;
  /** Called in the transaction that makes somebody's account, whose scope is the tenant it is made at. */
  onRegistered?: ((work: Work, person: { id: string; tenantId: string }) => Promise<void>) | undefined;
  /** The second factors that can be set up while signing in. */
  enrollable?: readonly string[];
}

/** `tenant`: id or slug, as the request names it. */
export type Required = (userId: string, scope: Scope, acting?: { tenant: string | undefined }) => Promise<string>;

export type Resolution =
  | {
      userId: string;
      amr?: readonly string[];
      /** The other provider asked for two factors, and the connection trusts what it says of that. */
      double?: boolean;
      /** The provider, sealed for the session, where signing out is to go on there. */
      upstream?: string | undefined;
    }
  /** Why not, for the audit log; `link` waits for the proof of the account that has the same address. */
  | { refused: string; link?: string };

export type DoorName = 'browser' | 'direct';

/** What both calls of the engine say of where they come from. */
export interface Visit {
  /** Through which door: it is recorded, and decides whether the journey has to be remembered when it is over at once. */
  door: DoorName;
  journeyId: string;
  methodId: string;
  input: Readonly<Record<string, unknown>>;
  requiredAcr?: string | undefined;
  /** The invitation that the browser brings along: its address may be made an account, and addresses have to be proven. */
  invited?: { email: string; tenantId: string } | undefined;
  locale?: string | undefined;
  /** When the journey ends at the latest. */
  expiresAt?: Date | undefined;
  /** What a code is bound to instead of the journey, where it was asked for before there was one. */
  codeJourneyId?: string | undefined;
}

export interface Attempt extends Visit {
  /** As the door has just read it; read again where it has not. */
  journey?: Journey | undefined;
  /** What the browser holds from an earlier sign-in. */
  deviceToken?: string | undefined;
  /** The person wants this device to stand in for the second factor for some time. */
  trustDevice?: boolean | undefined;
  /** A device that is trusted does not stand in for a second factor: the application asked for one. */
  distrustDevice?: boolean | undefined;
  /** Only this person may be who signs in. */
  userId?: string | undefined;
  /** The tenant that a sign-in without pages is to act in, as it is named. */
  tenant?: string | undefined;
}

export interface BeginRequest extends Visit {
  /** The page of the journey, for mails; without a secret. */
  url: string;
  /** Leaves the page as it is: a script asks for the challenge before anything was chosen. */
  quiet?: boolean | undefined;
}

export interface Begun {
  journey: Journey;
  /** For the page or the API's caller. */
  challenge?: unknown;
  /** Where the browser has to go. */
  redirect?: string | undefined;
}

export interface Advanced {
  journey: Journey;
  step: Step;
  /** For the browser to keep: it was given, or is new. */
  deviceToken: string;
  /** The browser is to keep it now. */
  keepDevice: boolean;
  /** How often the person's access had been ended when this was judged. */
  epoch?: number | undefined;
}

export type Outcome = Refusal | Advanced;

export interface Engine {
  readonly methods: LoginPolicy['methods'];
  readonly enrollable: readonly string[];
  /** The first of the offered methods that finds all its fields in the form. */
  methodFor(offered: readonly string[], form: Readonly<Record<string, unknown>>): string | undefined;
  /** Whether the method is to begin before it can be tried with this form: it sends a code, or asks something. */
  begins(methodId: string, form: Readonly<Record<string, unknown>>): boolean;
  /** By which channel the method sends codes; undefined where it sends none. */
  sends(methodId: string): 'email' | 'sms' | undefined;
  /**
   * Judges one attempt by one method: the only caller of `verify`. Writes exactly one audit event for it, `login.succeeded` or
   * `login.refused`, that no rollback takes away. Throws 503 where the database or the hash queue cannot serve; no proof is recorded then.
   */
  attempt(scope: Scope, attempt: Attempt): Promise<Outcome>;
  /**
   * Has a code sent, or a challenge made, for the attempt that follows. The answer is the same whether the account is known or not. Throws
   * what the method throws, 503 where the database cannot serve.
   */
  begin(scope: Scope, request: BeginRequest): Promise<Refusal | Begun>;
  /**
   * A journey that begins with what the browser's session has proven, so that only what is missing is asked for. Undefined where the person
   * can sign in no more.
   */
  resume(scope: Scope, from: Resumed): Promise<Journey | undefined>;
}

export interface Resumed {
  journeyId: string;
  accountId: string;
  amr: readonly string[];
  acr: string | undefined;
  /** Seconds since the epoch. */
  authTime: number;
  expiresAt: Date;
}

/** On the pages the protocol asks again once the tenant is chosen; elsewhere nobody could be asked later. */
export const actingOf = ({ door, tenant }: Pick<Attempt, 'door' | 'tenant'>): { tenant: string | undefined } | undefined =>
  door === 'direct' ? { tenant } : undefined;

export const aboutOf = (account: Pick<Account, 'id'> | undefined): Partial<AuditEvent> =>
  account ? { target: { type: 'user', id: account.id }, personId: account.id } : {};

type Told = Pick<Visit, 'methodId' | 'door'>;

export const refusedEvent = ({ methodId, door }: Told, reason: string, more: Partial<AuditEvent>): AuditEvent => ({
  ...more,
  type: 'login.refused',
  outcome: 'failure',
  reason,
  // Whatever a form says; a character that is cut in two could not be stored.
  data: { method: methodId.slice(0, 64).toWellFormed(), door },
});

export const succeededEvent = ({ methodId, door }: Told, userId: string, then: Step): AuditEvent => ({
  ...aboutOf({ id: userId }),
  type: 'login.succeeded',
  outcome: 'success',
  data: { method: methodId, door, next: then.name, ...(then.name === 'done' ? { acr: then.acr } : {}) },
});
