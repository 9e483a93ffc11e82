/** Password hashes: argon2id (RFC 9106), a bounded number at once, so that nothing else in the process waits behind them. */
import { availableParallelism } from 'node:os';
import argon2 from 'argon2';
import { AppError } from '../core/errors.ts';
import { verifyImported } from './legacy-hash.ts';

export interface PasswordHasher {
  /** A PHC string with a salt of its own. Throws 503 `service.busy` where the queue does not move. */
  hash(password: string): Promise<string>;
  /** Whether the password belongs to the hash, ours or an imported one. For an unknown account pass undefined: it costs the same and is false. Throws as `hash` does. */
  verify(hash: string | undefined, password: string): Promise<boolean>;
  /** Whether the hash was made with other settings than today's. */
  needsRehash(hash: string): boolean;
}

// OWASP's recommended minimum for argon2id.
const SETTINGS = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

// Hashing shares libuv's pool of four threads with signing, DNS and files; half of it stays free for them.
const HALF_OF_THE_POOL = 2;

export function createPasswordHasher(options: { concurrency?: number; queueMs?: number } = {}): PasswordHasher {
  const { concurrency = Math.min(availableParallelism(), HALF_OF_THE_POOL), queueMs = 1000 } = options;
  const inTurn = createTurns(concurrency, queueMs);
  let nobody: Promise<string> | undefined;
  const hash = (password: string): Promise<string> => inTurn(() => argon2.hash(password, SETTINGS));

  return {
    hash,
    async verify(stored, password) {
      if (stored === undefined) {
        nobody ??= argon2.hash('nobody has this password', SETTINGS);
        const sameCost = await nobody;
        await inTurn(() => argon2.verify(sameCost, password));
        return false;
      }
      return inTurn(() => verifyImported({ phc: stored }, password));
    },
    needsRehash: (stored) => !stored.startsWith('$argon2id$') || argon2.needsRehash(stored, SETTINGS),
  };
}

interface Waiting {
  start: () => void;
  timer: NodeJS.Timeout;
}

/** Runs at most `most` at once; who waits longer than `queueMs` is turned away. */
function createTurns(most: number, queueMs: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const queue = new Set<Waiting>();

  function wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        start: resolve,
        timer: setTimeout(() => {
          queue.delete(waiting);
          reject(new AppError('service.busy', 503, 'Too busy at the moment', { headers: { 'retry-after': '2' } }));
        }, queueMs),
      };
      queue.add(waiting);
    });
  }

  return async (work) => {
    if (running < most) running += 1;
    else await wait();
    try {
      return await work();
    } finally {
      const next = queue.values().next().value;
      if (next) {
        queue.delete(next);
        clearTimeout(next.timer);
        next.start();
      } else {
        running -= 1;
      }
    }
  };
}
