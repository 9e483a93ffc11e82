import { invitationsTo } from '../features/invitations/decide.ts';
import type { Database } from '../infra/postgres.ts';
import type { Person } from '../login/people-store.ts';
import { findMemberships, type MembershipRow } from './store.ts';
import type { InvitedRow, OrganizationRow } from './views/pages.ts';

/** The organizations that a person belongs to, and is invited to. */
export async function organizationsOf(
  db: Database,
  person: Person,
): Promise<{ organizations: OrganizationRow[]; invitations: InvitedRow[] }> {
  const [memberships, invitations] = await Promise.all([findMemberships(db, person.id), invitationsTo({ db }, person.id)]);
  return {
    organizations: memberships.filter(isWorthTelling).map(({ tenant_id: id, name, roles, status }) => ({
      name,
      roles,
      home: id === person.homeTenantId,
      suspended: status !== 'active',
      leaveUrl: id === person.homeTenantId ? undefined : `/account/organizations/${id}/leave`,
    })),
    invitations: invitations.map(({ id, tenant, inviter, roles, expiresAt }) => ({
      id,
      name: tenant,
      inviter: inviter ?? undefined,
      roles,
      until: new Date(expiresAt),
    })),
  };
}

/** Everybody who registers is at home where the installation is run: that says nothing before they have a role there. */
const isWorthTelling = ({ type, status, roles }: MembershipRow): boolean => status !== 'deleted' && (type !== 'root' || roles.length > 0);
