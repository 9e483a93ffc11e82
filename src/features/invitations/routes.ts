import { invalidInput } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { pageOf, readPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import { DELETED, deleted, pageRequest } from '../../http/paging.ts';
import { answer, type Route, route } from '../../http/route.ts';
import { invitationNotFound } from './errors.ts';
import type { InvitationDeps } from './index.ts';
import { createInvitation, resendInvitation, revokeInvitation } from './invite.ts';
import { INVITATION, INVITATION_INPUT, INVITATION_PAGE, INVITATION_PARAMS, INVITATION_QUERY, TENANT_PARAMS, viewOf } from './schema.ts';
import { findInvitation, type InvitationRow, listInvitations } from './store.ts';

const tag = 'Invitations';

export interface InvitationRoutesDeps extends InvitationDeps {
  /** The scope to act with in the tenant that the path names. Throws 404. */
  inTenant(scope: Scope, tenantId: string): Promise<Scope>;
}

/** Invitations of a tenant, as who may invite sees them: never with the secret. */
export function invitationRoutes(deps: InvitationRoutesDeps): Route[] {
  const inTenant = (scope: Scope, { id }: { id: string }): Promise<Scope> => deps.inTenant(scope, id);
  const ofTenant = async (scope: Scope, { id, invitationId }: { id: string; invitationId: string }) => {
    const here = await deps.inTenant(scope, id);
    const row = await deps.db.transaction((sql) => findInvitation(sql, here.tenantId, invitationId), { tenantId: here.tenantId });
    if (!row) throw invitationNotFound();
    return { here, row };
  };
  return [
    route('GET /api/tenants/{id}/invitations', {
      summary: 'List the invitations of a tenant',
      description: 'In order of creation.',
      tag,
      access: 'invitations.read',
      params: TENANT_PARAMS,
      query: INVITATION_QUERY,
      reply: INVITATION_PAGE,
      load: inTenant,
      handle: async (_scope, { loaded: { tenantId }, query }) => {
        const { limit, cursor } = pageRequest(query);
        const position = readPosition(cursor);
        if (position && !isId(position[1])) throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
        const rows = await deps.db.transaction((sql) => listInvitations(sql, tenantId, limit + 1, position, query.status), { tenantId });
        return pageOf(rows, limit, (row) => [row.position, row.id], viewOf);
      },
    }),
    route('POST /api/tenants/{id}/invitations', {
      summary: 'Invite somebody into a tenant',
      description:
        'The address gets a mail with a link that works once; the answer is the same whether or not anybody has an account with it. 409 `invitation.pending` where an invitation to the address is open, `invitation.member` where a member has proven the address.',
      tag,
      access: 'invitations.write',
      params: TENANT_PARAMS,
      body: INVITATION_INPUT,
      reply: INVITATION,
      status: 201,
      errors: [409],
      versioned: false,
      load: inTenant,
      handle: async (_scope, { loaded, body }) => {
        const row = await createInvitation(deps, loaded, body);
        return answer(viewOf(row), {
          version: row.version,
          headers: { location: `/api/tenants/${row.tenant_id}/invitations/${row.id}` },
        });
      },
    }),
    route('GET /api/tenants/{id}/invitations/{invitationId}', {
      summary: 'See an invitation',
      tag,
      access: 'invitations.read',
      params: INVITATION_PARAMS,
      reply: INVITATION,
      load: ofTenant,
      handle: async (_scope, { loaded: { row } }) => versioned(row),
    }),
    route('DELETE /api/tenants/{id}/invitations/{invitationId}', {
      summary: 'Take an invitation back',
      description: 'It stays in the list as `revoked`. 409 `invitation.closed` where it was accepted, declined or taken back before.',
      tag,
      access: 'invitations.write',
      params: INVITATION_PARAMS,
      reply: DELETED,
      errors: [409],
      load: ofTenant,
      handle: async (_scope, { loaded: { here, row }, ifMatch }) => {
        await revokeInvitation(deps, here, row.id, ifMatch);
        return deleted(row.id);
      },
    }),
    route('POST /api/tenants/{id}/invitations/{invitationId}/resend', {
      summary: 'Send an invitation again',
      description:
        'With a new link, and as much time as it had at first; links sent before stop working. An expired one opens again. At most five times in a day.',
      tag,
      access: 'invitations.write',
      params: INVITATION_PARAMS,
      reply: INVITATION,
      errors: [409],
      load: ofTenant,
      handle: async (_scope, { loaded: { here, row }, ifMatch }) => versioned(await resendInvitation(deps, here, row.id, ifMatch)),
    }),
  ];
}

const versioned = (row: InvitationRow): ReturnType<typeof answer> => answer(viewOf(row), { version: row.version });
