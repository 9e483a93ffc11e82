import { Type } from '@sinclair/typebox';
import type { Passwords } from '../../features/credentials/passwords.ts';
import { type PasswordData, parsePasswordData } from '../../features/credentials/schema.ts';
import type { Account, LoginMethod, StoredCredential } from '../method.ts';

const Input = Type.Object({ login: Type.String({ maxLength: 320 }), password: Type.String({ maxLength: 8192 }) });

/** User name, e-mail address or phone number, and password. */
export function passwordMethod({
  passwords,
}: {
  passwords: Pick<Passwords, 'verify' | 'hash' | 'isOutdated' | 'isTooOld'>;
}): LoginMethod<typeof Input> {
  return {
    id: 'password',
    factor: 'knowledge',
    amr: ['pwd'],
    first: true,
    input: Input,
    identifier: ({ login }) => login,
    enrolled: (account) => storedPassword(account) !== undefined,

    async verify({ account, now }, { password }) {
      const stored = account && storedPassword(account);
      const right = await passwords.verify(stored?.password.hash, password);
      if (!account) return { ok: false, reason: 'account.unknown' };
      if (!stored) return { ok: false, reason: 'password.not_set' };
      if (!right) return { ok: false, reason: 'password.wrong' };
      const { credential, password: data } = stored;
      const mustChange = data.mustChange || (await passwords.isTooOld(account.homeTenantId, data.setAt, now));
      return {
        ok: true,
        userId: account.id,
        demands: mustChange ? ['change_password'] : [],
        ...(passwords.isOutdated(data.hash)
          ? {
              update: {
                id: credential.id,
                version: credential.version,
                data: { ...data, hash: await passwords.hash(password) },
                // Lost to a reset the password is wrong by now; lost to another sign-in it is right still.
                required: true,
                again: true,
              },
            }
          : { judged: { id: credential.id, version: credential.version } }),
      };
    },
  };
}

function storedPassword(account: Account): { credential: StoredCredential; password: PasswordData } | undefined {
  const credential = account.credentials.find(({ type }) => type === 'password');
  const password = credential && parsePasswordData(credential.data);
  return password && { credential, password };
}
