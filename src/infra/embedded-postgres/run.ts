import { spawn } from 'node:child_process';
import type { Account } from './account.ts';

export interface Outcome {
  code: number;
  output: string;
}

/** PostgreSQL sees none of our environment: it may hold secrets, and PG* variables would change what it does. */
const environment = process.platform === 'win32' ? {} : { env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' } };

/** Runs a program to its end as `account`; `code` is -1 where it could not be started. `output` is what it said on both streams. */
export function run(program: string, args: readonly string[], account: Account | undefined, cwd?: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      ...account,
      ...environment,
      ...(cwd === undefined ? {} : { cwd }),
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk;
      });
    }
    child.once('error', (error) => resolve({ code: -1, output: error.message }));
    child.once('close', (code) => resolve({ code: code ?? -1, output: output.trim() }));
    // A daemon that inherits the pipes keeps them open for as long as it lives: then 'close' does not come.
    child.once('exit', () => {
      setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, 1000).unref();
    });
  });
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
