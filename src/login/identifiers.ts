import { isMailAddress } from '../infra/mail-address.ts';

const PHONE = /^\+[1-9]\d{6,14}$/;

/**
 * An e-mail address as its owner wrote it, trimmed; undefined where it is none. Quotes, comments and characters of other scripts are
 * refused, since mail programs do not agree on what they mean.
 */
export function parseEmail(text: string): string | undefined {
  const address = text.trim();
  return isMailAddress(address) ? address : undefined;
}

/** What the address is unique by. */
export const emailKey = (address: string): string => address.toLowerCase();

/** What was typed into the field `login`, as user names and addresses are looked up. */
export const loginKey = (login: string): string => login.trim().normalize('NFC').toLowerCase();

/** What was typed as a phone number, in E.164 as it is stored; undefined where it cannot be one. */
export function phoneKey(login: string): string | undefined {
  const digits = login.replace(/[\s().-]/g, '');
  return PHONE.test(digits) ? digits : undefined;
}
