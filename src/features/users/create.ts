import { newId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import { columnsOfNew, type NewUser } from './columns.ts';
import { checkAttributes, domainsOf, type OpenInvitation, type UserDeps } from './commands.ts';
import { asTaken, verifiedForbidden } from './errors.ts';
import { grantableRoles } from './grants.ts';
import { insertGrants } from './grants-store.ts';
import { isInDomains } from './names.ts';
import { checkMustChange, importedHash, newHash, storePassword } from './secrets.ts';
import { insertUser, type UserRow } from './store.ts';

export type { NewUser } from './columns.ts';

/**
 * Whether somebody is created or invited: the platform always creates; a tenant, people without an address or with one in its verified
 * domains. That depends on nothing but the input. Throws 403 where a tenant says that something is verified which it cannot know.
 */
export function isInvited(scope: Scope, domains: readonly string[], input: NewUser): boolean {
  if (scope.platform) return false;
  if (input.phoneVerified) throw verifiedForbidden('phoneVerified');
  const invited = input.email !== undefined && !isInDomains(domains, input.email);
  if (input.emailVerified && invited) throw verifiedForbidden('emailVerified');
  return invited;
}

/**
 * Creates a person at home in the scope's tenant, or invites whoever has the address, in which case roles and attributes are all that counts.
 * Throws 409 `user.*_taken`, 422, and 403 for roles with more rights than the caller's.
 */
export async function addUser(deps: UserDeps, scope: Scope, input: NewUser): Promise<{ row: UserRow } | { invitation: OpenInvitation }> {
  if (!isInvited(scope, await domainsOf(deps, scope), input)) return { row: await createUser(deps, scope, input) };
  // Judged as if the person were made, whose names are nobody's business.
  columnsOfNew(newId(), scope.tenantId, input, deps.clock.now());
  await grantableRoles(deps, scope, input.roles ?? []);
  const { email = '', roles, attributes } = input;
  return { invitation: await deps.transact(scope, (work) => deps.invite(work, scope, { email, roles, attributes })) };
}

/** Creates a person at home in the scope's tenant, whatever the address. Throws as `addUser` does. */
export async function createUser(deps: UserDeps, scope: Scope, input: NewUser): Promise<UserRow> {
  checkMustChange(input);
  const imported = importedHash(input);
  const roleIds = await grantableRoles(deps, scope, input.roles ?? []);
  const columns = columnsOfNew(newId(), scope.tenantId, input, deps.clock.now());
  const hash = await newHash(deps, input.password, columns);
  try {
    return await deps.transact(scope, async (work) => {
      await checkAttributes(deps, work.sql, scope.tenantId, columns.attributes);
      const row = await insertUser(work.sql, columns);
      await insertGrants(work.sql, scope.tenantId, grantorOf(scope), [{ userId: row.id, roleIds }]);
      if (hash !== undefined) await storePassword(deps, work, row.id, hash, input.passwordMustChange);
      if (imported) await deps.setImportedPassword(work, { userId: row.id, hash: imported, mustChange: input.passwordMustChange ?? false });
      const data = roleIds.length > 0 ? { data: { roleIds } } : {};
      work.record({ type: 'user.created', outcome: 'success', target: { type: 'user', id: row.id }, ...data });
      return row;
    });
  } catch (error) {
    throw asTaken(error);
  }
}

export const grantorOf = ({ actor }: Scope): string => (actor.type === 'anonymous' ? 'anonymous' : `${actor.type}:${actor.id}`);
