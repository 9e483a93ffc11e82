import { Type } from '@sinclair/typebox';
import { phoneNumber } from '../../features/users/names.ts';
import type { LoginMethod } from '../method.ts';

const Input = Type.Object({ login: Type.Optional(Type.String({ maxLength: 320 })), code: Type.String({ maxLength: 64 }) });

/** Six digits by text message, to the number that was typed or that of the account that was named (a restricted authenticator, NIST SP 800-63B-4 section 3.2.9). */
export const smsOtpMethod = (): LoginMethod<typeof Input> => ({
  id: 'sms-otp',
  factor: 'possession',
  amr: ['otp', 'sms'],
  first: true,
  second: true,
  means: 'phone',
  channel: 'sms',
  input: Input,
  identifier: ({ login }) => login ?? '',
  enrolled: (account) => account.phone !== undefined && account.phoneVerified === true,
  asks: () => false,
  codeTo({ login }, account) {
    if (account) return account.phone !== undefined && account.phoneVerified ? { channel: 'sms', to: account.phone } : undefined;
    const typed = phoneNumber((login ?? '').trim());
    return typed === undefined ? undefined : { channel: 'sms', to: typed };
  },
  async verify({ account, code }, { login }) {
    if (code !== 'right') return { ok: false, reason: `code.${code ?? 'none'}` };
    if (account) return { ok: true, userId: account.id };
    const phone = phoneNumber((login ?? '').trim());
    return phone === undefined ? { ok: false, reason: 'account.unknown' } : { ok: true, newcomer: { phone } };
  },
});
