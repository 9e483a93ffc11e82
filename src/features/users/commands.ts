import type { Clock } from '../../core/clock.ts';
import { invalidInput, notFound } from '../../core/errors.ts';
import { isId, newId } from '../../core/ids.ts';
import { isManagementPermission } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import { parseImportedHash } from '../../infra/imported-hash.ts';
import type { Sql } from '../../infra/postgres.ts';
import type { Transact, Work } from '../audit/index.ts';
import type { ImportedPassword } from '../credentials/index.ts';
import type { RoleBooks } from '../roles/index.ts';
import { changedFields, columnsOfChange, columnsOfNew, type NewUser, type UserChange } from './columns.ts';
import { addressNeedsInvitation, asTaken, higherRights, lastAdministrator, lastOwner, notHome, verifiedForbidden } from './errors.ts';
import {
  deleteMembership,
  deleteUser,
  findPerson,
  findUser,
  hasOtherOwner,
  insertUser,
  membershipsOf,
  type UserRow,
  updateUser,
} from './store.ts';

export type { NewUser } from './columns.ts';

export interface UserDeps {
  clock: Clock;
  transact: Transact;
  /** What speaks against a password, in words for the caller; undefined where nothing does. `about` are the person's own names, `tenantId` their home. */
  checkPassword(password: string, about: readonly string[], tenantId: string): Promise<string | undefined>;
  hashPassword(password: string): Promise<string>;
  /** Stores the password in the transaction of `work` and records that it was set. */
  setPassword(work: Work, input: { userId: string; hash: string; mustChange: boolean; reason: 'set_by_administrator' }): Promise<unknown>;
  /** The same with a hash that another system made. */
  setImportedPassword(work: Work, input: ImportedPassword): Promise<unknown>;
  /** Ends sessions, grants with all their tokens, journeys and one-time codes of a person, in the transaction of `work`. */
  endAccess(work: Work, userId: string): Promise<void>;
  /** What roles mean. */
  roles: Pick<RoleBooks, 'of'>;
  /** Destroys the person's key. */
  forget(userId: string, sql: Sql): Promise<void>;
}

/**
 * Creates a person at home in the scope's tenant and, except in the root tenant, makes them its member. Throws 409 `user.*_taken`,
 * 422, and 403 where a tenant says that an address is verified.
 */
export async function createUser(deps: UserDeps, scope: Scope, input: NewUser): Promise<UserRow> {
  checkVerified(scope, input);
  checkMustChange(input);
  const imported = importedHash(input);
  if (input.email !== undefined && !scope.platform) throw addressNeedsInvitation();
  const columns = columnsOfNew(newId(), scope.tenantId, input, deps.clock.now());
  const hash = await newHash(deps, input.password, columns);
  try {
    return await deps.transact(scope, async (work) => {
      const row = await insertUser(work.sql, columns);
      if (hash !== undefined) await storePassword(deps, work, row.id, hash, input.passwordMustChange);
      if (imported) await deps.setImportedPassword(work, { userId: row.id, hash: imported, mustChange: input.passwordMustChange ?? false });
      work.record({ type: 'user.created', outcome: 'success', target: { type: 'user', id: row.id } });
      return row;
    });
  } catch (error) {
    throw asTaken(error);
  }
}

/**
 * Changes the fields that are named; null clears. Disabling or a new password ends all of the person's access in the same transaction.
 * Throws 404, 412, 409 `user.*_taken` or `user.last_administrator`, 403 where the tenant is not the person's home or the person has more rights.
 */
export async function changeUser(deps: UserDeps, scope: Scope, id: string, change: UserChange, ifMatch?: string): Promise<UserRow> {
  checkVerified(scope, change);
  checkMustChange(change);
  // A hash takes longer than a transaction should, so it is made before.
  const hash = change.password === undefined ? undefined : await hashFor(deps, scope, id, change, ifMatch);
  try {
    return await deps.transact(scope, async (work) => {
      const row = await findUser(work.sql, scope.tenantId, id, true);
      if (!row) throw notFound('user');
      checkIfMatch(ifMatch, row.version);
      if (!isHome(scope, row)) throw notHome();
      const columns = columnsOfChange(row, change, deps.clock.now());
      const fields = changedFields(row, columns);
      if (hash === undefined && fields.length === 0) return row;
      await checkRights(deps, work.sql, scope, id);
      const disabled = columns.status === 'disabled' && row.status === 'active';
      if (disabled) await checkNotLast(deps, work.sql, scope, id);
      const changed = await updateUser(work.sql, scope.tenantId, row, columns);
      if (hash !== undefined) await storePassword(deps, work, id, hash, change.passwordMustChange);
      if (disabled || hash !== undefined) await deps.endAccess(work, id);
      if (fields.length > 0)
        work.record({ type: eventOf(row, changed, fields), outcome: 'success', target: { type: 'user', id }, data: { fields } });
      return changed;
    });
  } catch (error) {
    throw asTaken(error);
  }
}

/**
 * Deletes a person with all that hangs on them and destroys their key, at once; from another tenant than the home it ends the
 * membership only. Throws 404, 412, 403 and 409 as `changeUser` does.
 */
export async function removeUser(deps: UserDeps, scope: Scope, id: string, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async (work) => {
    const row = await findUser(work.sql, scope.tenantId, id, true);
    if (!row) throw notFound('user');
    checkIfMatch(ifMatch, row.version);
    const target = { type: 'user', id };
    if (!isHome(scope, row)) {
      await deleteMembership(work.sql, scope.tenantId, id);
      work.record({ type: 'membership.deleted', outcome: 'success', target });
      return;
    }
    await checkRights(deps, work.sql, scope, id);
    await checkNotLast(deps, work.sql, scope, id);
    await deps.endAccess(work, id);
    await deleteUser(work.sql, id);
    await deps.forget(id, work.sql);
    work.record({ type: 'user.deleted', outcome: 'success', target });
  });
}

/** A person's own names and language. Throws 404 where they are gone, 412. */
export async function changeMe(
  deps: Pick<UserDeps, 'clock' | 'transact'>,
  scope: Scope,
  change: Pick<UserChange, 'givenName' | 'familyName' | 'locale'>,
  ifMatch?: string,
): Promise<UserRow> {
  return deps.transact(scope, async (work) => {
    const { actor } = scope;
    const row = actor.type === 'user' && isId(actor.id) ? await findPerson(work.sql, actor.id, true) : undefined;
    if (!row) throw notFound('user');
    checkIfMatch(ifMatch, row.version);
    const columns = columnsOfChange(row, change, deps.clock.now());
    const fields = changedFields(row, columns);
    if (fields.length === 0) return row;
    const changed = await updateUser(work.sql, scope.tenantId, row, columns);
    work.record({ type: 'user.updated', outcome: 'success', target: { type: 'user', id: row.id }, data: { fields } });
    return changed;
  });
}

const isHome = (scope: Scope, row: UserRow): boolean => scope.platform || row.home_tenant_id === scope.tenantId;

function checkVerified(scope: Scope, { emailVerified, phoneVerified }: { emailVerified?: boolean; phoneVerified?: boolean }): void {
  if (scope.platform) return;
  if (emailVerified) throw verifiedForbidden('emailVerified');
  if (phoneVerified) throw verifiedForbidden('phoneVerified');
}

/** It is said of the password that comes along; alone it would be taken and do nothing. */
function checkMustChange({
  password,
  passwordHash,
  passwordMustChange,
}: Pick<NewUser, 'password' | 'passwordHash' | 'passwordMustChange'>): void {
  if (passwordMustChange !== undefined && password === undefined && passwordHash === undefined)
    throw invalidInput([{ pointer: '/passwordMustChange', message: 'goes with a password' }]);
}

/** Nobody knows the password behind it, so only its hash is judged. */
function importedHash({ password, passwordHash }: NewUser): ImportedPassword['hash'] | undefined {
  if (passwordHash === undefined) return undefined;
  if (password !== undefined) throw invalidInput([{ pointer: '/passwordHash', message: 'does not go with a password' }]);
  return parseImportedHash(passwordHash);
}

/** Whoever may write people must not become an administrator, an owner or who runs the installation by resetting one's password. */
async function checkRights(deps: Pick<UserDeps, 'roles'>, sql: Sql, scope: Scope, userId: string): Promise<void> {
  if (scope.actor.type === 'user' && scope.actor.id === userId) return;
  for (const { tenant_id, type, roles } of await membershipsOf(sql, userId)) {
    const book = await deps.roles.of(tenant_id);
    const rights = [...book.permissionsOf(roles)].filter(isManagementPermission);
    const beyond = rights.some((permission) => !scope.permissions.has(permission));
    const above = !scope.platform && ((type === 'root' && rights.length > 0) || (book.isOwner(roles) && !scope.owner));
    if (beyond || above) throw higherRights();
  }
}

/** The installation and the person's home keep an active owner; another tenant's is no reason to let somebody in any longer. */
async function checkNotLast(deps: Pick<UserDeps, 'roles'>, sql: Sql, scope: Scope, userId: string): Promise<void> {
  for (const { tenant_id, type, roles } of await membershipsOf(sql, userId)) {
    if (type !== 'root' && tenant_id !== scope.tenantId) continue;
    if (!(await deps.roles.of(tenant_id)).isOwner(roles)) continue;
    if (!(await hasOtherOwner(sql, scope.tenantId, tenant_id, userId))) throw type === 'root' ? lastAdministrator() : lastOwner();
  }
}

async function hashFor(
  deps: UserDeps,
  scope: Scope,
  id: string,
  change: UserChange,
  ifMatch: string | undefined,
): Promise<string | undefined> {
  const row = await deps.transact(scope, ({ sql }) => findUser(sql, scope.tenantId, id));
  if (!row) throw notFound('user');
  checkIfMatch(ifMatch, row.version);
  if (!isHome(scope, row)) throw notHome();
  return newHash(deps, change.password, { ...row, ...columnsOfChange(row, change, deps.clock.now()) });
}

async function newHash(
  deps: UserDeps,
  password: string | undefined,
  about: Pick<UserRow, 'username' | 'email' | 'given_name' | 'family_name' | 'home_tenant_id'>,
): Promise<string | undefined> {
  if (password === undefined) return undefined;
  const names = [about.username, about.email, about.given_name, about.family_name].filter((name) => name !== null);
  const fault = await deps.checkPassword(password, names, about.home_tenant_id);
  if (fault !== undefined) throw invalidInput([{ pointer: '/password', message: fault }]);
  return deps.hashPassword(password);
}

const storePassword = (deps: UserDeps, work: Work, userId: string, hash: string, mustChange = false): Promise<unknown> =>
  deps.setPassword(work, { userId, hash, mustChange, reason: 'set_by_administrator' });

function eventOf(before: UserRow, after: UserRow, fields: readonly string[]): string {
  if (fields.length > 1 || before.status === after.status) return 'user.updated';
  return after.status === 'disabled' ? 'user.disabled' : 'user.enabled';
}
