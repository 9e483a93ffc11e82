import type { Clock } from '../../core/clock.ts';
import type { ImportedHash } from '../../infra/legacy-hash.ts';
import type { Work } from '../audit/index.ts';
import { insertPasswords, savePassword } from './store.ts';

export interface NewPassword {
  userId: string;
  /** Made by `Passwords.hash` before the transaction began: a hash takes longer than a transaction should. */
  hash: string;
  /** Somebody else chose it, so the person has to change it. */
  mustChange?: boolean;
  /** Only while this hash is the stored one. */
  insteadOf?: string | undefined;
  /** What led here: a code for the audit log. */
  reason: 'registered' | 'changed' | 'reset' | 'forced' | 'set_by_administrator' | 'imported';
}

/**
 * Stores the person's password and records `password.set`, in the transaction of `work`. Answers false, having done nothing, where the
 * password was changed by somebody else meanwhile. Ending the person's sessions is the caller's part of the same transaction.
 */
export async function setPassword(deps: { clock: Clock }, work: Work, input: NewPassword): Promise<boolean> {
  const setAt = deps.clock.now().toISOString();
  const saved = await savePassword(
    work.sql,
    input.userId,
    { hash: input.hash, mustChange: input.mustChange ?? false, setAt },
    input.insteadOf,
  );
  if (saved) {
    work.record({
      type: 'password.set',
      outcome: 'success',
      target: { type: 'user', id: input.userId },
      reason: input.reason,
      personId: input.userId,
    });
  }
  return saved;
}

export interface ImportedPassword {
  userId: string;
  hash: ImportedHash;
  mustChange?: boolean;
}

/** Stores a hash that another system made, as `setPassword` does; the person's first sign-in replaces it by one of ours. */
export const setImportedPassword = (deps: { clock: Clock }, work: Work, { hash, ...input }: ImportedPassword): Promise<boolean> =>
  setPassword(deps, work, { ...input, hash: hash.phc, reason: 'imported' });

export interface NewPersonsPassword {
  userId: string;
  hash: string;
  mustChange: boolean;
}

/** Stores the passwords of people who were made in the same transaction; what is recorded of them says so. */
export async function setPasswordsOfNew(
  deps: { clock: Clock },
  { sql }: Pick<Work, 'sql'>,
  passwords: readonly NewPersonsPassword[],
): Promise<void> {
  const setAt = deps.clock.now().toISOString();
  const rows = passwords.map(({ userId, hash, mustChange }) => ({ userId, data: { hash, mustChange, setAt } }));
  if (rows.length > 0) await insertPasswords(sql, rows);
}
