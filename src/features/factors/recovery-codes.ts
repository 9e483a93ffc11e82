import { randomBytes } from 'node:crypto';
import type { SecretBox } from '../../infra/secret-box.ts';
import type { RecoveryData } from './schema.ts';

export const RECOVERY_CODES = 10;
/** RFC 4648 section 6: 32 letters and digits of which none is taken for another. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const LENGTH = 10;
const CODE = new RegExp(`^[${ALPHABET}]{${LENGTH}}$`);
/** What people write for letters that the alphabet has. */
const MISREAD: Readonly<Record<string, string>> = { '0': 'O', '1': 'I', '8': 'B' };

/** Ten codes of 50 bits, as they are shown; the only copy in the clear. */
export const makeRecoveryCodes = (): string[] =>
  Array.from({ length: RECOVERY_CODES }, () => {
    const letters = [...randomBytes(LENGTH)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('');
    return `${letters.slice(0, LENGTH / 2)}-${letters.slice(LENGTH / 2)}`;
  });

/** The code as it is hashed, however it was typed; undefined where it cannot be one. */
export function readRecoveryCode(typed: string): string | undefined {
  const code = typed
    .toUpperCase()
    .replace(/[\s-]+/g, '')
    .replace(/[018]/g, (digit) => MISREAD[digit] ?? digit);
  return CODE.test(code) ? code : undefined;
}

/** Keyed, and bound to the person: one person's code is nothing at another's door. */
const textOf = (userId: string, code: string): string => `${userId}\n${code}`;

export const hashRecoveryCodes = (box: SecretBox, userId: string, codes: readonly string[]): RecoveryData => ({
  hashes: codes.map((code) => ({ hash: box.mac('recovery-code', textOf(userId, readRecoveryCode(code) ?? code)) })),
});

/** Which of the kept codes was typed; -1 where it is none of them. Costs the same for any code. */
export function findRecoveryCode(box: SecretBox, userId: string, { hashes }: RecoveryData, typed: string): number {
  const candidates = box.macAll('recovery-code', textOf(userId, readRecoveryCode(typed) ?? ''));
  return hashes.findIndex(({ hash }) => candidates.includes(hash));
}
