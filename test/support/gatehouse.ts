/** The whole server on a real socket and a database of its own, as `npm start` runs it, and a management client to set it up with. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startApp } from '#src/app.ts';
import { loadConfig } from '#src/config.ts';
import { createLogger } from '#src/infra/log.ts';
import { freePort } from './apache.ts';
import { createTestDatabase } from './database.ts';

export interface Gatehouse {
  issuer: string;
  port: number;
  /** Calls the management API with every permission. Fails where the answer is not a success. */
  api(method: string, path: string, body?: object): Promise<Record<string, unknown>>;
  createClient(metadata: object): Promise<{ client_id: string; client_secret?: string }>;
  createResource(resource: object): Promise<void>;
  /** Answers the id, which is the `sub`. */
  createUser(user: object): Promise<string>;
  close(): Promise<void>;
}

const CLIENT = { id: 'test-manager', secret: randomBytes(32).toString('base64url') };

export async function startGatehouse(env: Record<string, string> = {}): Promise<Gatehouse> {
  const database = await createTestDatabase();
  const dataDir = await mkdtemp(path.join(tmpdir(), 'gatehouse-data-'));
  const port = await freePort();
  const config = loadConfig({
    NODE_ENV: 'test',
    PORT: String(port),
    METRICS_PORT: String(await freePort()),
    DATABASE_URL: database.url,
    DATA_DIR: dataDir,
    BOOTSTRAP_ADMIN_PASSWORD: randomBytes(16).toString('base64url'),
    BOOTSTRAP_CLIENT_ID: CLIENT.id,
    BOOTSTRAP_CLIENT_SECRET: CLIENT.secret,
    ...env,
  });
  const app = await startApp(config, { log: createLogger({ level: config.logLevel }) });
  const { issuer } = config;
  let token: Promise<string> | undefined;

  const api: Gatehouse['api'] = async (method, target, body) => {
    token ??= managementToken(issuer);
    const response = await fetch(`${issuer}${target}`, {
      method,
      headers: { authorization: `Bearer ${await token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${target}: ${response.status} ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  };

  return {
    issuer,
    port,
    api,
    createClient: async (metadata) => (await api('POST', '/api/clients', metadata)) as { client_id: string; client_secret?: string },
    createResource: async (resource) => void (await api('POST', '/api/resources', resource)),
    createUser: async (user) => String((await api('POST', '/api/users', user))['id']),
    async close() {
      await app.close();
      await database.drop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function managementToken(issuer: string): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${CLIENT.id}:${CLIENT.secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource: `${issuer}/api` }),
  });
  const answer = (await response.json()) as { access_token?: string };
  assert.ok(answer.access_token, JSON.stringify(answer));
  return answer.access_token;
}
