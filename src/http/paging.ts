import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { invalidInput } from '../core/errors.ts';
import type { PageRequest } from '../core/page.ts';
import { readCursor } from '../core/page.ts';

/** The query members of every list; spread them into the list's own query. */
export const PAGE_QUERY = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50, description: 'How many items at most' })),
  cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 512, description: '`nextCursor` of the page before' })),
};

/** The answer of every list. */
export const pageSchema = <Item extends TSchema>(item: Item) =>
  Type.Object({ items: Type.Array(item), nextCursor: Type.Union([Type.String(), Type.Null()]) });

export const DELETED = Type.Object({ id: Type.String(), deleted: Type.Literal(true) });

export const deleted = (id: string): Static<typeof DELETED> => ({ id, deleted: true });

/** What a list's query asks for. Throws 422 where the cursor is none of ours. */
export function pageRequest(query: { limit?: number | undefined; cursor?: string | undefined }): PageRequest {
  if (query.cursor !== undefined && !readCursor(query.cursor))
    throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
  return { limit: query.limit ?? 50, cursor: query.cursor };
}
