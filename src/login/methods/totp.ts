import { Type } from '@sinclair/typebox';
import { parseTotp, type TotpData } from '../../features/factors/schema.ts';
import type { SecretBox } from '../../infra/secret-box.ts';
import { judgeTotp } from '../enrol/totp.ts';
import type { Account, LoginMethod, StoredCredential } from '../method.ts';

const Input = Type.Object({ code: Type.String({ maxLength: 64 }) });

/** Six digits of an authenticator app (RFC 6238); each time step is taken once, with a drift of one step either way. */
export function totpMethod({ box }: { box: SecretBox }): LoginMethod<typeof Input> {
  return {
    id: 'totp',
    factor: 'possession',
    amr: ['otp'],
    first: false,
    input: Input,
    enrolled: (account) => stored(account).length > 0,

    async verify({ account, now }, { code }) {
      if (!account) return { ok: false, reason: 'account.unknown' };
      const apps = stored(account);
      if (apps.length === 0) return { ok: false, reason: 'totp.none' };
      let replayed = false;
      for (const { credential, data, sealed } of apps) {
        const seed = box.open(sealed, `credential:${credential.id}`).toString('utf8');
        const step = await judgeTotp(seed, code, now);
        if (step === undefined) continue;
        if (step <= data.lastStep) {
          replayed = true;
          continue;
        }
        const update = { id: credential.id, version: credential.version, data: { ...data, lastStep: step }, required: true, again: true };
        return { ok: true, userId: account.id, update };
      }
      return { ok: false, reason: replayed ? 'totp.replayed' : 'totp.wrong' };
    },
  };
}

function stored(account: Account): { credential: StoredCredential; data: TotpData; sealed: Buffer }[] {
  return account.credentials.flatMap((credential) => {
    const data = credential.type === 'totp' ? parseTotp(credential.data) : undefined;
    return data && credential.sealed ? [{ credential, data, sealed: credential.sealed }] : [];
  });
}
