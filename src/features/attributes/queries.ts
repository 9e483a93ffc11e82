import { invalidInput, notFound } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { type Page, type PageRequest, pageOf, readCursor, readPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import { pathOf } from './check.ts';
import type { DefinitionQuery, ValueOfUser } from './schema.ts';
import { type AttributeGroupRow, type DefinitionRow, findDefinitions, findRow, listRows } from './store.ts';
import { findValues } from './values-store.ts';

export interface AttributeQueryDeps {
  db: Database;
}

const badCursor = () => invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);

/** Throws 404. */
export async function getDefinition({ db }: AttributeQueryDeps, scope: Scope, id: string): Promise<DefinitionRow> {
  const row = await db.transaction((sql) => findRow(sql, 'attribute_definitions', scope.tenantId, id), { tenantId: scope.tenantId });
  if (!row) throw notFound('attribute');
  return row;
}

/** Throws 404. */
export async function getGroup({ db }: AttributeQueryDeps, scope: Scope, id: string): Promise<AttributeGroupRow> {
  const row = await db.transaction((sql) => findRow(sql, 'attribute_groups', scope.tenantId, id), { tenantId: scope.tenantId });
  if (!row) throw notFound('attribute_group');
  return row;
}

/** In order of their making. Throws 422 where the cursor is none of such a list. */
export async function pageOfDefinitions(
  { db }: AttributeQueryDeps,
  scope: Scope,
  { limit, cursor }: PageRequest,
  { path, attributeGroupId }: Pick<DefinitionQuery, 'path' | 'attributeGroupId'>,
): Promise<Page<DefinitionRow>> {
  const after = readIdPosition(cursor);
  const filter = {
    ...(path === undefined ? {} : { path }),
    ...(attributeGroupId === undefined ? {} : { attribute_group_id: attributeGroupId }),
  };
  const rows = await db.transaction((sql) => listRows(sql, 'attribute_definitions', scope.tenantId, filter, limit + 1, after), {
    tenantId: scope.tenantId,
  });
  return pageOf(
    rows,
    limit,
    (row) => [row.position, row.id],
    (row): DefinitionRow => row,
  );
}

/** In order of their making. Throws 422 where the cursor is none of such a list. */
export async function pageOfGroups(
  { db }: AttributeQueryDeps,
  scope: Scope,
  { limit, cursor }: PageRequest,
): Promise<Page<AttributeGroupRow>> {
  const after = readIdPosition(cursor);
  const rows = await db.transaction((sql) => listRows(sql, 'attribute_groups', scope.tenantId, {}, limit + 1, after), {
    tenantId: scope.tenantId,
  });
  return pageOf(
    rows,
    limit,
    (row) => [row.position, row.id],
    (row): AttributeGroupRow => row,
  );
}

/** What the tenant keeps of a member, by path, with what is defined. Throws 404 `user.not_found`, 422. */
export function pageOfUserValues(
  { db }: AttributeQueryDeps,
  scope: Scope,
  userId: string,
  { limit, cursor }: PageRequest,
): Promise<Page<ValueOfUser>> {
  const [after = '', ...rest] = cursor === undefined ? [] : (readCursor(cursor) ?? []);
  if (rest.length > 0 || (cursor !== undefined && after === '')) throw badCursor();
  return db.transaction(
    async (sql) => {
      const stored = await findValues(sql, scope.tenantId, 'user', userId);
      if (!stored) throw notFound('user');
      const found = Object.entries(stored.attributes)
        .map(([name, value]) => ({ path: pathOf('user', name), value }))
        .filter(({ path }) => path > after)
        .sort((one, other) => (one.path < other.path ? -1 : 1));
      const paths = found.map(({ path }) => path);
      const defined = new Map((await findDefinitions(sql, scope.tenantId, paths)).map((row) => [row.path, row]));
      return pageOf(
        found,
        limit,
        ({ path }) => [path],
        ({ path, value }): ValueOfUser => ({
          path,
          value,
          definitionId: defined.get(path)?.id ?? null,
          type: defined.get(path)?.type ?? null,
        }),
      );
    },
    { tenantId: scope.tenantId },
  );
}

function readIdPosition(cursor: string | undefined): readonly [string, string] | undefined {
  const position = readPosition(cursor);
  if (position && !isId(position[1])) throw badCursor();
  return position;
}
