import { AppError, notFound } from '../../core/errors.ts';

/** Unknown, expired, used, revoked, or another tenant's: whoever asks learns no difference. */
export const invitationNotFound = (): AppError => notFound('invitation');

export const alreadyPending = (): AppError =>
  new AppError('invitation.pending', 409, 'There is an open invitation to this address', { detail: 'Send that one again instead.' });

export const alreadyMember = (): AppError =>
  new AppError('invitation.member', 409, 'Somebody with this address belongs to the tenant already');

export const invitationClosed = (): AppError => new AppError('invitation.closed', 409, 'This invitation is not open any more');

export const otherAddress = (): AppError =>
  new AppError('invitation.other_address', 403, 'This invitation is for another address', {
    detail: 'Sign in with the account that has the address which was invited.',
  });

export const addressUnproven = (): AppError =>
  new AppError('invitation.address_unproven', 403, 'The address that was invited is not proven', { detail: 'Prove the address first.' });

export const tenantInactive = (): AppError => new AppError('tenant.inactive', 403, 'The tenant takes nobody in at the moment');

export const ownersOnly = (): AppError => new AppError('role.owners_only', 403, 'Only owners give and take the role of an owner');
