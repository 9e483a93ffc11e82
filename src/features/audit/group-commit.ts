/** Items of concurrent requests share one write; each caller waits for the commit that holds its own. */

interface Waiting<T> {
  item: T;
  resolve: () => void;
  reject: (error: unknown) => void;
}

export interface GroupCommitOptions {
  maxBatch?: number;
  maxQueue?: number;
  /** How many groups may be under way at once. */
  concurrency?: number;
}

/**
 * Answers a function that resolves when the item is durable and rejects when it is not. `write` stores all items or none.
 * A group that fails on its data is halved until the bad item stands alone, so that nobody else fails with it.
 * Rejects at once with QueueFullError where `maxQueue` items wait already.
 */
export function createGroupCommit<T>(write: (items: T[]) => Promise<void>, options: GroupCommitOptions = {}): (item: T) => Promise<void> {
  const { maxBatch = 200, maxQueue = 10_000, concurrency = 1 } = options;
  let queue: Waiting<T>[] = [];
  let running = 0;

  async function drain(): Promise<void> {
    while (queue.length > 0) {
      const batch = queue.slice(0, maxBatch);
      queue = queue.slice(maxBatch);
      await commit(batch);
    }
    running -= 1;
  }

  async function commit(batch: Waiting<T>[]): Promise<void> {
    try {
      await write(batch.map((waiting) => waiting.item));
      for (const waiting of batch) waiting.resolve();
    } catch (error) {
      if (batch.length === 1 || !isDataFault(error)) {
        for (const waiting of batch) waiting.reject(error);
        return;
      }
      const half = batch.length >> 1;
      await commit(batch.slice(0, half));
      await commit(batch.slice(half));
    }
  }

  return (item) => {
    if (queue.length >= maxQueue) return Promise.reject(new QueueFullError());
    return new Promise<void>((resolve, reject) => {
      queue.push({ item, resolve, reject });
      if (running < concurrency) {
        running += 1;
        setImmediate(() => void drain());
      }
    });
  };
}

export class QueueFullError extends Error {
  constructor() {
    super('too many writes are waiting');
    this.name = 'QueueFullError';
  }
}

/** SQLSTATE classes 22 and 23: a row is at fault, not the database. */
const isDataFault = (error: unknown): boolean => /^2[23]/.test(String((error as { code?: unknown } | undefined)?.code ?? ''));
