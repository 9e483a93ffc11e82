import type { MessageKey, MessageValues } from '../../core/messages/catalogue.ts';
import { isBreached } from './breached.ts';
import { strengthOf } from './strength.ts';

/** Why a password may not be used: the key of the text that says so. */
export interface PasswordFault {
  key: MessageKey;
  values?: MessageValues | undefined;
}

export interface PasswordRules {
  /** Code points; NIST SP 800-63B-4 section 3.1.1.2 sets the floor at 8. */
  minLength: number;
  /** Words that everybody would try here: the product's name, the installation's host. */
  contextWords: readonly string[];
  /** The least strength, see strength.ts; 0 where nothing is said. */
  minStrength?: number | undefined;
  /** Whether those of published breaches are refused; they are where nothing is said. */
  breached?: boolean | undefined;
}

/** What a tenant asks of its people's passwords, beside what the installation does. */
export interface PasswordPolicy extends PasswordRules {
  /** How many of a person's last passwords, the present one among them, are not taken again. */
  history: number;
  /** After how long a password has to be changed; null: never, as NIST SP 800-63B-4 section 3.1.1.2 recommends. */
  maxAgeDays: number | null;
}

/** Both together: the longer, the stronger, all words. */
export const bothRules = (one: PasswordRules, other: PasswordRules): Required<PasswordRules> => ({
  minLength: Math.max(one.minLength, other.minLength),
  contextWords: [...one.contextWords, ...other.contextWords],
  minStrength: Math.max(one.minStrength ?? 0, other.minStrength ?? 0),
  breached: (one.breached ?? true) && (other.breached ?? true),
});

export const MAX_PASSWORD_LENGTH = 1024;
const MAX_PASSWORD_BYTES = 8192;
const SHORTEST_WORD = 3;
/** What is left beside somebody's own words has to hold this many letters. */
const LETTERS_OF_ITS_OWN = 4;
const LOOKALIKES: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'l',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
  '!': 'i',
};

/** One password is one text, whichever way its characters were composed (RFC 8265 section 4.2.2): NFC, at setting and at verifying. */
export const normalisePassword = (password: string): string => password.normalize('NFC');

/** Whether the text is too long to be a password of ours, or holds a NUL: it is refused before it costs a hash. */
export function isImpossible(password: string): boolean {
  return (
    password.length > MAX_PASSWORD_BYTES ||
    Buffer.byteLength(password) > MAX_PASSWORD_BYTES ||
    password.includes('\0') ||
    [...password].length > MAX_PASSWORD_LENGTH
  );
}

/**
 * What speaks against a new password; undefined where nothing does. Length counts in code points after NFC, no kinds of characters are
 * asked for, and nothing is cut (NIST SP 800-63B-4 section 3.1.1.2, ASVS 6.2). `about` are words of the person and the tenant.
 */
export async function judgePassword(rules: PasswordRules, password: string, about: readonly string[]): Promise<PasswordFault | undefined> {
  if (isImpossible(password)) {
    return password.includes('\0') ? { key: 'field.invalid' } : { key: 'password.too_long', values: { max: MAX_PASSWORD_LENGTH } };
  }
  const text = normalisePassword(password);
  if ([...text].length < rules.minLength) return { key: 'password.too_short', values: { min: rules.minLength } };
  if ((rules.breached ?? true) && (await isBreached(text))) return { key: 'password.too_common' };
  const words = [...rules.contextWords, ...about];
  if (isMadeOf(text, words)) return { key: 'password.contains_identity' };
  const { minStrength = 0 } = rules;
  if (minStrength > 0 && (await strengthOf(text, words)) < minStrength) return { key: 'password.too_weak' };
  return undefined;
}

/** The words of an address, of names: what somebody who knows the person would try. */
export function wordsOf(...texts: readonly (string | null | undefined)[]): string[] {
  return texts.flatMap((text) => (text ? [text, ...text.split(/[^\p{L}\p{N}]+/u)] : []));
}

function isMadeOf(password: string, words: readonly string[]): boolean {
  const usable = [...new Set(words.map(plain).filter((word) => [...word].length >= SHORTEST_WORD))].sort((a, b) => b.length - a.length);
  return [plain(password), plain(withoutLookalikes(password))].some((text) => {
    const rest = usable.reduce((left, word) => left.replaceAll(word, ' '), text);
    return rest !== text && [...rest.matchAll(/\p{L}/gu)].length < LETTERS_OF_ITS_OWN;
  });
}

const plain = (text: string): string => text.normalize('NFKC').toLowerCase().trim();

const withoutLookalikes = (text: string): string => text.replace(/[013457@$!]/g, (sign) => LOOKALIKES[sign] ?? sign);
