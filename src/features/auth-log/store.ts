/** The part of the audit log that tells of authentication, read where it lies. Every clause that an index is for stands here as the index has it. */
import type { Sql } from '../../infra/postgres.ts';
import { AUTH_EVENT_TYPES, EXTERNAL, isExternal } from './types.ts';

export interface AuthEventRow {
  id: string;
  at: Date;
  /** Microseconds since the epoch, for cursors. */
  position: string;
  type: string;
  outcome: 'success' | 'failure';
  client_id: string | null;
  person_id: string | null;
  reason: string | null;
  request_id: string | null;
  sealed: Buffer | null;
  data: Record<string, unknown>;
}

export interface AuthFilter {
  type?: string | undefined;
  outcome?: string | undefined;
  method?: string | undefined;
  clientId?: string | undefined;
  source?: 'gatehouse' | 'external' | undefined;
  userId?: string | undefined;
  /** The address under every key that it may have been hashed with. */
  addressHashes?: readonly string[] | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
}

type Position = readonly [micros: string, id: string];

/** SQL with what stands for its question marks. */
interface Clause {
  text: string;
  values: unknown[];
}

const SHOWN = `id, at, floor(extract(epoch from at) * 1000000)::text as position, type, outcome, client_id, person_id, reason, request_id, sealed, data`;
const IN_ORDER = 'order by at desc, id desc';
const FAILED = `outcome = 'failure' and (type = 'login.refused' or type like 'external.%')`;

/** How many failures are looked at in one question; the newest. */
export const MOST_COUNTED = 100_000;
const MOST_GROUPS = 100;

export async function isMember(sql: Sql, tenantId: string, userId: string): Promise<boolean> {
  return (await sql('memberships').select('user_id').where({ tenant_id: tenantId, user_id: userId }).first()) !== undefined;
}

/** Newest first. Each type is looked for by itself, so that no question reads through what other types fill the log with. */
export async function listAuthEvents(
  sql: Sql,
  tenantId: string,
  filter: AuthFilter,
  limit: number,
  after: Position | undefined,
): Promise<AuthEventRow[]> {
  const types = typesOf(filter);
  if (types.length === 0) return [];
  const common = conditions(filter, after);
  const branch = (type: string): string =>
    `(select ${SHOWN} from audit_events where tenant_id = ? and ${type}${common.text} ${IN_ORDER} limit ?)`;
  const text = types.map((type) => branch(type.text)).join(' union all ');
  const values = types.flatMap(({ values: type }) => [tenantId, ...type, ...common.values, limit]);
  return rowsOf(sql, `select * from (${text}) as found ${IN_ORDER} limit ?`, [...values, limit]);
}

function typesOf({ type, source }: AuthFilter): Clause[] {
  const own = AUTH_EVENT_TYPES.filter((known) => type === undefined || known === type).map((known) => ({
    text: 'type = ?',
    values: [known],
  }));
  const external: Clause[] =
    type === undefined
      ? [{ text: `type like 'external.%'`, values: [] }]
      : isExternal(type)
        ? [{ text: `type = ? and type like 'external.%'`, values: [type] }]
        : [];
  return [...(source === EXTERNAL.slice(0, -1) ? [] : own), ...(source === 'gatehouse' ? [] : external)];
}

/** Failed sign-ins, newest first. */
export function listFailed(
  sql: Sql,
  tenantId: string,
  filter: AuthFilter,
  limit: number,
  after: Position | undefined,
): Promise<AuthEventRow[]> {
  const { text, values } = conditions(filter, after);
  return rowsOf(sql, `select ${SHOWN} from audit_events where tenant_id = ? and ${FAILED}${text} ${IN_ORDER} limit ?`, [
    tenantId,
    ...values,
    limit,
  ]);
}

export interface Totals {
  count: number;
  users: number;
  addresses: number;
}

/** Of all that the filter finds, `MOST_COUNTED` and one at most. */
export async function countFailed(sql: Sql, tenantId: string, filter: AuthFilter): Promise<Totals> {
  const seen = seenClause(tenantId, filter);
  const { rows } = await sql.raw(
    `with seen as (${seen.text})
     select count(*)::integer as count, count(distinct person_id)::integer as users, count(distinct address_hash)::integer as addresses from seen`,
    seen.values as never,
  );
  return (rows as Totals[])[0]!;
}

export interface Group extends Totals {
  /** A person's id, the hash of an address, or an instant. */
  key: string | null;
  first_at: Date;
  last_at: Date;
  /** Of the newest row with that address. */
  id: string | null;
  person_id: string | null;
  sealed: Buffer | null;
  /** Over all groups. */
  total: number;
}

const KEYS = {
  user: 'person_id::text',
  address: 'address_hash',
  hour: `to_char(date_trunc('hour', at at time zone 'UTC'), 'YYYY-MM-DD"T"HH24:MI:SS".000Z"')`,
} as const;

/** The greatest groups; hours all of them, in their order. */
export async function groupFailed(sql: Sql, tenantId: string, filter: AuthFilter, by: keyof typeof KEYS): Promise<Group[]> {
  const seen = seenClause(tenantId, filter);
  const newest = `left join lateral (select id, person_id, sealed from audit_events e where e.tenant_id = ? and e.address_hash = g.key and e.type <> 'token.issued'
    and e.at = g.last_at limit 1) e on true`;
  const { rows } = await sql.raw(
    `with seen as (${seen.text}), g as (
       select ${KEYS[by]} as key, count(*)::integer as count, count(distinct person_id)::integer as users, count(distinct address_hash)::integer as addresses,
         min(at) as first_at, max(at) as last_at, (sum(count(*)) over ())::integer as total
       from seen group by 1 order by ${by === 'hour' ? 'key' : `count desc, key limit ${MOST_GROUPS}`})
     select g.*, ${by === 'address' ? `e.id, e.person_id, e.sealed from g ${newest}` : 'null as id, null as person_id, null as sealed from g'}
     order by ${by === 'hour' ? 'g.key' : 'g.count desc, g.key'}`,
    [...seen.values, ...(by === 'address' ? [tenantId] : [])] as never,
  );
  return rows as Group[];
}

function seenClause(tenantId: string, filter: AuthFilter): Clause {
  const { text, values } = conditions(filter, undefined);
  return {
    text: `select at, person_id, address_hash from audit_events where tenant_id = ? and ${FAILED}${text} ${IN_ORDER} limit ${MOST_COUNTED + 1}`,
    values: [tenantId, ...values],
  };
}

function conditions(filter: AuthFilter, after: Position | undefined): Clause {
  const all: Clause[] = [];
  const add = (text: string, ...values: unknown[]): void => void all.push({ text, values });
  if (filter.outcome !== undefined) add('outcome = ?', filter.outcome);
  if (filter.method !== undefined) add(`data ->> 'method' = ?`, filter.method);
  if (filter.clientId !== undefined) add('client_id = ?', filter.clientId);
  if (filter.userId !== undefined) add('person_id = ?', filter.userId);
  if (filter.addressHashes) add(`address_hash = any(?) and type <> 'token.issued'`, [...filter.addressHashes]);
  if (filter.from) add('at >= ?', filter.from);
  if (filter.to) add('at < ?', filter.to);
  if (after) add(`(at, id) < (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)`, ...after);
  return { text: all.map(({ text }) => ` and ${text}`).join(''), values: all.flatMap(({ values }) => values) };
}

async function rowsOf(sql: Sql, text: string, values: readonly unknown[]): Promise<AuthEventRow[]> {
  return (await sql.raw(text, values as never)).rows as AuthEventRow[];
}
