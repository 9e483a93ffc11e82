import type { Static, TObject } from '@sinclair/typebox';

/** What somebody knows, has or is (NIST SP 800-63B-4 section 2); `none` proves nothing by itself. */
export type Factor = 'knowledge' | 'possession' | 'inherence' | 'none';

/** One row of `credentials` as a method sees it; `data` is parsed by the method's own schema. */
export interface StoredCredential {
  id: string;
  type: string;
  data: unknown;
  version: number;
}

/** The person that an attempt is about, as far as sign-in has to know. */
export interface Account {
  id: string;
  homeTenantId: string;
  /** Neither disabled nor of a tenant that is suspended. */
  active: boolean;
  email: string | undefined;
  emailVerified: boolean;
  credentials: readonly StoredCredential[];
}

/** What has to happen before the journey ends, beside proving who one is. */
export type Demand = 'verify_email' | 'change_password';

/** A write to a credential of the account, done by the engine, and only if the credential is still as it was read. */
export interface CredentialUpdate {
  id: string;
  version: number;
  data: unknown;
  /** The attempt counts only if the write takes place: consumes what may be used once. Otherwise losing the race is harmless. */
  required: boolean;
  /** Whoever lost the race is judged once more, by what is stored by then: two may come with the same right proof. With `required`. */
  again?: boolean;
}

export interface ExternalIdentity {
  connectionId: string;
  subject: string;
  claims: Readonly<Record<string, unknown>>;
}

/** A method's judgement. `reason` is a code for the audit log; the person is always told the same. */
export type Verdict =
  | {
      ok: true;
      userId: string;
      demands?: readonly Demand[];
      update?: CredentialUpdate;
      /** What was judged: the attempt counts only if it is still the same when it is written down. */
      judged?: Pick<StoredCredential, 'id' | 'version'>;
    }
  | { ok: true; identity: ExternalIdentity }
  | { ok: false; reason: string };

export interface MethodContext {
  /** Whoever the input claims to be, or whoever proved it before; undefined where there is no such person. */
  account: Account | undefined;
  now: Date;
}

/**
 * A way to prove who one is. A method judges and writes nothing: limits, counters, the audit log, one-time state and the journey are the
 * engine's. A new one is a file beside `password.ts` and a line in `index.ts`; pages and API have it from then on.
 */
export interface LoginMethod<Input extends TObject = TObject> {
  id: string;
  factor: Factor;
  /** RFC 8176. */
  amr: readonly string[];
  /** Whether it can be the first step, i.e. its input says who somebody is. */
  first: boolean;
  /** Fields as contract sections 4 and 6 name them. */
  input: Input;
  /** Whom the input claims to be: a user name, e-mail address or phone number. Methods that are `first` have it. */
  identifier?(input: Static<Input>): string;
  /** Whether the account can use it; a method that is never enrolled does not count as a second factor. */
  enrolled(account: Account): boolean;
  /** For an unknown account it must cost the same and refuse. Throws only where something is broken or busy. */
  verify(context: MethodContext, input: Static<Input>): Promise<Verdict>;
}
