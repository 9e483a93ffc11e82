/** How many guesses a password withstands, as zxcvbn estimates it (D. Wheeler, USENIX Security 2016), against published lists of passwords and words. */
import type { Score, ZxcvbnFactory } from '@zxcvbn-ts/core';

/**
 * UTF-16 units that are looked at: what follows can make no password weaker, and the work grows with the square of the length (25 ms for
 * the worst of 64, 300 ms for the worst of 256).
 */
const LOOKED_AT = 64;
const SHORTEST_WORD = 3;

let made: Promise<ZxcvbnFactory> | undefined;

/**
 * 0: guessed at once; 1: by an online attack; 2: by a patient one; 3: by an offline attack on a slow hash, in a while; 4: not even so.
 * `about`: words that are tried before all others.
 */
export async function strengthOf(password: string, about: readonly string[]): Promise<Score> {
  made ??= make();
  const words = new Set(about.map((word) => word.toLowerCase()).filter((word) => word.length >= SHORTEST_WORD));
  return (await made).check(password, [...words]).score;
}

/** Once, when the first password is judged for its strength: the ranks of the lists take some twenty milliseconds and eight megabytes. */
async function make(): Promise<ZxcvbnFactory> {
  const [{ ZxcvbnFactory: Factory }, { dictionary, adjacencyGraphs }] = await Promise.all([
    import('@zxcvbn-ts/core'),
    import('@zxcvbn-ts/language-common'),
  ]);
  return new Factory({ dictionary, graphs: adjacencyGraphs, maxLength: LOOKED_AT });
}
