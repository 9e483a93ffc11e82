import { invalidInput } from '../../core/errors.ts';
import { checkHolds } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import type { UserDeps } from './commands.ts';
import { ownersOnly } from './errors.ts';

/**
 * The ids of roles of the tenant, by name or id, that whoever acts may give: with no more management permissions than their own, the owner's
 * role by owners and the platform only. Throws 422 at `/roles/{n}` for what is none, 403 `permission.missing` or `role.owners_only`.
 */
export async function grantableRoles(deps: Pick<UserDeps, 'roles'>, scope: Scope, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return [];
  const book = await deps.roles.of(scope.tenantId);
  const found = names.map((name, at) => {
    const role = book.find(name);
    if (!role) throw invalidInput([{ pointer: `/roles/${at}`, message: 'is no role of the tenant' }]);
    return role;
  });
  for (const { name } of found) {
    if (book.isOwner([name]) && !scope.owner && !scope.platform) throw ownersOnly();
    checkHolds(scope, book.permissionsOf([name]));
  }
  return [...new Set(found.map(({ id }) => id))];
}
