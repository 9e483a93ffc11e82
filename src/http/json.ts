import { malformed } from '../core/errors.ts';

const MAX_DEPTH = 32;
const MAX_KEYS = 20_000;
const FORBIDDEN_KEYS = new Set(['__proto__']);
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/gs;

/**
 * Parses JSON (RFC 8259) from outside. Throws 400 `input.malformed` where it is no JSON, nests deeper than 32, names a member twice
 * (readers disagree about which one counts), has more than 20,000 members, or names `__proto__`.
 */
export function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed('The body is not valid JSON');
  }
  checkMembers(text);
  return value;
}

/** Walks the tokens of a text that is known to be JSON. */
function checkMembers(text: string): void {
  const open: (Set<string> | undefined)[] = [];
  let count = 0;
  let last: string | undefined;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') {
      open.push(token === '{' ? new Set() : undefined);
      if (open.length > MAX_DEPTH) throw malformed(`The body nests deeper than ${MAX_DEPTH} levels`);
    } else if (token === '}' || token === ']') {
      open.pop();
    } else if (token === ':' && last !== undefined) {
      const name: string = JSON.parse(last);
      const names = open.at(-1);
      if (FORBIDDEN_KEYS.has(name)) throw malformed('A member of the body has a name that is not allowed');
      if (names?.has(name)) throw malformed('A member of the body is named twice');
      names?.add(name);
      count += 1;
      if (count > MAX_KEYS) throw malformed('The body has too many members');
    }
    last = token.startsWith('"') ? token : undefined;
  }
}

/** The pointer of the first text that PostgreSQL cannot keep (NUL, half of a surrogate pair), or undefined. */
export function findUnstorable(value: unknown, pointer = ''): string | undefined {
  if (typeof value === 'string') return isStorable(value) ? undefined : pointer;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, member] of Object.entries(value)) {
    const found = isStorable(key) ? findUnstorable(member, `${pointer}/${escapePointer(key)}`) : pointer;
    if (found !== undefined) return found;
  }
  return undefined;
}

export const isStorable = (text: string): boolean => !text.includes('\0') && text.isWellFormed();

/** RFC 6901 section 4. */
export const escapePointer = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');
