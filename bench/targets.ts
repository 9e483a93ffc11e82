/** Starts both servers as processes of their own: Gatehouse on a durable embedded PostgreSQL, and bare oidc-provider with the very same signing keys. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PRIVATE_KEY_CONTEXT } from '#src/features/signing-keys/commands.ts';
import { listKeys } from '#src/features/signing-keys/store.ts';
import { startEmbeddedPostgres } from '#src/infra/embedded-postgres.ts';
import { openDatabase } from '#src/infra/postgres.ts';
import { createSecretBox } from '#src/infra/secret-box.ts';
import { basic, expectStatus, Wire } from './client.ts';
import type { Target } from './operations.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const REDIRECT_URI = 'http://localhost:9/callback';
const PASSWORD = 'a long bench passphrase 27';
const EMAIL = 'ada@bench.test';

export interface Targets {
  all: readonly Target[];
  stop(): Promise<void>;
}

export async function startTargets(): Promise<Targets> {
  const directory = await mkdtemp(path.join(tmpdir(), 'gatehouse-bench-'));
  const closers: (() => Promise<unknown>)[] = [() => rm(directory, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const close of closers.reverse()) await close().catch((error: unknown) => console.error(error));
  };
  try {
    const postgres = await startEmbeddedPostgres({ dataDir: directory });
    closers.push(() => postgres.stop());
    const encryptionKey = randomBytes(32);
    const gatehouse = await startGatehouse(postgres.connectionString, directory, encryptionKey, closers);
    const bare = await startBare(await signingKeys(postgres.connectionString, encryptionKey), closers);
    return { all: [bare, gatehouse], stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function signingKeys(url: string, encryptionKey: Buffer): Promise<unknown[]> {
  const db = openDatabase({ url });
  const box = createSecretBox([encryptionKey]);
  const keys = (await listKeys(db)).filter(({ state }) => state === 'active');
  await db.close();
  return keys.map(({ kid, sealed }) => JSON.parse(box.open(sealed, `${PRIVATE_KEY_CONTEXT}:${kid}`).toString()) as unknown);
}

/** Gatehouse on that database; `closers` get what ends it. */
export async function startGatehouse(
  databaseUrl: string,
  directory: string,
  encryptionKey: Buffer,
  closers: (() => Promise<unknown>)[],
): Promise<Target & { admin: { id: string; secret: string } }> {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const admin = { id: 'bench-admin', secret: randomBytes(24).toString('base64url') };
  const child = spawn(process.execPath, ['src/main.ts'], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      PATH: process.env['PATH'],
      PORT: String(port),
      METRICS_PORT: String(metricsPort),
      DATA_DIR: directory,
      DATABASE_URL: databaseUrl,
      ENCRYPTION_KEY: encryptionKey.toString('base64'),
      TRUSTED_PROXIES: '127.0.0.0/8,::1/128',
      BOOTSTRAP_ADMIN_EMAIL: 'admin@bench.test',
      BOOTSTRAP_CLIENT_ID: admin.id,
      BOOTSTRAP_CLIENT_SECRET: admin.secret,
      LOG_LEVEL: 'info',
    },
  });
  closers.push(() => end(child));
  const origin = `http://localhost:${port}`;
  const wire = new Wire(origin);
  closers.push(() => wire.close());
  await untilReady(wire, child);
  const clients = await prepareGatehouse(wire, origin, admin);
  return {
    admin,
    name: 'gatehouse',
    pid: child.pid!,
    wire,
    ...clients,
    redirectUri: REDIRECT_URI,
    endpoints: await endpointsOf(wire),
    login: EMAIL,
    password: PASSWORD,
    statements: async () => {
      const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
      return Number(/^gatehouse_sql_statements_total (\S+)/m.exec(metrics)?.[1]);
    },
  };
}

async function prepareGatehouse(
  wire: Wire,
  issuer: string,
  admin: { id: string; secret: string },
): Promise<Pick<Target, 'web' | 'machine'>> {
  const token = JSON.parse(
    expectStatus(
      await wire.send('POST', '/token', basic(admin.id, admin.secret), { grant_type: 'client_credentials', resource: `${issuer}/api` }),
      200,
      'admin token',
    ).body,
  ) as { access_token: string };
  const make = async (route: string, body: object): Promise<Record<string, string>> => {
    const response = await fetch(`${issuer}${route}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token.access_token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (response.status !== 201) throw new Error(`${route}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Record<string, string>;
  };
  for (const alg of ['RS256', 'ES256']) {
    await make('/api/resources', {
      identifier: `https://api.bench.test/${alg.toLowerCase()}`,
      name: `Bench ${alg}`,
      scopes: [
        { name: 'read', description: 'Read' },
        { name: 'write', description: 'Write' },
      ],
      signingAlg: alg,
    });
  }
  await make('/api/users', { email: EMAIL, emailVerified: true, password: PASSWORD, givenName: 'Ada', familyName: 'Bench' });
  const web = await make('/api/clients', {
    client_name: 'Bench web',
    redirect_uris: [REDIRECT_URI],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    first_party: true,
  });
  const machine = await make('/api/clients', {
    client_name: 'Bench machine',
    redirect_uris: [],
    grant_types: ['client_credentials'],
    response_types: [],
    scope: 'read write',
  });
  return { web: credentialOf(web), machine: credentialOf(machine) };
}

const credentialOf = (client: Record<string, string>): { id: string; secret: string } => ({
  id: client['client_id']!,
  secret: client['client_secret']!,
});

async function startBare(jwks: unknown[], closers: (() => Promise<unknown>)[]): Promise<Target> {
  const port = await freePort();
  const secret = randomBytes(24).toString('base64url');
  const child = spawn(process.execPath, ['bench/bare-server.ts'], { cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] });
  closers.push(() => end(child));
  child.stdin!.end(JSON.stringify({ port, jwks, secret, redirectUri: REDIRECT_URI }));
  await new Promise<void>((resolve, reject) => {
    child.stdout!.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`the baseline ended with ${code}`)));
  });
  const wire = new Wire(`http://localhost:${port}`);
  closers.push(() => wire.close());
  return {
    name: 'bare',
    pid: child.pid!,
    wire,
    web: { id: 'web', secret },
    machine: { id: 'machine', secret },
    redirectUri: REDIRECT_URI,
    endpoints: await endpointsOf(wire),
    login: EMAIL,
    password: PASSWORD,
    statements: async () => undefined,
  };
}

async function endpointsOf(wire: Wire): Promise<Target['endpoints']> {
  const metadata = JSON.parse(expectStatus(await wire.send('GET', '/.well-known/openid-configuration'), 200, 'discovery').body) as Record<
    string,
    string
  >;
  const at = (name: string): string => new URL(metadata[name]!).pathname;
  return {
    authorization: at('authorization_endpoint'),
    token: at('token_endpoint'),
    introspection: at('introspection_endpoint'),
    userinfo: at('userinfo_endpoint'),
  };
}

async function untilReady(wire: Wire, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    const answer = await wire.send('GET', '/health/ready').catch(() => undefined);
    if (answer?.status === 200) return;
    await sleep(100);
  }
  throw new Error('the server is not ready after 30 s');
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await gone;
  clearTimeout(timer);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
      .once('error', reject)
      .listen(0, '127.0.0.1', () => {
        const { port } = server.address() as { port: number };
        server.close(() => resolve(port));
      });
  });
}
