/** The thread in which bcrypt is computed; see `bcrypt-thread.ts`. */
import { parentPort } from 'node:worker_threads';
import { hashSync } from 'bcryptjs';

export interface BcryptTask {
  id: number;
  password: string;
  /** Version, cost and salt as bcrypt writes them. */
  setting: string;
}

export interface BcryptResult {
  id: number;
  hash: string;
}

parentPort?.on('message', ({ id, password, setting }: BcryptTask) => {
  const result: BcryptResult = { id, hash: hashSync(password, setting) };
  parentPort?.postMessage(result);
});
