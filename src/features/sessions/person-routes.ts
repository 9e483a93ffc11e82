import { type Static, Type } from '@sinclair/typebox';
import { notFound } from '../../core/errors.ts';
import { ownPerson } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import { DELETED, deleted } from '../../http/paging.ts';
import { ID, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { type EndOptions, endSessions, type SessionCommandDeps, withdrawGrants } from './commands.ts';
import type { SessionRecord } from './index.ts';
import { checkPerson, findSession, listGrants, listSessions, type SessionQueryDeps, sessionNotFound } from './queries.ts';
import { GRANT, grantView, SESSION, viewOf } from './schema.ts';

export type PersonRouteDeps = SessionQueryDeps & SessionCommandDeps;

const SESSIONS = Type.Object({ items: Type.Array(SESSION), nextCursor: Type.Null() });
const GRANTS = Type.Object({ items: Type.Array(GRANT), nextCursor: Type.Null() });
const ALL_ENDED = Type.Object({ ...DELETED.properties, ended: Type.Integer({ minimum: 0, description: 'How many there were' }) });
type Deleted = Static<typeof DELETED>;
const SID = Type.String({ pattern: '^[A-Za-z0-9_.~:-]{1,256}$' });
const CLIENT_ID = Type.String({ pattern: '^[A-Za-z0-9_.~-]{1,64}$' });

/** A person's sessions and what applications hold of them: for administrators of the home tenant, and for the person. */
export function personRoutes(deps: PersonRouteDeps): Route[] {
  const load = (scope: Scope, { id }: { id: string }): Promise<void> => checkPerson(deps, scope, id);
  const tag = 'People';
  return [
    route('GET /api/users/{id}/sessions', {
      summary: "List a person's sessions",
      tag,
      access: 'sessions.read',
      versioned: false,
      params: ID_PARAMS,
      reply: SESSIONS,
      load,
      handle: (scope, { params }) => sessionsOf(deps, scope, params.id),
    }),
    route('DELETE /api/users/{id}/sessions', {
      summary: "End all of a person's sessions",
      tag,
      access: 'sessions.write',
      versioned: false,
      params: ID_PARAMS,
      reply: ALL_ENDED,
      load,
      handle: async (scope, { params }) => ({ ...deleted(params.id), ended: await endAll(deps, scope, params.id) }),
    }),
    route('DELETE /api/users/{id}/sessions/{sid}', {
      summary: "End one of a person's sessions",
      tag,
      access: 'sessions.write',
      versioned: false,
      params: Type.Object({ id: ID, sid: SID }),
      reply: DELETED,
      load,
      handle: (scope, { params }) => endOne(deps, scope, params.id, params.sid),
    }),
    route('GET /api/users/{id}/grants', {
      summary: 'List what applications hold of a person',
      tag,
      access: 'sessions.read',
      versioned: false,
      params: ID_PARAMS,
      reply: GRANTS,
      load,
      handle: (_scope, { params }) => grantsOf(deps, params.id),
    }),
    route('DELETE /api/users/{id}/grants', {
      summary: 'Take back what every application holds of a person',
      tag,
      access: 'sessions.write',
      versioned: false,
      params: ID_PARAMS,
      reply: ALL_ENDED,
      load,
      handle: async (scope, { params }) => ({ ...deleted(params.id), ended: await withdrawGrants(deps, scope, params.id) }),
    }),
    route('DELETE /api/users/{id}/grants/{client_id}', {
      summary: 'Take back what one application holds of a person',
      tag,
      access: 'sessions.write',
      versioned: false,
      params: Type.Object({ id: ID, client_id: CLIENT_ID }),
      reply: DELETED,
      load,
      handle: (scope, { params }) => withdrawOne(deps, scope, params.id, params.client_id),
    }),
    ...ownRoutes(deps),
  ];
}

function ownRoutes(deps: PersonRouteDeps): Route[] {
  const tag = 'Own account';
  return [
    route('GET /api/me/sessions', {
      summary: 'List your sessions',
      tag,
      access: 'account',
      versioned: false,
      reply: SESSIONS,
      handle: (scope) => sessionsOf(deps, scope, ownPerson(scope)),
    }),
    route('DELETE /api/me/sessions', {
      summary: 'End your sessions, this one apart',
      description: 'With what applications were given in them, to act while you are away included.',
      tag,
      access: 'account',
      versioned: false,
      reply: ALL_ENDED,
      handle: async (scope) => ({ ...deleted(ownPerson(scope)), ended: await endOthers(deps, scope) }),
    }),
    route('DELETE /api/me/sessions/{sid}', {
      summary: 'End one of your sessions',
      description:
        'With what applications were given in it, to act while you are away included; of the session that you are in, that goes on, as after a sign-out.',
      tag,
      access: 'account',
      versioned: false,
      params: Type.Object({ sid: SID }),
      reply: DELETED,
      handle: (scope, { params }) => endOwn(deps, scope, params.sid),
    }),
    route('GET /api/me/grants', {
      summary: 'List what applications hold of you',
      tag,
      access: 'account',
      versioned: false,
      reply: GRANTS,
      handle: (scope) => grantsOf(deps, ownPerson(scope)),
    }),
    route('DELETE /api/me/grants/{client_id}', {
      summary: 'Take back what one application holds of you',
      tag,
      access: 'account',
      versioned: false,
      params: Type.Object({ client_id: CLIENT_ID }),
      reply: DELETED,
      handle: (scope, { params }) => withdrawOne(deps, scope, ownPerson(scope), params.client_id),
    }),
  ];
}

async function sessionsOf(deps: PersonRouteDeps, scope: Scope, userId: string) {
  return { items: (await listSessions(deps, userId)).map((session) => viewOf(session, scope.session?.sid)), nextCursor: null };
}

async function grantsOf(deps: PersonRouteDeps, userId: string) {
  return { items: (await listGrants(deps, userId)).map(grantView), nextCursor: null };
}

async function endAll(deps: PersonRouteDeps, scope: Scope, userId: string): Promise<number> {
  const ids = (await listSessions(deps, userId)).map(({ id }) => id);
  return ids.length === 0 ? 0 : endSessions(deps, scope, userId, ids);
}

/** As on the account page: whoever ends a session that they are not in wants nothing of it to go on. */
async function endOthers(deps: PersonRouteDeps, scope: Scope): Promise<number> {
  const userId = ownPerson(scope);
  const ids = (await listSessions(deps, userId)).filter((session) => !isCurrent(scope, session)).map(({ id }) => id);
  return ids.length === 0 ? 0 : endSessions(deps, scope, userId, ids, { offlineToo: true });
}

const isCurrent = ({ session }: Scope, { clients }: SessionRecord): boolean =>
  session?.sid !== undefined && clients.some(({ sid }) => sid === session.sid);

async function endOwn(deps: PersonRouteDeps, scope: Scope, name: string): Promise<Deleted> {
  const session = await findSession(deps, name);
  return endFound(deps, scope, ownPerson(scope), name, session, { offlineToo: session !== undefined && !isCurrent(scope, session) });
}

const endOne = async (deps: PersonRouteDeps, scope: Scope, userId: string, name: string): Promise<Deleted> =>
  endFound(deps, scope, userId, name, await findSession(deps, name));

async function endFound(
  deps: PersonRouteDeps,
  scope: Scope,
  userId: string,
  name: string,
  session: SessionRecord | undefined,
  options?: EndOptions,
): Promise<Deleted> {
  if (session?.userId !== userId || (await endSessions(deps, scope, userId, [session.id], options)) === 0) throw sessionNotFound();
  return deleted(name);
}

async function withdrawOne(deps: PersonRouteDeps, scope: Scope, userId: string, clientId: string): Promise<Deleted> {
  if ((await withdrawGrants(deps, scope, userId, clientId)) === 0) throw notFound('grant');
  return deleted(clientId);
}
