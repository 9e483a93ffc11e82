import type { Scope } from '../../core/scope.ts';
import { DELETED, deleted, pageRequest } from '../../http/paging.ts';
import { answer, answerLines, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { type AccessDeps, accessRoutes } from './access-routes.ts';
import { changeUser, removeUser, type UserDeps } from './commands.ts';
import { addUser } from './create.ts';
import { exportUsers } from './export.ts';
import { versionOf } from './home.ts';
import { profileRoutes } from './profile-routes.ts';
import { getUser, pageOfUsers, type UserQueryDeps } from './queries.ts';
import { INVITED, invitedView, NEW_USER, SEEN_BY_OTHERS, USER, USER_PAGE, USER_PATCH, USER_PUT, USER_QUERY, userView } from './schema.ts';
import type { UserRow } from './store.ts';

const tag = 'People';
const shown = (scope: Scope, row: UserRow) => answer(userView(scope, row), { version: versionOf(row) });

/** Management of the people of a tenant. */
export function userRoutes(deps: UserDeps & UserQueryDeps & AccessDeps): Route[] {
  const lists = { db: deps.reads, roles: deps.roles };
  return [
    route('GET /api/users', {
      summary: 'List people',
      description: `Those at home in the tenant and its members. ${SEEN_BY_OTHERS}`,
      tag,
      access: 'users.read',
      query: USER_QUERY,
      reply: USER_PAGE,
      handle: async (scope, { query }) => {
        const page = await pageOfUsers(lists, scope, pageRequest(query), query);
        return { items: page.items.map((row) => userView(scope, row)), nextCursor: page.nextCursor };
      },
    }),
    route('POST /api/users', {
      summary: 'Create a person',
      description:
        'The platform gets 201, or 409 where a name is taken. So does a tenant for people without an e-mail address or with one in its verified domains, whose `emailVerified` it may set. Any other address is invited, known here or not, and answered 202: roles and attributes go along, the rest is the person’s own business.',
      tag,
      access: 'users.write',
      body: NEW_USER,
      reply: USER,
      status: 201,
      also: { 202: INVITED },
      handle: async (scope, { body }) => {
        const made = await addUser(deps, scope, body);
        if ('invitation' in made) return answer(invitedView(made.invitation), { status: 202 });
        const { row } = made;
        return answer(userView(scope, row), { version: versionOf(row), headers: { location: `/api/users/${row.id}` } });
      },
    }),
    route('GET /api/users/export', {
      summary: 'Take all people along',
      description: `One a line, without passwords, in the order they were made; a connection that is cut off before its end says that lines are missing. ${SEEN_BY_OTHERS}`,
      tag,
      access: 'users.read',
      reply: USER,
      lines: true,
      handle: async (scope) => answerLines(exportUsers(lists, scope)),
    }),
    route('GET /api/users/{id}', {
      summary: 'See a person',
      description: SEEN_BY_OTHERS,
      tag,
      access: 'users.read',
      params: ID_PARAMS,
      reply: USER,
      handle: async (scope, { params }) => shown(scope, await getUser(deps, scope, params.id)),
    }),
    route('PUT /api/users/{id}', {
      summary: 'Change the named fields of a person',
      description:
        'Fields that are not named stay as they are; null clears. A tenant where the person is a member but not at home changes `attributes` only. Tenants set addresses in their verified domains; any other the person adds and proves.',
      tag,
      access: 'users.write',
      params: ID_PARAMS,
      body: USER_PUT,
      reply: USER,
      load: (scope, { id }) => getUser(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) => shown(scope, await changeUser(deps, scope, params.id, body, ifMatch)),
    }),
    route('PATCH /api/users/{id}', {
      summary: 'Merge a patch into a person',
      description:
        'RFC 7396. Who may change what: see PUT. Password, address and number of your own: with a fresh sign-in, and the second factor where you have one (401 otherwise, RFC 9470).',
      tag,
      access: 'users.write',
      params: ID_PARAMS,
      body: USER_PATCH,
      reply: USER,
      load: (scope, { id }) => getUser(deps, scope, id),
      handle: async (scope, { params, body, ifMatch }) => {
        const { attributes, ...rest } = body;
        const change = attributes === undefined ? rest : { ...rest, attributesPatch: attributes };
        return shown(scope, await changeUser(deps, scope, params.id, change, ifMatch));
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
    ...accessRoutes(deps),
  ];
}
