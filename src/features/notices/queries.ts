import { invalidInput } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { type Page, type PageRequest, pageOf, readPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import { noticeNotFound } from './commands.ts';
import type { NoticeKind } from './index.ts';
import { findNotice, listNotices, type NoticeRow } from './store.ts';

export interface NoticeQueryDeps {
  db: Database;
}

/** Throws 404. */
export async function getNotice({ db }: NoticeQueryDeps, scope: Scope, id: string): Promise<NoticeRow> {
  const row = await db.transaction((sql) => findNotice(sql, scope.tenantId, id), { tenantId: scope.tenantId });
  if (!row) throw noticeNotFound();
  return row;
}

/** In order of creation. */
export async function pageOfNotices(
  { db }: NoticeQueryDeps,
  scope: Scope,
  { limit, cursor }: PageRequest,
  kind: NoticeKind | undefined,
): Promise<Page<NoticeRow>> {
  const position = readPosition(cursor);
  if (position && !isId(position[1])) throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
  const rows = await db.transaction((sql) => listNotices(sql, scope.tenantId, limit + 1, position, kind), { tenantId: scope.tenantId });
  return pageOf(
    rows,
    limit,
    (row) => [row.position, row.id],
    (row): NoticeRow => row,
  );
}
