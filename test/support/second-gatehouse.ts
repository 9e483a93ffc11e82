/** A server of ours in a process of its own, on a database of its own: what another organisation runs. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { basicAuth, MANAGER, newAddress, type Reply } from './app.ts';
import { Browser } from './browser.ts';
import { createTestDatabase, makeTestDirectory, removeTestDirectory } from './database.ts';
import { environmentOf } from './environment.ts';

export interface SecondGatehouse {
  issuer: string;
  browser(): Browser;
  api(method: string, path: string, body?: unknown): Promise<Reply>;
  /** It is gone from one moment to the next; its database is left. */
  kill(): Promise<void>;
  close(): Promise<void>;
}

/** `outbound` are the hosts that it may call although they are private. */
export async function startSecondGatehouse(outbound: string): Promise<SecondGatehouse> {
  const database = await createTestDatabase();
  const dataDir = await makeTestDirectory();
  const { port, env } = await environmentOf(database.url, dataDir);
  const issuer = `http://localhost:${port}`;
  let output = '';
  const child: ChildProcess = spawn(process.execPath, ['src/main.ts'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env, OUTBOUND_ALLOW_HOSTS: outbound },
  });
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += String(chunk)));
  const close = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await once(child, 'exit');
      clearTimeout(killer);
    }
    await database.drop();
    await removeTestDirectory(dataDir);
  };
  const isReady = async (): Promise<boolean> => (await fetch(`${issuer}/health/ready`).catch(() => undefined))?.status === 200;
  for (let tries = 0; !(await isReady()); tries += 1) {
    if (tries > 300 || child.exitCode !== null) {
      await close();
      assert.fail(`the second server does not start:\n${output}`);
    }
    await sleep(100);
  }
  const send = async (url: string, init: RequestInit): Promise<Reply> => {
    const response = await fetch(url, { redirect: 'manual', ...init });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: text.startsWith('{') ? JSON.parse(text) : {} };
  };
  // Anew each time: a key that is dropped takes its tokens along.
  const token = async (): Promise<string> => {
    const answer = await send(`${issuer}/token`, {
      method: 'POST',
      headers: { ...basicAuth(MANAGER), 'content-type': 'application/x-www-form-urlencoded', 'x-forwarded-for': newAddress() },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource: `${issuer}/api` }).toString(),
    });
    assert.equal(answer.status, 200, answer.text);
    return String(answer.body['access_token']);
  };
  return {
    issuer,
    close,
    async kill() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
    browser: () => new Browser(issuer, { 'x-forwarded-for': newAddress() }),
    api: async (method, path, body) =>
      send(issuer + path, {
        method,
        headers: {
          authorization: `Bearer ${await token()}`,
          'x-forwarded-for': newAddress(),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
  };
}
