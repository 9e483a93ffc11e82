import { DELETED, deleted, pageRequest } from '../../http/paging.ts';
import { answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import type { AttributeDeps } from './commands.ts';
import { changeGroup, createGroup, deleteGroup } from './groups.ts';
import { type AttributeQueryDeps, getGroup, pageOfGroups } from './queries.ts';
import { GROUP, GROUP_CHANGE, GROUP_PAGE, GROUP_QUERY, type GroupView, NEW_GROUP } from './schema.ts';
import type { AttributeGroupRow } from './store.ts';

const tag = 'Attributes';

/** Management of the groups that attributes are shown in. */
export function attributeGroupRoutes(deps: AttributeDeps & AttributeQueryDeps): Route[] {
  return [
    route('GET /api/attribute-groups', {
      summary: 'List attribute groups',
      tag,
      access: 'attributes.read',
      query: GROUP_QUERY,
      reply: GROUP_PAGE,
      handle: async (scope, { query }) => {
        const page = await pageOfGroups(deps, scope, pageRequest(query));
        return { items: page.items.map(viewOf), nextCursor: page.nextCursor };
      },
    }),
    route('POST /api/attribute-groups', {
      summary: 'Create an attribute group',
      tag,
      access: 'attributes.write',
      body: NEW_GROUP,
      reply: GROUP,
      status: 201,
      handle: async (scope, { body }) => {
        const row = await createGroup(deps, scope, body);
        return answer(viewOf(row), { version: row.version, headers: { location: `/api/attribute-groups/${row.id}` } });
      },
    }),
    route('GET /api/attribute-groups/{id}', {
      summary: 'See an attribute group',
      tag,
      access: 'attributes.read',
      params: ID_PARAMS,
      reply: GROUP,
      handle: async (scope, { params }) => versioned(await getGroup(deps, scope, params.id)),
    }),
    route('PUT /api/attribute-groups/{id}', {
      summary: 'Replace an attribute group',
      description: 'The name stays where it is left out.',
      tag,
      access: 'attributes.write',
      params: ID_PARAMS,
      body: GROUP_CHANGE,
      reply: GROUP,
      load: (scope, { id }) => getGroup(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) =>
        versioned(await changeGroup(deps, scope, params.id, { description: null, ...body }, ifMatch)),
    }),
    route('PATCH /api/attribute-groups/{id}', {
      summary: 'Change an attribute group',
      tag,
      access: 'attributes.write',
      params: ID_PARAMS,
      body: GROUP_CHANGE,
      reply: GROUP,
      load: (scope, { id }) => getGroup(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) => versioned(await changeGroup(deps, scope, params.id, body, ifMatch)),
    }),
    route('DELETE /api/attribute-groups/{id}', {
      summary: 'Delete an attribute group',
      description: 'Where no attribute is defined in it; else 409 `attribute_group.in_use`.',
      tag,
      access: 'attributes.write',
      params: ID_PARAMS,
      reply: DELETED,
      handle: async (scope, { params, ifMatch }) => {
        await deleteGroup(deps, scope, params.id, ifMatch);
        return deleted(params.id);
      },
    }),
  ];
}

const versioned = (row: AttributeGroupRow): ReturnType<typeof answer> => answer(viewOf(row), { version: row.version });

const viewOf = (row: AttributeGroupRow): GroupView => ({
  id: row.id,
  name: row.name,
  description: row.description,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});
