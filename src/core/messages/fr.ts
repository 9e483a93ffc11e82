import { account } from './fr/account.ts';
import { development } from './fr/development.ts';
import { errors } from './fr/errors.ts';
import { factors } from './fr/factors.ts';
import { frame } from './fr/frame.ts';
import { login } from './fr/login.ts';
import { mails } from './fr/mails.ts';
import { organizations } from './fr/organizations.ts';

/** The texts in French, in the formal address, with no-break spaces where its punctuation wants one; the keys are those of the English ones. */
export const fr = { ...account, ...development, ...errors, ...factors, ...frame, ...login, ...mails, ...organizations } as const;
