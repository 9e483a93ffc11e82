import { type Keys, keysOf } from '../features/users/names.ts';
import { isMailAddress } from '../infra/mail-address.ts';

/** An e-mail address as its owner wrote it, trimmed; undefined where it is none. */
export function parseEmail(text: string): string | undefined {
  const address = text.trim();
  return isMailAddress(address) ? address : undefined;
}

/** What an address that `parseEmail` read is unique by. */
export const emailKey = (address: string): string => address.toLowerCase();

/** Whom the field `login` may name, and under which one key tries are counted, whether anybody has that name or not. */
export function readLogin(login: string): { keys: Keys; counted: string } {
  const keys = keysOf(login.trim());
  return { keys, counted: keys.email ?? keys.phone ?? keys.username ?? login.trim().normalize('NFKC').toLowerCase() };
}
