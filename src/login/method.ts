import type { Static, TObject } from '@sinclair/typebox';

/** What somebody knows, has or is (NIST SP 800-63B-4 section 2); `none` proves nothing by itself. */
export type Factor = 'knowledge' | 'possession' | 'inherence' | 'none';

/** One row of `credentials` as a method sees it; `data` is parsed by the method's own schema. */
export interface StoredCredential {
  id: string;
  type: string;
  data: unknown;
  version: number;
  /** Opened by the method, with the context `credential:<id>`. */
  sealed?: Buffer | undefined;
  /** What the person calls it. */
  name?: string | undefined;
  createdAt?: Date | undefined;
}

/** The person that an attempt is about, as far as sign-in has to know. */
export interface Account {
  id: string;
  homeTenantId: string;
  /** Neither disabled nor of a tenant that is suspended. */
  active: boolean;
  email: string | undefined;
  emailVerified: boolean;
  /** E.164. */
  phone?: string | undefined;
  phoneVerified?: boolean | undefined;
  /** How often everything that lets them in was ended; a sign-in that was judged by another number comes to nothing. */
  accessEpoch?: number | undefined;
  /** False until the first sign-in ends. */
  signedInBefore?: boolean | undefined;
  credentials: readonly StoredCredential[];
}

/** What has to happen before the journey ends, beside proving who one is. */
export type Demand = 'accept_terms' | 'verify_email' | 'change_password';

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

/** Who comes without an account, and what they have proven to be theirs. */
export interface Newcomer {
  email?: string;
  /** E.164. */
  phone?: string;
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
      /** Phishing resistant, and two factors by itself: a passkey whose authenticator verified the person. */
      acr?: 'phr';
      /** Of what may be used so many times: how often still. The person is told. */
      left?: number;
      /** RFC 8176 values beside the method's own. */
      amr?: readonly string[];
    }
  /** Nobody has the address yet that the code went to: who proved it becomes a person where the tenant lets people register. */
  | { ok: true; newcomer: Newcomer }
  | { ok: true; identity: ExternalIdentity }
  | Refused;

export interface Refused {
  ok: false;
  reason: string;
  /** What the method needs does not answer: whether another factor that the person has set up may stand in. Nobody is let in for want of it. */
  unavailable?: 'refuse' | 'other-factor';
}

export interface MethodContext {
  /** Whoever the input claims to be, or whoever proved it before; undefined where there is no such person. */
  account: Account | undefined;
  now: Date;
  /** What `begin` kept in this journey; undefined where nothing was begun, or too long ago. */
  begun?: unknown;
  /** For methods with `codeTo`: whether the code is the one that was sent, by this journey's last sending. `none`: there is none to compare with. */
  code?: 'right' | 'wrong' | 'none' | undefined;
  /** Of the request, without a slash at its end. */
  issuer: string;
  tenantId: string;
}

export interface BeginContext {
  account: Account | undefined;
  now: Date;
  issuer: string;
  tenantId: string;
  journeyId: string;
  /** Whether it is to say who somebody is, or to be asked beside what said so. */
  purpose: 'first' | 'second';
  locale: string;
}

export interface Begun {
  /** Kept sealed in the journey until the method is tried, for at most five minutes; JSON. */
  state?: unknown;
  /** For the page or the API's caller; JSON. */
  challenge?: unknown;
  /** Where the browser has to go. */
  redirect?: string;
  /** It could not be asked: nothing has begun. */
  refused?: Refused;
}

export interface CodeTarget {
  channel: 'email' | 'sms';
  /** An e-mail address, or a number in E.164. */
  to: string;
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
  /** Whether it can be asked beside another proof; `!first` where nothing is said. */
  second?: boolean;
  /** By which channel its codes go; with `codeTo`. */
  channel?: CodeTarget['channel'];
  /** Offered as a first step only where the tenant's settings name it. */
  onlyNamed?: boolean;
  /** Whether it can reach `phr`, i.e. its verdict may say so. */
  strong?: boolean;
  /** Where an account has it as its second factor, no other is asked for but what is `strong`. */
  alone?: boolean;
  /** Its beginning reaches a person elsewhere, and is counted as messages are; with `begin`. */
  notifies?: boolean;
  /** What is had, where two methods have the same: two mails to one mailbox are one factor. The method's id where nothing is said. */
  means?: string;
  /** Fields as contract sections 4 and 6 name them; what `begin` needs may be optional here. */
  input: Input;
  /** Whom the input claims to be: a user name, e-mail address or phone number. Methods that are `first` have it, or `lookup`. */
  identifier?(input: Static<Input>): string;
  /** What the credential itself says, where the person says nothing: the row of `credentials` with this type and lookup is whose account it is. */
  lookup?(input: Static<Input>): { type: string; lookup: string } | undefined;
  /** Whether the account can use it; as a second factor it is offered where it is. */
  enrolled(account: Account): boolean | Promise<boolean>;
  /** Whether the account has it so that it is always asked for; `enrolled`, of methods that are not `first`, where nothing is said. */
  asks?(account: Account): boolean;
  /**
   * Code methods: where the engine sends six digits to, whose answer it then compares and consumes. Undefined where the account has nothing to
   * send to, which looks the same from outside. The input has `code` when it is tried, not when it begins.
   */
  codeTo?(input: Partial<Static<Input>>, account: Account | undefined): CodeTarget | undefined;
  /** What has to be asked before an answer can be judged. For an unknown account it answers as for a known one. */
  begin?(context: BeginContext, input: Readonly<Record<string, unknown>>): Promise<Begun>;
  /** For an unknown account it must cost the same and refuse. Throws only where something is broken or busy. */
  verify(context: MethodContext, input: Static<Input>): Promise<Verdict>;
}

export const canBeSecond = (method: Pick<LoginMethod, 'first' | 'second'>): boolean => method.second ?? !method.first;

/**
 * The second factors that an account can use, and whether it has one that is always asked for. What the tenant does not offer (`offered`) is
 * left out, unless the person set it up.
 */
export async function secondFactorsOf(
  methods: readonly LoginMethod[],
  account: Account,
  offered?: readonly string[] | undefined,
): Promise<{ secondFactors: string[]; asked: boolean }> {
  const asks = (method: LoginMethod): boolean => (method.asks ? method.asks(account) : !method.first);
  const able = methods.filter(canBeSecond);
  const has = await Promise.all(able.map((method) => method.enrolled(account)));
  const usable = able
    .filter((_method, index) => has[index])
    .filter((method) => !offered || !method.first || offered.includes(method.id) || asks(method));
  const asked = usable.some(asks);
  // A code to an address that everybody has does not stand in for what somebody has set up.
  const own = asked ? usable.filter((method) => !method.first || asks(method)) : usable;
  const alone = own.some((method) => method.alone);
  const kept = alone ? own.filter((method) => method.alone || method.strong) : own;
  return { secondFactors: kept.map(({ id }) => id), asked };
}
