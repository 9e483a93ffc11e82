/** Inviting: the secret goes into one mail and is forgotten. */
import { forbidden, invalidInput } from '../../core/errors.ts';
import { newId, newSecret, sha256 } from '../../core/ids.ts';
import { can, checkHolds } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import { RULES } from '../../infra/limits.ts';
import { isMailAddress } from '../../infra/mail-address.ts';
import { violatedUnique } from '../../infra/postgres.ts';
import type { Work } from '../audit/index.ts';
import type { RoleBook, RoleFacts } from '../roles/index.ts';
import { alreadyMember, alreadyPending, invitationClosed, invitationNotFound, ownersOnly } from './errors.ts';
import type { InvitationDeps, NewInvitation } from './index.ts';
import {
  closeExpired,
  decideInvitation,
  findPending,
  type InvitationRow,
  insertInvitation,
  isMember,
  lockInvitation,
  namesFor,
  readRolesIn,
  renewInvitation,
} from './store.ts';

const WEEK_SECONDS = 7 * 86_400;

/**
 * Invites an address into the scope's tenant, within somebody's transaction: one row, one mail, one audit row. The same happens whether or
 * not anybody has an account with the address. Throws 403 where the roles carry more than the scope may do, 409 `invitation.pending`,
 * `invitation.member` or `limit.reached`, 422, 503 where no mail can be sent.
 */
export async function inviteIn(deps: InvitationDeps, work: Work, scope: Scope, input: NewInvitation): Promise<InvitationRow> {
  const { sql } = work;
  const email = input.email.trim();
  if (!isMailAddress(email)) throw invalidInput([{ pointer: '/email', message: 'is no mail address' }]);
  const emailKey = email.toLowerCase();
  const roles = grantable(scope, deps.bookOf(await readRolesIn(sql, scope.tenantId)), input.roles);
  const attributes = input.attributes ?? {};
  if (Object.keys(attributes).length > 0) {
    if (!can(scope, 'attributes.write')) throw forbidden('attributes.write');
    await deps.checkAttributes(sql, scope.tenantId, attributes);
  }
  await closeExpired(sql, scope.tenantId);
  if (await isMember(sql, scope.tenantId, emailKey)) throw alreadyMember();
  if (await findPending(sql, scope.tenantId, emailKey)) throw alreadyPending();
  const secret = newSecret();
  const row = await insertInvitation(sql, {
    id: newId(deps.clock.now()),
    tenantId: scope.tenantId,
    email,
    emailKey,
    roleIds: roles.map(({ id }) => id),
    attributes,
    secretHash: sha256(secret),
    invitedBy: inviterOf(scope),
    seconds: input.expiresInSeconds ?? WEEK_SECONDS,
  }).catch(pendingByNow);
  await sendMail(deps, work, scope, row, secret);
  work.record({ type: 'invitation.created', outcome: 'success', target: { type: 'invitation', id: row.id } });
  return row;
}

/**
 * The same, for whoever wants somebody to be invited and no matter since when: an invitation that is open already is answered as it is. Who may
 * create people may give them attributes.
 */
export async function inviteOrFind(
  deps: InvitationDeps,
  work: Work,
  scope: Scope,
  input: NewInvitation,
): Promise<{ id: string; email: string; roles: readonly string[]; expiresAt: Date }> {
  await closeExpired(work.sql, scope.tenantId);
  const open = await findPending(work.sql, scope.tenantId, input.email.trim().toLowerCase());
  const inviting = { ...scope, permissions: new Set([...scope.permissions, 'attributes.write']) };
  const row = open ?? (await inviteIn(deps, work, inviting, input));
  return { id: row.id, email: row.email, roles: row.roles, expiresAt: row.expires_at };
}

/** `inviteIn` in a transaction of its own. */
export const createInvitation = (deps: InvitationDeps, scope: Scope, input: NewInvitation): Promise<InvitationRow> =>
  deps.transact(scope, (work) => inviteIn(deps, work, scope, input));

/**
 * Sends it again, with another secret and as much time as it had at first; what was sent before is worth nothing then. An expired one
 * opens again. Throws 403 where its roles carry more than the scope may do, 404, 409 `invitation.closed`, 412, 429 after five times in a day.
 */
export async function resendInvitation(deps: InvitationDeps, scope: Scope, id: string, ifMatch?: string): Promise<InvitationRow> {
  await deps.limits.consume(RULES.invitationResend, id);
  return deps.transact(scope, async (work) => {
    const before = await lockInvitation(work.sql, scope.tenantId, id);
    if (!before) throw invitationNotFound();
    checkIfMatch(ifMatch, before.version);
    if (before.status !== 'pending' && before.status !== 'expired') throw invitationClosed();
    grantable(scope, deps.bookOf(await readRolesIn(work.sql, scope.tenantId)), before.roles);
    if (await isMember(work.sql, scope.tenantId, before.email_key)) throw alreadyMember();
    const secret = newSecret();
    const row = await renewInvitation(work.sql, scope.tenantId, id, sha256(secret)).catch(pendingByNow);
    await sendMail(deps, work, scope, row, secret);
    work.record({ type: 'invitation.sent_again', outcome: 'success', target: { type: 'invitation', id } });
    return row;
  });
}

/** Takes it back. Throws 404, 409 `invitation.closed` where it was decided, 412. */
export async function revokeInvitation(deps: InvitationDeps, scope: Scope, id: string, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async ({ sql, record }) => {
    const before = await lockInvitation(sql, scope.tenantId, id);
    if (!before) throw invitationNotFound();
    checkIfMatch(ifMatch, before.version);
    if (!(await decideInvitation(sql, scope.tenantId, id, 'revoked'))) throw invitationClosed();
    record({ type: 'invitation.revoked', outcome: 'success', target: { type: 'invitation', id } });
  });
}

/** Nobody grants more than they hold, and owners are made by owners and the platform only. */
function grantable(scope: Scope, book: RoleBook, wanted: readonly string[] | undefined): RoleFacts[] {
  const names = wanted ?? (book.find('member') ? ['member'] : []);
  const found = names.map((name) => book.find(name));
  const unknown = found.flatMap((role, index) => (role ? [] : [{ pointer: `/roles/${index}`, message: 'is no role of this tenant' }]));
  if (unknown.length > 0) throw invalidInput(unknown);
  const roles = [...new Set(found.filter((role) => role !== undefined))];
  const given = roles.map(({ name }) => name);
  checkHolds(scope, book.permissionsOf(given));
  if (book.isOwner(given) && !scope.owner && !scope.platform) throw ownersOnly();
  return roles;
}

async function sendMail(deps: InvitationDeps, work: Work, scope: Scope, row: InvitationRow, secret: string): Promise<void> {
  const person = personBehind(scope);
  const { tenant, inviter } = await namesFor(work.sql, scope.tenantId, person ?? null);
  // Never what a header says, and not a tenant's own issuer: there nobody is signed in who does not belong to it yet.
  const issuer = deps.baseIssuer;
  const url = `${issuer}/account/invitations/${secret}`;
  const mail = deps.render({ issuer, tenant, inviter: inviter ?? undefined, url, until: row.expires_at });
  await deps.queueMail({ to: row.email, ...mail }, work.sql, { until: row.expires_at, tenantId: scope.tenantId });
}

const personBehind = ({ actor }: Scope): string | undefined =>
  actor.type === 'user' ? actor.id : actor.type === 'api_key' && actor.owner.type === 'user' ? actor.owner.id : undefined;

function inviterOf(scope: Scope): string | null {
  const { actor } = scope;
  const person = personBehind(scope);
  if (person !== undefined) return `user:${person}`;
  return actor.type === 'api_key' ? `client:${actor.owner.id}` : actor.type === 'anonymous' ? null : `${actor.type}:${actor.id}`;
}

function pendingByNow(error: unknown): never {
  throw violatedUnique(error) ? alreadyPending() : error;
}
