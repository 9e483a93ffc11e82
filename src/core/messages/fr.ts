import { account } from './fr/account.ts';
import { development } from './fr/development.ts';
import { errors } from './fr/errors.ts';
import { factors } from './fr/factors.ts';
import { federation } from './fr/federation.ts';
import { frame } from './fr/frame.ts';
import { login } from './fr/login.ts';
import { mails } from './fr/mails.ts';
import { organizations } from './fr/organizations.ts';
import { ownAccount } from './fr/own-account.ts';

/** French wants its double punctuation on the line of the word before; texts are written with plain spaces and get no-break ones here. */
const spaced = (text: string): string => text.replace(/ (?=[:;?!»])|(?<=«) /g, '\u00a0');

function typeset<T extends Readonly<Record<string, string | Readonly<Record<string, string>>>>>(texts: T): T {
  const entries = Object.entries(texts).map(([key, text]) => [
    key,
    typeof text === 'string' ? spaced(text) : Object.fromEntries(Object.entries(text).map(([form, words]) => [form, spaced(words)])),
  ]);
  return Object.fromEntries(entries) as T;
}

/** The texts in French, in the formal address; the keys are those of the English ones. */
export const fr = typeset({
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
} as const);
