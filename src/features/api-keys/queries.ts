import { invalidInput, notFound } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { type Page, type PageRequest, pageOf, readPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import { type ApiKeyRow, findKey, listKeys } from './store.ts';

export interface ApiKeyQueryDeps {
  db: Database;
}

/** Throws 404. */
export async function getApiKey({ db }: ApiKeyQueryDeps, scope: Scope, id: string): Promise<ApiKeyRow> {
  const row = await db.transaction((sql) => findKey(sql, scope.tenantId, id), { tenantId: scope.tenantId });
  if (!row) throw notFound('api_key');
  return row;
}

/** The tenant's keys in order of creation. Throws 422 where the cursor is none of this list. */
export async function pageOfApiKeys(
  { db }: ApiKeyQueryDeps,
  scope: Scope,
  { limit, cursor }: PageRequest,
  ownerId: string | undefined,
): Promise<Page<ApiKeyRow>> {
  const position = readPosition(cursor);
  if (position && !isId(position[1])) throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
  const rows = await db.transaction((sql) => listKeys(sql, scope.tenantId, limit + 1, position, ownerId), { tenantId: scope.tenantId });
  return pageOf(
    rows,
    limit,
    (row) => [row.position, row.id],
    (row): ApiKeyRow => row,
  );
}
