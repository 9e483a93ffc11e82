/** Everything that is kept of a person, for themselves (GDPR articles 15 and 20); never a secret. */
import type { Clock } from '../../core/clock.ts';
import { notFound } from '../../core/errors.ts';
import type { Page, PageRequest } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import type { SecretBox } from '../../infra/secret-box.ts';
import type { Transact } from '../audit/index.ts';
import { devicesOf, exportRow } from './store.ts';

export interface ExportDeps {
  db: Database;
  clock: Clock;
  box: Pick<SecretBox, 'open'>;
  transact: Transact;
  /** What other parts keep, by the name under which it is exported. */
  parts: Readonly<Record<string, (userId: string) => Promise<unknown>>>;
  /** What the log holds of the person, newest first. */
  activity(userId: string, page: PageRequest): Promise<Page<unknown>>;
}

/** How many events of the log are exported at most, the newest. */
export const MOST_EVENTS = 5000;
const PAGE = 200;

/** Collects it all, and records that it was. Throws 404. */
export async function exportAccount(deps: ExportDeps, scope: Scope, userId: string): Promise<Record<string, unknown>> {
  const { db, clock } = deps;
  const row = await exportRow(db, userId);
  if (!row) throw notFound('user');
  await deps.transact(scope, async ({ record }) =>
    record({ type: 'user.exported', outcome: 'success', target: { type: 'user', id: userId }, personId: userId }),
  );
  const collected: Record<string, unknown> = {};
  for (const [name, read] of Object.entries(deps.parts)) collected[name] = await read(userId);
  return {
    exportedAt: clock.now().toISOString(),
    profile: row.person,
    factors: row.factors,
    identities: row.identities,
    devices: await devicesOf(deps, userId, clock.now()),
    ...collected,
    activity: await activityOf(deps, userId),
  };
}

async function activityOf({ activity }: Pick<ExportDeps, 'activity'>, userId: string): Promise<unknown[]> {
  const events: unknown[] = [];
  let cursor: string | undefined;
  do {
    const page = await activity(userId, { limit: PAGE, cursor });
    events.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined && events.length < MOST_EVENTS);
  return events;
}
