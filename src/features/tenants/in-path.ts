/** Routes at `/api/tenants/{id}/…`: the tenant that the path names, as the one to act in. */
import { notFound } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import type { TenantCache } from './index.ts';

export interface TenantInPathDeps {
  tenants: Pick<TenantCache, 'find'>;
}

export const tenantNotFound = () => notFound('tenant');

/**
 * The scope to act with where the path names tenant `id`: the caller's own tenant, or, for the platform, any that is there, suspended and
 * deleted ones included. Throws 404 `tenant.not_found`, the same for a foreign id as for an unknown one.
 */
export async function tenantInPath({ tenants }: TenantInPathDeps, scope: Scope, id: string): Promise<Scope> {
  if (id === scope.tenantId) return scope;
  if (!scope.platform || !isId(id) || !(await tenants.find(id))) throw tenantNotFound();
  return { ...scope, tenantId: id };
}
