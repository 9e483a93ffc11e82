/** Limits: how often something may be tried. Sign-in and codes count where all nodes see it, token traffic in each process. */
import { isIPv4, isIPv6 } from 'node:net';
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterPostgres, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { AppError, limited, unavailable } from '../core/errors.ts';
import { sha256 } from '../core/ids.ts';
import type { Database } from './postgres.ts';
import type { RedisClient } from './redis.ts';

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

export interface Limits {
  /** Takes points from the key. Throws AppError 429 `limit.exceeded` with Retry-After where none are left, 503 where nobody can count. */
  consume(rule: LimitRule, key: string, points?: number): Promise<void>;
  /** Gives points back: for an attempt that turned out well. */
  refund(rule: LimitRule, key: string, points?: number): Promise<void>;
  /** How many seconds the key is still refused; 0 when it is not. Takes nothing. */
  blockedFor(rule: LimitRule, key: string): Promise<number>;
  /** Forgets what was counted. */
  reset(rule: LimitRule, key: string): Promise<void>;
}

const rules = {
  loginByAddress: { points: 30, durationSeconds: 60, blockSeconds: 60, store: 'shared' },
  loginByAddressDaily: { points: 500, durationSeconds: 86_400, blockSeconds: 0, store: 'shared' },
  /** By tenant, wherever they come from. Going beyond holds nobody back: it is told, once for some time. */
  loginFailuresByTenant: { points: 300, durationSeconds: 60, blockSeconds: 0, store: 'shared' },
  loginFailureAlert: { points: 1, durationSeconds: 900, blockSeconds: 0, store: 'durable' },
  /** A soft lock: who comes from a known device is not held by it. */
  loginByAccount: { points: 10, durationSeconds: 900, blockSeconds: 900, store: 'durable' },
  /** Its owner is told once of each time that an account is held back, and of a few a day. */
  lockNotice: { points: 1, durationSeconds: 900, blockSeconds: 0, store: 'durable' },
  lockMail: { points: 3, durationSeconds: 86_400, blockSeconds: 0, store: 'durable' },
  newDeviceMail: { points: 10, durationSeconds: 86_400, blockSeconds: 0, store: 'durable' },
  registerByAddress: { points: 20, durationSeconds: 3600, blockSeconds: 0, store: 'shared' },
  /** A solved challenge counts once. */
  challengeAnswer: { points: 1, durationSeconds: 900, blockSeconds: 0, store: 'shared' },
  resetByAddress: { points: 20, durationSeconds: 3600, blockSeconds: 0, store: 'shared' },
  invitationResend: { points: 5, durationSeconds: 86_400, blockSeconds: 0, store: 'durable' },
  /** By tenant: name servers are not ours. */
  domainLookup: { points: 60, durationSeconds: 3600, blockSeconds: 0, store: 'shared' },
  codeSendByAddress: { points: 20, durationSeconds: 3600, blockSeconds: 0, store: 'shared' },
  codeSendByRecipient: { points: 5, durationSeconds: 3600, blockSeconds: 0, store: 'shared' },
  codeSendByAccount: { points: 10, durationSeconds: 3600, blockSeconds: 0, store: 'shared' },
  /** Against who has a tenant pay for messages to numbers of their own. */
  codeSendByTenant: { points: 10_000, durationSeconds: 3600, blockSeconds: 0, store: 'shared' },
  /** Exactly so many guesses over all codes of an account and purpose, whatever else is down. */
  codeTryByAccount: { points: 5, durationSeconds: 900, blockSeconds: 900, store: 'durable' },
  /** By client and address together, or anybody could lock a client out. */
  clientAuthFailureByClient: { points: 30, durationSeconds: 60, blockSeconds: 60, store: 'shared' },
  clientAuthFailureByAddress: { points: 120, durationSeconds: 60, blockSeconds: 60, store: 'shared' },
  /** What nobody has to authenticate for at the protocol's door. */
  authorizeByAddress: { points: 3000, durationSeconds: 60, blockSeconds: 0, store: 'local' },
  /** By client and address together, as with failures. */
  tokenByClient: { points: 50_000, durationSeconds: 10, blockSeconds: 0, store: 'local' },
  apiByActor: { points: 2000, durationSeconds: 10, blockSeconds: 0, store: 'local' },
} as const satisfies Record<string, Omit<LimitRule, 'name'>>;

export type RuleName = keyof typeof rules;

/** Every limit of the product. */
export const RULES = Object.freeze(
  Object.fromEntries(Object.entries(rules).map(([name, rule]) => [name, Object.freeze({ name, ...rule })])),
) as Readonly<Record<RuleName, LimitRule>>;

export function createLimits(deps: { db: Database; redis?: RedisClient | undefined }): Limits {
  const limiters = new Map<string, RateLimiterAbstract>();
  const limiterOf = (rule: LimitRule): RateLimiterAbstract => {
    const known = limiters.get(rule.name);
    if (known) return known;
    const made = createLimiter(rule, deps);
    limiters.set(rule.name, made);
    return made;
  };

  return {
    async consume(rule, key, points = 1) {
      try {
        await limiterOf(rule).consume(keyOf(rule, key), points);
      } catch (error) {
        throw error instanceof RateLimiterRes ? limited(error.msBeforeNext / 1000) : outage(error);
      }
    },
    async refund(rule, key, points = 1) {
      await limiterOf(rule).reward(keyOf(rule, key), points).catch(raise);
    },
    async blockedFor(rule, key) {
      const limiter = limiterOf(rule);
      const found = await limiter.get(keyOf(rule, key)).catch(raise);
      return found && found.consumedPoints >= limiter.points ? Math.ceil(found.msBeforeNext / 1000) : 0;
    },
    async reset(rule, key) {
      await limiterOf(rule).delete(keyOf(rule, key)).catch(raise);
    },
  };
}

const SHORT = 128;

/** Whom a key stands for is nobody's business who reads the table; and it fits the column. In our own memory a short one may stand as it is. */
const keyOf = ({ store }: LimitRule, key: string): string => (store === 'local' && key.length <= SHORT ? key : sha256(key));

const outage = (error: unknown): AppError => (error instanceof AppError ? error : unavailable(error));
const raise = (error: unknown): never => {
  throw outage(error);
};

function createLimiter(rule: LimitRule, deps: { db: Database; redis?: RedisClient | undefined }): RateLimiterAbstract {
  const options = {
    keyPrefix: rule.name,
    points: rule.points,
    duration: rule.durationSeconds,
    blockDuration: rule.blockSeconds,
  };
  if (rule.store === 'local') return new RateLimiterMemory(options);
  if (rule.store === 'shared' && deps.redis)
    return new RateLimiterRedis({ ...options, storeClient: deps.redis, insuranceLimiter: new RateLimiterMemory(options) });
  return new RateLimiterPostgres({
    ...options,
    storeClient: queryable(deps.db),
    storeType: 'client',
    tableName: 'rate_limits',
    tableCreated: true,
    clearExpiredByTimeout: false,
  });
}

/** What the limiter sees of the database: its statements stay prepared, and go over the same pool. */
function queryable(db: Database) {
  return {
    query: async ({ name, text, values }: { name: string; text: string; values: unknown[] }) => {
      const rows = await db.query<{ points?: number }>({ name, text }, values);
      return { rows, rowCount: rows.length };
    },
  };
}

/** How an address is counted: IPv4 as it is (also where it comes mapped into IPv6), IPv6 by its /64, which is one subscriber's. */
export function addressKey(address: string): string {
  const text = address.replace(/%.*$/, '').toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(text)?.[1];
  if (isIPv4(mapped ?? text)) return mapped ?? text;
  if (!isIPv6(text)) return 'unknown';
  const [head = '', tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split('::');
  const before = head.split(':').filter(Boolean);
  const after = tail === undefined ? [] : tail.split(':').filter(Boolean);
  const all = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after];
  if (all.slice(0, 5).every((part) => part === '0') && all[5] === 'ffff') return mappedAddress(all[6]!, all[7]!);
  return `${all.slice(0, 4).join(':')}::/64`;
}

function mappedAddress(high: string, low: string): string {
  const [one, two] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [one >> 8, one & 255, two >> 8, two & 255].join('.');
}
