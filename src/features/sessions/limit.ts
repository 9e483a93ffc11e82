/** How many sessions somebody may have at once: with one more, the oldest ends, as if its person had signed out there. */
import type { Scope } from '../../core/scope.ts';
import type { Job } from '../../infra/jobs.ts';
import type { Database } from '../../infra/postgres.ts';
import { endSessions, type SessionCommandDeps } from './commands.ts';
import { findSessionsOf } from './store.ts';

export const LIMIT_JOB = 'sessions.limit';

/** To be added with the session that is one more; several at once are looked at together. */
export const limitJob = (userId: string): Job => ({ name: LIMIT_JOB, payload: { userId }, key: `${LIMIT_JOB}:${userId}` });

/** The job's payload. Throws where it is none. */
export function limitedUser(payload: unknown): string {
  const { userId } = (payload ?? {}) as { userId?: unknown };
  if (typeof userId !== 'string') throw new TypeError(`${LIMIT_JOB}: names nobody`);
  return userId;
}

/** Ends the oldest sessions of a person until `most` are left; answers how many ended. */
export async function endOldest(deps: SessionCommandDeps & { db: Database }, scope: Scope, userId: string, most: number): Promise<number> {
  const rows = await findSessionsOf(deps.db, userId);
  const beyond = rows.toSorted((one, other) => other.created_at.getTime() - one.created_at.getTime()).slice(most);
  if (beyond.length === 0) return 0;
  return endSessions(
    deps,
    scope,
    userId,
    beyond.map(({ uid }) => uid),
    { reason: 'limit.sessions' },
  );
}
