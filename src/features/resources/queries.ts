import { invalidInput } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import type { Page, PageRequest } from '../../core/page.ts';
import { pageOf, readPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import { resourceNotFound } from './commands.ts';
import { findResource, listResources, type ResourceRow } from './store.ts';

export interface ResourceQueryDeps {
  db: Database;
}

/** Throws 404. */
export async function getResource({ db }: ResourceQueryDeps, scope: Scope, id: string): Promise<ResourceRow> {
  const row = await db.transaction((sql) => findResource(sql, scope.tenantId, id), { tenantId: scope.tenantId });
  if (!row) throw resourceNotFound();
  return row;
}

/** In order of registration. */
export async function pageOfResources(
  { db }: ResourceQueryDeps,
  scope: Scope,
  { limit, cursor }: PageRequest,
  identifier: string | undefined,
): Promise<Page<ResourceRow>> {
  const position = readPosition(cursor);
  if (position && !isId(position[1])) throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
  const rows = await db.transaction((sql) => listResources(sql, scope.tenantId, limit + 1, position, identifier), {
    tenantId: scope.tenantId,
  });
  return pageOf(
    rows,
    limit,
    (row) => [row.position, row.id],
    (row): ResourceRow => row,
  );
}
