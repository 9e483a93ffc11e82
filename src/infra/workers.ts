/** Several processes behind one port: the primary starts them, starts again those that die, and stops them with itself. */
import cluster, { type Worker } from 'node:cluster';
import type { Logger } from './log.ts';

export interface Supervisor {
  /** Asks every worker to stop, and resolves when all are gone; after `withinMs` they are killed. */
  stop(withinMs: number): Promise<void>;
  /** Kills them all, now. */
  kill(): void;
  /** Resolves when the first worker is ready; rejects with WorkerFailedError where it ends before. */
  readonly started: Promise<void>;
}

export interface SupervisorOptions {
  count: number;
  log: Logger;
  /** Added to the workers' environment. */
  env?: Readonly<Record<string, string>>;
  /** The file to run; this process's own where nothing is said. */
  exec?: string;
  args?: readonly string[];
  /** The shortest and the longest wait before a dead worker is started again. */
  backoffMs?: readonly [number, number];
}

/** The first worker did not come up; `code` is its exit code. */
export class WorkerFailedError extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`the first worker ended with code ${code} before it was ready`);
    this.name = 'WorkerFailedError';
    this.code = code;
  }
}

export const READY = 'gatehouse:ready';
export const STOP = 'gatehouse:stop';

/** A worker that lived this long did not die of its start. */
const SETTLED_MS = 60_000;

/**
 * Forks the first worker, which migrates and bootstraps, and the rest once it is ready. `started` rejects with WorkerFailedError
 * where the first ends before.
 */
export function superviseWorkers(options: SupervisorOptions): Supervisor {
  const { count, log, env = {}, backoffMs: [shortest, longest] = [500, 30_000] } = options;
  const timers = new Set<NodeJS.Timeout>();
  const workers = new Set<Worker>();
  let stopping = false;
  let wait = shortest;
  if (options.exec) cluster.setupPrimary({ exec: options.exec, args: [...(options.args ?? [])] });

  function fork(): Worker {
    const worker = cluster.fork(env);
    const bornAt = performance.now();
    workers.add(worker);
    worker.on('exit', (code, signal) => {
      workers.delete(worker);
      if (stopping || !isStarted) return;
      wait = performance.now() - bornAt > SETTLED_MS ? shortest : Math.min(wait * 2, longest);
      log.error({ worker: worker.id, code, signal, againInMs: wait }, 'a worker ended; starting another');
      const timer = setTimeout(() => {
        timers.delete(timer);
        if (!stopping) fork();
      }, wait);
      timers.add(timer);
    });
    return worker;
  }

  let isStarted = false;
  const started = new Promise<void>((resolve, reject) => {
    const first = fork();
    const onExit = (code: number): void => reject(new WorkerFailedError(code));
    first.once('exit', onExit);
    first.on('message', (message) => {
      if (message !== READY || isStarted) return;
      isStarted = true;
      first.removeListener('exit', onExit);
      if (!stopping) for (let n = 1; n < count; n += 1) fork();
      resolve();
    });
  });

  const kill = (): void => {
    stopping = true;
    for (const timer of timers) clearTimeout(timer);
    for (const worker of workers) worker.process.kill('SIGKILL');
  };

  return {
    started,
    kill,
    async stop(withinMs) {
      stopping = true;
      for (const timer of timers) clearTimeout(timer);
      const gone = [...workers].map((worker) => new Promise<void>((resolve) => worker.once('exit', () => resolve())));
      for (const worker of workers) if (worker.isConnected()) worker.send(STOP, () => {});
      const timer = setTimeout(kill, withinMs);
      await Promise.all(gone);
      clearTimeout(timer);
    },
  };
}

/** In a worker: tells the primary that it serves, and calls back once when it is to stop, also where the primary is gone. */
export function attachToPrimary(onStop: () => void): { ready(): void } {
  let told = false;
  const stop = (): void => {
    if (told) return;
    told = true;
    onStop();
  };
  process.on('message', (message) => {
    if (message === STOP) stop();
  });
  process.on('disconnect', stop);
  return { ready: () => void process.send?.(READY) };
}

export const isWorker = (): boolean => cluster.isWorker;

/** Of the workers that share a port, the one that speaks for all on the terminal. */
export const isFirstWorker = (): boolean => cluster.worker?.id === 1;
