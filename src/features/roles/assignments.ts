/** Giving roles and taking them away. */
import type { Clock } from '../../core/clock.ts';
import { type FieldError, invalidInput, notFound } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { checkHolds } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import type { Sql } from '../../infra/postgres.ts';
import { deleteAssignments, type HolderKind, hasActiveOwner, insertAssignments, keepHolders } from './assignments-store.ts';
import { bookOf } from './book.ts';
import type { RoleDeps } from './commands.ts';
import { lastAdministrator, lastOwner, ownersOnly } from './errors.ts';
import type { AssignInput, RevokeInput } from './schema.ts';
import { keepRole, lockRoles, type RoleRow, rolesOf } from './store.ts';

export interface AssignDeps extends Pick<RoleDeps, 'transact'> {
  clock: Clock;
  /** The root tenant's owners are the administrators of the installation. */
  rootTenantId: string;
}

type Holders = Pick<AssignInput, 'userId' | 'userIds' | 'groupId' | 'groupIds'>;

/**
 * Gives the role to people and groups, until `expiresAt` where it is named; to whom has it already, with another end. Nothing happens where one of them is
 * no member, or no group, of the tenant. Throws 404, 422, and 403 where the role carries more than the caller holds or is the owners' and the caller is none.
 */
export async function assignRole(
  deps: AssignDeps,
  scope: Scope,
  roleId: string,
  input: AssignInput,
): Promise<{ assigned: number; unchanged: number }> {
  const expiresAt = typeof input.expiresAt === 'string' ? new Date(input.expiresAt) : null;
  if (expiresAt && expiresAt <= deps.clock.now()) throw invalidInput([{ pointer: '/expiresAt', message: 'must be in the future' }]);
  return deps.transact(scope, async ({ sql, record }) => {
    const role = await grantableRole(sql, scope, roleId);
    if (role.built_in === 'owner') checkForOwner(input);
    const { user, group } = await holdersOf(sql, scope.tenantId, input);
    const grant = { roleId, resource: input.resource ?? '', expiresAt, grantedBy: nameOf(scope) };
    const give = (kind: HolderKind, ids: readonly string[]): Promise<string[]> =>
      insertAssignments(
        sql,
        scope.tenantId,
        kind,
        ids.map(() => newId(deps.clock.now())),
        ids,
        grant,
      );
    const given = {
      userIds: user.length > 0 ? await give('user', user) : [],
      groupIds: group.length > 0 ? await give('group', group) : [],
    };
    const assigned = given.userIds.length + given.groupIds.length;
    if (assigned > 0) {
      const data = { ...given, ...(input.resource === undefined ? {} : { resource: input.resource }), expiresAt };
      record({ type: 'role.assigned', outcome: 'success', target: { type: 'role', id: roleId }, data });
    }
    return { assigned, unchanged: user.length + group.length - assigned };
  });
}

/**
 * Takes the role from people and groups: for the one thing that `resource` names, else altogether. Throws as `assignRole` does, and 409 where the
 * tenant would be left without an active owner.
 */
export function revokeRole(
  deps: AssignDeps,
  scope: Scope,
  roleId: string,
  input: RevokeInput,
): Promise<{ revoked: number; unchanged: number }> {
  return deps.transact(scope, async ({ sql, record }) => {
    const role = await grantableRole(sql, scope, roleId);
    const { user, group } = await holdersOf(sql, scope.tenantId, input);
    const take = (kind: HolderKind, ids: readonly string[]): Promise<string[]> =>
      deleteAssignments(sql, scope.tenantId, kind, roleId, ids, input.resource);
    const taken = {
      userIds: user.length > 0 ? await take('user', user) : [],
      groupIds: group.length > 0 ? await take('group', group) : [],
    };
    const revoked = taken.userIds.length + taken.groupIds.length;
    if (role.built_in === 'owner' && revoked > 0 && !(await hasActiveOwner(sql, scope.tenantId)))
      throw scope.tenantId === deps.rootTenantId ? lastAdministrator() : lastOwner();
    if (revoked > 0) {
      const data = { ...taken, ...(input.resource === undefined ? {} : { resource: input.resource }) };
      record({ type: 'role.revoked', outcome: 'success', target: { type: 'role', id: roleId }, data });
    }
    return { revoked, unchanged: user.length + group.length - revoked };
  });
}

/** The role as it is until the transaction ends, where the caller may give and take it. Who owns the tenant changes for nobody else meanwhile. */
async function grantableRole(sql: Sql, scope: Scope, roleId: string): Promise<RoleRow> {
  const role = await keepRole(sql, scope.tenantId, roleId);
  if (!role) throw notFound('role');
  if (role.built_in === 'owner') {
    await lockRoles(sql, scope.tenantId);
    if (!scope.owner && !scope.platform) throw ownersOnly();
  }
  checkHolds(scope, bookOf(await rolesOf(sql, scope.tenantId)).permissionsOf([role.name]));
  return role;
}

/** Owners own everything, for good, and each by name. */
function checkForOwner(input: AssignInput): void {
  const errors: FieldError[] = (['resource', 'expiresAt', 'groupId', 'groupIds'] as const)
    .filter((field) => input[field] !== undefined && input[field] !== null)
    .map((field) => ({ pointer: `/${field}`, message: 'does not go with the role of owners' }));
  if (errors.length > 0) throw invalidInput(errors);
}

async function holdersOf(sql: Sql, tenantId: string, input: Holders): Promise<Record<HolderKind, string[]>> {
  const errors: FieldError[] = [];
  const judge = async (kind: HolderKind, one: string | undefined, many: readonly string[] | undefined): Promise<string[]> => {
    const ids = [...new Set([...(one === undefined ? [] : [one]), ...(many ?? [])])];
    const there = await keepHolders(sql, tenantId, kind, ids);
    const message = kind === 'user' ? 'is no member of this tenant' : 'is no group of this tenant';
    if (one !== undefined && !there.has(one)) errors.push({ pointer: `/${kind}Id`, message });
    for (const [index, id] of (many ?? []).entries()) if (!there.has(id)) errors.push({ pointer: `/${kind}Ids/${index}`, message });
    return ids;
  };
  const holders = { user: await judge('user', input.userId, input.userIds), group: await judge('group', input.groupId, input.groupIds) };
  if (errors.length > 0) throw invalidInput(errors);
  if (holders.user.length + holders.group.length === 0)
    throw invalidInput([{ pointer: '', message: 'names nobody: userId, userIds, groupId or groupIds is needed' }]);
  return holders;
}

const nameOf = ({ actor }: Scope): string => (actor.type === 'anonymous' ? actor.type : `${actor.type}:${actor.id}`);
