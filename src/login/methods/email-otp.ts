import { type Static, Type } from '@sinclair/typebox';
import { parseEmail } from '../identifiers.ts';
import type { LoginMethod, MethodContext, Verdict } from '../method.ts';

const Input = Type.Object({ login: Type.Optional(Type.String({ maxLength: 320 })), code: Type.String({ maxLength: 64 }) });

/** Six digits by mail: to the address that was typed, or to that of the account that was named. Who has none yet may get one. */
export const emailOtpMethod = (): LoginMethod<typeof Input> => ({ ...mailed, id: 'email-otp', amr: ['otp'], second: true });

/** The same code in a link: it opens a page with one button, so that what merely looks at links signs nobody in. */
export const magicLinkMethod = (): LoginMethod<typeof Input> => ({ ...mailed, id: 'magic-link', amr: [], onlyNamed: true });

const mailed: Omit<LoginMethod<typeof Input>, 'id' | 'amr'> = {
  factor: 'possession',
  first: true,
  means: 'mailbox',
  channel: 'email',
  input: Input,
  identifier: ({ login }) => login ?? '',
  enrolled: (account) => account.email !== undefined && account.emailVerified,
  // Everybody with an address has it: asked for where policy wants a second factor, and nobody chose another.
  asks: () => false,
  codeTo({ login }, account) {
    if (account?.email !== undefined) return { channel: 'email', to: account.email };
    const typed = account ? undefined : parseEmail(login ?? '');
    return typed === undefined ? undefined : { channel: 'email', to: typed };
  },
  verify: async (context, input) => judge(context, input),
};

function judge({ account, code }: MethodContext, { login }: Static<typeof Input>): Verdict {
  if (code !== 'right') return { ok: false, reason: `code.${code ?? 'none'}` };
  if (account) return { ok: true, userId: account.id };
  const email = parseEmail(login ?? '');
  return email === undefined ? { ok: false, reason: 'account.unknown' } : { ok: true, newcomer: { email } };
}
