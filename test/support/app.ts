/** The whole server, as the composition root builds it, on a port of its own and a database of its own; over real HTTP. */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { Writable } from 'node:stream';
import pg from 'pg';
import type { AppOptions } from '#src/app.ts';
import { startApp } from '#src/app.ts';
import { type Lifetimes, loadConfig } from '#src/config.ts';
import { createLogger } from '#src/infra/log.ts';
import { Browser } from './browser.ts';
import { createTestDatabase, makeTestDirectory, removeTestDirectory } from './database.ts';

export const ADMIN = { email: 'admin@example.test', password: 'correct horse battery staple 7' } as const;
export const MANAGER = { id: 'test-manager', secret: 'a-management-secret-for-tests-0123456789' } as const;

export interface Reply {
  status: number;
  headers: Headers;
  text: string;
  /** The JSON that was answered; empty where it was something else. */
  body: Record<string, unknown>;
}

export interface RunningApp {
  issuer: string;
  databaseUrl: string;
  dataDir: string;
  /** The owner's connection, which sees and breaks everything. */
  owner: pg.Pool;
  rootTenantId: string;
  /** How many statements the server sent meanwhile. */
  counted(act: () => Promise<unknown>): Promise<number>;
  /** Every line that was logged. */
  log(): string;
  /** A browser at an address that nobody else has. */
  browser(headers?: Record<string, string>): Browser;
  /** A management call; JSON in, JSON out. */
  api(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  token(form: Record<string, string>, client?: { id: string; secret: string }, headers?: Record<string, string>): Promise<Reply>;
  /** The newest code that was mailed to the address. */
  codeFor(address: string): Promise<string>;
  close(): Promise<void>;
}

export interface AppSettings {
  env?: Record<string, string>;
  options?: Partial<Omit<AppOptions, 'log'>>;
  /** Another node on the database of this one, at the same issuer; listens on a port of its own. */
  databaseUrl?: string;
  /** Seconds. */
  lifetimes?: Partial<Lifetimes>;
}

let visitors = 0;
/** Limits stay on at production values, so that tests come from addresses of their own. */
export const newAddress = (): string => {
  visitors += 1;
  return `11.${(visitors >> 16) & 255}.${(visitors >> 8) & 255}.${visitors & 255}`;
};

export const basicAuth = ({ id, secret }: { id: string; secret: string }): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`,
});

export async function startTestApp({ env = {}, options = {}, databaseUrl, lifetimes }: AppSettings = {}): Promise<RunningApp> {
  const database = databaseUrl === undefined ? await createTestDatabase() : { url: databaseUrl, drop: async () => {} };
  const dataDir = await makeTestDirectory();
  const [port, metricsPort] = [await freePort(), await freePort()];
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const read = loadConfig({
    NODE_ENV: 'test',
    PORT: String(port),
    METRICS_PORT: String(metricsPort),
    DATA_DIR: dataDir,
    DATABASE_URL: database.url,
    ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    TRUSTED_PROXIES: '127.0.0.0/8,::1/128',
    BOOTSTRAP_ADMIN_EMAIL: ADMIN.email,
    BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
    BOOTSTRAP_CLIENT_ID: MANAGER.id,
    BOOTSTRAP_CLIENT_SECRET: MANAGER.secret,
    ...env,
  });
  const config = { ...read, lifetimes: { ...read.lifetimes, ...lifetimes } };
  const app = await startApp(config, { strict: true, ...options, log: createLogger({ level: config.logLevel, destination }) });
  const owner = new pg.Pool({ connectionString: database.url, max: 3 });
  owner.on('error', () => {});
  const base = `http://localhost:${config.port}`;
  /** A server at another address than its issuer's stands behind a proxy, as it were. */
  const behind: Record<string, string> = config.issuer === base ? {} : { 'x-forwarded-host': new URL(config.issuer).host };
  let managerToken: string | undefined;

  const send = async (url: string, init: RequestInit): Promise<Reply> => {
    const response = await fetch(url, { redirect: 'manual', ...init });
    const text = await response.text();
    const isJson = /[/+]json/.test(response.headers.get('content-type') ?? '') && text !== '';
    return { status: response.status, headers: response.headers, text, body: isJson ? (JSON.parse(text) as Record<string, unknown>) : {} };
  };
  const token: RunningApp['token'] = (form, client, headers = {}) =>
    send(`${base}/token`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'x-forwarded-for': newAddress(),
        ...behind,
        ...(client ? basicAuth(client) : {}),
        ...headers,
      },
      body: new URLSearchParams(form).toString(),
    });

  return {
    issuer: config.issuer,
    databaseUrl: database.url,
    dataDir,
    owner,
    rootTenantId: app.rootTenantId,
    async counted(act) {
      const before = app.db.statements.count;
      await act();
      return app.db.statements.count - before;
    },
    log: () => lines.join(''),
    browser: (headers = {}) => new Browser(base, { 'x-forwarded-for': newAddress(), ...behind, ...headers }),
    token,
    async api(method, path, body, headers = {}) {
      if (managerToken === undefined) {
        const answer = await token({ grant_type: 'client_credentials', resource: `${config.issuer}/api` }, MANAGER);
        if (answer.status !== 200) throw new Error(`no management token: ${answer.text}`);
        managerToken = String(answer.body['access_token']);
      }
      return send(base + path, {
        method,
        headers: {
          authorization: `Bearer ${managerToken}`,
          'x-forwarded-for': newAddress(),
          ...behind,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
    },
    async codeFor(address) {
      for (let tries = 0; tries < 100; tries++) {
        const mails = (await (await fetch(`${base}/dev/mailbox.json`, { headers: behind })).json()) as { to: string; text: string }[];
        const code = /^\s*(\d{6})\s*$/m.exec(mails.find((mail) => mail.to === address)?.text ?? '')?.[1];
        if (code) return code;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      throw new Error(`no mail for ${address}`);
    },
    async close() {
      await owner.end();
      await app.close();
      await database.drop();
      await removeTestDirectory(dataDir);
    },
  };
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
      .once('error', reject)
      .listen(0, '127.0.0.1', () => {
        const { port } = server.address() as { port: number };
        server.close(() => resolve(port));
      });
  });
}
