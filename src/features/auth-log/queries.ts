import { isIP } from 'node:net';
import { addSeconds, type Clock } from '../../core/clock.ts';
import { invalidInput } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { type Page, type PageRequest, pageOfPlaced, readPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database, Sql } from '../../infra/postgres.ts';
import type { PersonalData } from '../audit/index.ts';
import type { ReportedText } from './report.ts';
import type { AggregatesFilter, AggregatesView, AuthEventView, AuthLogFilter, FailedFilter } from './schema.ts';
import {
  type AuthEventRow,
  type AuthFilter,
  countFailed,
  type Group,
  groupFailed,
  listAuthEvents,
  listFailed,
  MOST_COUNTED,
  type Totals,
} from './store.ts';
import { isExternal } from './types.ts';

export interface AuthLogDeps {
  /** May lag behind. */
  reads: Database;
  clock: Clock;
  openPersonal(row: { id: string; person_id: string | null; sealed: Buffer | null }): Promise<PersonalData>;
  /** How an address stands in the log: its hash under every key there is. */
  addressHashes(address: string): string[];
}

const A_DAY = 86_400;
const MOST_DAYS = 31;

/** The tenant's authentication events, newest first. Throws 422. */
export async function pageOfAuthEvents(
  deps: AuthLogDeps,
  scope: Scope,
  { limit, cursor }: PageRequest,
  filter: AuthLogFilter,
): Promise<Page<AuthEventView>> {
  const after = positionOf(cursor);
  const { from, to, ip, ...rest } = filter;
  const where = { ...rest, ...rangeAndAddress(deps, { from, to, ip }) };
  const rows = await inTenant(deps, scope, (sql) => listAuthEvents(sql, scope.tenantId, where, limit + 1, after));
  return show(deps, rows, limit);
}

/** Failed sign-ins, newest first, and how many there are over all pages. Throws 422. */
export async function pageOfFailed(
  deps: AuthLogDeps,
  scope: Scope,
  { limit, cursor }: PageRequest,
  { userId, ...filter }: FailedFilter,
): Promise<Page<AuthEventView> & { totals: Totals & { complete: boolean } }> {
  const after = positionOf(cursor);
  const where: AuthFilter = { userId, ...rangeAndAddress(deps, filter) };
  const [rows, totals] = await inTenant(deps, scope, async (sql) => {
    const found = await listFailed(sql, scope.tenantId, where, limit + 1, after);
    return [found, await countFailed(sql, scope.tenantId, where)] as const;
  });
  const count = Math.min(totals.count, MOST_COUNTED);
  return { ...(await show(deps, rows, limit)), totals: { ...totals, count, complete: totals.count <= MOST_COUNTED } };
}

/** Failed sign-ins in groups; of the day before `to`, or before now, where no `from` is said. Throws 422 for more than 31 days. */
export async function aggregateFailed(
  deps: AuthLogDeps,
  scope: Scope,
  { by, userId, ...filter }: AggregatesFilter,
): Promise<AggregatesView> {
  const { addressHashes, from: first, to: last } = rangeAndAddress(deps, filter);
  const to = last ?? deps.clock.now();
  const from = first ?? addSeconds(to, -A_DAY);
  if (to.getTime() - from.getTime() > MOST_DAYS * A_DAY * 1000)
    throw invalidInput([{ pointer: '/from', message: `must be within ${MOST_DAYS} days before the end` }]);
  const groups = await inTenant(deps, scope, (sql) => groupFailed(sql, scope.tenantId, { userId, addressHashes, from, to: last }, by));
  const keyOf = async (group: Group): Promise<string | null> =>
    by !== 'address' ? group.key : group.id === null ? null : ((await deps.openPersonal({ ...group, id: group.id })).address ?? null);
  return {
    by,
    from: from.toISOString(),
    to: to.toISOString(),
    complete: (groups[0]?.total ?? 0) <= MOST_COUNTED,
    items: await Promise.all(
      groups.map(async (group) => ({
        key: await keyOf(group),
        count: group.count,
        users: group.users,
        addresses: group.addresses,
        firstAt: group.first_at.toISOString(),
        lastAt: group.last_at.toISOString(),
      })),
    ),
  };
}

const inTenant = <T>({ reads }: AuthLogDeps, { tenantId }: Scope, work: (sql: Sql) => Promise<T>): Promise<T> =>
  reads.transaction(work, { tenantId });

function positionOf(cursor: string | undefined): ReturnType<typeof readPosition> {
  const position = readPosition(cursor);
  if (position && !isId(position[1])) throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
  return position;
}

function rangeAndAddress(
  deps: AuthLogDeps,
  filter: { from?: string | undefined; to?: string | undefined; ip?: string | undefined },
): Pick<AuthFilter, 'from' | 'to' | 'addressHashes'> {
  const from = filter.from === undefined ? undefined : new Date(filter.from);
  const to = filter.to === undefined ? undefined : new Date(filter.to);
  if (from && to && from >= to) throw invalidInput([{ pointer: '/to', message: 'must be after from' }]);
  if (filter.ip !== undefined && isIP(filter.ip) === 0) throw invalidInput([{ pointer: '/ip', message: 'is no address' }]);
  return { from, to, addressHashes: filter.ip === undefined ? undefined : deps.addressHashes(filter.ip) };
}

const show = (deps: AuthLogDeps, rows: AuthEventRow[], limit: number): Promise<Page<AuthEventView>> =>
  pageOfPlaced(rows, limit, (row) => viewOf(deps, row));

async function viewOf({ openPersonal }: AuthLogDeps, row: AuthEventRow): Promise<AuthEventView> {
  const { address, device, note } = await openPersonal(row);
  const external = isExternal(row.type);
  const told = external ? textsOf(note) : {};
  return {
    id: row.id,
    at: row.at.toISOString(),
    reportedAt: external ? textOf(row.data['at']) : null,
    type: row.type,
    outcome: row.outcome,
    source: external ? 'external' : 'gatehouse',
    reason: told.reason ?? row.reason,
    method: textOf(row.data['method']),
    userId: row.person_id ?? told.userId ?? null,
    username: told.username ?? null,
    clientId: row.client_id,
    address: address ?? null,
    device: device ?? null,
    detail: told.detail ?? null,
    requestId: row.request_id,
  };
}

/** We wrote it ourselves, as `ReportedText`. */
const textsOf = (note: string | undefined): ReportedText => (note === undefined ? {} : (JSON.parse(note) as ReportedText));
const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);
