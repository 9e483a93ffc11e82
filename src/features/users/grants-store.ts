import { newId } from '../../core/ids.ts';
import type { Sql } from '../../infra/postgres.ts';

/** Gives people who have just been made their roles, for everything and without end. */
export async function insertGrants(
  sql: Sql,
  tenantId: string,
  grantedBy: string,
  grants: readonly { userId: string; roleIds: readonly string[] }[],
): Promise<void> {
  const rows = grants.flatMap(({ userId, roleIds }) => roleIds.map((roleId) => ({ id: newId(), user_id: userId, role_id: roleId })));
  if (rows.length === 0) return;
  await sql.raw(
    `insert into role_assignments (id, tenant_id, role_id, user_id, granted_by)
     select r.id, ?, r.role_id, r.user_id, ? from jsonb_to_recordset(?::jsonb) as r(id uuid, user_id uuid, role_id uuid)
     join roles on roles.tenant_id = ? and roles.id = r.role_id on conflict do nothing`,
    [tenantId, grantedBy, JSON.stringify(rows), tenantId],
  );
}
