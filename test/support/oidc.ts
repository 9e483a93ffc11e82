/** One issuer over real HTTP and a real database, with sign-in pages that sign in by themselves. */
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import type { Provider } from 'oidc-provider';
import pg from 'pg';
import pino from 'pino';
import { systemClock } from '#src/core/clock.ts';
import { newId } from '#src/core/ids.ts';
import { currentRequest } from '#src/core/scope.ts';
import type { AuditLog, Transact } from '#src/features/audit/index.ts';
import { createAudit } from '#src/features/audit/record.ts';
import { hashSecret } from '#src/features/clients/secrets.ts';
import type { LogoutNotice } from '#src/features/sessions/index.ts';
import { createChangeFeed } from '#src/infra/change-feed.ts';
import { migrate } from '#src/infra/migrate.ts';
import { type Database, openDatabase } from '#src/infra/postgres.ts';
import { createSecretBox } from '#src/infra/secret-box.ts';
import { createAccounts } from '#src/oidc/accounts.ts';
import { createClientCache } from '#src/oidc/clients.ts';
import type { LogoutPage, ProtocolLifetimes } from '#src/oidc/configuration.ts';
import { createInteractions, type Interaction, type Interactions } from '#src/oidc/interaction.ts';
import type { ProtocolErrorPage } from '#src/oidc/outage.ts';
import { ACR } from '#src/oidc/policy.ts';
import { createProvider, type ProviderDeps } from '#src/oidc/provider.ts';
import { createResourceCache } from '#src/oidc/resources.ts';
import { createTokenState } from '#src/oidc/token-state.ts';
import { Browser } from './browser.ts';
import { createTestDatabase } from './database.ts';
import { giveRole, rolesKept } from './roles.ts';
import { choiceOf } from './tenant-choice.ts';

export const CB = 'https://app.test/cb';
export const API = 'https://api.test/';
export const OPAQUE_API = 'https://api.test/opaque';
export const SECRET = 'secret-secret-secret-secret-secret-secret-42';

export type Form = Record<string, string | readonly string[] | undefined>;

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The JSON object that was answered; empty where it was something else. */
  body: Record<string, unknown> & { error?: string; access_token?: string; refresh_token?: string; id_token?: string; scope?: string };
}

export type LoginPage = (
  interactions: Interactions,
  request: { req: http.IncomingMessage; res: http.ServerResponse; interaction: Interaction },
) => Promise<string>;

export interface TestIssuer {
  url: string;
  databaseUrl: string;
  db: Database;
  /** The owner's connection, which sees and breaks everything. */
  owner: pg.Pool;
  provider: Provider;
  audit: AuditLog;
  transact: Transact;
  tenantId: string;
  userId: string;
  state: TestState;
  restart(change?: Partial<ProviderDeps>): void;
  addClient(clientId: string, metadata?: Record<string, unknown>, columns?: ClientColumns): Promise<void>;
  addUser(options?: { status?: string; roles?: string[]; email?: string }): Promise<string>;
  post(path: string, form: Form, headers?: Record<string, string>): Promise<Answer>;
  token(form: Form, headers?: Record<string, string>): Promise<Answer>;
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  /** The rows that were written meanwhile, oldest first. */
  audited(act: () => Promise<unknown>): Promise<AuditedRow[]>;
  /** The relying parties that are to hear of a logout, forgotten once they are read. */
  notices(): Promise<LogoutNotice[]>;
  /** How many statements the server sent meanwhile. */
  counted(act: () => Promise<unknown>): Promise<number>;
  close(): Promise<void>;
}

export interface TestState {
  /** Who the sign-in page signs in. */
  accountId: string;
  acr: string;
  required: string;
  reachable: string;
  /** Prompts that were shown, with their reasons. */
  seen: string[];
  login: LoginPage;
  errors: unknown[];
  counts: string[];
}

export interface ClientColumns {
  first_party?: boolean;
  profile?: string;
  permissions?: string[];
  allowed_origins?: string[];
  enabled?: boolean;
  tenant_id?: string;
}

export interface AuditedRow {
  type: string;
  outcome: string;
  actor_type: string;
  actor_id: string | null;
  client_id: string | null;
  tenant_id: string;
  reason: string | null;
  data: Record<string, unknown>;
}

let keys: Promise<JWK[]> | undefined;

async function signingKeys(): Promise<JWK[]> {
  const make = async (alg: string, kid: string): Promise<JWK> => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true, modulusLength: 2048 });
    return { ...(await exportJWK(privateKey)), alg, kid, use: 'sig' };
  };
  return Promise.all([make('RS256', 'r'), make('ES256', 'e'), make('EdDSA', 'd')]);
}

const publicPart = (key: JWK): JWK => {
  const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...rest } = key;
  return rest;
};

export const LIFETIMES: ProtocolLifetimes = {
  accessToken: 600,
  authorizationCode: 60,
  idToken: 600,
  refreshTokenIdle: 86_400,
  refreshTokenAbsolute: 30 * 86_400,
  sessionIdle: 86_400,
  sessionAbsolute: 7 * 86_400,
  interaction: 3600,
};

/** Signs in, and agrees to everything. */
export const agreeing: LoginPage = async (interactions, { req, res, interaction }) => {
  if (interaction.prompt.name === 'consent') return interactions.finishConsent(req, res, 'all');
  if (interaction.prompt.name === 'select_account') return interactions.finishSelection(req, res);
  throw new Error(`nobody answers ${interaction.prompt.name}`);
};

export interface TestIssuerOptions {
  /** Shares the database (and so the clients and people) of another node. */
  node?: Pick<TestIssuer, 'databaseUrl' | 'tenantId' | 'userId'>;
  /** An empty database to migrate and use, instead of a clone. */
  databaseUrl?: string;
  /** What the node calls itself; its own address where nothing is said. */
  issuer?: string;
  graceSeconds?: number;
  lifetimes?: Partial<ProtocolLifetimes>;
  /** Wraps what the server speaks to. */
  wrap?: (db: Database) => Database;
}

export async function startIssuer(options: TestIssuerOptions = {}): Promise<TestIssuer> {
  const given = options.node?.databaseUrl ?? options.databaseUrl;
  if (options.databaseUrl) await migrate(options.databaseUrl);
  const database = given ? { url: given, drop: async () => {} } : await createTestDatabase();
  const owner = new pg.Pool({ connectionString: database.url, max: 3 });
  owner.on('error', () => {});
  const plain = openDatabase({ url: database.url });
  const db = options.wrap ? options.wrap(plain) : plain;
  const log = pino({ level: 'silent' });
  const box = createSecretBox([Buffer.alloc(32, 7)]);
  const feed = await createChangeFeed(plain, { intervalMs: 60_000, maxAgeMs: 600_000 });
  const { audit, transact } = createAudit({ db, box, clock: systemClock, jobs: { add: async () => {} }, log });
  keys ??= signingKeys();
  const jwks = await keys;
  const jwkSet = { keys: jwks.map(publicPart) };
  const clients = createClientCache({ db, feed });
  const resources = createResourceCache({ db, feed });

  let provider: Provider;
  const server = http.createServer((req, res) => {
    const facts = { id: randomUUID(), address: '127.0.0.1', device: req.headers['user-agent'] ?? '', issuer };
    if (options.issuer) req.headers.host = new URL(options.issuer).host;
    currentRequest.run(facts, () => {
      if (req.url?.startsWith('/login/')) void serveLogin(req, res);
      else void provider.callback()(req, res);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://localhost:${(server.address() as AddressInfo).port}`;
  const issuer = options.issuer ?? url;

  const tenantId = options.node?.tenantId ?? newId();
  const userId = options.node?.userId ?? newId();
  const state: TestState = {
    accountId: userId,
    acr: ACR[0],
    required: ACR[0],
    reachable: ACR[1],
    seen: [],
    login: agreeing,
    errors: [],
    counts: [],
  };
  const interactions = createInteractions({ providerOf: () => provider, db, audit, clock: systemClock });

  async function serveLogin(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    try {
      const interaction = await interactions.load(req, res);
      state.seen.push(`${interaction.prompt.name}:${interaction.prompt.reasons.join('+')}`);
      const next =
        interaction.prompt.name === 'login'
          ? await interactions.finishLogin(req, res, { accountId: state.accountId, acr: state.acr, amr: ['pwd'] })
          : await state.login(interactions, { req, res, interaction });
      res.writeHead(303, { location: next }).end();
    } catch (error) {
      const { status = 500, code = 'bug' } = error as { status?: number; code?: string };
      if (status === 500) state.errors.push(error);
      res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ code, message: String(error) }));
    }
  }

  const deps: ProviderDeps = {
    db,
    box,
    ...choiceOf(db, tenantId),
    baseIssuer: issuer,
    audit,
    clients,
    resources,
    keys: { jwks: () => jwks, cookieKeys: () => ['one', 'two'], dpopNonceSecret: () => Buffer.alloc(32, 3) },
    accounts: createAccounts({ db, roles: rolesKept(db) }),
    assurance: { required: async () => state.required, reachable: async () => state.reachable },
    tokens: createTokenState({ db, keys: { publicJwks: () => jwkSet }, clock: systemClock }),
    pages: {
      error(ctx, page: ProtocolErrorPage) {
        ctx.type = 'html';
        ctx.body = `<p role="alert">${page.error}: ${page.description?.replaceAll('<', '&lt;') ?? ''}</p>`;
        ctx.status = page.status;
      },
      logout(ctx, page: LogoutPage) {
        ctx.type = 'html';
        ctx.body = `<form action="${page.action}"><input name="xsrf" value="${page.hidden['xsrf']}"></form>`;
      },
      loggedOut(ctx) {
        ctx.body = 'signed out';
      },
    },
    fetch: async () => {
      throw new Error('the outside is closed');
    },
    lifetimes: { ...LIFETIMES, ...options.lifetimes },
    count: (name) => void state.counts.push(name),
    log: { error: (details) => void state.errors.push(details) },
    ...(options.graceSeconds === undefined ? {} : { graceSeconds: options.graceSeconds }),
  };

  function restart(change: Partial<ProviderDeps> = {}): void {
    Object.assign(deps, change);
    provider = createProvider(deps, { issuer, tenantId });
  }
  restart();

  async function addUser({
    status = 'active',
    roles = [],
    email,
  }: {
    status?: string;
    roles?: string[];
    email?: string;
  } = {}): Promise<string> {
    const id = newId();
    await insertUser(owner, { id, tenantId, status, roles, email });
    return id;
  }
  if (!options.node) {
    await owner.query(`insert into tenants (id, slug, name, type) values ($1, 'root', 'Root', 'root')`, [tenantId]);
    await insertUser(owner, { id: userId, tenantId, status: 'active', roles: [], email: 'ada@example.test' });
    for (const [identifier, format] of [
      [API, 'jwt'],
      [OPAQUE_API, 'opaque'],
    ]) {
      await owner.query(
        `insert into resources (id, tenant_id, identifier, name, scopes, access_token_format, signing_alg, clients) values ($1, $2, $3, 'API', $4, $5, 'ES256', '{rs}')`,
        [
          newId(),
          tenantId,
          identifier,
          JSON.stringify([
            { name: 'api:read', description: '' },
            { name: 'api:write', description: '' },
          ]),
          format,
        ],
      );
    }
  }

  async function send(method: string, path: string, headers: Record<string, string>, body?: string): Promise<Answer> {
    const response = await fetch(new URL(path, url), { method, redirect: 'manual', headers, ...(body === undefined ? {} : { body }) });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: text.startsWith('{') ? (JSON.parse(text) as Answer['body']) : {},
    };
  }
  const post: TestIssuer['post'] = (path, form, headers = {}) =>
    send('POST', path, { 'content-type': 'application/x-www-form-urlencoded', ...headers }, encode(form));

  return {
    url,
    databaseUrl: database.url,
    db,
    owner,
    audit,
    transact,
    get provider() {
      return provider;
    },
    tenantId,
    userId,
    state,
    restart,
    addUser,
    async addClient(clientId, metadata = {}, columns = {}) {
      const all = { tenant_id: tenantId, ...columns };
      await owner.query(
        `insert into clients (client_id, tenant_id, metadata, enabled, first_party, profile, permissions, allowed_origins) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
        [
          clientId,
          all.tenant_id,
          JSON.stringify({ ...WEB, ...metadata }),
          all.enabled ?? true,
          all.first_party ?? false,
          all.profile ?? 'default',
          all.permissions ?? [],
          all.allowed_origins ?? [],
        ],
      );
      await owner.query('insert into client_secrets (id, client_id, tenant_id, secret_hash) values ($1, $2, $3, $4)', [
        newId(),
        clientId,
        all.tenant_id,
        hashSecret(SECRET),
      ]);
    },
    post,
    token: (form, headers) => post('/token', form, headers),
    get: (path, headers = {}) => send('GET', path, headers),
    async audited(act) {
      const { rows: before } = await owner.query<{ id: string }>('select id from audit_events');
      await act();
      const { rows } = await owner.query<AuditedRow>(
        'select type, outcome, actor_type, actor_id, client_id, tenant_id, reason, data from audit_events where not (id = any($1)) order by id',
        [before.map(({ id }) => id)],
      );
      return rows;
    },
    async notices() {
      const { rows } = await owner.query<{ payload: LogoutNotice }>(`delete from graphile_worker._private_jobs where task_id =
        (select id from graphile_worker._private_tasks where identifier = 'logout.notify') returning payload`);
      return rows.map(({ payload }) => payload).sort((a, b) => a.clientId.localeCompare(b.clientId));
    },
    async counted(act) {
      const before = plain.statements.count;
      await act();
      return plain.statements.count - before;
    },
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await feed.stop();
      await plain.close();
      await owner.end();
      await database.drop();
    },
  };
}

const WEB = {
  redirect_uris: [CB],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'client_secret_basic',
  id_token_signed_response_alg: 'ES256',
  introspection_signed_response_alg: 'ES256',
};

/** Metadata of a client without redirects. */
export const MACHINE = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
/** Metadata of a client without a secret. */
export const PUBLIC = { token_endpoint_auth_method: 'none' };

async function insertUser(
  owner: pg.Pool,
  user: { id: string; tenantId: string; status: string; roles: string[]; email: string | undefined },
): Promise<void> {
  await owner.query(
    `insert into users (id, home_tenant_id, status, email, email_key, email_verified_at, given_name, family_name) values ($1, $2, $3, $4, $4, now(), 'Ada', 'L')`,
    [user.id, user.tenantId, user.status, user.email ?? null],
  );
  for (const role of user.roles) await giveRole(owner, user.tenantId, user.id, role);
}

export function encode(form: Form): string {
  const body = new URLSearchParams();
  for (const [name, value] of Object.entries(form)) for (const one of [value ?? []].flat()) body.append(name, one);
  return body.toString();
}

export const basic = (clientId: string, secret = SECRET): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`).toString('base64')}`,
});

export function pkce(): { verifier: string; challenge: string } {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
}

export interface DpopKey {
  thumbprint: string;
  proof(htu: string, claims?: Record<string, unknown>): Promise<string>;
}

export async function dpopKey(): Promise<DpopKey> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwk = await exportJWK(publicKey);
  return {
    thumbprint: await calculateJwkThumbprint(jwk),
    proof: (htu, claims = {}) =>
      new SignJWT({ htm: 'POST', htu, jti: randomUUID(), ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
        .setIssuedAt()
        .sign(privateKey),
  };
}

export interface Authorized {
  code: string;
  /** What redeems it, less the client's authentication. */
  form: Record<string, string>;
  browser: Browser;
}

/** The path of an authorization request, and the verifier that goes with it. */
export function authorization(clientId: string, extra: Form = {}): { path: string; verifier: string } {
  const { verifier, challenge } = pkce();
  const form = {
    client_id: clientId,
    response_type: 'code',
    redirect_uri: CB,
    scope: 'openid',
    code_challenge: challenge,
    code_challenge_method: 'S256',
  };
  return { path: `/auth?${encode({ ...form, ...extra })}`, verifier };
}

/** Walks a browser through sign-in to a code. Fails where another answer comes. */
export async function authorize(
  issuer: TestIssuer,
  clientId: string,
  extra: Form = {},
  browser = new Browser(issuer.url),
): Promise<Authorized> {
  const { path, verifier } = authorization(clientId, extra);
  const { location, page } = await browser.go(path);
  const code = location?.searchParams.get('code');
  assert.ok(code, location?.href ?? `${page?.status} ${page?.text}`);
  const redirect = typeof extra['redirect_uri'] === 'string' ? extra['redirect_uri'] : CB;
  return { code, browser, form: { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: redirect } };
}
