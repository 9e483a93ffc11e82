import type { Database, Sql } from '../../infra/postgres.ts';
import type { AuditRow } from './index.ts';

/** What `audit_events` is given, in this order; `at` is the database's. */
export const AUDIT_COLUMNS =
  'id, tenant_id, type, outcome, actor_type, actor_id, client_id, target_type, target_id, person_id, reason, request_id, address_hash, sealed, data';

const VALUES =
  'r.id, r."tenantId", r.type, r.outcome, r."actorType", r."actorId", r."clientId", r."targetType", r."targetId", r."personId", r.reason, ' +
  `r."requestId", r."addressHash", decode(r.sealed, 'base64'), coalesce(r.data, '{}')`;

const RECORD =
  'r(id uuid, "tenantId" uuid, type text, outcome text, "actorType" text, "actorId" text, "clientId" text, "targetType" text, "targetId" text, ' +
  '"personId" uuid, reason text, "requestId" text, "addressHash" text, sealed text, data jsonb)';

/**
 * The insert of audit rows as text, to be a statement or a CTE of one. `parameter` stands for the JSON array of `AuditRow`s (`$7`, or `?` for Knex);
 * `gate` names a CTE of one row or none, without which nothing is written.
 */
export const auditInsertText = (parameter: string, gate?: string): string =>
  `insert into audit_events (${AUDIT_COLUMNS}) select ${VALUES} from ${gate ? `${gate}, ` : ''}jsonb_to_recordset(${parameter}::jsonb) as ${RECORD}`;

const INSERT = { name: 'audit-insert', text: auditInsertText('$1') };
const INSERT_HERE = auditInsertText('?');

export async function insertRows(db: Database, rows: readonly AuditRow[]): Promise<void> {
  await db.query(INSERT, [JSON.stringify(rows)]);
}

export async function insertRowsIn(sql: Sql, rows: readonly AuditRow[]): Promise<void> {
  await sql.raw(INSERT_HERE, [JSON.stringify(rows)]);
}

const FIND_KEY = 'select sealed from person_keys where user_id = ';
const ADD_KEY = (user: string, sealed: string): string =>
  `insert into person_keys (user_id, sealed) values (${user}, ${sealed}) on conflict (user_id) do nothing`;

/** The sealed key of a person: undefined where there is none yet, empty where it was destroyed. */
export async function findKey(on: Database | Sql, userId: string): Promise<Buffer | undefined> {
  const rows = isDatabase(on)
    ? await on.query<{ sealed: Buffer }>({ name: 'person-key-find', text: `${FIND_KEY}$1` }, [userId])
    : ((await on.raw(`${FIND_KEY}?`, [userId])).rows as { sealed: Buffer }[]);
  return rows[0]?.sealed;
}

/** Keeps the key unless there is one already; ask `findKey` afterwards which of them it is. */
export async function addKey(on: Database | Sql, userId: string, sealed: Buffer): Promise<void> {
  if (isDatabase(on)) await on.query({ name: 'person-key-add', text: ADD_KEY('$1', '$2') }, [userId, sealed]);
  else await on.raw(ADD_KEY('?', '?'), [userId, sealed]);
}

/** Destroys the key, leaves a mark so that none is made again, and tells every node when this transaction commits. */
export async function destroyKey(sql: Sql, userId: string): Promise<void> {
  await sql.raw(
    `insert into person_keys (user_id, sealed) values (?, '') on conflict (user_id) do update set sealed = '', created_at = clock_timestamp()`,
    [userId],
  );
  await sql.raw(`select pg_notify('gatehouse_changed', json_build_object('kind', 'person', 'id', ?::text)::text)`, [userId]);
}

const isDatabase = (on: Database | Sql): on is Database => 'query' in on && 'statements' in on;

export interface StoredEvent {
  id: string;
  at: Date;
  /** `at` with its microseconds, for cursors. */
  position: string;
  tenant_id: string;
  type: string;
  outcome: 'success' | 'failure';
  actor_type: string;
  actor_id: string | null;
  client_id: string | null;
  target_type: string | null;
  target_id: string | null;
  person_id: string | null;
  reason: string | null;
  request_id: string | null;
  sealed: Buffer | null;
  data: Record<string, unknown>;
}

export interface EventFilter {
  type?: string | undefined;
  actorId?: string | undefined;
  targetId?: string | undefined;
  outcome?: 'success' | 'failure' | undefined;
  /** From this instant on. */
  from?: Date | undefined;
  /** Before this instant. */
  to?: Date | undefined;
}

const SHOWN = `id, at, at::text as position, tenant_id, type, outcome, actor_type, actor_id, client_id, target_type, target_id, person_id, reason, request_id, sealed, data`;

/** Events of one tenant, newest first, at most `limit`, after the position of a cursor. `sql` must work in that tenant. */
export async function listEvents(
  sql: Sql,
  tenantId: string,
  filter: EventFilter,
  limit: number,
  after?: readonly [position: string, id: string],
): Promise<StoredEvent[]> {
  const query = sql('audit_events').select<StoredEvent[]>(sql.raw(SHOWN)).where('tenant_id', tenantId);
  if (filter.type !== undefined) query.where('type', filter.type);
  if (filter.actorId !== undefined) query.where('actor_id', filter.actorId);
  if (filter.targetId !== undefined) query.where('target_id', filter.targetId);
  if (filter.outcome !== undefined) query.where('outcome', filter.outcome);
  if (filter.from) query.where('at', '>=', filter.from);
  if (filter.to) query.where('at', '<', filter.to);
  if (after) query.whereRaw('(at, id) < (?::timestamptz, ?::uuid)', [...after]);
  return query
    .orderBy([
      { column: 'at', order: 'desc' },
      { column: 'id', order: 'desc' },
    ])
    .limit(limit);
}

// The database's clock gives `at`, ours is in the id; they are never as far apart as this.
const AROUND_MS = 3_600_000;

/** One event of a tenant. An id tells about when it was made, which spares the look into every partition. */
export async function findEvent(sql: Sql, tenantId: string, id: string): Promise<StoredEvent | undefined> {
  const made = Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
  if (made > 8.64e15 - AROUND_MS) return undefined;
  return sql('audit_events')
    .select<StoredEvent[]>(sql.raw(SHOWN))
    .where({ tenant_id: tenantId, id })
    .whereBetween('at', [new Date(made - AROUND_MS), new Date(made + AROUND_MS)])
    .first();
}

const OF_PERSON = {
  name: 'audit-of-person',
  text: `select ${SHOWN} from audit_events_of($1, coalesce($2::timestamptz, 'infinity'), coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'), $4)
    order by at desc, id desc`,
};

/** Events that tell of one person, in whichever tenant, newest first, after the position of a cursor; 201 at most. */
export async function listEventsOfPerson(
  db: Database,
  personId: string,
  limit: number,
  after?: readonly [position: string, id: string],
): Promise<StoredEvent[]> {
  return db.query<StoredEvent>(OF_PERSON, [personId, after?.[0] ?? null, after?.[1] ?? null, limit]);
}

/** Names of the tenants that are there. */
export async function namesOfTenants(db: Database, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const text = 'select id, name from tenants where id = any($1::uuid[])';
  const rows = await db.query<{ id: string; name: string }>({ name: 'audit-tenants', text }, [[...ids]]);
  return new Map(rows.map(({ id, name }) => [id, name]));
}
