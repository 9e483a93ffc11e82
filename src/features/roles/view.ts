import { sha256 } from '../../core/ids.ts';
import type { AssignmentRow } from './assignments-store.ts';
import type { RoleBook } from './index.ts';
import type { AssignmentView, RoleView } from './schema.ts';
import type { RoleRow } from './store.ts';

export const effectiveOf = (book: RoleBook, names: readonly string[]): string[] => [...book.permissionsOf(names)].sort();

export function roleView({ row, book }: { row: RoleRow; book: RoleBook }): RoleView {
  return {
    id: row.id,
    roleName: row.name,
    description: row.description,
    permissions: row.built_in === null ? row.permissions : effectiveOf(book, [row.name]),
    parents: [...(book.find(row.id)?.parents ?? [])].sort(),
    effectivePermissions: effectiveOf(book, [row.name]),
    builtIn: row.built_in,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

/** What a role carries also changes with its parents, so that its row's version alone does not tell. */
export const tagOf = ({ row, book }: { row: RoleRow; book: RoleBook }): string =>
  `${row.version}-${sha256(JSON.stringify([book.find(row.id)?.parents.toSorted(), effectiveOf(book, [row.name])])).slice(0, 10)}`;

export const assignmentView = (row: AssignmentRow): AssignmentView => ({
  id: row.id,
  roleId: row.role_id,
  roleName: row.role_name,
  userId: row.user_id,
  groupId: row.group_id,
  resource: row.resource === '' ? null : row.resource,
  expiresAt: row.expires_at?.toISOString() ?? null,
  grantedBy: row.granted_by,
  createdAt: row.created_at.toISOString(),
});
