/** Sign-in, account page and protocol together, over real HTTP, with the job queue running and mail in the development mailbox. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import type { Provider } from 'oidc-provider';
import { accountRoutes } from '#src/account/routes.ts';
import { ACCOUNT_VIEWS } from '#src/account/views/pages.ts';
import { createOwnAccount, createTerms } from '#src/app/own-account.ts';
import { bookOf } from '#src/features/roles/book.ts';
import { endAccess } from '#src/features/sessions/commands.ts';
import { leaveTenant } from '#src/features/tenants/members.ts';
import { createCsrf } from '#src/http/csrf.ts';
import { createOwnApp } from '#src/http/own-app.ts';
import { createHandler, OWN_PATHS } from '#src/http/server.ts';
import { createView } from '#src/http/view.ts';
import { createChangeFeed } from '#src/infra/change-feed.ts';
import { createJobs } from '#src/infra/jobs.ts';
import { createQueueMail, MAIL_JOB, type Mailer, mailHandler } from '#src/infra/mail.ts';
import { createMailbox, type KeptMessage } from '#src/infra/mailbox.ts';
import { createQueueText, SMS_JOB, smsHandler } from '#src/infra/sms.ts';
import { createCodes } from '#src/login/codes.ts';
import { devMailbox } from '#src/login/dev-mailbox.ts';
import { createDirectDoor } from '#src/login/direct-door.ts';
import type { FlowDeps } from '#src/login/flow.ts';
import { deleteJourneysOf } from '#src/login/journey-store.ts';
import { loginRoutes } from '#src/login/routes.ts';
import { loginJobs } from '#src/login/send-code.ts';
import { LOGIN_VIEWS } from '#src/login/views/pages.ts';
import { createAccounts } from '#src/oidc/accounts.ts';
import { createClientCache } from '#src/oidc/clients.ts';
import { registerDirectLogin } from '#src/oidc/direct-login.ts';
import { serveDirectPaths, useDirectPaths } from '#src/oidc/direct-routes.ts';
import { createInteractions } from '#src/oidc/interaction.ts';
import { createProvider } from '#src/oidc/provider.ts';
import { createResourceCache } from '#src/oidc/resources.ts';
import { browserSession } from '#src/oidc/sessions.ts';
import { storageKey } from '#src/oidc/storage-key.ts';
import { createTokenState } from '#src/oidc/token-state.ts';
import { Browser, type Page } from '#test/support/browser.ts';
import { LIFETIMES } from '#test/support/oidc.ts';
import { rolesNow } from '#test/support/roles.ts';
import { choiceOf } from '#test/support/tenant-choice.ts';
import { createHarness, type Harness, randomAddress } from './harness.ts';

export interface Site extends Harness {
  url: string;
  /** A browser at an address of its own. */
  visitor(address?: string): Visitor;
  addClient(clientId: string, more?: { firstParty?: boolean; directLogin?: boolean; metadata?: Record<string, unknown> }): Promise<void>;
  mailServer: { away: boolean };
  mails(to: string): Promise<KeptMessage[]>;
  /** The mail that arrives for the address after `count` others. */
  mailFor(to: string, count?: number): Promise<KeptMessage>;
  settle(): Promise<void>;
}

export const CALLBACK = 'https://app.test/cb';

async function signingKeys(): Promise<JWK[]> {
  const make = async (alg: string): Promise<JWK> => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true, modulusLength: 2048 });
    return { ...(await exportJWK(privateKey)), alg, kid: alg, use: 'sig' };
  };
  return Promise.all(['RS256', 'ES256', 'EdDSA'].map(make));
}

export async function startSite(
  options: { more?: Parameters<typeof createHarness>[0]; hooks?: Parameters<typeof createHarness>[1]; mail?: boolean } = {},
): Promise<Site> {
  const h = await createHarness(options.more, options.hooks);
  const { db, box, clock, limits, log, passwords, methods, engine, tenantId } = h;
  const { audit, transact } = h.audit;
  const feed = await createChangeFeed(db, { intervalMs: 60_000, maxAgeMs: 600_000 });
  const [clients, resources] = [createClientCache({ db, feed }), createResourceCache({ db, feed })];
  const mailbox = createMailbox({ db, box });
  const mailServer = { away: false };
  const away = (): Promise<never> => Promise.reject(new Error('the mail server is away'));
  const mailer: Mailer = { send: (mail) => (mailServer.away ? away() : mailbox.send(mail)) };
  const jobs = createJobs(db, log, { pollMs: 100 });
  const queueMail = createQueueMail({ jobs, box, mailer });
  const view = createView({ clock, folders: [LOGIN_VIEWS, ACCOUNT_VIEWS] });
  const jwks = await signingKeys();

  let handle: ReturnType<typeof createHandler> | undefined;
  const server = createServer((req, res) => void handle?.(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://localhost:${(server.address() as AddressInfo).port}`;

  const sessions = { db, box, transact, jobs, issuers: () => [url], keyOf: storageKey, endSignIns: deleteJourneysOf };
  const codes = createCodes({ clock, box, limits });
  const flow: FlowDeps = {
    db,
    clock,
    box,
    limits,
    audit,
    transact,
    passwords,
    codes,
    methods,
    queueMail,
    queueText: createQueueText({ jobs, box }),
    endAccess: (userId, sql, more) => endAccess(sessions, userId, sql, more),
  };
  const accounts = createAccounts({ db, roles: rolesNow(db) });
  const choice = { ...choiceOf(db, tenantId), clock };
  const provider: Provider = createProvider(
    {
      ...choice,
      baseIssuer: url,
      db,
      box,
      audit,
      clients,
      resources,
      keys: { jwks: () => jwks, cookieKeys: () => ['one', 'two'], dpopNonceSecret: () => Buffer.alloc(32, 3) },
      accounts,
      assurance: { required: async () => 'urn:gatehouse:acr:1fa', reachable: async () => 'urn:gatehouse:acr:1fa' },
      tokens: createTokenState({ db, keys: { publicJwks: () => ({ keys: [] }) }, clock }),
      pages: {
        error: (ctx, page) => void Object.assign(ctx, { status: page.status, body: `${page.error} ${page.description}` }),
        logout: (ctx) => void Object.assign(ctx, { body: 'sign out?' }),
        loggedOut: (ctx) => void Object.assign(ctx, { body: 'signed out' }),
      },
      fetch: () => Promise.reject(new Error('the outside is closed')),
      lifetimes: LIFETIMES,
      count: () => {},
      log,
    },
    { issuer: url, tenantId },
  );
  registerDirectLogin(provider, {
    ...choice,
    issuer: url,
    tenantId,
    resources,
    accounts,
    lifetimes: LIFETIMES,
    ...createDirectDoor({ ...flow, engine }),
  });
  useDirectPaths(provider);
  const csrf = createCsrf(box);
  const parts = [
    serveDirectPaths({
      handle: async (_issuer: string, req: IncomingMessage, res: ServerResponse) => void (await provider.callback()(req, res)),
    } as never),
    loginRoutes({
      ...flow,
      engine,
      interactions: createInteractions({ providerOf: () => provider, db, audit, clock }),
      view,
      csrf,
      mail: options.mail ?? true,
      resourceNames: (identifier) => resources.find(identifier),
    }),
    accountRoutes({
      ...flow,
      enrolments: { db, clock, box, transact, tell: async () => {}, tenantName: async () => 'Gatehouse' },
      own: createOwnAccount({
        config: { issuer: url, accountDeletionGraceDays: 14 },
        flow,
        reads: db,
        audit: h.audit,
        sessions,
        users: { roles: rolesNow(db) } as never,
        notices: createTerms({ db, clock, feed }),
        mails: true,
      }).pages,
      leaveTenant: (scope, tenantId) => leaveTenant({ db, transact: flow.transact, bookOf }, scope, tenantId),
      sessions,
      view,
      csrf,
      browserSession: (ctx) => browserSession(provider, ctx),
      isTooOld: async () => false,
      leaveForProvider: async () => false,
      clientOf: async (id) => {
        const client = await clients.find(id);
        return client && { name: String(client.metadata['client_name'] ?? id) };
      },
    }),
    devMailbox({ mailbox, view }),
  ];
  handle = createHandler({
    issuerOf: () => url,
    baseIssuer: url,
    trustedProxies: ['127.0.0.1'],
    health: { isReady: async () => true } as never,
    own: createOwnApp(parts, { view, log }).callback(),
    ownPaths: OWN_PATHS,
    protocol: () => provider.callback(),
    view,
    log,
  });
  await jobs.start({
    ...loginJobs(flow),
    [MAIL_JOB]: mailHandler({ box, mailer, clock, log }),
    [SMS_JOB]: smsHandler({ box, texter: mailbox, clock, log }),
  });

  const mails = async (to: string): Promise<KeptMessage[]> => (await mailbox.list()).filter((mail) => mail.to === to);
  const site: Site = {
    ...h,
    url,
    mailServer,
    visitor: (address = randomAddress()) => new Visitor(url, { 'x-forwarded-for': address, accept: 'text/html' }),
    async addClient(clientId, { firstParty = true, directLogin = false, metadata = {} } = {}) {
      const all = {
        client_name: `The ${clientId}`,
        redirect_uris: [CALLBACK],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
        ...metadata,
      };
      const values = [clientId, tenantId, JSON.stringify(all), firstParty, directLogin];
      await db.transaction(
        (sql) =>
          sql.raw(
            'insert into clients (client_id, tenant_id, metadata, first_party, direct_login) values (?, ?, ?, ?, ?)',
            values as never[],
          ),
        { tenantId },
      );
    },
    mails,
    async mailFor(to, count = 0) {
      for (let round = 0; round < 100; round += 1) {
        const found = await mails(to);
        if (found.length > count) return found[0]!;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error(`no mail for ${to}`);
    },
    async settle() {
      for (let round = 0; round < 100; round += 1) {
        const [row] = await db.query<{ left: string }>(
          { name: 'test-jobs', text: `select count(*) as left from graphile_worker.jobs where task_identifier <> 'logout.notify'` },
          [],
        );
        if (row?.left === '0') return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const left = await db.query<{ task_identifier: string; last_error: string | null }>(
        { name: 'test-jobs-left', text: 'select task_identifier, last_error from graphile_worker.jobs' },
        [],
      );
      throw new Error(`jobs are left: ${JSON.stringify(left)}`);
    },
    async close() {
      await jobs.stop();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await feed.stop();
      await h.close();
    },
  };
  return site;
}

export const codeIn = (mail: KeptMessage): string =>
  /\b(\d{6})\b/.exec(mail.subject ?? mail.text)?.[1] ?? assert.fail('no code in the subject');

export interface Landed {
  location?: URL;
  page?: Page;
}

/** Somebody at a browser: opens pages, fills in the form that is shown. */
export class Visitor extends Browser {
  at: Page | undefined;

  async open(path: string): Promise<Landed> {
    return this.#land(await this.go(path));
  }

  /** An authorization request of a client, with its PKCE challenge. */
  signIn(clientId: string, more: Record<string, string> = {}): Promise<Landed> {
    const query = new URLSearchParams({
      client_id: clientId,
      redirect_uri: CALLBACK,
      response_type: 'code',
      scope: 'openid',
      code_challenge: createHash('sha256').update(randomBytes(32)).digest('base64url'),
      code_challenge_method: 'S256',
      ...more,
    });
    return this.open(`/auth?${query}`);
  }

  /** The page's main form with these fields, hidden ones as found; follows the answer. */
  async submit(fields: Record<string, string>): Promise<Landed & { status: number }> {
    const response = await this.send(fields);
    const location = response.headers.get('location');
    if (location === null) {
      const page = { url: this.at!.url, status: response.status, text: await response.text(), headers: response.headers };
      return { ...this.#land({ page }), status: response.status };
    }
    await response.arrayBuffer();
    assert.equal(response.status, 303);
    const target = new URL(location, this.at!.url);
    if (target.origin !== new URL(this.base).origin) return { location: target, status: 303 };
    return { ...this.#land(await this.go(target.href)), status: 303 };
  }

  /** The same without following. */
  send(fields: Record<string, string>): Promise<Response> {
    const { url, text } = this.at ?? assert.fail('no page is open');
    const form = /<form method="post"(?: action="([^"]*)")?>([\s\S]*?)<\/form>/.exec(text) ?? assert.fail(`no form on ${url}: ${text}`);
    const hidden = [...form[2]!.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)].map(([, name, value]) => [name!, value!]);
    const action = form[1] ? form[1].replaceAll('&amp;', '&') : url;
    return this.post(new URL(action, url).href, { ...(Object.fromEntries(hidden) as Record<string, string>), ...fields });
  }

  get heading(): string {
    return /<h1[^>]*>([^<]*)</.exec(this.at?.text ?? '')?.[1]?.replaceAll('&#39;', "'") ?? '';
  }

  get alert(): string {
    const found = /role="alert"[^>]*>([\s\S]*?)<\/div>/.exec(this.at?.text ?? '')?.[1] ?? '';
    return found
      .replace(/<[^>]+>/g, ' ')
      .replace(/\s+/g, ' ')
      .trim();
  }

  #land(landed: Landed): Landed {
    if (landed.page) this.at = landed.page;
    return landed;
  }
}
