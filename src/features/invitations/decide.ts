/** What the invited person does with an invitation: they have proven the address at that very moment, or nothing happens. */
import { AppError } from '../../core/errors.ts';
import { sha256 } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import type { AuditLog, Transact } from '../audit/index.ts';
import { addressUnproven, invitationNotFound, otherAddress, tenantInactive } from './errors.ts';
import type { ShownInvitation } from './index.ts';
import {
  addMember,
  belongsTo,
  decideInvitation,
  findAddress,
  findBySecret,
  findToAddress,
  isTenantActive,
  lockAddress,
  lockInvitation,
} from './store.ts';

export interface DecisionDeps {
  db: Database;
  transact: Transact;
  audit: AuditLog;
}

const SECRET = /^[\w-]{43}$/;

/** By its secret, in whatever state; undefined where no invitation has that. */
export const invitationOf = async ({ db }: Pick<DecisionDeps, 'db'>, secret: string): Promise<ShownInvitation | undefined> =>
  SECRET.test(secret) ? findBySecret(db, sha256(secret)) : undefined;

/** The open invitations to the person's address; none where the address is not proven. */
export async function invitationsTo({ db }: Pick<DecisionDeps, 'db'>, userId: string): Promise<ShownInvitation[]> {
  const address = await findAddress(db, userId);
  return address?.verified && address.emailKey !== null ? findToAddress(db, address.emailKey) : [];
}

/** Whether the person accepted it before, and still belongs to the tenant. */
export const hasAccepted = async ({ db }: Pick<DecisionDeps, 'db'>, userId: string, shown: ShownInvitation): Promise<boolean> =>
  shown.status === 'accepted' && shown.acceptedBy === userId && (await belongsTo(db, userId, shown.tenantId));

/**
 * Makes the person a member with the invitation's roles, in one transaction: of any number of calls one does, and the same person is told
 * so again. Throws 404 where it is not open, 403 `invitation.other_address`, `invitation.address_unproven` or `tenant.inactive`, and 409
 * `limit.reached`; it stays open then. The refusals are recorded.
 */
export async function acceptInvitation(deps: DecisionDeps, scope: Scope, userId: string, shown: ShownInvitation): Promise<void> {
  const here = { ...scope, tenantId: shown.tenantId };
  const about = { target: { type: 'invitation', id: shown.id }, personId: userId };
  try {
    await deps.transact(here, async ({ sql, record }) => {
      const address = await lockAddress(sql, userId);
      const active = await isTenantActive(sql, shown.tenantId);
      const row = await lockInvitation(sql, shown.tenantId, shown.id);
      if (!row || !address?.active) throw invitationNotFound();
      if (address.emailKey !== row.email_key) throw otherAddress();
      if (!address.verified) throw addressUnproven();
      if (row.status === 'accepted' && row.accepted_by === userId) return;
      if (!active) throw tenantInactive();
      if (!(await decideInvitation(sql, shown.tenantId, shown.id, 'accepted', userId))) throw invitationNotFound();
      await addMember(sql, row, userId);
      record({ ...about, type: 'invitation.accepted', outcome: 'success', data: { userId } });
    });
  } catch (error) {
    if (error instanceof AppError && error.status < 500)
      await deps.audit.append(here, { ...about, type: 'invitation.refused', outcome: 'failure', reason: error.code });
    throw error;
  }
}

/** Throws 404 where it is not open, 403 as `acceptInvitation`. */
export async function declineInvitation(deps: DecisionDeps, scope: Scope, userId: string, shown: ShownInvitation): Promise<void> {
  await deps.transact({ ...scope, tenantId: shown.tenantId }, async ({ sql, record }) => {
    const address = await lockAddress(sql, userId);
    if (!address?.active) throw invitationNotFound();
    if (address.emailKey !== shown.emailKey) throw otherAddress();
    if (!address.verified) throw addressUnproven();
    if (!(await decideInvitation(sql, shown.tenantId, shown.id, 'declined'))) throw invitationNotFound();
    record({ type: 'invitation.declined', outcome: 'success', target: { type: 'invitation', id: shown.id }, personId: userId });
  });
}
