import type { PasswordHasher } from '../../infra/password-hash.ts';
import {
  bothRules,
  isImpossible,
  judgePassword,
  normalisePassword,
  type PasswordFault,
  type PasswordPolicy,
  type PasswordRules,
} from './policy.ts';

/** Whose new password it is. */
export interface PasswordOwner {
  /** Where they are, or will be, at home: its policy holds. */
  tenantId: string;
  /**
   * Whose last passwords it is compared with: up to 24 hashes, one after the other. Named only where the person has shown who they are; anybody
   * else would learn whether a password was theirs once, and keep the hashers busy.
   */
  userId?: string | undefined;
}

export interface Passwords {
  /** How many characters a new password has at the least for people at home in the tenant. */
  minLengthAt(tenantId: string): Promise<number>;
  /** What speaks against the password as a new one; undefined where nothing does. `about`: words of the person, see `wordsOf`. */
  judge(password: string, about: readonly string[], owner?: PasswordOwner): Promise<PasswordFault | undefined>;
  /** Whether a password that was set then is too old for the person's home tenant. */
  isTooOld(tenantId: string, setAt: string, now: Date): Promise<boolean>;
  /** argon2id of the normalised password. Throws 503 `service.busy`; RangeError where `judge` would have refused it for its length. */
  hash(password: string): Promise<string>;
  /** Whether the password is right. Without a hash (unknown person, no password) it costs the same and is false. Throws 503 `service.busy`. */
  verify(hash: string | undefined, password: string): Promise<boolean>;
  /** Whether the hash should be made anew at the next chance. */
  isOutdated(hash: string): boolean;
}

export interface PasswordsDeps {
  hasher: PasswordHasher;
  /** The installation's. */
  rules: PasswordRules;
  /** A tenant's own, where it has any. */
  policyOf?: ((tenantId: string) => Promise<PasswordPolicy | undefined>) | undefined;
  /** Hashes of the person's last passwords, newest first, the present one among them. */
  lastHashes?: ((userId: string, most: number) => Promise<readonly string[]>) | undefined;
}

const DAY_MS = 86_400_000;

export function createPasswords(deps: PasswordsDeps): Passwords {
  const { hasher, rules } = deps;
  const policyOf = async (tenantId: string): Promise<PasswordPolicy | undefined> => deps.policyOf?.(tenantId);

  async function verify(hash: string | undefined, password: string): Promise<boolean> {
    if (isImpossible(password)) return false;
    const text = normalisePassword(password);
    if (await hasher.verify(hash, text)) return true;
    // Another system may have hashed the characters as they were typed.
    return hash !== undefined && text !== password && hasher.needsRehash(hash) && hasher.verify(hash, password);
  }

  return {
    minLengthAt: async (tenantId) => Math.max(rules.minLength, (await policyOf(tenantId))?.minLength ?? 0),
    async judge(password, about, owner) {
      const policy = owner && (await policyOf(owner.tenantId));
      const fault = await judgePassword(policy ? bothRules(rules, policy) : rules, password, about);
      if (fault || owner?.userId === undefined || !policy || policy.history === 0) return fault;
      for (const hash of (await deps.lastHashes?.(owner.userId, policy.history)) ?? [])
        if (await verify(hash, password)) return { key: 'password.reused' };
      return undefined;
    },
    async isTooOld(tenantId, setAt, now) {
      const days = (await policyOf(tenantId))?.maxAgeDays ?? undefined;
      return days !== undefined && now.getTime() - Date.parse(setAt) > days * DAY_MS;
    },
    async hash(password) {
      if (isImpossible(password)) throw new RangeError('the password cannot be hashed');
      return hasher.hash(normalisePassword(password));
    },
    verify,
    isOutdated: (hash) => hasher.needsRehash(hash),
  };
}
