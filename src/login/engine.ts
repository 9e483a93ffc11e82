import { Value } from '@sinclair/typebox/value';
import type { AuditEvent } from '../core/audit-event.ts';
import { addSeconds, type Clock, epochSeconds } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import { newSecret, sha256 } from '../core/ids.ts';
import type { Scope } from '../core/scope.ts';
import type { AuditLog } from '../features/audit/index.ts';
import { addressKey, type Limits, RULES } from '../infra/limits.ts';
import type { Database } from '../infra/postgres.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import { readLogin } from './identifiers.ts';
import { freshState, type Journey } from './journey.ts';
import type { Account, LoginMethod, Verdict } from './method.ts';
import { type LoginPolicy, nextStep, type Step } from './next-step.ts';
import { policyOf } from './policy.ts';
import { advance, findAttempt } from './store.ts';

export interface EngineDeps {
  db: Database;
  clock: Clock;
  box: SecretBox;
  limits: Limits;
  audit: AuditLog;
  methods: readonly LoginMethod[];
  /** How long a journey of the API may take; the browser's ends with its interaction. */
  journeySeconds?: number;
  count?: (name: string, labels: Record<string, string>) => void;
}

export interface Attempt {
  /** Through which door: it is recorded, and decides whether the journey has to be remembered when it is over at once. */
  door: 'browser' | 'direct';
  journeyId: string;
  methodId: string;
  input: Readonly<Record<string, unknown>>;
  requiredAcr?: string | undefined;
  /** The address has to be proven, whatever the tenant asks for. */
  verifiedEmail?: boolean | undefined;
  /** What the browser holds from an earlier sign-in. */
  deviceToken?: string | undefined;
  /** When the journey ends at the latest. */
  expiresAt?: Date | undefined;
}

export interface Refusal {
  /** Stable, `noun.problem`; the same for everything that would tell whether an account exists. */
  refused: string;
  status: number;
  retryAfterSeconds?: number | undefined;
}

export interface Advanced {
  journey: Journey;
  step: Step;
  /** For the browser to keep: it was given, or is new. */
  deviceToken: string;
}

export type Outcome = Refusal | Advanced;

export interface Engine {
  readonly methods: LoginPolicy['methods'];
  /** The first of the offered methods that finds all its fields in the form. */
  methodFor(offered: readonly string[], form: Readonly<Record<string, unknown>>): string | undefined;
  /**
   * Judges one attempt by one method: the only caller of `verify`. Writes exactly one audit event for it, `login.succeeded` or
   * `login.refused`, that no rollback takes away. Throws 503 where the database or the hash queue cannot serve; no proof is recorded then.
   */
  attempt(scope: Scope, attempt: Attempt): Promise<Outcome>;
}

const INVALID_CREDENTIALS: Refusal = { refused: 'auth.invalid_credentials', status: 401 };
const DEVICE_TOKEN = /^[\w-]{43}$/;
const JOURNEY_SECONDS = 300;

export function createEngine(deps: EngineDeps): Engine {
  const { db, clock, box, limits, audit } = deps;
  const methods = new Map(deps.methods.map((method) => [method.id, method]));
  if (methods.size !== deps.methods.length) throw new Error('Two login methods have the same id');
  const offered: LoginPolicy['methods'] = deps.methods.map(({ id, factor, first }) => ({ id, factor, first }));

  async function judge(scope: Scope, attempt: Attempt, isSecondLook = false): Promise<{ outcome: Outcome; event?: AuditEvent }> {
    const now = clock.now();
    const refuse = (outcome: Refusal, reason: string, more: Partial<AuditEvent> = {}) => ({
      outcome,
      event: refusedEvent(attempt, reason, more),
    });

    const count = async (consume: () => Promise<void>) => (isSecondLook ? undefined : limited(consume));
    const byAddress = await count(() => limits.consume(RULES.loginByAddress, addressKey(scope.request.address)));
    if (byAddress) return refuse(byAddress, 'limit.address');
    const method = methods.get(attempt.methodId);
    if (!method) return refuse({ refused: 'auth.method_unknown', status: 422 }, 'method.unknown');
    const input = pick(method, attempt.input);
    if (!Value.Check(method.input, input)) return refuse(INVALID_CREDENTIALS, 'input.invalid');

    const claimed = method.first ? readLogin(method.identifier?.(input) ?? '') : undefined;
    const deviceHash = attempt.deviceToken && DEVICE_TOKEN.test(attempt.deviceToken) ? sha256(attempt.deviceToken) : undefined;
    const facts = await findAttempt(db, {
      journeyId: attempt.journeyId,
      claimed: claimed?.keys,
      deviceHash,
      tenantId: scope.tenantId,
      now,
    });
    const about = aboutOf(facts.account);
    const asked = attempt.verifiedEmail ? { ...facts.settings, verifiedEmail: true } : facts.settings;
    const policy = policyOf(offered, asked, attempt.requiredAcr);
    // Whoever gives up a registration or a reset and signs in after all begins again; a proof is never given up this way.
    const from =
      method.first && facts.journey.proofs.length === 0
        ? { id: facts.journey.id, version: facts.journey.version, ...freshState() }
        : facts.journey;
    const step = nextStep(from, policy);
    if (step.name !== 'prove' || !step.methods.includes(method.id))
      return refuse({ refused: 'auth.step_invalid', status: 409 }, 'step.invalid', about);

    // By what was typed, not by whom it names: a name that nobody has is held back in the same way.
    const held = box.mac('login-account', claimed?.counted ?? `id:${facts.account?.id}`);
    const key = facts.knownDevice && deviceHash ? `${held}.${deviceHash}` : held;
    const byAccount = await count(() => limits.consume(RULES.loginByAccount, key));
    if (byAccount) return refuse(byAccount, 'limit.account', about);

    const verdict = await method.verify({ account: facts.account, now }, input);
    const reason = reasonAgainst(verdict, facts.account);
    if (reason !== undefined || !facts.account) return refuse(INVALID_CREDENTIALS, reason ?? 'account.unknown', about);

    const next = advanced(from, facts.account, method, verdict, deps.methods, now);
    const then = nextStep(next, policy);
    const fresh = facts.knownDevice && attempt.deviceToken ? attempt.deviceToken : newSecret();
    const event = succeededEvent(attempt, facts.account, then);
    const isOver = then.name === 'done';
    const wrote = await advance(db, {
      userId: facts.account.id,
      at: now,
      journey:
        isOver && attempt.door === 'direct'
          ? undefined
          : {
              kind: attempt.door,
              clientId: scope.clientId,
              next,
              expiresAt: attempt.expiresAt ?? addSeconds(now, deps.journeySeconds ?? JOURNEY_SECONDS),
            },
      update: 'userId' in verdict ? verdict.update : undefined,
      judged: 'userId' in verdict ? verdict.judged : undefined,
      signedIn: isOver,
      deviceHash: attempt.door === 'browser' && isOver ? sha256(fresh) : undefined,
      audit: await audit.rows(scope, [event]),
    });
    if (!wrote && !isSecondLook && 'userId' in verdict && verdict.update?.again) return judge(scope, attempt, true);
    if (!wrote) return refuse({ refused: 'auth.step_invalid', status: 409 }, 'step.replayed', about);
    // Failures are what is counted: many people may share an address.
    await Promise.all([limits.reset(RULES.loginByAccount, key), limits.refund(RULES.loginByAddress, addressKey(scope.request.address))]);
    return { outcome: { journey: { ...next, version: next.version + 1 }, step: then, deviceToken: fresh } };
  }

  /** An address with too many failures in a day gets one more try a minute. */
  async function countFailure(scope: Scope): Promise<void> {
    const address = addressKey(scope.request.address);
    const tooMany = await limited(() => limits.consume(RULES.loginByAddressDaily, address));
    if (tooMany) await limited(() => limits.consume(RULES.loginByAddress, address, RULES.loginByAddress.points));
  }

  return {
    methods: offered,
    methodFor: (ids, form) =>
      ids.find((id) => Object.keys(methods.get(id)?.input.properties ?? {}).every((name) => Object.hasOwn(form, name)) && methods.has(id)),
    async attempt(scope, attempt) {
      const { outcome, event } = await judge(scope, attempt);
      if (event)
        await Promise.all([audit.append(scope, event), 'refused' in outcome && outcome.status === 401 ? countFailure(scope) : undefined]);
      deps.count?.('login_attempts', {
        method: methods.has(attempt.methodId) ? attempt.methodId : 'unknown',
        door: attempt.door,
        outcome: event ? 'failure' : 'success',
      });
      return outcome;
    },
  };
}

/** Only the fields that the method names: the rest of a form is none of its business. */
function pick(method: LoginMethod, input: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(method.input.properties)
      .filter((name) => Object.hasOwn(input, name))
      .map((name) => [name, input[name]]),
  );
}

/** The limit's refusal, where it refused. */
export async function limited(consume: () => Promise<void>): Promise<Refusal | undefined> {
  try {
    await consume();
    return undefined;
  } catch (error) {
    if (!(error instanceof AppError) || error.status !== 429) throw error;
    return {
      refused: 'limit.exceeded',
      status: 429,
      retryAfterSeconds: Number(error.extra['retryAfterSeconds'] ?? error.headers['retry-after'] ?? 1),
    };
  }
}

/** Why the attempt fails, whatever the method found: a right password does not open an account that is closed. */
function reasonAgainst(verdict: Verdict, account: Account | undefined): string | undefined {
  if (!verdict.ok) return verdict.reason;
  if (!('userId' in verdict)) return 'identity.unlinked';
  if (!account || verdict.userId !== account.id) return 'account.unknown';
  return account.active ? undefined : 'account.disabled';
}

function advanced(from: Journey, account: Account, method: LoginMethod, verdict: Verdict, all: readonly LoginMethod[], now: Date): Journey {
  const demands = new Set([...from.demands, ...('userId' in verdict ? (verdict.demands ?? []) : [])]);
  if (account.email && !account.emailVerified) demands.add('verify_email');
  return {
    ...from,
    accountId: account.id,
    proofs: [...from.proofs, { methodId: method.id, factor: method.factor, amr: [...method.amr], at: epochSeconds(now) }],
    demands: [...demands],
    secondFactors: all.filter((other) => !other.first && other.enrolled(account)).map(({ id }) => id),
  };
}

const aboutOf = (account: Account | undefined): Partial<AuditEvent> =>
  account ? { target: { type: 'user', id: account.id }, personId: account.id } : {};

const refusedEvent = ({ methodId, door }: Attempt, reason: string, more: Partial<AuditEvent>): AuditEvent => ({
  ...more,
  type: 'login.refused',
  outcome: 'failure',
  reason,
  data: { method: methodId.slice(0, 64), door },
});

const succeededEvent = ({ methodId, door }: Attempt, account: Account, then: Step): AuditEvent => ({
  ...aboutOf(account),
  type: 'login.succeeded',
  outcome: 'success',
  data: { method: methodId, door, next: then.name, ...(then.name === 'done' ? { acr: then.acr } : {}) },
});
