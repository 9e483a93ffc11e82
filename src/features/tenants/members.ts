/** Who belongs to a tenant, with which roles. */
import { AppError, invalidInput, notFound } from '../../core/errors.ts';
import { isId, sha256 } from '../../core/ids.ts';
import { type Page, type PageRequest, pageOf, readPosition } from '../../core/page.ts';
import { checkHolds, ownPerson } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import type { Database, Sql } from '../../infra/postgres.ts';
import type { Transact } from '../audit/index.ts';
import type { RoleBook, RoleFacts } from '../roles/index.ts';
import { tenantNotFound } from './in-path.ts';
import {
  allRolesOf,
  deleteMembership,
  findMember,
  giveRoles,
  hasOwner,
  insertMembership,
  listMembers,
  lockMembership,
  lockOwnership,
  type MemberRow,
  type MembershipRow,
  membershipsOfPerson,
  rolesNowOf,
  takeRoles,
  touchMembership,
} from './members-store.ts';
import { personExists } from './tenants-store.ts';

export interface MemberDeps {
  db: Database;
  transact: Transact;
  /** Makes a book of roles as they are in a transaction. */
  bookOf(roles: readonly RoleFacts[]): RoleBook;
}

export const memberNotFound = (): AppError => notFound('member');
const memberExists = (): AppError => new AppError('member.exists', 409, 'The person is a member already');
const atHome = (): AppError =>
  new AppError('member.at_home', 409, 'The person is at home in this tenant', { detail: 'Disable or delete the person instead.' });
const lastOwner = (): AppError => new AppError('member.last_owner', 409, 'The last active owner of the tenant stays its owner');
const ownersOnly = (): AppError => new AppError('role.owners_only', 403, 'Only owners give and take the role of an owner');
const invitesOnly = (): AppError =>
  new AppError('member.invitation_needed', 403, 'A tenant invites people instead of adding them', {
    detail: 'Use POST /api/tenants/{id}/invitations: who is invited decides whether to become a member.',
  });

/** Changes with everything that the answer shows. */
export const versionOf = (row: MemberRow): string =>
  `${row.version}-${row.user_version}-${sha256(JSON.stringify([row.roles, row.groups])).slice(0, 16)}`;

/** Adds a person of the installation. For the platform only. Throws 403, 409 `member.exists` or `limit.reached`, 422. */
export function addMember(
  deps: MemberDeps,
  scope: Scope,
  input: { userId: string; roles?: readonly string[] | undefined },
): Promise<MemberRow> {
  if (!scope.platform) throw invitesOnly();
  return deps.transact(scope, async ({ sql, record }) => {
    const { userId } = input;
    if (!isId(userId) || !(await personExists(sql, userId)))
      throw invalidInput([{ pointer: '/userId', message: 'is no active person of this installation' }]);
    if (!(await insertMembership(sql, scope.tenantId, userId))) throw memberExists();
    const roles = await setRoles(deps, sql, scope, userId, [], input.roles ?? []);
    record({ type: 'membership.created', outcome: 'success', target: { type: 'user', id: userId }, data: { roleIds: roles.given } });
    return (await findMember(sql, scope.tenantId, userId))!;
  });
}

/**
 * Makes these the member's roles for everything; those for single things stay. Nobody gives or takes more than they hold, and the role of owners only
 * owners. Throws 403, 404, 409 `member.last_owner`, 412, 422.
 */
export function setMemberRoles(
  deps: MemberDeps,
  scope: Scope,
  userId: string,
  roles: readonly string[],
  ifMatch?: string,
): Promise<MemberRow> {
  return deps.transact(scope, async ({ sql, record }) => {
    await lockOwnership(sql, scope.tenantId);
    await lockMembership(sql, scope.tenantId, userId);
    const before = await findMember(sql, scope.tenantId, userId);
    if (!before) throw memberNotFound();
    checkIfMatch(ifMatch, versionOf(before));
    const { given, taken } = await setRoles(deps, sql, scope, userId, before.roles, roles);
    if (given.length + taken.length === 0) return before;
    await touchMembership(sql, scope.tenantId, userId);
    record({ type: 'membership.changed', outcome: 'success', target: { type: 'user', id: userId }, data: { given, taken } });
    return (await findMember(sql, scope.tenantId, userId))!;
  });
}

/** Ends a membership; the person's tokens and keys of the tenant end with it. Throws 403, 404, 409 `member.at_home` or `member.last_owner`, 412. */
export async function removeMember(deps: MemberDeps, scope: Scope, userId: string, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async ({ sql, record }) => {
    await lockOwnership(sql, scope.tenantId);
    await lockMembership(sql, scope.tenantId, userId);
    const row = await findMember(sql, scope.tenantId, userId);
    if (!row) throw memberNotFound();
    checkIfMatch(ifMatch, versionOf(row));
    if (row.home) throw atHome();
    const book = deps.bookOf(await rolesNowOf(sql, scope.tenantId));
    const held = await allRolesOf(sql, scope.tenantId, userId);
    const own = scope.actor.type === 'user' && scope.actor.id === userId;
    if (!own) checkGrant(scope, book, held);
    await endMembership(sql, scope.tenantId, userId, book.isOwner(held));
    record({ type: 'membership.deleted', outcome: 'success', target: { type: 'user', id: userId }, data: { tenantId: scope.tenantId } });
  });
}

/** A person leaves a tenant. Throws 404 `tenant.not_found` where they are no member, 409 as `removeMember`. */
export async function leaveTenant(deps: MemberDeps, scope: Scope, tenantId: string): Promise<void> {
  const userId = ownPerson(scope);
  await deps.transact({ ...scope, tenantId }, async ({ sql, record }) => {
    await lockOwnership(sql, tenantId);
    const row = await findMember(sql, tenantId, userId);
    if (!row) throw tenantNotFound();
    if (row.home) throw atHome();
    const book = deps.bookOf(await rolesNowOf(sql, tenantId));
    await endMembership(sql, tenantId, userId, book.isOwner(row.roles));
    record({ type: 'membership.deleted', outcome: 'success', target: { type: 'user', id: userId }, data: { tenantId }, reason: 'left' });
  });
}

async function endMembership(sql: Sql, tenantId: string, userId: string, owner: boolean): Promise<void> {
  await deleteMembership(sql, tenantId, userId);
  if (owner && !(await hasOwner(sql, tenantId))) throw lastOwner();
}

/** Throws 404. */
export async function getMember({ db }: Pick<MemberDeps, 'db'>, scope: Scope, userId: string): Promise<MemberRow> {
  const row = isId(userId)
    ? await db.transaction((sql) => findMember(sql, scope.tenantId, userId), { tenantId: scope.tenantId })
    : undefined;
  if (!row) throw memberNotFound();
  return row;
}

/** In the order in which they came. */
export async function pageOfMembers(
  { db }: Pick<MemberDeps, 'db'>,
  scope: Scope,
  { limit, cursor }: PageRequest,
): Promise<Page<MemberRow>> {
  const position = readPosition(cursor);
  if (position && !isId(position[1])) throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
  const rows = await db.transaction((sql) => listMembers(sql, scope.tenantId, limit + 1, position), { tenantId: scope.tenantId });
  return pageOf(
    rows,
    limit,
    (row) => [row.position, row.user_id],
    (row): MemberRow => row,
  );
}

/** The caller's own memberships. */
export const ownMemberships = ({ db }: Pick<MemberDeps, 'db'>, scope: Scope): Promise<MembershipRow[]> =>
  db.transaction((sql) => membershipsOfPerson(sql, ownPerson(scope)));

/** Roles by name or id; ids of what was given and taken. */
async function setRoles(
  deps: Pick<MemberDeps, 'bookOf'>,
  sql: Sql,
  scope: Scope,
  userId: string,
  before: readonly string[],
  wanted: readonly string[],
): Promise<{ given: string[]; taken: string[] }> {
  if (before.length + wanted.length === 0) return { given: [], taken: [] };
  const book = deps.bookOf(await rolesNowOf(sql, scope.tenantId));
  const found = wanted.map((name) => book.find(name));
  const errors = found.flatMap((role, index) => (role ? [] : [{ pointer: `/roles/${index}`, message: 'is no role of this tenant' }]));
  if (errors.length > 0) throw invalidInput(errors);
  const next = new Map(found.map((role) => [role!.id, role!]));
  const had = new Map(before.flatMap((name) => book.find(name) ?? []).map((role) => [role.id, role]));
  const given = [...next.values()].filter(({ id }) => !had.has(id));
  const taken = [...had.values()].filter(({ id }) => !next.has(id));
  checkGrant(
    scope,
    book,
    [...given, ...taken].map(({ name }) => name),
  );
  const ids = (roles: readonly RoleFacts[]): string[] => roles.map(({ id }) => id);
  const { actor } = scope;
  await takeRoles(sql, scope.tenantId, userId, ids(taken));
  await giveRoles(sql, scope.tenantId, userId, ids(given), actor.type === 'anonymous' ? actor.type : `${actor.type}:${actor.id}`);
  if (taken.some(({ builtIn }) => builtIn === 'owner') && !(await hasOwner(sql, scope.tenantId))) throw lastOwner();
  return { given: ids(given), taken: ids(taken) };
}

function checkGrant(scope: Scope, book: RoleBook, names: readonly string[]): void {
  if (book.isOwner(names) && !scope.owner && !scope.platform) throw ownersOnly();
  checkHolds(scope, book.permissionsOf(names));
}
