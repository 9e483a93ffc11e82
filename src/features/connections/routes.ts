import { DELETED, deleted, pageRequest } from '../../http/paging.ts';
import { answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { type ConnectionDeps, createConnection, deleteConnection, patchConnection, replaceConnection } from './commands.ts';
import { type ConnectionQueryDeps, getConnection, pageOfConnections } from './queries.ts';
import {
  CONNECTION,
  CONNECTION_INPUT,
  CONNECTION_PAGE,
  CONNECTION_PATCH,
  CONNECTION_QUERY,
  CONNECTION_REPLACEMENT,
  type ConnectionView,
} from './schema.ts';
import type { ConnectionRow } from './store.ts';

const tag = 'Connections';

/** Management of the identity providers whose people may sign in at a tenant. */
export function connectionRoutes(deps: ConnectionDeps & ConnectionQueryDeps): Route[] {
  return [
    route('GET /api/connections', {
      summary: 'List connections',
      description: 'In the order of their buttons.',
      tag,
      access: 'connections.read',
      query: CONNECTION_QUERY,
      reply: CONNECTION_PAGE,
      handle: async (scope, { query }) => {
        const page = await pageOfConnections(deps, scope, pageRequest(query));
        return { items: page.items.map(viewOf), nextCursor: page.nextCursor };
      },
    }),
    route('POST /api/connections', {
      summary: 'Connect an identity provider',
      description:
        'People are known by connection and subject, never by address. An address from there counts as verified only where the provider says so by the boolean `email_verified`, or as its documentation has it; who has it here is asked to sign in before the two are linked. `key` may not be the name of another kind: 409 `connection.key_taken`. A domain leads to one connection: 409 `connection.domain_taken`.',
      tag,
      access: 'connections.write',
      body: CONNECTION_INPUT,
      reply: CONNECTION,
      status: 201,
      errors: [409],
      handle: async (scope, { body }) => {
        const row = await createConnection(deps, scope, body);
        return answer(viewOf(row), { version: row.version, headers: { location: `/api/connections/${row.id}` } });
      },
    }),
    route('GET /api/connections/{id}', {
      summary: 'See a connection',
      tag,
      access: 'connections.read',
      params: ID_PARAMS,
      reply: CONNECTION,
      handle: async (scope, { params }) => versioned(await getConnection(deps, scope, params.id)),
    }),
    route('PUT /api/connections/{id}', {
      summary: 'Replace a connection',
      description: '`kind` cannot change; `key`, `clientId`, `issuer` and the secrets stay where they are left out.',
      tag,
      access: 'connections.write',
      params: ID_PARAMS,
      body: CONNECTION_REPLACEMENT,
      reply: CONNECTION,
      errors: [409],
      load: (scope, { id }) => getConnection(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) => versioned(await replaceConnection(deps, scope, params.id, body, ifMatch)),
    }),
    route('PATCH /api/connections/{id}', {
      summary: 'Change a connection',
      tag,
      access: 'connections.write',
      params: ID_PARAMS,
      body: CONNECTION_PATCH,
      reply: CONNECTION,
      errors: [409],
      load: (scope, { id }) => getConnection(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) => versioned(await patchConnection(deps, scope, params.id, body, ifMatch)),
    }),
    route('DELETE /api/connections/{id}', {
      summary: 'Delete a connection',
      description: 'With the identities that people have there.',
      tag,
      access: 'connections.write',
      params: ID_PARAMS,
      reply: DELETED,
      handle: async (scope, { params, ifMatch }) => {
        await deleteConnection(deps, scope, params.id, ifMatch);
        return deleted(params.id);
      },
    }),
  ];
}

const versioned = (row: ConnectionRow): ReturnType<typeof answer> => answer(viewOf(row), { version: row.version });

const viewOf = (row: ConnectionRow): ConnectionView => ({
  id: row.id,
  kind: row.kind,
  key: row.key,
  name: row.name,
  clientId: row.client_id,
  issuer: row.issuer,
  domains: row.domains,
  enabled: row.enabled,
  options: row.options as ConnectionView['options'],
  hasClientSecret: row.secret_sealed !== null,
  callbackPath: `/login/callback/${row.id}`,
  signedOutPath: `/login/signed-out/${row.id}`,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});
