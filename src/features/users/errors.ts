import { AppError } from '../../core/errors.ts';
import { violatedUnique } from '../../infra/postgres.ts';

const TAKEN: Readonly<Record<string, [code: string, title: string]>> = {
  users_email_key_key: ['user.email_taken', 'Somebody has this e-mail address already'],
  users_username_key_key: ['user.username_taken', 'Somebody has this user name already'],
  users_phone_key: ['user.phone_taken', 'Somebody has this phone number already'],
};

/** A unique constraint that was run into becomes 409 `user.<field>_taken`; anything else stays what it is. */
export function asTaken(error: unknown): unknown {
  const taken = TAKEN[violatedUnique(error) ?? ''];
  return taken ? new AppError(taken[0], 409, taken[1], { cause: error }) : error;
}

const TAKEN_BY_COLUMN: Readonly<Record<string, keyof typeof TAKEN>> = {
  email_key: 'users_email_key_key',
  username_key: 'users_username_key_key',
  phone: 'users_phone_key',
};

/** The same by the column of the name; one that somebody took meanwhile, whichever it was, where it is none of these. */
export function taken(column: string): AppError {
  const [code, title] = TAKEN[TAKEN_BY_COLUMN[column] ?? ''] ?? ['user.name_taken', 'Somebody has one of these names already'];
  return new AppError(code, 409, title);
}

export const notHome = (): AppError =>
  new AppError('user.not_home', 403, 'Only the home tenant of this person may change this', {
    detail: 'Other tenants change membership, roles and attributes in themselves.',
  });

export const higherRights = (): AppError => new AppError('user.higher_rights', 403, 'This person has rights that you have not');

export const lastAdministrator = (): AppError =>
  new AppError('user.last_administrator', 409, 'The last active administrator cannot be disabled or deleted');

export const verifiedForbidden = (field: 'emailVerified' | 'phoneVerified'): AppError =>
  new AppError('user.verification_forbidden', 403, 'Only a platform administrator may say that this is verified', {
    detail: 'Of an e-mail address a tenant may, where it is in one of its verified domains.',
    extra: { field },
  });

export const addressNotOurs = (): AppError =>
  new AppError('user.address_not_ours', 422, 'A tenant sets addresses in its verified domains only', {
    detail: 'Any other address is added and proven by the person, at the account page.',
    errors: [{ pointer: '/email', message: 'is not in a verified domain of the tenant' }],
  });

export const homeMembership = (): AppError =>
  new AppError('user.home_membership', 409, 'Nobody leaves their home tenant', { detail: 'Delete or disable the person instead.' });

export const ownersOnly = (): AppError => new AppError('role.owners_only', 403, 'Only owners give and take the role of an owner');

export const lastOwner = (): AppError =>
  new AppError('user.last_owner', 409, 'The last active owner of the tenant cannot be disabled, deleted or removed');
