/**
 * The passwords that people chose most often in published breaches, some forty thousand of them, and words that passphrases are made of. The lists
 * are read when the first password is set, never while somebody signs in, and nothing leaves the machine to consult them.
 */
import type { Ranks } from './strength.ts';

let known: Promise<{ breached: ReadonlySet<string>; ranks: Ranks }> | undefined;

/** Whether the password, in whatever case, is on the list. */
export async function isBreached(password: string): Promise<boolean> {
  return (await lists()).breached.has(password.toLowerCase());
}

/** How early each word is guessed. */
export const wordRanks = async (): Promise<Ranks> => (await lists()).ranks;

const lists = (): NonNullable<typeof known> => {
  known ??= load();
  return known;
};

async function load(): Promise<{ breached: ReadonlySet<string>; ranks: Ranks }> {
  const { dictionary } = await import('@zxcvbn-ts/language-common');
  const passwords = dictionary['passwords-common'].map(String);
  const drawn = dictionary['diceware-common'].map(String);
  const ranks = new Map(drawn.map((word): [string, number] => [word, drawn.length]));
  for (const [index, password] of passwords.entries())
    ranks.set(password, Math.min(index + 1, ranks.get(password) ?? Number.POSITIVE_INFINITY));
  return { breached: new Set(passwords), ranks };
}
