import { DELETED, deleted, pageRequest } from '../../http/paging.ts';
import { answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { type ApiKeyDeps, createApiKey, deleteApiKey, patchApiKey, replaceApiKey } from './commands.ts';
import { type ApiKeyQueryDeps, getApiKey, pageOfApiKeys } from './queries.ts';
import {
  API_KEY,
  API_KEY_INPUT,
  API_KEY_PAGE,
  API_KEY_PATCH,
  API_KEY_QUERY,
  API_KEY_REPLACEMENT,
  type ApiKeyView,
  NEW_API_KEY,
} from './schema.ts';
import type { ApiKeyRow } from './store.ts';

const tag = 'API keys';

/** Keys by which services call this API without a sign-in. */
export function apiKeyRoutes(deps: ApiKeyDeps & ApiKeyQueryDeps): Route[] {
  return [
    route('GET /api/api-keys', {
      summary: 'List API keys',
      description: 'All of the tenant, in order of creation; never the keys themselves.',
      tag,
      access: 'api-keys.read',
      query: API_KEY_QUERY,
      reply: API_KEY_PAGE,
      handle: async (scope, { query }) => {
        const page = await pageOfApiKeys(deps, scope, pageRequest(query), query.ownerId);
        return { items: page.items.map(viewOf), nextCursor: page.nextCursor };
      },
    }),
    route('POST /api/api-keys', {
      summary: 'Make an API key',
      description:
        'It belongs to whoever asks, and is sent as `Authorization: Bearer gh_…`. At each request it may do what it was given and its owner may still do; it ends ' +
        'when its owner is disabled, deleted or leaves the tenant, when the tenant is suspended or forbids keys, at `expiresAt`, and with the key that made it. Without `permissions` it gets ' +
        'all management permissions that the caller has. A key that was made by a key makes none. The answer is the only place where the key stands.',
      tag,
      access: 'api-keys.write',
      body: API_KEY_INPUT,
      reply: NEW_API_KEY,
      status: 201,
      handle: async (scope, { body }) => {
        const { row, key } = await createApiKey(deps, scope, body);
        return answer({ ...viewOf(row), key }, { version: row.version, headers: { location: `/api/api-keys/${row.id}` } });
      },
    }),
    route('GET /api/api-keys/{id}', {
      summary: 'See an API key',
      tag,
      access: 'api-keys.read',
      params: ID_PARAMS,
      reply: API_KEY,
      handle: async (scope, { params }) => versioned(await getApiKey(deps, scope, params.id)),
    }),
    route('PUT /api/api-keys/{id}', {
      summary: 'Replace name, permissions and end of an API key',
      description: 'Permissions only become fewer; where they are left out they stay.',
      tag,
      access: 'api-keys.write',
      params: ID_PARAMS,
      body: API_KEY_REPLACEMENT,
      reply: API_KEY,
      load: (scope, { id }) => getApiKey(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) => versioned(await replaceApiKey(deps, scope, params.id, body, ifMatch)),
    }),
    route('PATCH /api/api-keys/{id}', {
      summary: 'Change name, permissions and end of an API key',
      description: 'RFC 7396. Permissions only become fewer.',
      tag,
      access: 'api-keys.write',
      params: ID_PARAMS,
      body: API_KEY_PATCH,
      reply: API_KEY,
      load: (scope, { id }) => getApiKey(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) => versioned(await patchApiKey(deps, scope, params.id, body, ifMatch)),
    }),
    route('DELETE /api/api-keys/{id}', {
      summary: 'End an API key, and those that it made',
      tag,
      access: 'api-keys.write',
      params: ID_PARAMS,
      reply: DELETED,
      handle: async (scope, { params, ifMatch }) => {
        await deleteApiKey(deps, scope, params.id, ifMatch);
        return deleted(params.id);
      },
    }),
  ];
}

const versioned = (row: ApiKeyRow): ReturnType<typeof answer> => answer(viewOf(row), { version: row.version });

const viewOf = (row: ApiKeyRow): ApiKeyView => ({
  id: row.id,
  name: row.name,
  prefix: row.prefix,
  permissions: row.permissions,
  owner: row.owner_user_id === null ? { type: 'client', id: row.owner_client_id ?? '' } : { type: 'user', id: row.owner_user_id },
  madeBy: row.maker_id,
  expiresAt: row.expires_at?.toISOString() ?? null,
  lastUsedAt: row.last_used_at?.toISOString() ?? null,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});
