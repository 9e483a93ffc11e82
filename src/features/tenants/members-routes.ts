import { invalidInput } from '../../core/errors.ts';
import { can } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import { DELETED, deleted, pageRequest } from '../../http/paging.ts';
import { answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { type TenantInPathDeps, tenantInPath } from './in-path.ts';
import {
  addMember,
  getMember,
  leaveTenant,
  type MemberDeps,
  ownMemberships,
  pageOfMembers,
  removeMember,
  setMemberRoles,
  versionOf,
} from './members.ts';
import {
  MEMBER,
  MEMBER_INPUT,
  MEMBER_PAGE,
  MEMBER_PARAMS,
  MEMBER_PATCH,
  MEMBER_QUERY,
  MEMBER_REPLACEMENT,
  type MemberView,
  OWN_TENANTS,
  type OwnTenantView,
} from './members-schema.ts';
import type { MemberRow, MembershipRow } from './members-store.ts';

const tag = 'Members';
const RIGHTS =
  'Nobody gives or takes a role that carries more than they hold; the role of owners is given and taken by owners and the platform.';

/** Who belongs to a tenant; and the tenants that a person belongs to. */
export function memberRoutes(deps: MemberDeps & TenantInPathDeps): Route[] {
  const load = (scope: Scope, { id }: { id: string }): Promise<Scope> => tenantInPath(deps, scope, id);
  const loadMember = async (scope: Scope, { id, userId }: { id: string; userId: string }): Promise<Scope> => {
    const inside = await tenantInPath(deps, scope, id);
    await getMember(deps, inside, userId);
    return inside;
  };
  const item = { tag, params: MEMBER_PARAMS } as const;
  return [
    route('GET /api/tenants/{id}/members', {
      summary: 'List the members of a tenant',
      description: 'In the order in which they came. Who is at home in the tenant is its member.',
      tag,
      access: 'members.read',
      params: ID_PARAMS,
      query: MEMBER_QUERY,
      reply: MEMBER_PAGE,
      load,
      handle: async (_scope, { loaded, query }) => {
        const page = await pageOfMembers(deps, loaded, pageRequest(query));
        return { items: page.items.map((row) => viewOf(loaded, row)), nextCursor: page.nextCursor };
      },
    }),
    route('POST /api/tenants/{id}/members', {
      summary: 'Add a person of the installation',
      description: 'The platform’s; a tenant invites people instead, and is answered 403 `member.invitation_needed`.',
      tag,
      access: 'members.write',
      params: ID_PARAMS,
      body: MEMBER_INPUT,
      reply: MEMBER,
      status: 201,
      versioned: false,
      load,
      handle: async (_scope, { loaded, body }) => {
        const row = await addMember(deps, loaded, body);
        return answer(viewOf(loaded, row), {
          version: versionOf(row),
          headers: { location: `/api/tenants/${loaded.tenantId}/members/${row.user_id}` },
        });
      },
    }),
    route('GET /api/tenants/{id}/members/{userId}', {
      ...item,
      summary: 'See a member',
      access: 'members.read',
      reply: MEMBER,
      load,
      handle: async (_scope, { loaded, params }) => versioned(loaded, await getMember(deps, loaded, params.userId)),
    }),
    route('PUT /api/tenants/{id}/members/{userId}', {
      ...item,
      summary: 'Replace the roles of a member',
      description: RIGHTS,
      access: 'members.write',
      body: MEMBER_REPLACEMENT,
      reply: MEMBER,
      load: loadMember,
      handle: async (_scope, { loaded, params, body, ifMatch }) => {
        if (body.userId !== undefined && body.userId !== params.userId)
          throw invalidInput([{ pointer: '/userId', message: 'is another member’s' }]);
        return versioned(loaded, await setMemberRoles(deps, loaded, params.userId, body.roles ?? [], ifMatch));
      },
    }),
    route('PATCH /api/tenants/{id}/members/{userId}', {
      ...item,
      summary: 'Change the roles of a member',
      description: RIGHTS,
      access: 'members.write',
      body: MEMBER_PATCH,
      reply: MEMBER,
      load: loadMember,
      handle: async (_scope, { loaded, params, body, ifMatch }) => {
        const before = body.roles === undefined ? (await getMember(deps, loaded, params.userId)).roles : undefined;
        return versioned(loaded, await setMemberRoles(deps, loaded, params.userId, before ?? body.roles ?? [], ifMatch));
      },
    }),
    route('DELETE /api/tenants/{id}/members/{userId}', {
      ...item,
      summary: 'End a membership',
      description:
        'Tokens and API keys that the person has of the tenant are dead with it. Who is at home in the tenant is disabled or deleted instead (409 `member.at_home`), and the last active owner stays (409 `member.last_owner`).',
      access: 'members.write',
      reply: DELETED,
      load: loadMember,
      handle: async (_scope, { loaded, params, ifMatch }) => {
        await removeMember(deps, loaded, params.userId, ifMatch);
        return deleted(params.userId);
      },
    }),
    route('GET /api/me/tenants', {
      summary: 'List the tenants that the caller belongs to',
      tag: 'Own account',
      access: 'account',
      reply: OWN_TENANTS,
      handle: async (scope) => ({ items: (await ownMemberships(deps, scope)).map(ownView), nextCursor: null }),
    }),
    route('DELETE /api/me/tenants/{id}', {
      summary: 'Leave a tenant',
      description: 'Not the home (409 `member.at_home`), and not as the last owner (409 `member.last_owner`).',
      tag: 'Own account',
      access: 'account',
      params: ID_PARAMS,
      reply: DELETED,
      versioned: false,
      handle: async (scope, { params }) => {
        await leaveTenant(deps, scope, params.id);
        return deleted(params.id);
      },
    }),
  ];
}

const versioned = (scope: Scope, row: MemberRow): ReturnType<typeof answer> => answer(viewOf(scope, row), { version: versionOf(row) });

const viewOf = (scope: Scope, row: MemberRow): MemberView => ({
  userId: row.user_id,
  username: row.username,
  email: row.email,
  givenName: row.given_name,
  familyName: row.family_name,
  status: row.status,
  roles: row.roles,
  groups: row.groups,
  ...(can(scope, 'attributes.read') ? { attributes: row.attributes } : {}),
  home: row.home,
  joinedAt: row.created_at.toISOString(),
});

const ownView = (row: MembershipRow): OwnTenantView => ({
  tenantId: row.tenant_id,
  slug: row.slug,
  name: row.name,
  type: row.type,
  status: row.status,
  roles: row.roles,
  groups: row.groups,
  home: row.home,
});
