import type { Sql } from '../../infra/postgres.ts';
import { lockRoles, rolesOf } from './store.ts';

/** Which of these names are no roles of the tenant. No role comes or goes until the transaction ends. */
export async function unknownRoles(sql: Sql, tenantId: string, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return [];
  await lockRoles(sql, tenantId);
  const known = new Set((await rolesOf(sql, tenantId)).map(({ name }) => name));
  return names.filter((name) => !known.has(name));
}
