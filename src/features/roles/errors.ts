import { AppError } from '../../core/errors.ts';

export const nameTaken = (): AppError => new AppError('role.name_taken', 409, 'A role of the tenant has this name already');

export const isBuiltIn = (): AppError => new AppError('role.built_in', 409, 'Built-in roles cannot be changed or deleted');

export const tooManyRoles = (): AppError =>
  new AppError('limit.reached', 409, 'The tenant cannot have more roles', { extra: { limit: 'roles' } });

export const ownersOnly = (): AppError => new AppError('role.owners_only', 403, 'Only owners give and take the role of an owner');

export const lastOwner = (): AppError => new AppError('role.last_owner', 409, 'The last active owner of the tenant keeps the role');

export const lastAdministrator = (): AppError =>
  new AppError('user.last_administrator', 409, 'The last active administrator keeps the role');
