/** An issuer with a direct login and, beside it, the part of our API that reads real tokens: sessions, validation, people's grants. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JSONWebKeySet } from 'jose';
import Koa from 'koa';
import { systemClock } from '#src/core/clock.ts';
import { AppError } from '#src/core/errors.ts';
import { newId } from '#src/core/ids.ts';
import { currentRequest } from '#src/core/scope.ts';
import { createApiKeyUses } from '#src/features/api-keys/uses.ts';
import { createAudit } from '#src/features/audit/record.ts';
import { endAccess, type SessionCommandDeps } from '#src/features/sessions/commands.ts';
import { personRoutes } from '#src/features/sessions/person-routes.ts';
import type { SessionQueryDeps } from '#src/features/sessions/queries.ts';
import { sessionRoutes } from '#src/features/sessions/routes.ts';
import { mountRoutes } from '#src/http/mount-routes.ts';
import { createChangeFeed } from '#src/infra/change-feed.ts';
import { createJobs } from '#src/infra/jobs.ts';
import { createLimits } from '#src/infra/limits.ts';
import { createLogger } from '#src/infra/log.ts';
import { createSecretBox } from '#src/infra/secret-box.ts';
import { deleteJourneysOf } from '#src/login/journey-store.ts';
import { createAccounts } from '#src/oidc/accounts.ts';
import { createApiKeyDoor } from '#src/oidc/api-keys.ts';
import { createAuthenticate } from '#src/oidc/authenticate.ts';
import { createClientCache } from '#src/oidc/clients.ts';
import { type Authenticated, type Refusal, registerDirectLogin } from '#src/oidc/direct-login.ts';
import { directRoutes, useDirectPaths } from '#src/oidc/direct-routes.ts';
import { createFailureLimits } from '#src/oidc/failure-limits.ts';
import { createResourceCache } from '#src/oidc/resources.ts';
import { browserSession } from '#src/oidc/sessions.ts';
import { storageKey } from '#src/oidc/storage-key.ts';
import { createTokenDoor } from '#src/oidc/token-door.ts';
import { createTokenState } from '#src/oidc/token-state.ts';
import type { Loose } from '#test/support/api.ts';
import { LIFETIMES, startIssuer, type TestIssuer } from '#test/support/oidc.ts';
import { rolesKept } from './roles.ts';
import { choiceOf } from './tenant-choice.ts';

export interface SessionApi {
  issuer: TestIssuer;
  deps: SessionQueryDeps & SessionCommandDeps;
  /** Answers for the sign-in engine. */
  engine: { answer(input: Readonly<Record<string, unknown>>): Promise<Authenticated | Refusal> };
  /** Our API; direct logins go to the issuer. */
  call(signature: string, options?: { token?: string; body?: unknown; headers?: Record<string, string> }): Promise<ApiReply>;
  /** The session of whoever sends this cookie. */
  sessionOf(cookie: string): Promise<unknown>;
  close(): Promise<void>;
}

export interface ApiReply {
  status: number;
  headers: Headers;
  text: string;
  body: Loose;
}

const DIRECT = ['/api/auth/login', '/api/sessions/refresh'];

export async function startSessionApi(): Promise<SessionApi> {
  const issuer = await startIssuer();
  const { db, url } = issuer;
  const box = createSecretBox([Buffer.alloc(32, 7)]);
  const log = createLogger({ level: 'silent' });
  const jobs = createJobs(db, log);
  const { audit, transact } = createAudit({ db, box, clock: systemClock, jobs, log });
  const feed = await createChangeFeed(db);
  const clients = createClientCache({ db, feed });
  const resources = createResourceCache({ db, feed });
  const published = (await (await fetch(`${url}/jwks`)).json()) as JSONWebKeySet;
  const tokens = createTokenState({ db, keys: { publicJwks: () => published }, clock: systemClock });
  const failures = createFailureLimits(createLimits({ db }));
  const installation = { baseIssuer: url, tenantId: issuer.tenantId };
  const uses = createApiKeyUses({ db, clock: systemClock, log: () => {} });
  const keys = createApiKeyDoor({ db, clock: systemClock, roles: rolesKept(db), uses });
  const door = createTokenDoor({ ...installation, db, clock: systemClock, tokens, clients, resources, failures, audit, keys });
  const deps = { db, box, transact, jobs, issuers: () => [url], keyOf: storageKey, endSignIns: deleteJourneysOf };

  const engine: SessionApi['engine'] = {
    async answer({ username, password }) {
      if (password === 'slow down') return { refused: 'auth.locked', status: 429, extra: { retryAfterSeconds: 30 } };
      if (password === 'broken') throw new AppError('service.busy', 503, 'Busy', { headers: { 'retry-after': '1' } });
      if (username === 'factor') return { refused: 'auth.mfa_required', status: 401, extra: { mfaToken: 'm', methods: ['totp'] } };
      if (password !== 'right') return { refused: 'auth.invalid_credentials', status: 401 };
      return { accountId: issuer.userId, acr: 'urn:gatehouse:acr:1fa', amr: ['pwd'], authTime: Math.floor(Date.now() / 1000) };
    },
  };
  registerDirectLogin(issuer.provider, {
    ...choiceOf(db, issuer.tenantId),
    issuer: url,
    tenantId: issuer.tenantId,
    resources,
    accounts: createAccounts({ db, roles: rolesKept(db) }),
    lifetimes: LIFETIMES,
    authenticate: (_path, input) => engine.answer(input),
    act: async () => ({ status: 202, body: {} }),
  });
  useDirectPaths(issuer.provider);

  const app = new Koa();
  app.silent = true;
  app.use((_ctx, next) => currentRequest.run({ id: newId(), address: '127.0.0.1', device: 'test', issuer: url }, next));
  app.use(
    mountRoutes([...sessionRoutes({ ...deps, ...door }), ...personRoutes(deps), ...directRoutes()], {
      authenticate: createAuthenticate({ db, clock: systemClock, tokens, baseIssuer: url, roles: rolesKept(db), keys, failures }),
      audit,
      defaultTenantId: issuer.tenantId,
      tenantExists: async () => true,
      strict: true,
    }),
  );
  const server: Server = createServer(app.callback());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const own = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    issuer,
    deps,
    engine,
    async call(signature, { token, body, headers = {} } = {}) {
      const [method = 'GET', path = '/'] = signature.split(' ');
      const response = await fetch((DIRECT.includes(path) ? url : own) + path, {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, text, body: text.startsWith('{') ? (JSON.parse(text) as Loose) : {} };
    },
    async sessionOf(cookie) {
      const probe = createServer((req: IncomingMessage, res) => {
        const ctx = issuer.provider.createContext(req, res);
        browserSession(issuer.provider, ctx).then(
          (session) => res.end(JSON.stringify(session ?? null)),
          (error: unknown) => res.writeHead(500).end(String(error)),
        );
      });
      probe.listen(0, '127.0.0.1');
      await once(probe, 'listening');
      const answer = await fetch(`http://127.0.0.1:${(probe.address() as AddressInfo).port}/`, { headers: { cookie } });
      const found: unknown = await answer.json();
      probe.closeAllConnections();
      probe.close();
      return found;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await feed.stop();
      await issuer.close();
    },
  };
}

/** Ends everything of a person, as another slice's transaction does. */
export const endAllAccess = (api: SessionApi, userId: string): Promise<number> =>
  api.issuer.db.transaction((sql) => endAccess(api.deps, userId, sql));
