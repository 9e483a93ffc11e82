import type { JourneyState, Proof } from './journey.ts';
import type { Factor } from './method.ts';

export const ONE_FACTOR = 'urn:gatehouse:acr:1fa';
export const TWO_FACTORS = 'urn:gatehouse:acr:2fa';
export const PHISHING_RESISTANT = 'phr';

const RANKS: readonly string[] = [ONE_FACTOR, TWO_FACTORS, PHISHING_RESISTANT];

/** The `methodId` of a proof that is the device's: it was trusted when a second factor was last proven on it. */
export const TRUSTED_DEVICE = 'device';

export interface OfferedMethod {
  id: string;
  factor: Factor;
  first: boolean;
  means?: string | undefined;
  strong?: boolean | undefined;
  onlyNamed?: boolean | undefined;
}

/** What the tenant, the application and the request ask of a sign-in. */
export interface LoginPolicy {
  /** The least assurance, an `acr` value of ours. */
  requiredAcr: string;
  verifiedEmail: boolean;
  methods: readonly OfferedMethod[];
  /** Second factors that can be set up on the way, where the account lacks one that policy requires. */
  enrol?: readonly string[] | undefined;
}

export type Step =
  | { name: 'prove'; methods: readonly string[]; first: boolean }
  | { name: 'enter_code'; purpose: 'register' | 'verify' }
  | { name: 'reset_password' }
  /** Policy requires a second factor and the account has none: one of these is set up. */
  | { name: 'enrol'; methods: readonly string[] }
  | { name: 'terms' }
  | { name: 'verify_email' }
  | { name: 'change_password' }
  /** The account has nothing that could reach the assurance asked for. */
  | { name: 'unreachable'; requiredAcr: string }
  | { name: 'done'; accountId: string; acr: string; amr: readonly string[]; authTime: number };

/**
 * What comes next, from where the journey stands and what is asked of it; decides alone, and knows no database, clock or request.
 * A second factor comes before everything that changes the account: a reset or a forced change never stands in for it.
 */
export function nextStep(journey: JourneyState, policy: LoginPolicy): Step {
  const { accountId, pending, demands, proofs } = journey;
  if (pending === 'reset') return { name: 'reset_password' };
  if (pending === 'register') return { name: 'enter_code', purpose: 'register' };
  if (accountId === undefined || proofs.length === 0) {
    return { name: 'prove', first: true, methods: policy.methods.filter(({ first }) => first).map(({ id }) => id) };
  }
  const asked = askedOf(journey, policy);
  if (rank(acrOf(journey)) < rank(asked)) {
    const left = secondsLeft(journey, policy, asked);
    if (left.length > 0) return { name: 'prove', first: false, methods: left };
    const { enrol = [] } = policy;
    const byPolicy = journey.required !== undefined && rank(acrOf(journey)) < rank(journey.required);
    if (byPolicy && rank(asked) <= rank(TWO_FACTORS) && enrol.length > 0) return { name: 'enrol', methods: enrol };
    return { name: 'unreachable', requiredAcr: asked };
  }
  if (demands.includes('accept_terms')) return { name: 'terms' };
  if (pending === 'verify') return { name: 'enter_code', purpose: 'verify' };
  if (policy.verifiedEmail && demands.includes('verify_email')) return { name: 'verify_email' };
  if (demands.includes('change_password')) return { name: 'change_password' };
  return {
    name: 'done',
    accountId,
    acr: acrOf(journey),
    amr: amrOf(journey),
    authTime: Math.max(...proofs.map(({ at }) => at)),
  };
}

/** The least assurance that ends the journey: an account's second factor is asked for whether anybody requires it or not. */
function askedOf({ secondFactors, asked = secondFactors.length > 0, required }: JourneyState, policy: LoginPolicy): string {
  const least = required === undefined ? policy.requiredAcr : higher(required, policy.requiredAcr);
  return asked ? higher(least, TWO_FACTORS) : least;
}

/** What the account has and has not proven yet; where phishing resistance is asked for, only what brings it. */
function secondsLeft({ secondFactors, proofs }: JourneyState, policy: LoginPolicy, asked: string): string[] {
  const proven = new Set(proofs.map(kindOf));
  return policy.methods
    .filter(({ id }) => secondFactors.includes(id))
    .filter((method) => (asked === PHISHING_RESISTANT ? method.strong : !proven.has(kindOf({ ...method, methodId: method.id }))))
    .map(({ id }) => id);
}

/** What is proven: knowledge is one thing however often it is shown, a telephone and a mailbox are two. */
const kindOf = ({ factor, means, methodId }: Pick<Proof, 'factor' | 'methodId'> & { means?: string | undefined }): string =>
  factor === 'possession' ? `possession of ${means ?? methodId}` : factor;

export const rank = (acr: string): number => RANKS.indexOf(acr);
export const higher = (one: string, other: string): string => (rank(one) >= rank(other) ? one : other);

function acrOf({ proofs }: Pick<JourneyState, 'proofs'>): string {
  if (proofs.some(({ strong }) => strong)) return PHISHING_RESISTANT;
  if (proofs.some(({ double }) => double)) return TWO_FACTORS;
  const kinds = new Set(proofs.filter(({ factor }) => factor !== 'none').map(kindOf));
  return kinds.size > 1 ? TWO_FACTORS : ONE_FACTOR;
}

/** `mfa` says that two factors were shown now: a device that is trusted does not. */
function amrOf({ proofs }: JourneyState): string[] {
  const shown = proofs.filter(({ methodId }) => methodId !== TRUSTED_DEVICE);
  const amr = new Set(shown.flatMap(({ amr: values }) => values));
  if (acrOf({ proofs: shown }) !== ONE_FACTOR) amr.add('mfa');
  return [...amr];
}
