import type { LoginMethod } from '../method.ts';
import { passkeyMethod } from './passkey.ts';
import { passwordMethod } from './password.ts';
import { recoveryCodeMethod } from './recovery-code.ts';
import { totpMethod } from './totp.ts';

type Deps = Parameters<typeof passwordMethod>[0] & Parameters<typeof totpMethod>[0];

/** Every way to sign in, in the order the pages offer them. */
export const builtInMethods = (deps: Deps): LoginMethod[] => [
  passwordMethod(deps),
  passkeyMethod(),
  totpMethod(deps),
  recoveryCodeMethod(deps),
];
