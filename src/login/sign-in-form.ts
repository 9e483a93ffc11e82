import type { MessageKey } from '../core/messages/catalogue.ts';
import type { LoginPage, MethodId } from './views/pages.ts';

/** What the sign-in page is made of. */
export interface SignInWays {
  passwords: boolean;
  /** Beside the password, in their order. */
  methods: readonly MethodId[];
  /** Addresses of some domain lead to a provider. */
  leads: boolean;
}

const BY_MAIL: readonly MethodId[] = ['email-otp', 'magic-link'];
const BY_TEXT: readonly MethodId[] = ['sms-otp'];

/** What there is to type, what the main button does, and what is left for the others: without passwords the first way is the main one. */
export function signInForm({
  passwords,
  methods,
  leads,
}: SignInWays): Pick<LoginPage, 'label' | 'withoutPasswords' | 'typed' | 'main' | 'methods'> {
  const isSent = (id: MethodId): boolean => BY_MAIL.includes(id) || BY_TEXT.includes(id);
  const label = labelOf({
    passwords,
    mail: leads || methods.some((id) => BY_MAIL.includes(id)),
    text: methods.some((id) => BY_TEXT.includes(id)),
  });
  if (passwords) return { label, methods };
  const ways = [...methods.filter(isSent), ...methods.filter((id) => !isSent(id))];
  const [first] = ways;
  // An address that leads somewhere is typed for its own sake.
  const main = leads && (first === undefined || !isSent(first)) ? undefined : first;
  return { label, withoutPasswords: true, typed: leads || methods.some(isSent), main, methods: ways.filter((id) => id !== main) };
}

function labelOf({ passwords, mail, text }: { passwords: boolean; mail: boolean; text: boolean }): MessageKey {
  if (passwords) return text ? 'field.login_or_phone' : 'field.login';
  if (text) return mail ? 'field.email_or_phone' : 'field.phone';
  return 'field.email';
}
