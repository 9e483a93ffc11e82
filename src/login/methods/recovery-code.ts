import { Type } from '@sinclair/typebox';
import { findRecoveryCode } from '../../features/factors/recovery-codes.ts';
import { codesLeft, parseRecovery, type RecoveryData } from '../../features/factors/schema.ts';
import type { SecretBox } from '../../infra/secret-box.ts';
import type { Account, LoginMethod, StoredCredential } from '../method.ts';

const Input = Type.Object({ code: Type.String({ maxLength: 64 }) });
const NONE: RecoveryData = { hashes: [] };

/** One of ten codes that were shown once, instead of a second factor that is lost; each works once (NIST SP 800-63B-4 section 3.1.2). */
export function recoveryCodeMethod({ box }: { box: SecretBox }): LoginMethod<typeof Input> {
  return {
    id: 'recovery-code',
    factor: 'possession',
    amr: ['otp'],
    first: false,
    input: Input,
    enrolled: (account) => stored(account) !== undefined,
    // They stand in for another factor; alone they ask for nothing.
    asks: () => false,

    async verify({ account, now }, { code }) {
      const found = account && stored(account);
      const at = findRecoveryCode(box, account?.id ?? '', found?.data ?? NONE, code);
      if (!account) return { ok: false, reason: 'account.unknown' };
      if (!found) return { ok: false, reason: 'recovery_code.none' };
      const { credential, data } = found;
      const kept = data.hashes[at];
      if (!kept) return { ok: false, reason: 'recovery_code.wrong' };
      if (kept.usedAt !== undefined) return { ok: false, reason: 'recovery_code.used' };
      const hashes = data.hashes.map((one, index) => (index === at ? { ...one, usedAt: now.toISOString() } : one));
      const update = { id: credential.id, version: credential.version, data: { hashes }, required: true, again: true };
      return { ok: true, userId: account.id, update, left: codesLeft({ hashes }) };
    },
  };
}

function stored(account: Account): { credential: StoredCredential; data: RecoveryData } | undefined {
  const credential = account.credentials.find(({ type }) => type === 'recovery-code');
  const data = credential && parseRecovery(credential.data);
  return data && codesLeft(data) > 0 ? { credential, data } : undefined;
}
