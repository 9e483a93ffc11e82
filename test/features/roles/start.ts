import { systemClock } from '#src/core/clock.ts';
import { newId } from '#src/core/ids.ts';
import { assignmentRoutes } from '#src/features/roles/assignment-routes.ts';
import { roleRoutes } from '#src/features/roles/routes.ts';
import { type ApiHarness, type Parts, startApi } from '#test/support/api.ts';
import { rolesNow } from '#test/support/roles.ts';

export const rolesSlice = ({ db, transact, rootTenantId }: Parts) => {
  const deps = { db, transact, clock: systemClock, roles: rolesNow(db), rootTenantId };
  return [...roleRoutes(deps), ...assignmentRoutes(deps)];
};

export const startRoles = (): Promise<ApiHarness> => startApi(rolesSlice);

/** A person at home in the tenant, past the API. */
export async function addMember(api: Pick<ApiHarness, 'owner'>, tenantId: string, status = 'active'): Promise<string> {
  const id = newId();
  await api.owner.query('insert into users (id, home_tenant_id, username, username_key, status) values ($1, $2, $3, $3, $4)', [
    id,
    tenantId,
    `u-${id}`,
    status,
  ]);
  return id;
}

export async function idOfRole(api: Pick<ApiHarness, 'owner'>, tenantId: string, name: string): Promise<string> {
  const { rows } = await api.owner.query<{ id: string }>('select id from roles where tenant_id = $1 and name = $2', [tenantId, name]);
  return rows[0]!.id;
}
