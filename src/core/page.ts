import { invalidInput } from './errors.ts';
import { isId } from './ids.ts';

/** What a list is asked for. `cursor` is opaque to callers; `limit` is 1 to 200. */
export interface PageRequest {
  limit: number;
  cursor?: string | undefined;
}

export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

/** Reads a cursor made by `cursorOf`; undefined where there is none or it was not made by us. */
export function readCursor(cursor: string | undefined): readonly string[] | undefined {
  if (!cursor || cursor.length > 512) return undefined;
  try {
    const parsed: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    return Array.isArray(parsed) && parsed.every((part) => typeof part === 'string') ? parsed : undefined;
  } catch {
    return undefined;
  }
}

export const cursorOf = (...parts: string[]): string => Buffer.from(JSON.stringify(parts)).toString('base64url');

/**
 * Where a list in order of creation goes on: microseconds since the epoch, and the id of the last row seen. Undefined for its
 * beginning. Throws 422 where the cursor is none of such a list.
 */
export function readPosition(cursor: string | undefined): readonly [micros: string, id: string] | undefined {
  if (cursor === undefined) return undefined;
  const [micros = '', id, ...rest] = readCursor(cursor) ?? [];
  if (!/^\d{1,17}$/.test(micros) || id === undefined || rest.length > 0)
    throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
  return [micros, id];
}

const INSTANT = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d(:\d\d)?$/;

/** Where a list in order of time goes on: an instant as the database writes it, and the id of the last row seen. Otherwise as `readPosition`. */
export function readInstantPosition(cursor: string | undefined): readonly [at: string, id: string] | undefined {
  if (cursor === undefined) return undefined;
  const [at = '', id = '', ...rest] = readCursor(cursor) ?? [];
  const isInstant = INSTANT.test(at) && !Number.isNaN(Date.parse(at.slice(0, 19).replace(' ', 'T')));
  if (!isInstant || !isId(id) || rest.length > 0) throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
  return [at, id];
}

/** Cuts rows fetched with `limit + 1` into a page; `key` names the sort position of a row. */
export function pageOf<Row, Item>(rows: Row[], limit: number, key: (row: Row) => string[], show: (row: Row) => Item): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown.map(show), nextCursor: rows.length > limit && last ? cursorOf(...key(last)) : null };
}

/** The same for rows that say their `position`, and are shown by work that takes its time. */
export async function pageOfPlaced<Row extends { position: string; id: string }, Item>(
  rows: Row[],
  limit: number,
  show: (row: Row) => Promise<Item>,
): Promise<Page<Item>> {
  const page = pageOf(
    rows,
    limit,
    (row) => [row.position, row.id],
    (row) => row,
  );
  return { items: await Promise.all(page.items.map(show)), nextCursor: page.nextCursor };
}
