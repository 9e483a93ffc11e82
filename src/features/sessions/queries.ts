import { type AppError, notFound } from '../../core/errors.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import type { SessionRecord } from './index.ts';
import { type Keyring, recordsOf } from './records.ts';
import { findGrantsOf, findHomeTenant, findSessionByName, findSessionsOf, findUpstreamOf, type GrantRow } from './store.ts';

export interface SessionQueryDeps extends Keyring {
  db: Database;
}

export const sessionNotFound = (): AppError => notFound('session');

/** A person's living sessions, last used first. */
export async function listSessions(deps: SessionQueryDeps, userId: string): Promise<SessionRecord[]> {
  const rows = await findSessionsOf(deps.db, userId);
  return rows.map((row) => recordsOf(deps, [row])).sort((a, b) => b.lastSeenAt.getTime() - a.lastSeenAt.getTime());
}

/** By the session's id or by a client's `sid`; undefined where it has ended. */
export async function findSession(deps: SessionQueryDeps, name: string): Promise<SessionRecord | undefined> {
  if (!/^[A-Za-z0-9_.~:-]{1,256}$/.test(name)) return undefined;
  const row = await findSessionByName(deps.db, name);
  return row && recordsOf(deps, [row]);
}

/** Throws 404 where the person is at home in another tenant, or unknown: sessions are theirs and their home tenant's. */
export async function checkPerson(deps: { db: Database }, scope: Pick<Scope, 'tenantId' | 'platform'>, userId: string): Promise<void> {
  const home = await findHomeTenant(deps.db, userId);
  if (home === undefined || (home !== scope.tenantId && !scope.platform)) throw notFound('user');
}

export const listGrants = (deps: { db: Database }, userId: string): Promise<GrantRow[]> => findGrantsOf(deps.db, userId);

/** What is kept of the provider that the person came by into that session, sealed. */
export const upstreamOfSession = (deps: { db: Database }, { id, userId }: { id: string; userId: string }): Promise<Buffer | undefined> =>
  findUpstreamOf(deps.db, id, userId);
