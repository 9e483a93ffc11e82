/** Redis: shared limits and caches only. What is in it may vanish at any moment, and it may be away: nobody waits for it long. */
import { Cluster, Redis } from 'ioredis';
import type { Logger } from './log.ts';

export type RedisClient = Redis | Cluster;

const OPTIONS = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 1,
  connectTimeout: 2000,
  commandTimeout: 500,
  retryStrategy: (times: number): number => Math.min(times * 100, 2000),
};

export interface RedisAddress {
  nodes: { host: string; port: number }[];
  cluster: boolean;
  tls: boolean;
  username?: string;
  password?: string;
  db?: number;
}

/** Reads `redis[s]://[user:password@]host[:port][/db]`, or `redis[s]+cluster://…@a:1,b:2`. Throws TypeError for anything else. */
export function parseRedisUrl(text: string): RedisAddress {
  const match = /^(rediss?)(\+cluster)?:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?#]+)(?:\/(\d{1,3})?)?$/.exec(text);
  if (!match) throw new TypeError('not a Redis URL');
  const [, scheme, cluster, username, password, hosts, db] = match;
  const nodes = hosts!.split(',').map(parseNode);
  if (!cluster && nodes.length > 1) throw new TypeError('several hosts are for redis+cluster://');
  return {
    nodes,
    cluster: cluster !== undefined,
    tls: scheme === 'rediss',
    ...(username ? { username: decodeURIComponent(username) } : {}),
    ...(password ? { password: decodeURIComponent(password) } : {}),
    ...(db ? { db: Number(db) } : {}),
  };
}

function parseNode(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/i.exec(text.trim());
  if (!match) throw new TypeError('not a host of Redis');
  return { host: match[1] ?? match[2]!, port: match[3] ? Number(match[3]) : 6379 };
}

/** Connects in the background; commands fail at once while there is no connection. */
export function createRedis(url: string, log: Logger): RedisClient {
  const { nodes, cluster, tls, ...login } = parseRedisUrl(url);
  const options = { ...OPTIONS, ...login, ...(tls ? { tls: {} } : {}) };
  const client = cluster
    ? new Cluster(nodes, { redisOptions: options, enableOfflineQueue: false })
    : new Redis({ ...nodes[0]!, ...options });
  let away = false;
  client.on('error', (error: unknown) => {
    if (!away) log.warn({ err: error }, 'Redis is away; limits are counted in each process meanwhile');
    away = true;
  });
  client.on('ready', () => {
    if (away) log.info('Redis is back');
    away = false;
  });
  return client;
}
