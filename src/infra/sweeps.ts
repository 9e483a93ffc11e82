/** Removes what has expired, in small batches, and tends the partitions. */
import type { JobHandler } from './jobs.ts';
import type { Logger } from './log.ts';
import type { Database } from './postgres.ts';

const BATCH = 1000;
const MOST_BATCHES = 200;

// An hour past its end, so that whoever just came too late can still be told so.
const AN_HOUR_AGO = `clock_timestamp() - interval '1 hour'`;

const EXPIRED: Readonly<Record<string, string>> = {
  journeys: `expires_at < ${AN_HOUR_AGO}`,
  one_time_codes: `expires_at < ${AN_HOUR_AGO}`,
  idempotency_keys: `expires_at < ${AN_HOUR_AGO}`,
  oidc_objects: `expires_at < ${AN_HOUR_AGO}`,
  oidc_sessions: `expires_at < ${AN_HOUR_AGO}`,
  oidc_grants: `expires_at < ${AN_HOUR_AGO}`,
  revoked_tokens: `expires_at < ${AN_HOUR_AGO}`,
  rate_limits: `expire < extract(epoch from ${AN_HOUR_AGO}) * 1000`,
  known_devices: `last_seen_at < clock_timestamp() - interval '1 year'`,
  dev_messages: `at < clock_timestamp() - interval '1 day'`,
};

export const SWEEP_JOB = 'sweep.expired';

/** Every five minutes; one node of all does it. */
export const SWEEP_SCHEDULE = { name: SWEEP_JOB, at: '*/5 * * * *' } as const;

/** Deletes what has expired; answers how many rows of each table went. */
export async function sweepExpired(db: Database): Promise<Record<string, number>> {
  const swept: Record<string, number> = {};
  for (const [table, condition] of Object.entries(EXPIRED)) swept[table] = await sweepTable(db, table, condition);
  swept['role_assignments'] = await sweepByFunction(db, 'sweep_role_assignments');
  swept['invitations'] = await sweepByFunction(db, 'sweep_invitations');
  await db.query({ name: 'sweep-tokens', text: 'select tend_access_token_partitions()' }, []);
  await db.query({ name: 'sweep-audit', text: 'select tend_audit_partitions()' }, []);
  return swept;
}

/** They are of tenants, whose rows only the owner's function sees all together. */
async function sweepByFunction(db: Database, name: 'sweep_role_assignments' | 'sweep_invitations'): Promise<number> {
  let total = 0;
  for (let round = 0; round < MOST_BATCHES; round += 1) {
    const rows = await db.query<{ count: number }>({ name, text: `select ${name}($1) as count` }, [BATCH]);
    const count = rows[0]?.count ?? 0;
    total += count;
    if (count < BATCH) break;
  }
  return total;
}

/** Rows that somebody holds are left for the next time. */
async function sweepTable(db: Database, table: string, condition: string): Promise<number> {
  const text = `with gone as (delete from ${table} where ctid = any(array(select ctid from ${table} where ${condition} limit ${BATCH} for update skip locked)) returning 1)
    select count(*)::integer as count from gone`;
  let total = 0;
  for (let round = 0; round < MOST_BATCHES; round += 1) {
    const count = (await db.query<{ count: number }>({ name: `sweep-${table}`, text }, []))[0]?.count ?? 0;
    total += count;
    if (count < BATCH) break;
  }
  return total;
}

export const sweepHandler =
  (db: Database, log: Logger): JobHandler =>
  async () => {
    log.debug({ swept: await sweepExpired(db) }, 'removed what had expired');
  };
