import type { TSchema } from '@sinclair/typebox';
import type { Scope } from '../../core/scope.ts';
import { answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import type { UserChange } from './columns.ts';
import { changeUser, type UserDeps } from './commands.ts';
import { notHome } from './errors.ts';
import { isHome, versionOf } from './home.ts';
import { getUser, type UserQueryDeps } from './queries.ts';
import { PROFILE, PROFILE_PUT, profileView, SETTINGS, SETTINGS_PUT } from './schema.ts';
import type { UserRow } from './store.ts';

const tag = 'People';

/** Two parts of a person that are read and changed by themselves; their version is the person's. */
export function profileRoutes(deps: UserDeps & UserQueryDeps): Route[] {
  const part = <B extends TSchema>(
    name: 'profile' | 'settings',
    summary: string,
    schemas: { put: B; reply: TSchema },
    view: (scope: Scope, row: UserRow) => unknown,
    change: (body: B['static']) => UserChange,
  ): Route[] => {
    const shown = (scope: Scope, row: UserRow) => answer(view(scope, row), { version: versionOf(row) });
    return [
      route(`GET /api/users/{id}/${name}`, {
        summary: `See the ${summary} of a person`,
        tag,
        access: 'users.read',
        params: ID_PARAMS,
        reply: schemas.reply,
        handle: async (scope, { params }) => shown(scope, await getUser(deps, scope, params.id)),
      }),
      route(`PUT /api/users/{id}/${name}`, {
        summary: `Change the ${summary} of a person`,
        description: 'What is not named stays as it is; null clears.',
        tag,
        access: 'users.write',
        params: ID_PARAMS,
        body: schemas.put,
        reply: schemas.reply,
        load: (scope, { id }) => getUser(deps, scope, id),
        handle: async (scope, { params, body, ifMatch }) => shown(scope, await changeUser(deps, scope, params.id, change(body), ifMatch)),
      }),
    ];
  };
  return [
    ...part(
      'profile',
      'profile',
      { put: PROFILE_PUT, reply: PROFILE },
      (scope, row) => profileView(row, isHome(scope, row)),
      (body) => body,
    ),
    ...part(
      'settings',
      'settings',
      { put: SETTINGS_PUT, reply: SETTINGS },
      (scope, row) => {
        if (!isHome(scope, row)) throw notHome();
        return row.settings;
      },
      (body) => ({ settings: body }),
    ),
  ];
}
