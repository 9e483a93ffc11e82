import { DELETED, deleted, pageRequest } from '../../http/paging.ts';
import { answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { createResource, deleteResource, patchResource, type ResourceDeps, replaceResource } from './commands.ts';
import { getResource, pageOfResources, type ResourceQueryDeps } from './queries.ts';
import {
  RESOURCE,
  RESOURCE_INPUT,
  RESOURCE_PAGE,
  RESOURCE_PATCH,
  RESOURCE_QUERY,
  RESOURCE_REPLACEMENT,
  type ResourceView,
} from './schema.ts';
import type { ResourceRow } from './store.ts';

const tag = 'Resources';

/** Management of the APIs of a tenant. */
export function resourceRoutes(deps: ResourceDeps & ResourceQueryDeps): Route[] {
  return [
    route('GET /api/resources', {
      summary: 'List APIs',
      tag,
      access: 'resources.read',
      query: RESOURCE_QUERY,
      reply: RESOURCE_PAGE,
      handle: async (scope, { query }) => {
        const page = await pageOfResources(deps, scope, pageRequest(query), query.identifier);
        return { items: page.items.map(viewOf), nextCursor: page.nextCursor };
      },
    }),
    route('POST /api/resources', {
      summary: 'Register an API',
      tag,
      access: 'resources.write',
      body: RESOURCE_INPUT,
      reply: RESOURCE,
      status: 201,
      errors: [409],
      handle: async (scope, { body }) => {
        const row = await createResource(deps, scope, body);
        return answer(viewOf(row), { version: row.version, headers: { location: `/api/resources/${row.id}` } });
      },
    }),
    route('GET /api/resources/{id}', {
      summary: 'See an API',
      tag,
      access: 'resources.read',
      params: ID_PARAMS,
      reply: RESOURCE,
      handle: async (scope, { params }) => versioned(await getResource(deps, scope, params.id)),
    }),
    route('PUT /api/resources/{id}', {
      summary: 'Replace the registration of an API',
      tag,
      access: 'resources.write',
      params: ID_PARAMS,
      body: RESOURCE_REPLACEMENT,
      reply: RESOURCE,
      load: (scope, { id }) => getResource(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) => versioned(await replaceResource(deps, scope, params.id, body, ifMatch)),
    }),
    route('PATCH /api/resources/{id}', {
      summary: 'Change the registration of an API',
      tag,
      access: 'resources.write',
      params: ID_PARAMS,
      body: RESOURCE_PATCH,
      reply: RESOURCE,
      load: (scope, { id }) => getResource(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) => versioned(await patchResource(deps, scope, params.id, body, ifMatch)),
    }),
    route('DELETE /api/resources/{id}', {
      summary: 'Delete an API',
      tag,
      access: 'resources.write',
      params: ID_PARAMS,
      reply: DELETED,
      handle: async (scope, { params, ifMatch }) => {
        await deleteResource(deps, scope, params.id, ifMatch);
        return deleted(params.id);
      },
    }),
  ];
}

const versioned = (row: ResourceRow): ReturnType<typeof answer> => answer(viewOf(row), { version: row.version });

const viewOf = (row: ResourceRow): ResourceView => ({
  id: row.id,
  identifier: row.identifier,
  name: row.name,
  scopes: row.scopes,
  accessTokenFormat: row.access_token_format,
  signingAlg: row.signing_alg,
  accessTokenTtlSeconds: row.access_token_ttl_seconds,
  attributes: row.attributes,
  clients: row.clients,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});
