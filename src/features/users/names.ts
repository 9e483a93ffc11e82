import type { FieldError } from '../../core/errors.ts';
import { isMailAddress } from '../../infra/mail-address.ts';

/**
 * What an address is found by: lower case. Addresses are ASCII (a domain in punycode), so no folding of scripts can make two people's
 * addresses one; anything else is undefined.
 */
export function emailKey(text: string): string | undefined {
  return isMailAddress(text) ? text.toLowerCase() : undefined;
}

/** Whether an address belongs to one of the domains: to the domain itself, not to one below it. */
export function isInDomains(domains: readonly string[], email: string): boolean {
  const key = emailKey(email);
  return key !== undefined && domains.includes(key.slice(key.lastIndexOf('@') + 1));
}

const USERNAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._-]{0,63}$/u;

/** What a user name is found by: NFKC and lower case, so that look-alikes of width and case are one name. It holds no `@` and no `+`: no address, no number. */
export function usernameKey(text: string): string | undefined {
  const key = text.normalize('NFKC').toLowerCase();
  return USERNAME.test(key) && key.length <= 64 ? key : undefined;
}

const PHONE = /^\+[1-9]\d{6,14}$/;

/** E.164, less the spaces and signs people write between the digits. */
export function phoneNumber(text: string): string | undefined {
  const digits = text.length > 40 ? '' : text.replace(/[\s().-]/g, '');
  return PHONE.test(digits) ? digits : undefined;
}

export interface Keys {
  email: string | null;
  username: string | null;
  phone: string | null;
}

/** Under which of the three somebody who typed `login` may be found. */
export const keysOf = (login: string): Keys => ({
  email: emailKey(login) ?? null,
  username: usernameKey(login) ?? null,
  phone: phoneNumber(login) ?? null,
});

/** What is wrong with names that are to be stored; [] where nothing is. */
export function nameErrors(input: { email?: string | null; username?: string | null; phone?: string | null }): FieldError[] {
  const errors: FieldError[] = [];
  const judge = (field: 'email' | 'username' | 'phone', key: (text: string) => string | undefined, message: string): void => {
    const value = input[field];
    if (typeof value === 'string' && key(value) === undefined) errors.push({ pointer: `/${field}`, message });
  };
  judge('email', emailKey, 'must be one plain address: name@domain, in ASCII');
  judge('username', usernameKey, 'must be letters, digits, dots, hyphens or underscores, and begin with a letter or digit');
  judge('phone', phoneNumber, 'must be an international number: + and 7 to 15 digits');
  return errors;
}
