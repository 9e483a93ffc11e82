import type { Sql } from '../../infra/postgres.ts';
import type { UserRow } from './store.ts';

/** Nobody else makes or takes administrators until the transaction ends. */
export async function lockRootTenant(sql: Sql, rootTenantId: string): Promise<void> {
  await sql('tenants').select('id').where({ id: rootTenantId, type: 'root' }).forUpdate();
}

/** Whether the root tenant has an administrator, active or not. */
export async function hasAdministrator(sql: Sql, rootTenantId: string): Promise<boolean> {
  const { rows } = await sql.raw<{ rows: unknown[] }>(
    `select from memberships where tenant_id = ? and 'administrator' = any (roles) limit 1`,
    [rootTenantId],
  );
  return rows.length > 0;
}

/** The person with this address, locked. */
export async function lockByEmail(sql: Sql, emailKey: string): Promise<UserRow | undefined> {
  return sql('users').select<UserRow[]>('*').where('email_key', emailKey).forUpdate().first();
}

/** Makes the person an administrator of the root tenant, with whatever roles they have there besides. */
export async function grantAdministrator(sql: Sql, rootTenantId: string, userId: string): Promise<void> {
  await sql.raw(
    `insert into memberships as m (tenant_id, user_id, roles) values (?, ?, '{administrator}')
     on conflict (tenant_id, user_id) do update set roles = array_append(array_remove(m.roles, 'administrator'), 'administrator')`,
    [rootTenantId, userId],
  );
}
