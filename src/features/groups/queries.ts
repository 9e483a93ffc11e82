import { invalidInput } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { type Page, type PageRequest, pageOf, readCursor, readPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import { groupNotFound } from './commands.ts';
import { findGroup, type GroupRow, listGroupMembers, listGroups } from './store.ts';

export interface GroupQueryDeps {
  db: Database;
}

const badCursor = () => invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);

/** Throws 404. */
export async function getGroup({ db }: GroupQueryDeps, scope: Scope, id: string): Promise<GroupRow> {
  const row = await db.transaction((sql) => findGroup(sql, scope.tenantId, id), { tenantId: scope.tenantId });
  if (!row) throw groupNotFound();
  return row;
}

/** In order of their making. Throws 422 where the cursor is none of such a list. */
export async function pageOfGroups(
  { db }: GroupQueryDeps,
  scope: Scope,
  { limit, cursor }: PageRequest,
  name: string | undefined,
): Promise<Page<GroupRow>> {
  const position = readPosition(cursor);
  if (position && !isId(position[1])) throw badCursor();
  const rows = await db.transaction((sql) => listGroups(sql, scope.tenantId, limit + 1, position, name?.normalize('NFC')), {
    tenantId: scope.tenantId,
  });
  return pageOf(
    rows,
    limit,
    (row) => [row.position, row.id],
    (row): GroupRow => row,
  );
}

/** Who is in it. Throws 404, 422. */
export async function pageOfMembers(
  { db }: GroupQueryDeps,
  scope: Scope,
  id: string,
  { limit, cursor }: PageRequest,
): Promise<Page<{ userId: string; addedAt: string }>> {
  const [after, ...rest] = cursor === undefined ? [] : (readCursor(cursor) ?? ['']);
  if (rest.length > 0 || (after !== undefined && !isId(after))) throw badCursor();
  const rows = await db.transaction(
    async (sql) => {
      if (!(await findGroup(sql, scope.tenantId, id))) throw groupNotFound();
      return listGroupMembers(sql, scope.tenantId, id, limit + 1, after);
    },
    { tenantId: scope.tenantId },
  );
  return pageOf(
    rows,
    limit,
    (row) => [row.user_id],
    (row) => ({ userId: row.user_id, addedAt: row.created_at.toISOString() }),
  );
}
