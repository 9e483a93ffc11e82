import type { PasswordHasher } from '../../infra/password-hash.ts';
import { isImpossible, judgePassword, normalisePassword, type PasswordFault, type PasswordRules } from './policy.ts';

export interface Passwords {
  readonly minLength: number;
  /** What speaks against the password as a new one; undefined where nothing does. `about`: words of the person, see `wordsOf`. */
  judge(password: string, about: readonly string[]): Promise<PasswordFault | undefined>;
  /** argon2id of the normalised password. Throws 503 `service.busy`; RangeError where `judge` would have refused it for its length. */
  hash(password: string): Promise<string>;
  /** Whether the password is right. Without a hash (unknown person, no password) it costs the same and is false. Throws 503 `service.busy`. */
  verify(hash: string | undefined, password: string): Promise<boolean>;
  /** Whether the hash should be made anew at the next chance. */
  isOutdated(hash: string): boolean;
  /** How hard the password is to guess, 0 to 4; a hint, never a reason to refuse. */
  strength(password: string, about: readonly string[]): Promise<0 | 1 | 2 | 3 | 4>;
}

/** The estimate takes time that grows with the text, and no more is learnt from a longer one. */
const ESTIMATED_CHARACTERS = 64;

export function createPasswords(deps: { hasher: PasswordHasher; rules: PasswordRules }): Passwords {
  const { hasher, rules } = deps;
  let estimator: Promise<Estimate> | undefined;
  return {
    minLength: rules.minLength,
    judge: (password, about) => judgePassword(rules, password, about),
    async hash(password) {
      if (isImpossible(password)) throw new RangeError('the password cannot be hashed');
      return hasher.hash(normalisePassword(password));
    },
    async verify(hash, password) {
      return !isImpossible(password) && (await hasher.verify(hash, normalisePassword(password)));
    },
    isOutdated: (hash) => hasher.needsRehash(hash),
    async strength(password, about) {
      estimator ??= loadEstimator();
      return (await estimator)(normalisePassword(password).slice(0, ESTIMATED_CHARACTERS), [...rules.contextWords, ...about]);
    },
  };
}

type Estimate = (password: string, words: string[]) => 0 | 1 | 2 | 3 | 4;

async function loadEstimator(): Promise<Estimate> {
  const [{ ZxcvbnFactory }, { adjacencyGraphs, dictionary }] = await Promise.all([
    import('@zxcvbn-ts/core'),
    import('@zxcvbn-ts/language-common'),
  ]);
  const zxcvbn = new ZxcvbnFactory({ dictionary, graphs: adjacencyGraphs });
  return (password, words) => zxcvbn.check(password, words).score;
}
