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
}

export function createPasswords(deps: { hasher: PasswordHasher; rules: PasswordRules }): Passwords {
  const { hasher, rules } = deps;
  return {
    minLength: rules.minLength,
    judge: (password, about) => judgePassword(rules, password, about),
    async hash(password) {
      if (isImpossible(password)) throw new RangeError('the password cannot be hashed');
      return hasher.hash(normalisePassword(password));
    },
    async verify(hash, password) {
      if (isImpossible(password)) return false;
      const text = normalisePassword(password);
      if (await hasher.verify(hash, text)) return true;
      // Another system may have hashed the characters as they were typed.
      return hash !== undefined && text !== password && hasher.needsRehash(hash) && hasher.verify(hash, password);
    },
    isOutdated: (hash) => hasher.needsRehash(hash),
  };
}
