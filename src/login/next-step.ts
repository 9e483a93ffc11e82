import type { JourneyState } from './journey.ts';
import type { Factor } from './method.ts';

export const ONE_FACTOR = 'urn:gatehouse:acr:1fa';
export const TWO_FACTORS = 'urn:gatehouse:acr:2fa';
export const PHISHING_RESISTANT = 'phr';

const RANKS: readonly string[] = [ONE_FACTOR, TWO_FACTORS, PHISHING_RESISTANT];

/** What the tenant, the application and the request ask of a sign-in. */
export interface LoginPolicy {
  /** The least assurance, an `acr` value of ours. */
  requiredAcr: string;
  verifiedEmail: boolean;
  methods: readonly { id: string; factor: Factor; first: boolean }[];
}

export type Step =
  | { name: 'prove'; methods: readonly string[]; first: boolean }
  | { name: 'enter_code'; purpose: 'register' | 'verify' }
  | { name: 'reset_password' }
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
  const asked = journey.secondFactors.length > 0 ? higher(policy.requiredAcr, TWO_FACTORS) : policy.requiredAcr;
  if (rank(acrOf(journey)) < rank(asked)) {
    const proven = new Set(proofs.map(({ factor }) => factor));
    const left = policy.methods.filter(({ id, factor }) => journey.secondFactors.includes(id) && !proven.has(factor)).map(({ id }) => id);
    return left.length > 0 ? { name: 'prove', first: false, methods: left } : { name: 'unreachable', requiredAcr: asked };
  }
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

const rank = (acr: string): number => RANKS.indexOf(acr);
const higher = (one: string, other: string): string => (rank(one) >= rank(other) ? one : other);

function acrOf({ proofs }: JourneyState): string {
  const factors = new Set(proofs.map(({ factor }) => factor).filter((factor) => factor !== 'none'));
  return factors.size > 1 ? TWO_FACTORS : ONE_FACTOR;
}

function amrOf(journey: JourneyState): string[] {
  const amr = new Set(journey.proofs.flatMap(({ amr: values }) => values));
  return acrOf(journey) === ONE_FACTOR ? [...amr] : [...amr, 'mfa'];
}
