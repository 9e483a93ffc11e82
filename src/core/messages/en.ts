import { account } from './en/account.ts';
import { development } from './en/development.ts';
import { errors } from './en/errors.ts';
import { factors } from './en/factors.ts';
import { federation } from './en/federation.ts';
import { frame } from './en/frame.ts';
import { login } from './en/login.ts';
import { mails } from './en/mails.ts';
import { organizations } from './en/organizations.ts';
import { ownAccount } from './en/own-account.ts';

/**
 * Every text people read on pages and in mails, in English, by area. `{name}` is replaced by the value of that name; a text that
 * depends on a number has plural forms by `{count}` (CLDR categories). Another language is one more file with the same keys.
 */
export const en = {
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
} as const satisfies Catalogue;

type PluralForms = { other: string } & Partial<Record<Intl.LDMLPluralRule, string>>;
type Catalogue = Record<string, string | PluralForms>;
