import { AppError, type FieldError, invalidInput, notFound } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { checkHolds } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import { type Sql, violatedUnique } from '../../infra/postgres.ts';
import type { Transact } from '../audit/index.ts';
import type { GroupPatch, NewGroup, NewMembers } from './schema.ts';
import {
  addToGroup,
  countMembers,
  type GroupRow,
  type GroupValues,
  insertGroup,
  keepMembers,
  lockGroup,
  removeFromGroup,
  deleteGroup as removeRow,
  updateGroup,
} from './store.ts';

export interface GroupDeps {
  transact: Transact;
  /** What the roles of a group allow, for anything at all; inherited permissions included. */
  permissionsOfGroup(sql: Sql, tenantId: string, groupId: string): Promise<Iterable<string>>;
}

export const groupNotFound = (): AppError => notFound('group');
const nameTaken = (): AppError => new AppError('group.name_taken', 409, 'A group of the tenant has this name already');

/** Makes a group with nobody in it. Throws 409 `group.name_taken`. */
export const createGroup = (deps: GroupDeps, scope: Scope, input: NewGroup): Promise<GroupRow> =>
  deps.transact(scope, async ({ sql, record }) => {
    const row = await insertGroup(sql, scope.tenantId, newId(), valuesOf(input)).catch(taken);
    record({ type: 'group.created', outcome: 'success', target: { type: 'group', id: row.id } });
    return row;
  });

/** Throws 404, 409, 412. */
export const changeGroup = (deps: GroupDeps, scope: Scope, id: string, change: GroupPatch, ifMatch?: string): Promise<GroupRow> =>
  deps.transact(scope, async ({ sql, record }) => {
    const before = await heldGroup(sql, scope, id, ifMatch);
    const values = valuesOf({ name: before.name, description: before.description, ...change });
    const fields = (['name', 'description'] as const).filter((field) => before[field] !== values[field]);
    if (fields.length === 0) return before;
    const row = await updateGroup(sql, scope.tenantId, id, values).catch(taken);
    record({ type: 'group.changed', outcome: 'success', target: { type: 'group', id }, data: { fields } });
    return row;
  });

/** Its members lose the roles that it gave them. Throws 404, 412, and 403 where those carry more than the caller holds. */
export async function deleteGroup(deps: GroupDeps, scope: Scope, id: string, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async ({ sql, record }) => {
    await heldGroup(sql, scope, id, ifMatch);
    checkHolds(scope, await deps.permissionsOfGroup(sql, scope.tenantId, id));
    const members = await countMembers(sql, scope.tenantId, id);
    await removeRow(sql, scope.tenantId, id);
    record({ type: 'group.deleted', outcome: 'success', target: { type: 'group', id }, data: { members } });
  });
}

/**
 * Adds members of the tenant, all or none; they get the group's roles. Throws 404, 422 where somebody is no member, and 403 where those roles carry more
 * than the caller holds.
 */
export function addMembers(deps: GroupDeps, scope: Scope, id: string, input: NewMembers): Promise<{ added: number; unchanged: number }> {
  return deps.transact(scope, async ({ sql, record }) => {
    await heldGroup(sql, scope, id);
    checkHolds(scope, await deps.permissionsOfGroup(sql, scope.tenantId, id));
    const userIds = await judge(sql, scope.tenantId, input);
    const added = await addToGroup(sql, scope.tenantId, id, userIds);
    if (added.length > 0)
      record({ type: 'group.members_added', outcome: 'success', target: { type: 'group', id }, data: { userIds: added } });
    return { added: added.length, unchanged: userIds.length - added.length };
  });
}

/** Throws 404 `group.not_found` or `member.not_found`, and 403 as `addMembers` does. */
export async function removeMember(deps: GroupDeps, scope: Scope, id: string, userId: string): Promise<void> {
  await deps.transact(scope, async ({ sql, record }) => {
    await heldGroup(sql, scope, id);
    checkHolds(scope, await deps.permissionsOfGroup(sql, scope.tenantId, id));
    if ((await removeFromGroup(sql, scope.tenantId, id, userId)) === 0) throw notFound('member');
    record({ type: 'group.member_removed', outcome: 'success', target: { type: 'group', id }, personId: userId, data: { userId } });
  });
}

async function heldGroup(sql: Sql, scope: Scope, id: string, ifMatch?: string): Promise<GroupRow> {
  const row = await lockGroup(sql, scope.tenantId, id);
  if (!row) throw groupNotFound();
  checkIfMatch(ifMatch, row.version);
  return row;
}

async function judge(sql: Sql, tenantId: string, { userId, userIds = [] }: NewMembers): Promise<string[]> {
  const ids = [...new Set([...(userId === undefined ? [] : [userId]), ...userIds])];
  if (ids.length === 0) throw invalidInput([{ pointer: '', message: 'names nobody: userId or userIds is needed' }]);
  const there = await keepMembers(sql, tenantId, ids);
  const errors: FieldError[] = [];
  const message = 'is no member of this tenant';
  if (userId !== undefined && !there.has(userId)) errors.push({ pointer: '/userId', message });
  for (const [index, id] of userIds.entries()) if (!there.has(id)) errors.push({ pointer: `/userIds/${index}`, message });
  if (errors.length > 0) throw invalidInput(errors);
  return ids;
}

const valuesOf = ({ name, description }: NewGroup): GroupValues => ({ name: name.normalize('NFC'), description: description ?? null });

function taken(error: unknown): never {
  throw violatedUnique(error) ? nameTaken() : error;
}
