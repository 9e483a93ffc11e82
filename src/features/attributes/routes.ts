import { invalidInput } from '../../core/errors.ts';
import { DELETED, deleted, pageRequest } from '../../http/paging.ts';
import { answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { type AttributeDeps, changeDefinition, createDefinition, deleteDefinition } from './commands.ts';
import { type AttributeQueryDeps, getDefinition, pageOfDefinitions, pageOfUserValues } from './queries.ts';
import { DEFINITION, DEFINITION_CHANGE, DEFINITION_PAGE, DEFINITION_QUERY, type DefinitionView, NEW_DEFINITION } from './schema.ts';
import type { DefinitionRow } from './store.ts';

const tag = 'Attributes';

/** Management of what attributes there are. */
export function attributeRoutes(deps: AttributeDeps & AttributeQueryDeps): Route[] {
  const change = (method: 'PUT' | 'PATCH', summary: string): Route =>
    route(`${method} /api/attributes/{id}`, {
      summary,
      description:
        'Changes the fields that are named; null clears. Path, type, cardinality and source stay while there are values at the path (409 `attribute.in_use`).',
      tag,
      access: 'attributes.write',
      params: ID_PARAMS,
      body: DEFINITION_CHANGE,
      reply: DEFINITION,
      load: (scope, { id }) => getDefinition(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) => versioned(await changeDefinition(deps, scope, params.id, body, ifMatch)),
    });
  return [
    route('GET /api/attributes', {
      summary: 'List attribute definitions, or the values of a member',
      tag,
      access: 'attributes.read',
      query: DEFINITION_QUERY,
      reply: DEFINITION_PAGE,
      handle: async (scope, { query }) => {
        const { userId, path, attributeGroupId } = query;
        if (userId === undefined) {
          const page = await pageOfDefinitions(deps, scope, pageRequest(query), query);
          return { items: page.items.map(viewOf), nextCursor: page.nextCursor };
        }
        if (path !== undefined || attributeGroupId !== undefined)
          throw invalidInput([{ pointer: '/userId', message: 'goes with no other filter' }]);
        return pageOfUserValues(deps, scope, userId, pageRequest(query));
      },
    }),
    route('POST /api/attributes', {
      summary: 'Define an attribute',
      description: 'Values that are there already stay as they are, even where they do not fit.',
      tag,
      access: 'attributes.write',
      body: NEW_DEFINITION,
      reply: DEFINITION,
      status: 201,
      handle: async (scope, { body }) => {
        const row = await createDefinition(deps, scope, body);
        return answer(viewOf(row), { version: row.version, headers: { location: `/api/attributes/${row.id}` } });
      },
    }),
    route('GET /api/attributes/{id}', {
      summary: 'See an attribute definition',
      tag,
      access: 'attributes.read',
      params: ID_PARAMS,
      reply: DEFINITION,
      handle: async (scope, { params }) => versioned(await getDefinition(deps, scope, params.id)),
    }),
    change('PUT', 'Change an attribute definition'),
    change('PATCH', 'Change some of an attribute definition'),
    route('DELETE /api/attributes/{id}', {
      summary: 'Delete an attribute definition',
      description: 'Where there are no values at its path; else 409 `attribute.in_use`.',
      tag,
      access: 'attributes.write',
      params: ID_PARAMS,
      reply: DELETED,
      handle: async (scope, { params, ifMatch }) => {
        await deleteDefinition(deps, scope, params.id, ifMatch);
        return deleted(params.id);
      },
    }),
  ];
}

const versioned = (row: DefinitionRow): ReturnType<typeof answer> => answer(viewOf(row), { version: row.version });

const viewOf = (row: DefinitionRow): DefinitionView => ({
  id: row.id,
  path: row.path,
  type: row.type,
  cardinality: row.cardinality,
  source: row.source,
  attributeGroupId: row.attribute_group_id,
  personalData: row.personal_data,
  description: row.description,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});
