/** Whether a request may act in its tenant from where it comes. */
import { AppError } from '../../core/errors.ts';
import type { Scope } from '../../core/scope.ts';
import { addressAllowed } from './address-rules.ts';
import type { TenantCache } from './index.ts';

export const addressRefused = (): AppError =>
  new AppError('tenant.address_refused', 403, 'The tenant may not be reached from this address');

/** For all routes of the API: throws 403 `tenant.address_refused`. The platform is let in from everywhere, so that nobody is shut out for good. */
export const createAdmit =
  ({ tenants }: { tenants: Pick<TenantCache, 'find'> }) =>
  async (scope: Scope): Promise<void> => {
    if (scope.platform) return;
    const tenant = await tenants.find(scope.tenantId);
    if (tenant && !addressAllowed(tenant, scope.request.address)) throw addressRefused();
  };
