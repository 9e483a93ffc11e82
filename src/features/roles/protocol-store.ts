import type { Database } from '../../infra/postgres.ts';
import type { RoleFacts } from './index.ts';

const READ = { name: 'roles-for-protocol', text: 'select roles_for_protocol($1) as roles' };

/** Every role of a tenant, whoever asks: for processes, not for the API. */
export async function readRoles(db: Database, tenantId: string): Promise<readonly RoleFacts[]> {
  const [row] = await db.query<{ roles: RoleFacts[] }>(READ, [tenantId]);
  return row?.roles ?? [];
}
