import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import pg from 'pg';
import { systemClock } from '#src/core/clock.ts';
import { AppError } from '#src/core/errors.ts';
import { newId } from '#src/core/ids.ts';
import { ALL_PERMISSIONS } from '#src/core/permissions.ts';
import { type Actor, currentRequest, type Scope } from '#src/core/scope.ts';
import { type Audit, createAudit } from '#src/features/audit/record.ts';
import { mountRoutes } from '#src/http/mount-routes.ts';
import type { Route } from '#src/http/route.ts';
import { createIdempotencyKeys } from '#src/infra/idempotency.ts';
import { createJobs } from '#src/infra/jobs.ts';
import { createLogger, type Logger } from '#src/infra/log.ts';
import { type Database, openDatabase } from '#src/infra/postgres.ts';
import { createSecretBox, type SecretBox } from '#src/infra/secret-box.ts';
import { createTestDatabase } from '#test/support/database.ts';

/** Who a request is made as; the harness gives each a token, and the token names them again. */
export interface Caller {
  tenantId: string;
  actor?: Actor;
  permissions?: Iterable<string>;
  platform?: boolean;
  /** Holds the owner's role. */
  owner?: boolean;
}

/** Parsed JSON to be read member by member; what is not there is undefined. */
export interface Loose {
  [member: string]: Loose | undefined;
}

export interface ApiAnswer {
  status: number;
  headers: Headers;
  text: string;
  body: Loose;
}

export interface CallOptions {
  /** Sent as JSON; a string goes as it is. */
  body?: unknown;
  headers?: Record<string, string>;
}

export interface ApiHarness extends Audit {
  db: Database;
  box: SecretBox;
  log: Logger;
  /** As the database's owner, past row-level security: for looking behind the API. */
  owner: pg.Client;
  rootTenantId: string;
  /** Two ordinary tenants. */
  tenants: readonly [string, string];
  url: string;
  /** A bearer token of that caller; all permissions where nothing is said. */
  tokenOf(caller: Caller): string;
  /** Calls as `token`'s bearer, as nobody where it is undefined. */
  call(token: string | undefined, signature: string, options?: CallOptions): Promise<ApiAnswer>;
  close(): Promise<void>;
}

export type Parts = Pick<ApiHarness, 'db' | 'box' | 'log' | 'owner' | 'rootTenantId' | 'tenants'> & Audit;

/** The routes over real HTTP on a real database of their own; only the reading of tokens is the harness's. */
export async function startApi(routesOf: (parts: Parts) => readonly Route[] | Promise<readonly Route[]>): Promise<ApiHarness> {
  const database = await createTestDatabase();
  const db = openDatabase({ url: database.url, poolSize: 5 });
  const owner = new pg.Client({ connectionString: database.url });
  owner.on('error', () => {});
  await owner.connect();
  const rootTenantId = newId();
  const tenants = [newId(), newId()] as const;
  await owner.query(
    `insert into tenants (id, slug, name, type) values ($1, 'root', 'Root', 'root'), ($2, 'tenant-a', 'A', 'team'), ($3, 'tenant-b', 'B', 'team') on conflict do nothing`,
    [rootTenantId, ...tenants],
  );
  const box = createSecretBox([randomBytes(32)]);
  const log = createLogger({ level: 'silent' });
  const audit = createAudit({ db, box, clock: systemClock, jobs: createJobs(db, log), log });
  const parts: Parts = { ...audit, db, box, log, owner, rootTenantId, tenants };
  const callers = new Map<string, Caller>();

  const app = new Koa();
  app.silent = true;
  app.use((ctx, next) =>
    currentRequest.run({ id: newId(), address: '192.0.2.1', device: ctx.get('user-agent'), issuer: 'https://op.test' }, next),
  );
  app.use(
    mountRoutes(await routesOf(parts), {
      async authenticate(ctx) {
        const token = /^Bearer (.+)$/.exec(ctx.get('authorization'))?.[1];
        if (token === undefined) return undefined;
        const caller = callers.get(token);
        if (!caller)
          throw new AppError('token.invalid', 401, 'The token is not good', {
            headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
          });
        return scopeOf(caller, rootTenantId);
      },
      audit: audit.audit,
      defaultTenantId: rootTenantId,
      tenantExists: async (id) => id === rootTenantId || tenants.some((tenant) => tenant === id),
      idempotency: createIdempotencyKeys({ db, box }),
      strict: true,
    }),
  );
  const server = await listen(app);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    ...parts,
    url,
    tokenOf(caller) {
      const token = newId();
      callers.set(token, caller);
      return token;
    },
    async call(token, signature, { body, headers = {} } = {}) {
      const [method, path] = signature.split(' ');
      const init: RequestInit = {
        method: method!,
        headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers },
        redirect: 'manual',
      };
      if (body !== undefined) {
        init.body = typeof body === 'string' ? body : JSON.stringify(body);
        init.headers = { 'content-type': 'application/json', ...init.headers };
      }
      const response = await fetch(url + path, init);
      const text = await response.text();
      return { status: response.status, headers: response.headers, text, body: text === '' ? {} : JSON.parse(text) };
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await owner.end();
      await db.close();
      await database.drop();
    },
  };
}

function scopeOf({ tenantId, actor, permissions, platform, owner }: Caller, rootTenantId: string): Scope {
  return {
    tenantId,
    actor: actor ?? { type: 'client', id: 'test-client' },
    request: currentRequest.getStore()!,
    permissions: new Set(permissions ?? ALL_PERMISSIONS),
    platform: platform ?? tenantId === rootTenantId,
    owner,
  };
}

async function listen(app: Koa): Promise<Server> {
  const server = createHttpServer(app.callback());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
