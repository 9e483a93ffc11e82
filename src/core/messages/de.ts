import { account } from './de/account.ts';
import { development } from './de/development.ts';
import { errors } from './de/errors.ts';
import { factors } from './de/factors.ts';
import { federation } from './de/federation.ts';
import { frame } from './de/frame.ts';
import { login } from './de/login.ts';
import { mails } from './de/mails.ts';
import { organizations } from './de/organizations.ts';
import { ownAccount } from './de/own-account.ts';

/** The texts in German, in the formal address; the keys are those of the English ones. */
export const de = {
  ...account,
  ...development,
  ...errors,
  ...factors,
  ...federation,
  ...frame,
  ...login,
  ...mails,
  ...organizations,
  ...ownAccount,
} as const;
