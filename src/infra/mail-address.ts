/** Mail addresses, parsed strictly: what reaches a mail library is an object that it need not parse again. */

export interface MailAddress {
  address: string;
  name: string;
}

// One word on each side of one @: no comments, quotes, lists or line breaks.
const ADDRESS =
  /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*)$/;
const NAMED = /^([^<>",;:@\\\p{Cc}]*)<([^<>]+)>$/u;

/** Whether mail may be sent to this: the unquoted part of RFC 5321 section 4.1.2, at most 254 characters, ASCII. */
export function isMailAddress(text: string): boolean {
  const at = text.lastIndexOf('@');
  return text.length <= 254 && at <= 64 && ADDRESS.test(text);
}

/** Reads `address` or `name <address>`; undefined where it is neither. */
export function parseMailAddress(text: string): MailAddress | undefined {
  const named = NAMED.exec(text.trim());
  const [name, address] = named ? [named[1]!.trim(), named[2]!.trim()] : ['', text.trim()];
  return isMailAddress(address) ? { address, name } : undefined;
}
