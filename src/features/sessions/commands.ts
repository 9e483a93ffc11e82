import type { Scope } from '../../core/scope.ts';
import type { Job, Jobs } from '../../infra/jobs.ts';
import type { Sql } from '../../infra/postgres.ts';
import type { Transact } from '../audit/index.ts';
import { type LogoutNotice, NOTIFY_JOB, type SessionRecord } from './index.ts';
import { type Keyring, recordsOf } from './records.ts';
import {
  countEnd,
  deleteConsents,
  deleteFinishedSignIns,
  deleteGrants,
  deleteGrantsOf,
  deleteSessions,
  lockGrantsOf,
  type SessionRow,
  sessionRows,
  sessionUidsOf,
} from './store.ts';

export interface SessionCommandDeps extends Keyring {
  transact: Transact;
  jobs: Pick<Jobs, 'add'>;
  /** Ends the sign-ins that the person is half way through, and whatever else waits for a second step. */
  endSignIns(sql: Sql, userId: string): Promise<void>;
}

export interface EndOptions {
  /** Ends what was given with consented `offline_access` too. */
  offlineToo?: boolean | undefined;
  /** A code for the audit log. */
  reason?: string | undefined;
}

/**
 * Ends sessions of one person: their cookies, and the grants that were bound to them with every token, in one transaction with the audit
 * rows; relying parties hear of it by job. Answers how many there were.
 */
export async function endSessions(
  deps: SessionCommandDeps,
  scope: Scope,
  userId: string,
  ids: readonly string[],
  options: EndOptions = {},
): Promise<number> {
  return deps.transact(scope, async ({ sql, record }) => {
    const ended = await endIn(deps, sql, userId, ids, options);
    for (const { id } of ended)
      record({
        type: 'session.ended',
        outcome: 'success',
        target: { type: 'session', id },
        personId: userId,
        data: { userId },
        ...(options.reason === undefined ? {} : { reason: options.reason }),
      });
    return ended.length;
  });
}

/** Every session and every grant of a person, offline ones too, and every sign-in that is half way; as `endSessions` otherwise. */
export async function endEverything(deps: SessionCommandDeps, scope: Scope, userId: string): Promise<number> {
  return deps.transact(scope, async ({ sql, record }) => {
    const sessions = await endAccess(deps, userId, sql);
    await deps.endSignIns(sql, userId);
    record({ type: 'access.ended', outcome: 'success', target: { type: 'user', id: userId }, personId: userId, data: { sessions } });
    return sessions;
  });
}

/** Sessions, and whatever one client holds of the person, offline too; what other clients may do without a session goes on. As `endSessions` otherwise. */
export async function endAtClient(
  deps: SessionCommandDeps,
  scope: Scope,
  userId: string,
  clientId: string,
  ids: readonly string[],
): Promise<number> {
  return deps.transact(scope, async ({ sql, record }) => {
    const sessions = (await endIn(deps, sql, userId, ids, {})).length;
    await deleteGrantsOf(sql, userId, clientId);
    record({
      type: 'access.ended',
      outcome: 'success',
      target: { type: 'user', id: userId },
      personId: userId,
      data: { sessions, clientId },
    });
    return sessions;
  });
}

/**
 * Ends everything that lets somebody in as this person, sign-ins that are finished and not followed up included, inside a transaction of the
 * caller's: after a disabled account, a changed or reset password. `exceptSession` is the id of a session that goes on, with what is bound to it.
 */
export async function endAccess(
  deps: Omit<SessionCommandDeps, 'transact' | 'endSignIns'>,
  userId: string,
  sql: Sql,
  { exceptSession }: { exceptSession?: string | undefined } = {},
): Promise<number> {
  await countEnd(sql, userId);
  const grants = await lockGrantsOf(sql, userId);
  const uids = (await sessionUidsOf(sql, userId)).filter((uid) => uid !== exceptSession);
  const ended = await endIn(deps, sql, userId, uids, { offlineToo: true });
  // Also what outlived the session that it was given in.
  if (exceptSession === undefined) await deleteGrantsOf(sql, userId);
  else {
    const kept = grantsOf(deps, await sessionRows(sql, userId, exceptSession));
    await deleteGrants(
      sql,
      grants.filter((key) => !kept.has(key)),
    );
  }
  await deleteFinishedSignIns(sql, userId);
  return ended.length;
}

/** Takes back what a client, or every client, holds of a person, and forgets that the person agreed to it. */
export async function withdrawGrants(
  { transact }: Pick<SessionCommandDeps, 'transact'>,
  scope: Scope,
  userId: string,
  clientId?: string,
): Promise<number> {
  return transact(scope, async ({ sql, record }) => {
    await lockGrantsOf(sql, userId);
    const grants = await deleteGrantsOf(sql, userId, clientId);
    const consents = await deleteConsents(sql, userId, clientId);
    if (grants + consents === 0) return 0;
    const target = clientId === undefined ? { type: 'user', id: userId } : { type: 'client', id: clientId };
    record({ type: 'consent.withdrawn', outcome: 'success', target, personId: userId, data: { userId, grants, consents } });
    return grants + consents;
  });
}

async function endIn(
  deps: Omit<SessionCommandDeps, 'transact' | 'endSignIns'>,
  sql: Sql,
  userId: string,
  ids: readonly string[],
  { offlineToo = false }: EndOptions,
): Promise<SessionRecord[]> {
  await lockGrantsOf(sql, userId);
  const rows = (await deleteSessions(sql, ids)).filter((row) => row.user_id === userId);
  const records = [...groupByUid(rows).values()].map((group) => recordsOf(deps, group));
  const keys = records.flatMap(({ issuer, clients }) =>
    clients.flatMap(({ grantId, offline }) =>
      grantId !== undefined && (offlineToo || !offline) ? deps.keyOf(issuer, 'Grant', grantId) : [],
    ),
  );
  await deleteGrants(sql, keys);
  for (const { issuer, clients } of records)
    for (const { clientId, sid } of clients) if (sid !== '') await deps.jobs.add(noticeJob({ issuer, clientId, userId, sid }), sql);
  return records;
}

/** One job a relying party: a slow one holds up nobody. */
export const noticeJob = (notice: LogoutNotice): Job => ({
  name: NOTIFY_JOB,
  payload: notice,
  maxAttempts: 8,
  key: `${NOTIFY_JOB}:${notice.clientId}:${notice.sid}`,
});

/** The keys of the grants that the rows of one session name. */
function grantsOf(keyring: Keyring, rows: readonly SessionRow[]): Set<string> {
  if (rows.length === 0) return new Set();
  const { issuer, clients } = recordsOf(keyring, rows);
  return new Set(clients.flatMap(({ grantId }) => (grantId === undefined ? [] : keyring.keyOf(issuer, 'Grant', grantId))));
}

function groupByUid(rows: readonly SessionRow[]): Map<string, SessionRow[]> {
  const groups = new Map<string, SessionRow[]>();
  for (const row of rows) groups.set(row.uid, [...(groups.get(row.uid) ?? []), row]);
  return groups;
}
