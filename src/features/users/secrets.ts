/** Passwords that administrators give, and hashes that come along from elsewhere. */
import { invalidInput } from '../../core/errors.ts';
import { parseImportedHash } from '../../infra/imported-hash.ts';
import type { Work } from '../audit/index.ts';
import type { ImportedPassword } from '../credentials/index.ts';
import type { NewUser } from './columns.ts';
import type { UserDeps } from './commands.ts';
import type { UserRow } from './store.ts';

/** It is said of the password that comes along; alone it would be taken and do nothing. */
export function checkMustChange({
  password,
  passwordHash,
  passwordMustChange,
}: Pick<NewUser, 'password' | 'passwordHash' | 'passwordMustChange'>): void {
  if (passwordMustChange !== undefined && password === undefined && passwordHash === undefined)
    throw invalidInput([{ pointer: '/passwordMustChange', message: 'goes with a password' }]);
}

/** Nobody knows the password behind it, so only its hash is judged. */
export function importedHash({ password, passwordHash }: Pick<NewUser, 'password' | 'passwordHash'>): ImportedPassword['hash'] | undefined {
  if (passwordHash === undefined) return undefined;
  if (password !== undefined) throw invalidInput([{ pointer: '/passwordHash', message: 'does not go with a password' }]);
  return parseImportedHash(passwordHash);
}

/** Judges a password and hashes it. Throws 422, 503 `service.busy`. */
export async function newHash(
  deps: Pick<UserDeps, 'checkPassword' | 'hashPassword'>,
  password: string | undefined,
  about: Pick<UserRow, 'username' | 'email' | 'given_name' | 'family_name' | 'home_tenant_id'>,
): Promise<string | undefined> {
  if (password === undefined) return undefined;
  const names = [about.username, about.email, about.given_name, about.family_name].filter((name) => name !== null);
  const fault = await deps.checkPassword(password, names, about.home_tenant_id);
  if (fault !== undefined) throw invalidInput([{ pointer: '/password', message: fault }]);
  return deps.hashPassword(password);
}

export const storePassword = (
  deps: Pick<UserDeps, 'setPassword'>,
  work: Work,
  userId: string,
  hash: string,
  mustChange = false,
): Promise<unknown> => deps.setPassword(work, { userId, hash, mustChange, reason: 'set_by_administrator' });
