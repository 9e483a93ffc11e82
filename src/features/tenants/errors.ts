import { AppError } from '../../core/errors.ts';

export const slugTaken = (): AppError => new AppError('tenant.slug_taken', 409, 'This slug is taken');

export const rootTenant = (): AppError =>
  new AppError('tenant.root', 409, 'The tenant of who runs the installation can be neither suspended nor deleted');

export const tenantDeleted = (): AppError =>
  new AppError('tenant.deleted', 409, 'The tenant is deleted', { detail: 'It has to be restored first.' });

export const graceOver = (): AppError => new AppError('tenant.purged', 409, 'The grace period is over: the tenant cannot be restored');

export const ownerRequired = (): AppError =>
  new AppError('tenant.owner_required', 403, 'Only an owner of the tenant, or the platform, may do this');

export const platformRequired = (field: string): AppError =>
  new AppError('permission.missing', 403, 'The permission for this is missing', { detail: `Only the platform changes ${field}.` });
