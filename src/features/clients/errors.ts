import { AppError, notFound } from '../../core/errors.ts';

export const clientNotFound = (): AppError => notFound('client');
export const secretNotFound = (): AppError => notFound('secret');
export const clientIdTaken = (): AppError => new AppError('client.id_taken', 409, 'This client id is taken');
export const tooManySecrets = (): AppError =>
  new AppError('client.too_many_secrets', 409, 'A client has at most two secrets', { detail: 'Delete one first' });
export const noSecrets = (): AppError => new AppError('client.has_no_secrets', 409, 'This client does not authenticate with a secret');
export const lastSecret = (): AppError =>
  new AppError('client.last_secret', 409, 'This is the only secret', { detail: 'Add another one first, or disable or delete the client' });
export const trustNeedsPlatform = (member: string): AppError =>
  new AppError('client.trust_needs_platform', 403, 'Only an administrator of the installation may switch this on', { extra: { member } });
