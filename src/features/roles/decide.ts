/** May somebody, by their roles alone. */
import { isId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import { grantsOf } from './decision-store.ts';
import type { RoleBook, RoleBooks } from './index.ts';
import type { RbacQuestion } from './schema.ts';

export interface DecisionDeps {
  db: Database;
  roles: Pick<RoleBooks, 'of'>;
}

export interface RbacDecision extends RbacQuestion {
  access_granted: boolean;
  /** The names of the roles that grant it. */
  roles: string[];
}

/**
 * Whether roles grant a permission in the scope's tenant: a person's own and their groups', with what those inherit, for everything or for the thing
 * that is named. Somebody unknown, of elsewhere, disabled, or at home in a suspended tenant is granted nothing, all in the same words.
 */
export async function decideByRoles({ db, roles }: DecisionDeps, scope: Scope, question: RbacQuestion): Promise<RbacDecision> {
  const { userId, permission, resource } = question;
  const held = isId(userId) ? await grantsOf(db, scope.tenantId, userId, thingsOf(resource)) : [];
  const granting = grantingRoles(await roles.of(scope.tenantId), held, permission);
  return {
    access_granted: granting.length > 0,
    userId,
    permission,
    ...(resource === undefined ? {} : { resource }),
    roles: granting,
  };
}

/** Those of the roles that carry the permission, themselves or by a parent. */
export const grantingRoles = (book: RoleBook, names: readonly string[], permission: string): string[] =>
  names.filter((name) => book.permissionsOf([name]).has(permission));

/** What an assignment may name to count for `invoice:42`: everything (''), all invoices, or this one. */
export function thingsOf(resource: string | undefined): string[] {
  if (resource === undefined) return [''];
  const [type = ''] = resource.split(':', 1);
  return [...new Set(['', type, resource])];
}
