/**
 * How many guesses a password withstands, estimated as zxcvbn does (D. Wheeler, USENIX Security 2016): the cheapest way to write it as words that
 * people choose, runs, repetitions, years and what is left over. Bounded: only the first characters count, and each is looked at a fixed number of times.
 */

/** In ascending order: how likely each word is. */
export type Ranks = ReadonlyMap<string, number>;

/** 0: guessed at once; 1: by an online attack; 2: by a patient one; 3: by an offline attack on a slow hash, in a while; 4: not even so. */
export type Strength = 0 | 1 | 2 | 3 | 4;

interface Match {
  start: number;
  end: number;
  guesses: number;
}

const LOOKED_AT = 64;
const LONGEST_WORD = 32;
const SHORTEST_RUN = 3;
const LONGEST_PIECE = 8;
const ONE_SIGN = 10;
const EACH_FURTHER_PART = 10_000;
const THRESHOLDS = [1e3, 1e6, 1e8, 1e10];
const KEYBOARD = [
  '1234567890',
  'qwertyuiop',
  'qwertzuiop',
  'asdfghjkl',
  'zxcvbnm',
  'yxcvbnm',
  'azertyuiop',
  'qsdfghjklm',
  '1qaz2wsx3edc4rfv5tgb',
];
const SUBSTITUTES: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '!': 'i',
  '|': 'l',
  '2': 'z',
  '3': 'e',
  '4': 'a',
  '@': 'a',
  '5': 's',
  $: 's',
  '6': 'g',
  '7': 't',
  '+': 't',
  '8': 'b',
  '9': 'g',
};

/** The strength of a password against who tries `ranks` first, and before them the words of `about`. */
export function strengthOf(password: string, ranks: Ranks, about: readonly string[]): Strength {
  const guesses = guessesFor(password, ranks, about);
  return THRESHOLDS.filter((threshold) => guesses >= threshold + 5).length as Strength;
}

export function guessesFor(password: string, ranks: Ranks, about: readonly string[]): number {
  const signs = [...password].slice(0, LOOKED_AT);
  const own = new Set(about.map((word) => word.toLowerCase()).filter((word) => word.length >= SHORTEST_RUN));
  const rankOf = (word: string): number | undefined => (own.has(word) ? 1 : ranks.get(word));
  const matches = [...words(signs, rankOf), ...runs(signs), ...repetitions(signs, ranks, about), ...walks(signs), ...dates(signs)];
  return cheapest(signs.length, matches);
}

function* words(signs: readonly string[], rankOf: (word: string) => number | undefined): Generator<Match> {
  const lower = signs.map((sign) => sign.toLowerCase());
  const plain = lower.map((sign) => SUBSTITUTES[sign] ?? sign);
  for (let start = 0; start < signs.length; start += 1) {
    for (let end = start + 1; end <= Math.min(signs.length, start + LONGEST_WORD); end += 1) {
      const slice = lower.slice(start, end);
      const word = slice.join('');
      const found = [
        rankOf(word),
        times(rankOf(slice.toReversed().join('')), 2),
        // A word with signs that look alike is one of few spellings of it.
        times(rankOf(plain.slice(start, end).join('')), 2 ** Math.min(3, changed(lower, plain, start, end))),
      ].filter((rank) => rank !== undefined);
      if (found.length > 0) yield { start, end, guesses: Math.min(...found) * capitals(signs.slice(start, end)) };
    }
  }
}

const times = (rank: number | undefined, factor: number): number | undefined => (rank === undefined ? undefined : rank * factor);

const changed = (one: readonly string[], other: readonly string[], start: number, end: number): number =>
  one.slice(start, end).filter((sign, index) => sign !== other[start + index]).length;

/** A capital at the beginning, at the end or everywhere is the first thing tried. */
function capitals(signs: readonly string[]): number {
  const upper = signs.filter((sign) => sign !== sign.toLowerCase()).length;
  if (upper === 0) return 1;
  const usual = upper === signs.length || (upper === 1 && [signs[0], signs.at(-1)].some((sign) => sign !== sign?.toLowerCase()));
  return usual ? 2 : 2 ** Math.min(upper, signs.length - upper, 8) * 2;
}

/** `abcd`, `9876`, `acegi`. */
function* runs(signs: readonly string[]): Generator<Match> {
  const codes = signs.map((sign) => sign.codePointAt(0) ?? 0);
  let start = 0;
  for (let at = 2; at <= codes.length; at += 1) {
    const step = codes[start + 1]! - codes[start]!;
    if (at < codes.length && codes[at]! - codes[at - 1]! === step) continue;
    if (at - start >= SHORTEST_RUN && step !== 0 && Math.abs(step) <= 5) {
      const first = signs[start]!;
      const base = /[aAzZ019]/.test(first) ? 4 : /\d/.test(first) ? 10 : 26;
      yield { start, end: at, guesses: base * (step < 0 ? 2 : 1) * (at - start) };
    }
    start = at - 1;
  }
}

/** `aaa`, `abcabc`: what is repeated, and how often. */
function* repetitions(signs: readonly string[], ranks: Ranks, about: readonly string[]): Generator<Match> {
  const known = new Map<string, number>();
  const guessesOf = (piece: string): number => {
    const guesses = known.get(piece) ?? guessesFor(piece, ranks, about);
    known.set(piece, guesses);
    return guesses;
  };
  for (let start = 0; start < signs.length; start += 1) {
    for (let size = 1; size <= LONGEST_PIECE && start + 2 * size <= signs.length; size += 1) {
      let end = start + size;
      while (end + size <= signs.length && signs.slice(end, end + size).every((sign, index) => sign === signs[start + index])) end += size;
      const count = (end - start) / size;
      if (count < 2 || (size === 1 && count < SHORTEST_RUN)) continue;
      yield { start, end, guesses: (size === 1 ? ONE_SIGN : guessesOf(signs.slice(start, start + size).join(''))) * count };
    }
  }
}

/** Neighbours on a row of keys, in either direction. */
function* walks(signs: readonly string[]): Generator<Match> {
  const text = signs.map((sign) => sign.toLowerCase());
  const rows = KEYBOARD.flatMap((row) => [row, [...row].reverse().join('')]);
  for (let start = 0; start + SHORTEST_RUN <= text.length; start += 1) {
    let end = start;
    while (end < text.length && rows.some((row) => row.includes(text.slice(start, end + 1).join('')))) end += 1;
    if (end - start >= SHORTEST_RUN) yield { start, end, guesses: 50 * (end - start) };
  }
}

/** Years of people who are alive, and days of theirs. */
function* dates(signs: readonly string[]): Generator<Match> {
  const text = signs.map((sign) => (sign.length === 1 ? sign : ' ')).join('');
  for (const { index, 0: year } of text.matchAll(/(?=((?:19|20)\d\d))/g))
    yield { start: index, end: index + Math.max(year.length, 4), guesses: 100 };
  for (let start = 0; start < text.length; start += 1) {
    const [day] = /^(?:\d{1,2}[./-]?\d{1,2}[./-]?(?:\d{4}|\d\d)|\d{4}[./-]?\d{1,2}[./-]?\d{1,2})/.exec(text.slice(start)) ?? [];
    if (day !== undefined && day.length >= 6) yield { start, end: start + day.length, guesses: 365 * 100 * (/\D/.test(day) ? 4 : 1) };
  }
}

/**
 * The fewest guesses over all ways to cut the password into parts: the product of the parts', times the orders that they may stand in, plus what it
 * takes to try shorter sequences first.
 */
function cheapest(length: number, matches: readonly Match[]): number {
  if (length === 0) return 1;
  const ending = Array.from({ length: length + 1 }, (): Match[] => []);
  for (const match of matches) ending[match.end]!.push(match);
  /** By end and number of parts: the least product. */
  const best = Array.from({ length: length + 1 }, () => new Map<number, number>());
  best[0]!.set(0, 1);
  for (let end = 1; end <= length; end += 1) {
    const parts = [...ending[end]!, ...Array.from({ length: end }, (_, start) => ({ start, end, guesses: ONE_SIGN ** (end - start) }))];
    for (const { start, guesses } of parts) {
      const least = Math.max(guesses, end - start === 1 ? ONE_SIGN + 1 : 50);
      for (const [count, product] of best[start]!) {
        const next = product * (end - start === length ? guesses : least);
        if (next < (best[end]!.get(count + 1) ?? Number.POSITIVE_INFINITY)) best[end]!.set(count + 1, next);
      }
    }
  }
  let fewest = Number.POSITIVE_INFINITY;
  for (const [count, product] of best[length]!) fewest = Math.min(fewest, product * factorial(count) + EACH_FURTHER_PART ** (count - 1));
  return fewest;
}

const factorial = (count: number): number => (count <= 1 ? 1 : count * factorial(count - 1));
