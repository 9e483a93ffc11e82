import { DELETED, deleted, pageRequest } from '../../http/paging.ts';
import { answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { changeRole, createRole, deleteRole, type RoleDeps, type RoleInBook } from './commands.ts';
import { getRole, pageOfRoles, type RoleQueryDeps } from './queries.ts';
import { NEW_ROLE, ROLE, ROLE_CHANGE, ROLE_PAGE, ROLE_QUERY } from './schema.ts';
import { roleView, tagOf } from './view.ts';

const tag = 'Roles';
const NO_MORE =
  'Nobody makes, changes or deletes a role that carries a management permission which they do not hold themselves (403 `permission.missing`).';

/** Management of the roles of a tenant. */
export function roleRoutes(deps: RoleDeps & RoleQueryDeps): Route[] {
  const change = (method: 'PUT' | 'PATCH', summary: string): Route =>
    route(`${method} /api/roles/{id}`, {
      summary,
      description: `Changes the fields that are named; null clears. Built-in roles stay as they are (409 \`role.built_in\`). ${NO_MORE}`,
      tag,
      access: 'roles.write',
      params: ID_PARAMS,
      body: ROLE_CHANGE,
      reply: ROLE,
      load: (scope, { id }) => getRole(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) => shown(await changeRole(deps, scope, params.id, body, ifMatch)),
    });
  return [
    route('GET /api/roles', {
      summary: 'List roles',
      tag,
      access: 'roles.read',
      query: ROLE_QUERY,
      reply: ROLE_PAGE,
      handle: (scope, { query }) => pageOfRoles(deps, scope, pageRequest(query), query),
    }),
    route('POST /api/roles', {
      summary: 'Create a role',
      description: NO_MORE,
      tag,
      access: 'roles.write',
      body: NEW_ROLE,
      reply: ROLE,
      status: 201,
      handle: async (scope, { body }) => {
        const made = await createRole(deps, scope, body);
        return answer(roleView(made), { version: tagOf(made), headers: { location: `/api/roles/${made.row.id}` } });
      },
    }),
    route('GET /api/roles/{id}', {
      summary: 'See a role',
      tag,
      access: 'roles.read',
      params: ID_PARAMS,
      reply: ROLE,
      handle: async (scope, { params }) => shown(await getRole(deps, scope, params.id)),
    }),
    change('PUT', 'Change a role'),
    change('PATCH', 'Change some of a role'),
    route('DELETE /api/roles/{id}', {
      summary: 'Delete a role',
      description: `Takes it from whoever has it. ${NO_MORE}`,
      tag,
      access: 'roles.write',
      params: ID_PARAMS,
      reply: DELETED,
      handle: async (scope, { params, ifMatch }) => {
        await deleteRole(deps, scope, params.id, ifMatch);
        return deleted(params.id);
      },
    }),
  ];
}

const shown = (role: RoleInBook): ReturnType<typeof answer> => answer(roleView(role), { version: tagOf(role) });
