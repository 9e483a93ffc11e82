/** Where the points of limits are counted: PostgreSQL, exactly and for several keys in one statement, or what rate-limiter-flexible counts in. */

import { type RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible';
import { systemClock } from '../core/clock.ts';
import type { Database, Statement } from './postgres.ts';

export interface LimitRule {
  name: string;
  /** How many points a key has in each window. */
  points: number;
  durationSeconds: number;
  /** How long a key that went beyond is refused; 0: until its window ends. */
  blockSeconds: number;
  /** `shared`: Redis where there is one, else PostgreSQL. `durable`: always PostgreSQL. `local`: each process for itself. */
  store: 'shared' | 'durable' | 'local';
}

/** Points of a key, as it is stored. */
export interface Taking {
  rule: LimitRule;
  key: string;
  points: number;
}

export interface LimitStore {
  /** Takes points from each in turn, until one has none left; which one that is, and for how long. Those after it lose nothing. */
  take(all: readonly Taking[]): Promise<{ at: number; waitMs: number } | undefined>;
  /** Gives points back to some and forgets what was counted of others. */
  forgive(refunded: readonly Taking[], forgotten: readonly Taking[]): Promise<void>;
  /** How long the key is refused; 0 when it is not. */
  waitMs(one: Taking): Promise<number>;
}

const rowKey = ({ rule, key }: Taking): string => `${rule.name}:${key}`;

/** One of these for each rule: the library keeps its name, points and times. */
export function libraryStore(limiter: RateLimiterAbstract): LimitStore {
  return {
    async take(all) {
      for (const [at, { key, points }] of all.entries()) {
        try {
          await limiter.consume(key, points);
        } catch (error) {
          if (error instanceof RateLimiterRes) return { at, waitMs: error.msBeforeNext };
          throw error;
        }
      }
      return undefined;
    },
    async forgive(refunded, forgotten) {
      await Promise.all([
        ...refunded.map(({ key, points }) => limiter.reward(key, points)),
        ...forgotten.map(({ key }) => limiter.delete(key)),
      ]);
    },
    async waitMs({ key }) {
      const found = await limiter.get(key);
      return found && found.consumedPoints >= limiter.points ? found.msBeforeNext : 0;
    },
  };
}

interface Counted {
  at: number;
  points: number;
  expire: string;
}

/**
 * Rows are locked in the order of the list, and what is refunded before what is forgotten: where two statements share several keys, an address is before an
 * account, or each would wait for the other.
 */
export function postgresStore(db: Database): LimitStore {
  const statements: Statement[] = [];
  return {
    async take(all) {
      const now = systemClock.now().getTime();
      const values = all.flatMap((one) => {
        const { points, durationSeconds, blockSeconds } = one.rule;
        return [rowKey(one), one.points, points, durationSeconds * 1000, (blockSeconds || durationSeconds) * 1000, blockSeconds > 0];
      });
      statements[all.length] ??= { name: `limits-take-${all.length}`, text: takeText(all.length) };
      const counted = await db.query<Counted>(statements[all.length]!, [now, ...values]);
      const last = counted.reduce((one, other) => (other.at > one.at ? other : one));
      return last.points > all[last.at]!.rule.points ? { at: last.at, waitMs: Math.max(0, Number(last.expire) - now) } : undefined;
    },
    async forgive(refunded, forgotten) {
      await db.query(FORGIVE, [
        systemClock.now().getTime(),
        refunded.map(rowKey),
        refunded.map(({ points }) => points),
        forgotten.map(rowKey),
      ]);
    },
    async waitMs(one) {
      const now = systemClock.now().getTime();
      const [found] = await db.query<Counted>(FIND, [rowKey(one), now]);
      return found && found.points >= one.rule.points ? Number(found.expire) - now : 0;
    },
  };
}

/** A key that goes beyond is refused from that moment for its time, whatever is left of the window. */
function takeText(count: number): string {
  const step = (at: number): string => {
    const [key, points, most, window, block, blocks] = Array.from({ length: 6 }, (_, n) => `$${2 + at * 6 + n}`);
    const before = 'case when kept.expire <= $1 then 0 else kept.points end';
    const previous = at === 0 ? '' : `where (select points from taken${at - 1}) <= $${4 + (at - 1) * 6}`;
    return `taken${at} as (
      insert into rate_limits as kept (key, points, expire)
      select ${key}, ${points}::integer, $1::bigint + case when ${points} > ${most}::integer then ${block}::bigint else ${window}::bigint end ${previous}
      on conflict (key) do update set
        points = ${before} + ${points},
        expire = case
          when ${blocks}::boolean and ${before} <= ${most} and ${before} + ${points} > ${most} then $1 + ${block}
          when kept.expire <= $1 then $1 + ${window}
          else kept.expire end
      returning points, expire)`;
  };
  const each = Array.from({ length: count }, (_, at) => at);
  return `with ${each.map(step).join(', ')} ${each.map((at) => `select ${at} as at, points, expire from taken${at}`).join(' union all ')}`;
}

const FIND: Statement = { name: 'limits-find', text: 'select points, expire from rate_limits where key = $1 and expire > $2' };

const FORGIVE: Statement = {
  name: 'limits-forgive',
  text: `with refunded as (
      update rate_limits as kept set points = kept.points - given.points from unnest($2::text[], $3::integer[]) as given (key, points)
      where kept.key = given.key and kept.expire > $1 returning 1)
    delete from rate_limits where key = any($4::text[]) and (select count(*) from refunded) >= 0`,
};
