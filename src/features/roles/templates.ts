import type { Sql } from '../../infra/postgres.ts';
import { addRole } from './commands.ts';
import type { NewRole } from './index.ts';
import { lockRoles } from './store.ts';

/**
 * Makes the roles of a template in a tenant, within the transaction of whoever applies it, parents before children whatever their order.
 * The template was the platform's to write, so that nobody's rights are compared. Throws 409 `role.name_taken`, 422.
 */
export async function createRoles(sql: Sql, tenantId: string, roles: readonly NewRole[]): Promise<void> {
  await lockRoles(sql, tenantId);
  for (const role of parentsFirst(roles)) await addRole(sql, tenantId, role);
}

/** Those in a loop keep their order: the first of them is refused for its unknown parent. */
function parentsFirst(roles: readonly NewRole[]): NewRole[] {
  const ordered: NewRole[] = [];
  let waiting = [...roles];
  while (waiting.length > 0) {
    const names = new Set(waiting.map(({ roleName }) => roleName));
    const ready = waiting.filter(({ parents = [] }) => !parents.some((parent) => names.has(parent)));
    if (ready.length === 0) return [...ordered, ...waiting];
    ordered.push(...ready);
    waiting = waiting.filter((role) => !ready.includes(role));
  }
  return ordered;
}
