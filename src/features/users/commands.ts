import type { Clock } from '../../core/clock.ts';
import { type FieldError, invalidInput, notFound } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { isManagementPermission } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import type { Sql } from '../../infra/postgres.ts';
import type { Transact, Work } from '../audit/index.ts';
import type { ImportedPassword } from '../credentials/index.ts';
import type { RoleBook, RoleBooks } from '../roles/index.ts';
import type { TenantCache } from '../tenants/index.ts';
import { changedFields, columnsOfChange, type UserChange } from './columns.ts';
import {
  addressNotOurs,
  asTaken,
  higherRights,
  homeMembership,
  lastAdministrator,
  lastOwner,
  notHome,
  verifiedForbidden,
} from './errors.ts';
import { isHome, versionOf } from './home.ts';
import { isInDomains } from './names.ts';
import { checkMustChange, newHash, storePassword } from './secrets.ts';
import {
  type AttributeValue,
  deleteMembership,
  deleteUser,
  findPerson,
  findUser,
  hasOtherOwner,
  type Membership,
  membershipsOf,
  type UserChanges,
  type UserRow,
  updateUser,
} from './store.ts';

export interface NewInvitation {
  email: string;
  /** Names or ids. */
  roles?: readonly string[] | undefined;
  attributes?: Readonly<Record<string, AttributeValue>> | undefined;
}

export interface OpenInvitation {
  id: string;
  email: string;
  roles: readonly string[];
  expiresAt: Date;
}

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
  /** Tells the person which kinds of factors were taken from them, when the transaction of `work` commits. */
  tellOfTaken?(work: Work, scope: Scope, userId: string, types: readonly string[]): Promise<void>;
  /** For people who change how they sign in themselves: answers what throws 401 where this sign-in is too weak or too old for it (RFC 9470). */
  ownAssurance?(scope: Scope, userId: string): Promise<() => void>;
  /** What roles mean. */
  roles: Pick<RoleBooks, 'of'>;
  /** Which domains a tenant has proven. */
  tenants: Pick<TenantCache, 'find'>;
  /**
   * Invites somebody to the scope's tenant in the transaction of `work`, alike whether the address is known or not, and records that; where an
   * invitation is open already, answers that one.
   */
  invite(work: Work, scope: Scope, input: NewInvitation): Promise<OpenInvitation>;
  /**
   * What is wrong with the values that people are to have in a tenant, by the tenant's definitions: one list for each, with pointers below
   * `/attributes`. What is defined stays so until the transaction ends.
   */
  faultsOfAttributes(sql: Sql, tenantId: string, people: readonly Readonly<Record<string, unknown>>[]): Promise<FieldError[][]>;
  /** Destroys the person's key. */
  forget(userId: string, sql: Sql): Promise<void>;
}

/**
 * Changes the fields that are named; null clears. Disabling or a new password ends all of the person's access in the same transaction.
 * Throws 404, 412, 409 `user.*_taken` or `user.last_administrator`, 403 where the tenant is not the person's home or the person has more rights.
 */
export async function changeUser(deps: UserDeps, scope: Scope, id: string, change: UserChange, ifMatch?: string): Promise<UserRow> {
  if (change.phoneVerified && !scope.platform) throw verifiedForbidden('phoneVerified');
  checkMustChange(change);
  // A hash takes longer than a transaction should, so it is made before.
  const hash = change.password === undefined ? undefined : await hashFor(deps, scope, id, change, ifMatch);
  const domains = await domainsOf(deps, scope);
  // Read before the transaction where it is not known yet: within, it would wait for a second connection.
  await deps.roles.of(scope.tenantId);
  const assure = await assureSelf(deps, scope, id);
  try {
    return await deps.transact(scope, async (work) => {
      const row = await findUser(work.sql, scope.tenantId, id, true);
      if (!row) throw notFound('user');
      checkIfMatch(ifMatch, versionOf(row));
      const home = isHome(scope, row);
      if (!home && !isOfMembership(change)) throw notHome();
      const columns = columnsOfChange(row, change, deps.clock.now());
      if (!scope.platform) checkAddress(domains, row, columns, change);
      const fields = changedFields(row, columns);
      if (hash === undefined && fields.length === 0) return row;
      if (fields.includes('attributes')) await checkAttributes(deps, work.sql, scope.tenantId, setBy(change));
      if (home) await checkRights(deps, work.sql, scope, id);
      if (hash !== undefined || fields.some((field) => WAYS_IN.has(field))) assure();
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

/** Throws 422 where values are not as the tenant defined them. */
export async function checkAttributes(
  deps: Pick<UserDeps, 'faultsOfAttributes'>,
  sql: Sql,
  tenantId: string,
  values: Readonly<Record<string, AttributeValue>>,
): Promise<void> {
  if (Object.keys(values).length === 0) return;
  const [errors = []] = await deps.faultsOfAttributes(sql, tenantId, [values]);
  if (errors.length > 0) throw invalidInput(errors);
}

/** The values that a change sets; what it leaves alone may be older than its definition. */
const setBy = ({ attributes, attributesPatch = {} }: UserChange): Record<string, AttributeValue> =>
  attributes ?? Object.fromEntries(Object.entries(attributesPatch).flatMap(([name, value]) => (value === null ? [] : [[name, value]])));

/** What a tenant keeps of a member is its own, wherever they are at home. */
const isOfMembership = (change: UserChange): boolean =>
  Object.keys(change).every((field) => field === 'attributes' || field === 'attributesPatch');

/**
 * A tenant sets addresses in its verified domains only. Any other would tell by a conflict who is known elsewhere, and take the address from
 * whoever owns it; the person adds it themselves, and proves it.
 */
function checkAddress(domains: readonly string[], before: UserRow, columns: UserChanges, change: UserChange): void {
  const address = columns.email_key === undefined ? before.email_key : columns.email_key;
  const ours = address !== null && isInDomains(domains, address);
  if (change.emailVerified && !ours && !(before.email_verified_at !== null && address === before.email_key))
    throw verifiedForbidden('emailVerified');
  if (address !== null && address !== before.email_key && !ours) throw addressNotOurs();
}

/**
 * Deletes a person with all that hangs on them and destroys their key, at once; from another tenant than the home it ends the
 * membership only. Throws 404, 412, 403 and 409 as `changeUser` does.
 */
export async function removeUser(deps: UserDeps, scope: Scope, id: string, ifMatch?: string): Promise<void> {
  await deps.roles.of(scope.tenantId);
  const assure = await assureSelf(deps, scope, id);
  await deps.transact(scope, async (work) => {
    const row = await findUser(work.sql, scope.tenantId, id, true);
    if (!row) throw notFound('user');
    checkIfMatch(ifMatch, versionOf(row));
    const target = { type: 'user', id };
    if (!isHome(scope, row)) return leave(deps, work, scope, id, scope.tenantId);
    await checkRights(deps, work.sql, scope, id);
    assure();
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
    checkIfMatch(ifMatch, versionOf(row));
    const columns = columnsOfChange(row, change, deps.clock.now());
    const fields = changedFields(row, columns);
    if (fields.length === 0) return row;
    const changed = await updateUser(work.sql, scope.tenantId, row, columns);
    work.record({ type: 'user.updated', outcome: 'success', target: { type: 'user', id: row.id }, data: { fields } });
    return changed;
  });
}

/**
 * Ends a membership outside the person's home: of the scope's tenant, or, for the home tenant and the platform, of any. Throws 404
 * `membership.not_found`, 409 `user.home_membership` or `user.last_owner`, and 403 where the person has more rights there.
 */
export async function removeFromTenant(deps: UserDeps, scope: Scope, id: string, tenantId: string): Promise<void> {
  await deps.transact(scope, async (work) => {
    const row = await findUser(work.sql, scope.tenantId, id, true);
    if (!row) throw notFound('user');
    if (!isHome(scope, row) && tenantId !== scope.tenantId) throw notFound('membership');
    if (tenantId === row.home_tenant_id) throw homeMembership();
    await leave(deps, work, scope, id, tenantId);
  });
}

async function leave(deps: UserDeps, work: Work, scope: Scope, id: string, tenantId: string): Promise<void> {
  const held = (await membershipsOf(work.sql, id)).find((membership) => membership.tenant_id === tenantId);
  if (!held) throw notFound('membership');
  const book = await deps.roles.of(tenantId);
  if (tenantId === scope.tenantId) checkAbove(scope, held, book);
  else await checkRights(deps, work.sql, scope, id);
  if (book.isOwner(held.roles) && !(await hasOtherOwner(work.sql, scope.tenantId, tenantId, id)))
    throw held.type === 'root' ? lastAdministrator() : lastOwner();
  if (!(await deleteMembership(work.sql, scope.tenantId, tenantId, id))) throw notFound('membership');
  work.record({ type: 'membership.deleted', outcome: 'success', target: { type: 'user', id }, data: { tenantId } });
}

/** Domains that the scope's tenant has proven. */
export const domainsOf = async ({ tenants }: Pick<UserDeps, 'tenants'>, { tenantId }: Scope): Promise<readonly string[]> =>
  (await tenants.find(tenantId))?.domains ?? [];

/** Of a person: what mails, messages and sign-ins find them by. */
const WAYS_IN: ReadonlySet<string> = new Set(['email', 'emailVerified', 'phone', 'phoneVerified']);

/** Who has rights over people gets no way round what their own account asks of them. Nothing for whoever acts upon somebody else. */
export async function assureSelf(deps: Pick<UserDeps, 'ownAssurance'>, scope: Scope, userId: string): Promise<() => void> {
  const isSelf = scope.actor.type === 'user' && scope.actor.id === userId;
  return (isSelf ? await deps.ownAssurance?.(scope, userId) : undefined) ?? (() => {});
}

/** Whoever may write people must not become an administrator, an owner or who runs the installation by resetting one's password. */
export async function checkRights(deps: Pick<UserDeps, 'roles'>, sql: Sql, scope: Scope, userId: string): Promise<void> {
  if (scope.actor.type === 'user' && scope.actor.id === userId) return;
  for (const membership of await membershipsOf(sql, userId)) checkAbove(scope, membership, await deps.roles.of(membership.tenant_id));
}

function checkAbove(scope: Scope, { type, roles }: Membership, book: RoleBook): void {
  const rights = [...book.permissionsOf(roles)].filter(isManagementPermission);
  const beyond = rights.some((permission) => !scope.permissions.has(permission));
  const above = !scope.platform && ((type === 'root' && rights.length > 0) || (book.isOwner(roles) && !scope.owner));
  if (beyond || above) throw higherRights();
}

/** The installation and the person's home keep an active owner; another tenant's is no reason to let somebody in any longer. */
export async function checkNotLast(deps: Pick<UserDeps, 'roles'>, sql: Sql, scope: Scope, userId: string): Promise<void> {
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
  checkIfMatch(ifMatch, versionOf(row));
  if (!isHome(scope, row)) throw notHome();
  return newHash(deps, change.password, { ...row, ...columnsOfChange(row, change, deps.clock.now()) });
}

function eventOf(before: UserRow, after: UserRow, fields: readonly string[]): string {
  if (fields.length > 1 || before.status === after.status) return 'user.updated';
  return after.status === 'disabled' ? 'user.disabled' : 'user.enabled';
}
