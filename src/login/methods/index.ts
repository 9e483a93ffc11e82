import type { LoginMethod } from '../method.ts';
import { emailOtpMethod, magicLinkMethod } from './email-otp.ts';
import { passkeyMethod } from './passkey.ts';
import { passwordMethod } from './password.ts';
import { recoveryCodeMethod } from './recovery-code.ts';
import { smsOtpMethod } from './sms-otp.ts';
import { totpMethod } from './totp.ts';

type Deps = Parameters<typeof passwordMethod>[0] &
  Parameters<typeof totpMethod>[0] & {
    /** Mails, or text messages, can be sent. */
    mail: boolean;
    texts: boolean;
  };

/** Every way to sign in, in the order the pages offer them. */
export const builtInMethods = (deps: Deps): LoginMethod[] => [
  passwordMethod(deps),
  passkeyMethod(),
  ...(deps.mail ? [emailOtpMethod(), magicLinkMethod()] : []),
  ...(deps.texts ? [smsOtpMethod()] : []),
  totpMethod(deps),
  recoveryCodeMethod(deps),
];
