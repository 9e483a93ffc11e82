/** bcrypt in a thread of its own, started when it is needed and ended when it is idle: in JavaScript it holds its thread for as long as it takes. */
import { Worker } from 'node:worker_threads';
import { unavailable } from '../core/errors.ts';
import type { BcryptResult, BcryptTask } from './bcrypt-worker.ts';

const IDLE_MS = 10_000;

interface Running {
  worker: Worker;
  waiting: Map<number, { resolve: (hash: string) => void; reject: (error: unknown) => void }>;
  idle: NodeJS.Timeout | undefined;
}

let running: Running | undefined;
let tasks = 0;

/** The hash of the password by `setting` (version, cost and salt: the first 29 characters of a hash). Throws 503 where the thread ended before. */
export function bcrypt(password: string, setting: string): Promise<string> {
  running ??= start();
  const { worker, waiting, idle } = running;
  clearTimeout(idle);
  worker.ref();
  tasks += 1;
  const task: BcryptTask = { id: tasks, password, setting };
  return new Promise((resolve, reject) => {
    waiting.set(task.id, { resolve, reject });
    worker.postMessage(task);
  });
}

function start(): Running {
  const worker = new Worker(new URL('./bcrypt-worker.ts', import.meta.url), { env: {}, resourceLimits: { maxOldGenerationSizeMb: 64 } });
  const own: Running = { worker, waiting: new Map(), idle: undefined };
  worker.on('message', ({ id, hash }: BcryptResult) => {
    own.waiting.get(id)?.resolve(hash);
    own.waiting.delete(id);
    if (own.waiting.size > 0) return;
    worker.unref();
    own.idle = setTimeout(() => {
      if (running === own) running = undefined;
      void worker.terminate();
    }, IDLE_MS).unref();
  });
  const fail = (cause?: unknown): void => {
    if (running === own) running = undefined;
    for (const { reject } of own.waiting.values()) reject(unavailable(cause));
    own.waiting.clear();
  };
  worker.on('error', fail);
  worker.on('exit', () => fail());
  return own;
}
