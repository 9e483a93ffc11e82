import { invalidInput } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { type Page, type PageRequest, pageOf, readPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import { connectionNotFound } from './commands.ts';
import { type ConnectionRow, findConnection, listConnections } from './store.ts';

export interface ConnectionQueryDeps {
  db: Database;
}

/** Throws 404. */
export async function getConnection({ db }: ConnectionQueryDeps, { tenantId }: Scope, id: string): Promise<ConnectionRow> {
  const row = isId(id) ? await db.transaction((sql) => findConnection(sql, tenantId, id), { tenantId }) : undefined;
  if (!row) throw connectionNotFound();
  return row;
}

/** In the order they were made, which is that of the buttons. */
export async function pageOfConnections(
  { db }: ConnectionQueryDeps,
  { tenantId }: Scope,
  { limit, cursor }: PageRequest,
): Promise<Page<ConnectionRow>> {
  const position = readPosition(cursor);
  if (position && !isId(position[1])) throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
  const rows = await db.transaction((sql) => listConnections(sql, tenantId, limit + 1, position), { tenantId });
  return pageOf(
    rows,
    limit,
    (row) => [row.position, row.id],
    (row): ConnectionRow => row,
  );
}
