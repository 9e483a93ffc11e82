import { DELETED, deleted, pageRequest } from '../../http/paging.ts';
import { answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { changeUser, createUser, removeUser, type UserDeps } from './commands.ts';
import { profileRoutes } from './profile-routes.ts';
import { getUser, pageOfUsers, type UserQueryDeps } from './queries.ts';
import { NEW_USER, USER, USER_PAGE, USER_PATCH, USER_PUT, USER_QUERY, userView } from './schema.ts';
import type { UserRow } from './store.ts';

const tag = 'People';
const shown = (row: UserRow) => answer(userView(row), { version: row.version });

/** Management of the people of a tenant. */
export function userRoutes(deps: UserDeps & UserQueryDeps): Route[] {
  return [
    route('GET /api/users', {
      summary: 'List people',
      description: 'Those at home in the tenant and its members.',
      tag,
      access: 'users.read',
      query: USER_QUERY,
      reply: USER_PAGE,
      handle: async (scope, { query }) => {
        const page = await pageOfUsers(deps, scope, pageRequest(query), query);
        return { items: page.items.map(userView), nextCursor: page.nextCursor };
      },
    }),
    route('POST /api/users', {
      summary: 'Create a person',
      tag,
      access: 'users.write',
      body: NEW_USER,
      reply: USER,
      status: 201,
      handle: async (scope, { body }) => {
        const row = await createUser(deps, scope, body);
        return answer(userView(row), { version: row.version, headers: { location: `/api/users/${row.id}` } });
      },
    }),
    route('GET /api/users/{id}', {
      summary: 'See a person',
      tag,
      access: 'users.read',
      params: ID_PARAMS,
      reply: USER,
      handle: async (scope, { params }) => shown(await getUser(deps, scope, params.id)),
    }),
    route('PUT /api/users/{id}', {
      summary: 'Change the named fields of a person',
      description: 'Fields that are not named stay as they are; null clears.',
      tag,
      access: 'users.write',
      params: ID_PARAMS,
      body: USER_PUT,
      reply: USER,
      load: (scope, { id }) => getUser(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) => shown(await changeUser(deps, scope, params.id, body, ifMatch)),
    }),
    route('PATCH /api/users/{id}', {
      summary: 'Merge a patch into a person',
      description: 'RFC 7396.',
      tag,
      access: 'users.write',
      params: ID_PARAMS,
      body: USER_PATCH,
      reply: USER,
      load: (scope, { id }) => getUser(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) => {
        const { attributes, ...rest } = body;
        const change = attributes === undefined ? rest : { ...rest, attributesPatch: attributes };
        return shown(await changeUser(deps, scope, params.id, change, ifMatch));
      },
    }),
    route('DELETE /api/users/{id}', {
      summary: 'Delete a person',
      description: 'From another tenant than the home tenant of the person: end the membership.',
      tag,
      access: 'users.write',
      params: ID_PARAMS,
      reply: DELETED,
      load: (scope, { id }) => getUser(deps, scope, id),
      handle: async (scope, { params, ifMatch }) => {
        await removeUser(deps, scope, params.id, ifMatch);
        return deleted(params.id);
      },
    }),
    ...profileRoutes(deps),
  ];
}
