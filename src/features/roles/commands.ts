import { isDeepStrictEqual } from 'node:util';
import { type FieldError, invalidInput, notFound } from '../../core/errors.ts';
import { isId, newId } from '../../core/ids.ts';
import { checkHolds, isManagementPermission } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import { type Sql, violatedUnique } from '../../infra/postgres.ts';
import type { Transact, Work } from '../audit/index.ts';
import { countHolders } from './assignments-store.ts';
import { bookOf } from './book.ts';
import { isBuiltIn, nameTaken, tooManyRoles } from './errors.ts';
import type { NewRole, RoleBook, RoleBooks } from './index.ts';
import { faultOfLineage } from './lineage.ts';
import type { RoleChange } from './schema.ts';
import {
  findRole,
  insertRole,
  knownScopes,
  lockRoles,
  type RoleRow,
  type RoleValues,
  deleteRole as removeRow,
  rolesOf,
  setParents,
  updateRole,
} from './store.ts';
import { tagOf } from './view.ts';

export interface RoleDeps {
  transact: Transact;
  roles: Pick<RoleBooks, 'drop'>;
}

/** A role with the book that says what it means. */
export interface RoleInBook {
  row: RoleRow;
  book: RoleBook;
}

/** So many the book of a tenant holds at most. */
export const MOST_ROLES = 1000;

/** Makes a role. Throws 403 where it would carry more than the caller holds, 409 `role.name_taken`, 422. */
export async function createRole(deps: RoleDeps, scope: Scope, input: NewRole): Promise<RoleInBook> {
  const made = await deps.transact(scope, async ({ sql, record }) => {
    await lockRoles(sql, scope.tenantId);
    const made = await addRole(sql, scope.tenantId, input);
    checkHolds(scope, made.book.permissionsOf([made.row.name]));
    record({ type: 'role.created', outcome: 'success', target: { type: 'role', id: made.row.id } });
    return made;
  });
  deps.roles.drop(scope.tenantId);
  return made;
}

/** Stores a role as it should be, whoever asks; the caller has locked the tenant's roles. Throws 409, 422. */
export async function addRole(sql: Sql, tenantId: string, input: NewRole): Promise<RoleInBook> {
  const book = bookOf(await rolesOf(sql, tenantId));
  if (book.roles.length >= MOST_ROLES) throw tooManyRoles();
  const { values, parentIds } = await judge(sql, tenantId, book, input);
  const row = await insertRole(sql, tenantId, newId(), values).catch(taken);
  if (parentIds.length > 0) await setParents(sql, tenantId, row.id, parentIds);
  return { row, book: await bookAfter(sql, tenantId) };
}

/**
 * Changes what is named; null clears. Throws 404, 412, 409 `role.built_in` and `role.name_taken`, 422, and 403 where the role carries, or would
 * carry, more than the caller holds.
 */
export async function changeRole(deps: RoleDeps, scope: Scope, id: string, change: RoleChange, ifMatch?: string): Promise<RoleInBook> {
  const changed = await deps.transact(scope, async (work) => {
    const { sql } = work;
    const { row: before, book } = await lockRole(work, scope, id, ifMatch);
    const { values, parentIds } = await judge(sql, scope.tenantId, book, { ...inputOf(before, book), ...named(change) }, before);
    const fields = changedFields(before, values, book, parentIds);
    if (fields.length === 0) return { row: before, book };
    const row = await updateRole(sql, scope.tenantId, id, values).catch(taken);
    await setParents(sql, scope.tenantId, id, parentIds);
    const after = await bookAfter(sql, scope.tenantId);
    checkHolds(scope, after.permissionsOf([row.name]));
    work.record({ type: 'role.changed', outcome: 'success', target: { type: 'role', id }, data: { fields } });
    return { row, book: after };
  });
  deps.roles.drop(scope.tenantId);
  return changed;
}

/** Deletes a role and takes it from whoever has it. Throws 404, 412, 409 `role.built_in`, 403 where it carries more than the caller holds. */
export async function deleteRole(deps: RoleDeps, scope: Scope, id: string, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async (work) => {
    await lockRole(work, scope, id, ifMatch);
    const holders = await countHolders(work.sql, scope.tenantId, id);
    await removeRow(work.sql, scope.tenantId, id);
    work.record({ type: 'role.deleted', outcome: 'success', target: { type: 'role', id }, data: { holders } });
  });
  deps.roles.drop(scope.tenantId);
}

/** The role, with all roles of the tenant held still, where the caller may touch it. */
async function lockRole({ sql }: Work, scope: Scope, id: string, ifMatch: string | undefined): Promise<RoleInBook> {
  await lockRoles(sql, scope.tenantId);
  const row = await findRole(sql, scope.tenantId, id);
  if (!row) throw notFound('role');
  const book = bookOf(await rolesOf(sql, scope.tenantId));
  checkIfMatch(ifMatch, tagOf({ row, book }));
  if (row.built_in !== null) throw isBuiltIn();
  checkHolds(scope, book.permissionsOf([row.name]));
  return { row, book };
}

async function judge(
  sql: Sql,
  tenantId: string,
  book: RoleBook,
  input: NewRole,
  before?: RoleRow,
): Promise<{ values: RoleValues; parentIds: string[] }> {
  const errors: FieldError[] = [];
  const name = input.roleName.normalize('NFC');
  if (isId(name.toLowerCase())) errors.push({ pointer: '/roleName', message: 'must not look like an id' });
  const permissions = input.permissions ?? [];
  const unknown = permissions.filter((permission) => !isManagementPermission(permission) && !before?.permissions.includes(permission));
  const scopes = await knownScopes(sql, tenantId, unknown);
  for (const [index, permission] of permissions.entries())
    if (unknown.includes(permission) && !scopes.has(permission))
      errors.push({ pointer: `/permissions/${index}`, message: 'is not in the catalogue' });
  const parents = (input.parents ?? []).map((parent) => book.find(parent.normalize('NFC')));
  for (const [index, parent] of parents.entries()) {
    if (!parent) errors.push({ pointer: `/parents/${index}`, message: 'is not a role of this tenant' });
    else if (parent.id === before?.id) errors.push({ pointer: '/parents', message: 'would make a loop' });
    else if (parent.builtIn === 'owner')
      errors.push({ pointer: `/parents/${index}`, message: 'is the role of owners, which nobody inherits' });
  }
  if (errors.length > 0) throw invalidInput(errors);
  return {
    values: { name, description: input.description ?? null, permissions: [...new Set(permissions)].sort() },
    parentIds: [...new Set(parents.map((parent) => parent!.id))],
  };
}

/** The roles as they are now; a loop, or too long a line, undoes the change. */
async function bookAfter(sql: Sql, tenantId: string): Promise<RoleBook> {
  const book = bookOf(await rolesOf(sql, tenantId));
  const fault = faultOfLineage(book.roles);
  if (fault !== undefined) throw invalidInput([{ pointer: '/parents', message: fault }]);
  return book;
}

const inputOf = (row: RoleRow, book: RoleBook): NewRole => ({
  roleName: row.name,
  description: row.description,
  permissions: row.permissions,
  parents: [...(book.find(row.id)?.parents ?? [])],
});

const named = ({ permissions, parents, ...rest }: RoleChange): Partial<NewRole> => ({
  ...rest,
  ...(permissions === undefined ? {} : { permissions: permissions ?? [] }),
  ...(parents === undefined ? {} : { parents: parents ?? [] }),
});

function changedFields(before: RoleRow, after: RoleValues, book: RoleBook, parentIds: readonly string[]): string[] {
  const parentsBefore = (book.find(before.id)?.parents ?? []).map((name) => book.find(name)?.id);
  return [
    ...(before.name === after.name ? [] : ['roleName']),
    ...(before.description === after.description ? [] : ['description']),
    ...(isDeepStrictEqual(before.permissions, after.permissions) ? [] : ['permissions']),
    ...(isDeepStrictEqual(new Set(parentsBefore), new Set(parentIds)) ? [] : ['parents']),
  ];
}

function taken(error: unknown): never {
  throw violatedUnique(error) ? nameTaken() : error;
}
