import { isId } from '../../core/ids.ts';
import { ownPerson } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import { ID_PARAMS, type Route, route } from '../../http/route.ts';
import { acceptInvitation, type DecisionDeps, declineInvitation, invitationOf, invitationsTo } from './decide.ts';
import { invitationNotFound } from './errors.ts';
import type { ShownInvitation } from './index.ts';
import { DECIDED, OWN_INVITATION_PAGE, SECRET_INPUT } from './schema.ts';

const tag = 'Own account';

/** A person's own invitations, with a token of scope `account`. Who has proven the address needs no secret. */
export function ownInvitationRoutes(deps: DecisionDeps): Route[] {
  const own = async (scope: Scope, { id }: { id: string }): Promise<ShownInvitation> => {
    const found = isId(id) ? (await invitationsTo(deps, ownPerson(scope))).find((one) => one.id === id) : undefined;
    if (!found) throw invitationNotFound();
    return found;
  };
  return [
    route('GET /api/me/invitations', {
      summary: 'List the open invitations to your own address',
      description: 'Of all tenants; none where the address is not proven.',
      tag,
      access: 'account',
      reply: OWN_INVITATION_PAGE,
      handle: async (scope) => ({ items: (await invitationsTo(deps, ownPerson(scope))).map(shownOf), nextCursor: null }),
    }),
    route('POST /api/me/invitations/accept', {
      summary: 'Accept an invitation by the secret of its link',
      description: 'Only with the invited address proven. Again by the same person: the same answer.',
      tag,
      access: 'account',
      body: SECRET_INPUT,
      reply: DECIDED,
      errors: [409],
      handle: async (scope, { body }) => {
        const found = await invitationOf(deps, body.secret);
        if (!found) throw invitationNotFound();
        await acceptInvitation(deps, scope, ownPerson(scope), found);
        return decided(found, 'accepted');
      },
    }),
    route('POST /api/me/invitations/{id}/accept', {
      summary: 'Accept an invitation to your own address',
      tag,
      access: 'account',
      params: ID_PARAMS,
      reply: DECIDED,
      errors: [409],
      versioned: false,
      load: own,
      handle: async (scope, { loaded }) => {
        await acceptInvitation(deps, scope, ownPerson(scope), loaded);
        return decided(loaded, 'accepted');
      },
    }),
    route('POST /api/me/invitations/{id}/decline', {
      summary: 'Decline an invitation to your own address',
      tag,
      access: 'account',
      params: ID_PARAMS,
      reply: DECIDED,
      errors: [409],
      versioned: false,
      load: own,
      handle: async (scope, { loaded }) => {
        await declineInvitation(deps, scope, ownPerson(scope), loaded);
        return decided(loaded, 'declined');
      },
    }),
  ];
}

const shownOf = ({ id, tenantId, tenant, email, roles, inviter, expiresAt }: ShownInvitation) => ({
  id,
  tenantId,
  tenantName: tenant,
  email,
  roles: [...roles],
  invitedBy: inviter,
  expiresAt: new Date(expiresAt).toISOString(),
});

const decided = ({ id, tenantId, roles }: ShownInvitation, status: 'accepted' | 'declined') => ({
  id,
  tenantId,
  status,
  roles: [...roles],
});
