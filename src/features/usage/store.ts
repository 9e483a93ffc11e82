import type { MeteredMetric } from '../../core/tenant-limits.ts';
import type { Database, Sql } from '../../infra/postgres.ts';

export interface UsageAmount {
  tenantId: string;
  metric: MeteredMetric;
  /** The first day of a month. */
  period: string;
  amount: number;
}

export interface ActivePerson {
  tenantId: string;
  period: string;
  userId: string;
}

const ADD = {
  name: 'usage-add',
  text: `select tenant_id as "tenantId", metric, period::text as period, amount::float8 as amount from add_usage($1::jsonb)`,
};
const NOTE = {
  name: 'usage-people',
  text: `select tenant_id as "tenantId", 'monthlyActiveUsers' as metric, period::text as period, amount::float8 as amount from note_active_people($1::jsonb)`,
};
const OF = { name: 'usage-of', text: 'select usage_of($1, $2::date) as totals' };
const WAS_ACTIVE = { name: 'usage-was-active', text: 'select was_active($1, $2::date, $3) as found' };

/** Adds for many tenants at once; answers the new totals. */
export const addUsage = (db: Database, batch: readonly UsageAmount[]): Promise<UsageAmount[]> =>
  db.query<UsageAmount>(ADD, [JSON.stringify(batch)]);

/** Who was active; answers the totals that changed. */
export const notePeople = (db: Database, batch: readonly ActivePerson[]): Promise<UsageAmount[]> =>
  db.query<UsageAmount>(NOTE, [JSON.stringify(batch)]);

export type Totals = Partial<Record<MeteredMetric, number>>;

export const totalsOf = async (db: Database, tenantId: string, period: string): Promise<Totals> =>
  (await db.query<{ totals: Totals }>(OF, [tenantId, period]))[0]?.totals ?? {};

export const wasActive = async (db: Database, { tenantId, period, userId }: ActivePerson): Promise<boolean> =>
  (await db.query<{ found: boolean }>(WAS_ACTIVE, [tenantId, period, userId]))[0]?.found === true;

export interface Counted {
  members: number;
  apiKeys: number;
  invitations: number;
}

/** In the transaction's tenant; counters where there are any, else what there is. */
export async function countedOf(sql: Sql, tenantId: string): Promise<Counted> {
  const one = (metric: string, table: string, where = 'true'): string =>
    `coalesce((select used from tenant_counters where tenant_id = :tenantId and metric = '${metric}'),
       (select count(*) from ${table} where tenant_id = :tenantId and ${where}))::float8 as "${metric}"`;
  const { rows } = await sql.raw<{ rows: Counted[] }>(
    `select ${one('members', 'memberships')}, ${one('apiKeys', 'api_keys')}, ${one('invitations', 'invitations', `status = 'pending'`)}`,
    { tenantId },
  );
  return rows[0]!;
}

export const USAGE_SWEEP_JOB = 'usage.sweep';
/** Hourly. */
export const USAGE_SWEEP_SCHEDULE = { name: USAGE_SWEEP_JOB, at: '37 * * * *' } as const;

/** Who was active months ago is nobody's business any more. Answers how many rows went. */
export const sweepPeople = async (db: Database, most = 5000): Promise<number> =>
  (await db.query<{ gone: number }>({ name: 'usage-sweep', text: 'select sweep_usage_people($1) as gone' }, [most]))[0]?.gone ?? 0;
