import { Type } from '@sinclair/typebox';
import { pageRequest } from '../../http/paging.ts';
import { answer, ID, type Route, route } from '../../http/route.ts';
import type { ClientDeps, ClientWithSecrets } from './commands.ts';
import { addSecret, createClient, deleteClient, patchClient, removeSecret, replaceClient } from './commands.ts';
import type { ClientQueryDeps } from './queries.ts';
import { getClient, pageOfClients } from './queries.ts';
import {
  CLIENT,
  CLIENT_PAGE,
  CLIENT_PATCH,
  CLIENT_QUERY,
  type ClientView,
  CREATED_CLIENT,
  CREATED_SECRET,
  DELETED,
  NEW_CLIENT,
  NEW_SECRET,
} from './schema.ts';
import type { ClientSecretRow } from './store.ts';

const PARAMS = Type.Object({ client_id: Type.String({ pattern: '^[A-Za-z0-9_.~-]{1,64}$' }) });
const SECRET_PARAMS = Type.Composite([PARAMS, Type.Object({ id: ID })]);
const tag = 'Applications';

/** Management of the OAuth clients of a tenant. */
export function clientRoutes(deps: ClientDeps & ClientQueryDeps): Route[] {
  return [
    route('GET /api/clients', {
      summary: 'List applications',
      tag,
      access: 'clients.read',
      query: CLIENT_QUERY,
      reply: CLIENT_PAGE,
      handle: async (scope, { query }) => {
        const page = await pageOfClients(deps, scope, pageRequest(query), { name: query.client_name, enabled: query.enabled });
        return { items: page.items.map(viewOf), nextCursor: page.nextCursor };
      },
    }),
    route('POST /api/clients', {
      summary: 'Register an application',
      tag,
      access: 'clients.write',
      body: NEW_CLIENT,
      reply: CREATED_CLIENT,
      status: 201,
      errors: [409],
      handle: async (scope, { body }) => {
        const made = await createClient(deps, scope, body);
        const secret = made.secret === undefined ? {} : { client_secret: made.secret, client_secret_expires_at: 0 };
        return answer(
          { ...viewOf(made), ...secret },
          { version: made.row.version, headers: { location: `/api/clients/${made.row.client_id}` } },
        );
      },
    }),
    route('GET /api/clients/{client_id}', {
      summary: 'See an application',
      tag,
      access: 'clients.read',
      params: PARAMS,
      reply: CLIENT,
      handle: async (scope, { params }) => versioned(await getClient(deps, scope, params.client_id)),
    }),
    route('PUT /api/clients/{client_id}', {
      summary: 'Replace the registration of an application',
      tag,
      access: 'clients.write',
      params: PARAMS,
      body: NEW_CLIENT,
      reply: CLIENT,
      load: (scope, { client_id }) => getClient(deps, scope, client_id),
      handle: async (scope, { params, body, ifMatch }) => versioned(await replaceClient(deps, scope, params.client_id, body, ifMatch)),
    }),
    route('PATCH /api/clients/{client_id}', {
      summary: 'Change the registration of an application',
      tag,
      access: 'clients.write',
      params: PARAMS,
      body: CLIENT_PATCH,
      reply: CLIENT,
      load: (scope, { client_id }) => getClient(deps, scope, client_id),
      handle: async (scope, { params, body, ifMatch }) => versioned(await patchClient(deps, scope, params.client_id, body, ifMatch)),
    }),
    route('DELETE /api/clients/{client_id}', {
      summary: 'Delete an application; its tokens die with it',
      tag,
      access: 'clients.write',
      params: PARAMS,
      reply: DELETED,
      handle: async (scope, { params, ifMatch }) => {
        await deleteClient(deps, scope, params.client_id, ifMatch);
        return { id: params.client_id, deleted: true as const };
      },
    }),
    route('POST /api/clients/{client_id}/secrets', {
      summary: 'Add a second secret',
      tag,
      access: 'clients.write',
      params: PARAMS,
      body: NEW_SECRET,
      reply: CREATED_SECRET,
      status: 201,
      errors: [409],
      load: (scope, { client_id }) => getClient(deps, scope, client_id),
      handle: async (scope, { params, body, ifMatch }) => {
        const { row, secret } = await addSecret(deps, scope, params.client_id, body, ifMatch);
        return { ...secretView(row), client_secret: secret };
      },
    }),
    route('DELETE /api/clients/{client_id}/secrets/{id}', {
      summary: 'Delete a secret',
      tag,
      access: 'clients.write',
      params: SECRET_PARAMS,
      reply: DELETED,
      errors: [409],
      handle: async (scope, { params, ifMatch }) => {
        await removeSecret(deps, scope, params.client_id, params.id, ifMatch);
        return { id: params.id, deleted: true as const };
      },
    }),
  ];
}

const versioned = (client: ClientWithSecrets): ReturnType<typeof answer> => answer(viewOf(client), { version: client.row.version });

const secretView = (row: ClientSecretRow): ClientView['secrets'][number] => ({
  id: row.id,
  created_at: row.created_at.toISOString(),
  expires_at: row.expires_at?.toISOString() ?? null,
});

function viewOf({ row, secrets }: ClientWithSecrets): ClientView {
  return {
    require_pkce: true,
    ...row.metadata,
    client_id: row.client_id,
    enabled: row.enabled,
    first_party: row.first_party,
    direct_login: row.direct_login,
    profile: row.profile,
    permissions: row.permissions as ClientView['permissions'],
    allowed_origins: row.allowed_origins,
    secrets: secrets.map(secretView),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
