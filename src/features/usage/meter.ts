/**
 * Accumulates usage in the process and writes it every ten seconds, one statement for all tenants. A limit is compared with the last total that was
 * read or written and what waits here: it may be passed by what all processes count between two flushes, and by no more.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../core/clock.ts';
import { type MeteredMetric, monthOf } from '../../core/tenant-limits.ts';
import type { Database } from '../../infra/postgres.ts';
import type { TenantCache } from '../tenants/index.ts';
import type { Meter } from './index.ts';
import { type ActivePerson, addUsage, notePeople, type Totals, totalsOf, type UsageAmount, wasActive } from './store.ts';

export interface MeterDeps {
  db: Database;
  clock: Clock;
  tenants: Pick<TenantCache, 'find'>;
  log(message: string, error?: unknown): void;
}

export const FLUSH_MS = 10_000;
/** Waiting entries; beyond, what is counted is written at once, and lost only where the database is away that long. */
const MOST_WAITING = 50_000;
const MOST_KNOWN = 200_000;
const BATCH = 5000;

export function createMeter({ db, clock, tenants, log }: MeterDeps, { flushMs = FLUSH_MS, mostWaiting = MOST_WAITING } = {}): Meter {
  let amounts = new Map<string, UsageAmount>();
  let people = new Map<string, ActivePerson>();
  let pendingPeople = new Map<string, number>();
  /** What is on its way counts until the total has come back. */
  let written: { amounts: typeof amounts; people: typeof people; pendingPeople: typeof pendingPeople } | undefined;
  const totals = new LRUCache<string, Totals>({ max: 20_000, ttl: flushMs });
  /** Who is counted already this month. */
  const known = new LRUCache<string, true>({ max: MOST_KNOWN });
  let flushing: Promise<void> | undefined;
  const timer = setInterval(() => void flush(), flushMs);
  timer.unref();

  const keyOf = (...parts: string[]): string => parts.join(' ');
  const now = (): string => monthOf(clock.now());

  async function totalOf(tenantId: string, period: string, metric: MeteredMetric): Promise<number> {
    const key = keyOf(tenantId, period);
    let found = totals.get(key);
    if (!found) {
      found = await totalsOf(db, tenantId, period);
      totals.set(key, found);
    }
    return found[metric] ?? 0;
  }

  function keep({ tenantId, period, metric, amount }: UsageAmount): void {
    const key = keyOf(tenantId, period);
    const before = totals.get(key);
    // The time to live goes on: other processes count too.
    if (before) totals.set(key, { ...before, [metric]: amount }, { noUpdateTTL: true });
  }

  function add(amount: UsageAmount): void {
    const key = keyOf(amount.tenantId, amount.metric, amount.period);
    const before = amounts.get(key);
    if (before) before.amount += amount.amount;
    else if (amounts.size >= mostWaiting) log('usage is lost: too much waits to be written');
    else {
      amounts.set(key, { ...amount });
      if (amounts.size >= mostWaiting) void flush();
    }
  }

  /** What could not be written comes before what is newer. */
  function addAgain(batch: readonly UsageAmount[]): void {
    const newer = [...amounts.values()];
    amounts = new Map();
    for (const amount of [...batch, ...newer]) add(amount);
  }

  function note(person: ActivePerson): void {
    const key = keyOf(person.tenantId, person.period, person.userId);
    if (people.has(key) || people.size >= mostWaiting) return;
    people.set(key, person);
    const tenant = keyOf(person.tenantId, person.period);
    pendingPeople.set(tenant, (pendingPeople.get(tenant) ?? 0) + 1);
    if (people.size >= mostWaiting) void flush();
  }

  async function write(): Promise<void> {
    const [waiting, were] = [[...amounts.values()], [...people.entries()]];
    written = { amounts, people, pendingPeople };
    amounts = new Map();
    people = new Map();
    pendingPeople = new Map();
    for (let from = 0; from < waiting.length; from += BATCH) {
      const batch = waiting.slice(from, from + BATCH);
      try {
        for (const total of await addUsage(db, batch)) keep(total);
        for (const { tenantId, metric, period } of batch) written.amounts.delete(keyOf(tenantId, metric, period));
      } catch (error) {
        log('usage could not be written; it is kept for the next time', error);
        for (const { tenantId, metric, period } of batch) written.amounts.delete(keyOf(tenantId, metric, period));
        addAgain(batch);
      }
    }
    for (let from = 0; from < were.length; from += BATCH) {
      const batch = were.slice(from, from + BATCH);
      try {
        for (const total of await notePeople(
          db,
          batch.map(([, person]) => person),
        ))
          keep(total);
        for (const [key] of batch) known.set(key, true);
      } catch (error) {
        log('usage could not be written; it is kept for the next time', error);
        for (const [, person] of batch) note(person);
      }
    }
  }

  function flush(): Promise<void> {
    flushing ??= write().finally(() => {
      flushing = undefined;
      written = undefined;
    });
    return flushing;
  }

  return {
    count(tenantId, metric, amount = 1) {
      add({ tenantId, metric, period: now(), amount });
    },
    async allows(tenantId, metric, amount = 1) {
      const limit = (await tenants.find(tenantId))?.limits[metric];
      if (limit === undefined) return true;
      const period = now();
      const key = keyOf(tenantId, metric, period);
      const waiting = (amounts.get(key)?.amount ?? 0) + (written?.amounts.get(key)?.amount ?? 0);
      return (await totalOf(tenantId, period, metric)) + waiting + amount <= limit;
    },
    active(tenantId, userId) {
      const period = now();
      if (!known.has(keyOf(tenantId, period, userId))) note({ tenantId, period, userId });
    },
    async admits(tenantId, userId) {
      const limit = (await tenants.find(tenantId))?.limits['monthlyActiveUsers'];
      if (limit === undefined) return true;
      const period = now();
      const key = keyOf(tenantId, period, userId);
      if (known.has(key) || people.has(key) || written?.people.has(key)) return true;
      const tenant = keyOf(tenantId, period);
      const waiting = (pendingPeople.get(tenant) ?? 0) + (written?.pendingPeople.get(tenant) ?? 0);
      const total = (await totalOf(tenantId, period, 'monthlyActiveUsers')) + waiting;
      if (total < limit) return true;
      if (!(await wasActive(db, { tenantId, period, userId }))) return false;
      known.set(key, true);
      return true;
    },
    flush,
    async close() {
      clearInterval(timer);
      await flush();
      // What came while the last one was written.
      if (amounts.size + people.size > 0) await flush();
    },
  };
}
