import { notFound } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import { answer, type Route, route } from '../../http/route.ts';
import { changeMe, type UserDeps } from './commands.ts';
import { versionOf } from './home.ts';
import type { UserQueryDeps } from './queries.ts';
import { ME, ME_PATCH, meView, PROFILE, PROFILE_PUT, profileView } from './schema.ts';
import { findPerson, type UserRow } from './store.ts';

const tag = 'Own account';
const shown = (row: UserRow) => answer(meView(row), { version: versionOf(row) });
const profile = (row: UserRow) => answer(profileView(row), { version: versionOf(row) });

/** What a person sees and changes of themselves with a token of scope `account`. */
export function meRoutes(deps: Pick<UserDeps, 'clock' | 'transact'> & UserQueryDeps): Route[] {
  const self = async ({ actor }: Scope): Promise<UserRow> => {
    const row = actor.type === 'user' && isId(actor.id) ? await deps.db.transaction((sql) => findPerson(sql, actor.id)) : undefined;
    if (!row) throw notFound('user');
    return row;
  };
  return [
    route('GET /api/me', {
      summary: 'See your own account',
      tag,
      access: 'account',
      reply: ME,
      handle: async (scope) => shown(await self(scope)),
    }),
    route('PATCH /api/me', {
      summary: 'Change your own names and language',
      description: 'RFC 7396.',
      tag,
      access: 'account',
      body: ME_PATCH,
      reply: ME,
      errors: [412],
      handle: async (scope, { body, ifMatch }) => shown(await changeMe(deps, scope, body, ifMatch)),
    }),
    route('GET /api/me/profile', {
      summary: 'See your own profile',
      tag,
      access: 'account',
      reply: PROFILE,
      handle: async (scope) => profile(await self(scope)),
    }),
    route('PUT /api/me/profile', {
      summary: 'Change the named fields of your own profile',
      tag,
      access: 'account',
      body: PROFILE_PUT,
      reply: PROFILE,
      errors: [412],
      handle: async (scope, { body, ifMatch }) => profile(await changeMe(deps, scope, body, ifMatch)),
    }),
  ];
}
