import type { Database } from '../../infra/postgres.ts';

const GRANTS = { name: 'role-grants', text: 'select role_grants_of($1, $2, $3) as names' };

/** The names of the roles that somebody who is active has in the tenant for one of these things; one statement. */
export async function grantsOf(db: Database, tenantId: string, userId: string, things: readonly string[]): Promise<readonly string[]> {
  const [row] = await db.query<{ names: string[] }>(GRANTS, [userId, tenantId, [...things]]);
  return row?.names ?? [];
}
