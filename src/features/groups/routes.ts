import { DELETED, deleted, pageRequest } from '../../http/paging.ts';
import { answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { addMembers, changeGroup, createGroup, deleteGroup, type GroupDeps, removeMember } from './commands.ts';
import { type GroupQueryDeps, getGroup, pageOfGroups, pageOfMembers } from './queries.ts';
import {
  ADDED,
  GROUP,
  GROUP_PAGE,
  GROUP_PATCH,
  GROUP_QUERY,
  GROUP_REPLACEMENT,
  type GroupView,
  MEMBER_PAGE,
  MEMBER_PARAMS,
  MEMBER_QUERY,
  NEW_GROUP,
  NEW_MEMBERS,
} from './schema.ts';
import type { GroupRow } from './store.ts';

const tag = 'Groups';
const RIGHTS = 'The caller has to hold every management permission that the roles of the group carry (403 `permission.missing`).';

/** Management of the groups of a tenant. */
export function groupRoutes(deps: GroupDeps & GroupQueryDeps): Route[] {
  return [
    route('GET /api/groups', {
      summary: 'List groups',
      tag,
      access: 'groups.read',
      query: GROUP_QUERY,
      reply: GROUP_PAGE,
      handle: async (scope, { query }) => {
        const page = await pageOfGroups(deps, scope, pageRequest(query), query.name);
        return { items: page.items.map(viewOf), nextCursor: page.nextCursor };
      },
    }),
    route('POST /api/groups', {
      summary: 'Create a group',
      tag,
      access: 'groups.write',
      body: NEW_GROUP,
      reply: GROUP,
      status: 201,
      handle: async (scope, { body }) => {
        const row = await createGroup(deps, scope, body);
        return answer(viewOf(row), { version: row.version, headers: { location: `/api/groups/${row.id}` } });
      },
    }),
    route('GET /api/groups/{id}', {
      summary: 'See a group',
      tag,
      access: 'groups.read',
      params: ID_PARAMS,
      reply: GROUP,
      handle: async (scope, { params }) => versioned(await getGroup(deps, scope, params.id)),
    }),
    route('PUT /api/groups/{id}', {
      summary: 'Replace a group',
      tag,
      access: 'groups.write',
      params: ID_PARAMS,
      body: GROUP_REPLACEMENT,
      reply: GROUP,
      load: (scope, { id }) => getGroup(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) =>
        versioned(await changeGroup(deps, scope, params.id, { description: null, ...body }, ifMatch)),
    }),
    route('PATCH /api/groups/{id}', {
      summary: 'Change a group',
      tag,
      access: 'groups.write',
      params: ID_PARAMS,
      body: GROUP_PATCH,
      reply: GROUP,
      load: (scope, { id }) => getGroup(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) => versioned(await changeGroup(deps, scope, params.id, body, ifMatch)),
    }),
    route('DELETE /api/groups/{id}', {
      summary: 'Delete a group',
      description: `Its members stay in the tenant and lose the roles that it gave them. ${RIGHTS}`,
      tag,
      access: 'groups.write',
      params: ID_PARAMS,
      reply: DELETED,
      handle: async (scope, { params, ifMatch }) => {
        await deleteGroup(deps, scope, params.id, ifMatch);
        return deleted(params.id);
      },
    }),
    route('GET /api/groups/{id}/members', {
      summary: 'See who is in a group',
      tag,
      access: 'groups.read',
      params: ID_PARAMS,
      query: MEMBER_QUERY,
      reply: MEMBER_PAGE,
      handle: (scope, { params, query }) => pageOfMembers(deps, scope, params.id, pageRequest(query)),
    }),
    route('POST /api/groups/{id}/members', {
      summary: 'Add people to a group',
      description: `All of them or, where one is no member of the tenant, none. ${RIGHTS}`,
      tag,
      access: 'groups.write',
      params: ID_PARAMS,
      body: NEW_MEMBERS,
      reply: ADDED,
      versioned: false,
      load: (scope, { id }) => getGroup(deps, scope, id),
      handle: async (scope, { params, body }) => ({ groupId: params.id, ...(await addMembers(deps, scope, params.id, body)) }),
    }),
    route('DELETE /api/groups/{id}/members/{userId}', {
      summary: 'Remove somebody from a group',
      description: RIGHTS,
      tag,
      access: 'groups.write',
      params: MEMBER_PARAMS,
      reply: DELETED,
      versioned: false,
      handle: async (scope, { params }) => {
        await removeMember(deps, scope, params.id, params.userId);
        return deleted(params.userId);
      },
    }),
  ];
}

const versioned = (row: GroupRow): ReturnType<typeof answer> => answer(viewOf(row), { version: row.version });

const viewOf = (row: GroupRow): GroupView => ({
  id: row.id,
  name: row.name,
  description: row.description,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});
