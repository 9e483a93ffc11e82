import { invalidInput, notFound } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { cursorOf, type Page, type PageRequest, pageOf, readCursor, readPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database, Sql } from '../../infra/postgres.ts';
import { type AssignmentFilter, isGroup, isMember, listAssignments, roleNamesOf, roleNamesOfGroup } from './assignments-store.ts';
import { bookOf } from './book.ts';
import { entryOf, MANAGEMENT_ENTRIES } from './catalogue.ts';
import type { RoleInBook } from './commands.ts';
import type { AssignmentView, CatalogueEntry, RoleSearch, RoleView } from './schema.ts';
import { findRole, listRoles, listScopes, rolesOf } from './store.ts';
import { assignmentView, effectiveOf, roleView } from './view.ts';

export interface RoleQueryDeps {
  db: Database;
}

const badCursor = () => invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);

/** Throws 404. */
export async function getRole({ db }: RoleQueryDeps, scope: Scope, id: string): Promise<RoleInBook> {
  const found = await db.transaction(
    async (sql) => {
      const row = await findRole(sql, scope.tenantId, id);
      return row && { row, book: bookOf(await rolesOf(sql, scope.tenantId)) };
    },
    { tenantId: scope.tenantId },
  );
  if (!found) throw notFound('role');
  return found;
}

/** Throws 422 where the cursor is none of such a list. */
export function pageOfRoles(
  { db }: RoleQueryDeps,
  scope: Scope,
  { limit, cursor }: PageRequest,
  search: RoleSearch,
): Promise<Page<RoleView>> {
  const { roleName, permission, sort = 'createdAt' } = search;
  const by = sort.endsWith('roleName') ? 'name' : 'created_at';
  const after = by === 'name' ? readName(cursor) : readIdPosition(cursor);
  return db.transaction(
    async (sql) => {
      const book = bookOf(await rolesOf(sql, scope.tenantId));
      const ids =
        permission === undefined
          ? undefined
          : book.roles.filter(({ name }) => book.permissionsOf([name]).has(permission)).map(({ id }) => id);
      const filter = { name: roleName?.normalize('NFC'), ids, by, descending: sort.startsWith('-') } as const;
      const rows = await listRoles(sql, scope.tenantId, filter, limit + 1, after);
      return pageOf(
        rows,
        limit,
        (row) => (by === 'name' ? [row.name] : [row.position, row.id]),
        (row) => roleView({ row, book }),
      );
    },
    { tenantId: scope.tenantId },
  );
}

/** Those of a role, a group or a person (their groups' too) that count now. Throws 422 for a bad cursor. */
export async function pageOfAssignments(
  sql: Sql,
  tenantId: string,
  of: AssignmentFilter,
  { limit, cursor }: PageRequest,
): Promise<Page<AssignmentView>> {
  const rows = await listAssignments(sql, tenantId, of, limit + 1, readIdPosition(cursor));
  return pageOf(rows, limit, (row) => [row.position, row.id], assignmentView);
}

/** Who has the role. Throws 404, 422. */
export const assignmentsOfRole = ({ db }: RoleQueryDeps, scope: Scope, roleId: string, page: PageRequest): Promise<Page<AssignmentView>> =>
  db.transaction(
    async (sql) => {
      if (!(await findRole(sql, scope.tenantId, roleId))) throw notFound('role');
      return pageOfAssignments(sql, scope.tenantId, { roleId }, page);
    },
    { tenantId: scope.tenantId },
  );

/** Which roles a group gives. Throws 404, 422. */
export const rolesOfGroup = ({ db }: RoleQueryDeps, scope: Scope, groupId: string, page: PageRequest): Promise<Page<AssignmentView>> =>
  db.transaction(
    async (sql) => {
      if (!(await isGroup(sql, scope.tenantId, groupId))) throw notFound('group');
      return pageOfAssignments(sql, scope.tenantId, { groupId }, page);
    },
    { tenantId: scope.tenantId },
  );

/** What the roles of a group allow, for anything at all, within the transaction of whoever asks; inherited permissions included. */
export async function permissionsOfGroup(sql: Sql, tenantId: string, groupId: string): Promise<ReadonlySet<string>> {
  const names = await roleNamesOfGroup(sql, tenantId, groupId);
  return names.length === 0 ? new Set() : bookOf(await rolesOf(sql, tenantId)).permissionsOf(names);
}

/** What a member has of roles, and what it comes to. Throws 404 `user.not_found`. */
export const rolesOfUser = ({ db }: RoleQueryDeps, scope: Scope, userId: string, page: PageRequest) =>
  db.transaction(
    async (sql) => {
      if (!(await isMember(sql, scope.tenantId, userId))) throw notFound('user');
      const assignments = await pageOfAssignments(sql, scope.tenantId, { userId }, page);
      const book = bookOf(await rolesOf(sql, scope.tenantId));
      const roles = await roleNamesOf(sql, scope.tenantId, userId);
      const inherited = book.expand(roles).filter((name) => !roles.includes(name));
      return { userId, ...assignments, roles, inherited, effectivePermissions: effectiveOf(book, roles) };
    },
    { tenantId: scope.tenantId },
  );

/** Our own permissions by name, then the scopes of resources by name and resource. Throws 422 for a bad cursor. */
export async function pageOfPermissions(
  { db }: RoleQueryDeps,
  scope: Scope,
  { limit, cursor }: PageRequest,
): Promise<Page<CatalogueEntry>> {
  const [kind, name = '', resource = '', ...rest] = cursor === undefined ? ['management'] : (readCursor(cursor) ?? []);
  if ((kind !== 'management' && kind !== 'resource') || rest.length > 0) throw badCursor();
  const ours = kind === 'management' ? MANAGEMENT_ENTRIES.filter((entry) => entry.name > name).slice(0, limit + 1) : [];
  const after = kind === 'resource' ? ([name, resource] as const) : undefined;
  const left = limit + 1 - ours.length;
  const scopes = left > 0 ? await db.transaction((sql) => listScopes(sql, scope.tenantId, left, after), { tenantId: scope.tenantId }) : [];
  const items = [...ours, ...scopes.map(entryOf)];
  const last = items[limit - 1];
  const nextCursor =
    items.length > limit && last ? cursorOf(last.kind, last.name, ...(last.resource === null ? [] : [last.resource])) : null;
  return { items: items.slice(0, limit), nextCursor };
}

function readIdPosition(cursor: string | undefined): readonly [string, string] | undefined {
  const position = readPosition(cursor);
  if (position && !isId(position[1])) throw badCursor();
  return position;
}

function readName(cursor: string | undefined): readonly string[] | undefined {
  if (cursor === undefined) return undefined;
  const parts = readCursor(cursor);
  if (parts?.length !== 1) throw badCursor();
  return parts;
}
