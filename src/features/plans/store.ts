/** Plans, and what tenants have of them. The tables are the platform's: every statement names its tenant. */
import type { LimitSet } from '../../core/tenant-limits.ts';
import type { NamedRow } from '../../infra/named-rows.ts';
import type { Database, Sql } from '../../infra/postgres.ts';
import type { PlanView, SubscriptionView } from './schema.ts';

export interface PlanRow extends NamedRow {
  limits: LimitSet;
  features: PlanView['features'];
}

export interface SubscriptionRow {
  tenant_id: string;
  plan_id: string;
  plan_name: string;
  features: PlanView['features'];
  status: SubscriptionView['status'];
  starts_at: Date;
  ends_at: Date | null;
  version: number;
  created_at: Date;
  updated_at: Date;
}

const TOUCHED = `version = s.version + 1, updated_at = clock_timestamp()`;

export async function findSubscription(sql: Sql, tenantId: string, lock = false): Promise<SubscriptionRow | undefined> {
  const text = `select s.*, p.name as plan_name, p.features from subscriptions s join plans p on p.id = s.plan_id where s.tenant_id = ?`;
  return (await sql.raw<{ rows: SubscriptionRow[] }>(`${text}${lock ? ' for update of s' : ''}`, [tenantId])).rows[0];
}

export interface SubscriptionValues {
  planId: string;
  status: string;
  /** Null: it stays, or is now. */
  startsAt: Date | null;
  endsAt: Date | null;
}

/** Throws SQLSTATE 23503 where the plan is gone. */
export async function writeSubscription(
  sql: Sql,
  tenantId: string,
  { planId, status, startsAt, endsAt }: SubscriptionValues,
): Promise<void> {
  await sql.raw(
    `insert into subscriptions as s (tenant_id, plan_id, status, starts_at, ends_at) values (?, ?, ?, coalesce(?::timestamptz, clock_timestamp()), ?)
     on conflict (tenant_id) do update set plan_id = excluded.plan_id, status = excluded.status, starts_at = coalesce(?::timestamptz, s.starts_at),
       ends_at = excluded.ends_at, ${TOUCHED}`,
    [tenantId, planId, status, startsAt, endsAt, startsAt],
  );
}

export const deleteSubscription = (sql: Sql, tenantId: string): Promise<number> =>
  sql('subscriptions').where({ tenant_id: tenantId }).delete();

/** Brings the tenant's counters to its limits as they now are, in the transaction that changed them. */
export const applyLimits = (sql: Sql, tenantId: string): Promise<unknown> => sql.raw('select apply_limits(?)', [tenantId]);

/** Changes of a tenant's limits come one after the other. */
export const lockLimits = (sql: Sql, tenantId: string): Promise<unknown> =>
  sql.raw(`select pg_advisory_xact_lock(hashtextextended('limits:' || ?, 0))`, [tenantId]);

export interface LimitsRow {
  own: LimitSet;
  plan: LimitSet;
  effective: LimitSet;
  /** How often the tenant's own were written. */
  version: number;
}

export async function findLimits(sql: Sql, tenantId: string): Promise<LimitsRow> {
  const { rows } = await sql.raw<{ rows: LimitsRow[] }>(
    `select coalesce(l.limits, '{}') as own, coalesce(l.version, 0) as version, effective_limits(t.id) as effective,
       coalesce((select jsonb_strip_nulls(p.limits) from subscriptions s join plans p on p.id = s.plan_id where s.tenant_id = t.id
         and s.status in ('trialing', 'active', 'past_due') and s.starts_at <= clock_timestamp() and (s.ends_at is null or s.ends_at > clock_timestamp())), '{}') as plan
     from tenants t left join tenant_limits l on l.tenant_id = t.id where t.id = ?`,
    [tenantId],
  );
  return rows[0] ?? { own: {}, plan: {}, effective: {}, version: 0 };
}

/** How much of a counted metric is there; 0 where nothing is limited. */
export async function findUsed(sql: Sql, tenantId: string, metric: string): Promise<number> {
  const text = 'select used::float8 as used from tenant_counters where tenant_id = ? and metric = ?';
  return (await sql.raw<{ rows: { used: number }[] }>(text, [tenantId, metric])).rows[0]?.used ?? 0;
}

export async function writeLimits(sql: Sql, tenantId: string, limits: LimitSet): Promise<void> {
  await sql.raw(
    `insert into tenant_limits as s (tenant_id, limits) values (?, ?::jsonb) on conflict (tenant_id) do update set limits = excluded.limits, ${TOUCHED}`,
    [tenantId, JSON.stringify(limits)],
  );
}

/** Brings the counters of the next tenants with this plan up to date, and lets processes read them again; answers the last one, undefined at the end. */
export async function applyPlan(sql: Sql, planId: string, after: string | undefined, most: number): Promise<string | undefined> {
  const { rows } = await sql.raw<{ rows: { tenant_id: string }[] }>(
    `with batch as (select tenant_id from subscriptions where plan_id = ? and (?::uuid is null or tenant_id > ?::uuid) order by tenant_id limit ? for update),
       touched as (update subscriptions s set ${TOUCHED} from batch b where s.tenant_id = b.tenant_id)
     select tenant_id, apply_limits(tenant_id) from batch order by tenant_id`,
    [planId, after ?? null, after ?? null, most],
  );
  return rows.at(-1)?.tenant_id;
}

/** Tenants whose subscription has ended, or begun, since anybody looked. */
export const dueTenants = (db: Database): Promise<{ tenant_id: string; ended: boolean }[]> =>
  db.query(
    {
      name: 'subscriptions-due',
      text: `select tenant_id, coalesce(ends_at <= clock_timestamp(), false) as ended from subscriptions where status in ('trialing', 'active', 'past_due')
        and (ends_at <= clock_timestamp() or (starts_at <= clock_timestamp() and starts_at > updated_at)) order by tenant_id limit 500`,
    },
    [],
  );

/** Ends, or begins, what is due; answers false where somebody was faster. */
export async function turnSubscription(sql: Sql, tenantId: string, ended: boolean): Promise<boolean> {
  const text = ended
    ? `update subscriptions as s set status = 'expired', ${TOUCHED} where tenant_id = ? and status in ('trialing', 'active', 'past_due') and ends_at <= clock_timestamp()`
    : `update subscriptions as s set updated_at = clock_timestamp() where tenant_id = ? and starts_at <= clock_timestamp() and starts_at > updated_at`;
  const { rows } = await sql.raw<{ rows: unknown[] }>(`${text} returning 1`, [tenantId]);
  return rows.length > 0;
}
