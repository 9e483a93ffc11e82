import type { Sql } from '../../infra/postgres.ts';
import type { UserRow } from './store.ts';

/** Nobody else makes or takes administrators until the transaction ends. */
export async function lockRootTenant(sql: Sql, rootTenantId: string): Promise<void> {
  await sql('tenants').select('id').where({ id: rootTenantId, type: 'root' }).forUpdate();
}

const OWNERS = `select from role_assignments a join roles r on r.tenant_id = a.tenant_id and r.id = a.role_id where a.tenant_id = ? and r.built_in = 'owner' limit 1`;

/** Whether the root tenant has an administrator, active or not. */
export const hasAdministrator = async (sql: Sql, rootTenantId: string): Promise<boolean> =>
  (await sql.raw<{ rows: unknown[] }>(OWNERS, [rootTenantId])).rows.length > 0;

/** The person with this address, locked. */
export async function lockByEmail(sql: Sql, emailKey: string): Promise<UserRow | undefined> {
  const text = `select u.*, '{}'::jsonb as attributes from users u where u.email_key = ? for update`;
  return (await sql.raw<{ rows: UserRow[] }>(text, [emailKey])).rows[0];
}

/** Makes the person an administrator of the root tenant, and its member where they are not. */
export async function grantAdministrator(sql: Sql, rootTenantId: string, userId: string): Promise<void> {
  await sql.raw('insert into memberships (tenant_id, user_id) values (?, ?) on conflict do nothing', [rootTenantId, userId]);
  await sql.raw(
    `insert into role_assignments (id, tenant_id, role_id, user_id, granted_by) select gen_random_uuid(), r.tenant_id, r.id, ?, 'system' from roles r
     where r.tenant_id = ? and r.built_in = 'owner' on conflict do nothing`,
    [userId, rootTenantId],
  );
}
