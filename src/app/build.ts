/** Builds every part once, top to bottom; what was built is closed in reverse. */

import { invitedAt } from '../account/invitation-cookie.ts';
import { accountRoutes } from '../account/routes.ts';
import { ACCOUNT_VIEWS } from '../account/views/pages.ts';
import type { Config } from '../config.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import { currentRequest } from '../core/scope.ts';
import { createDemo } from '../demo/demo.ts';
import { createAudit } from '../features/audit/record.ts';
import { images } from '../features/branding/serve.ts';
import { wordsOf } from '../features/credentials/policy.ts';
import { DOMAIN_CHECK_JOB, domainCheckHandler } from '../features/domains/commands.ts';
import type { ResolveTxt } from '../features/domains/index.ts';
import { bookOf, createRoleBooks } from '../features/roles/book.ts';
import { endAccess } from '../features/sessions/commands.ts';
import { NOTIFY_JOB } from '../features/sessions/index.ts';
import { TEND_JOB } from '../features/signing-keys/commands.ts';
import { createTenantCache } from '../features/tenants/cache.ts';
import { leaveTenant } from '../features/tenants/members.ts';
import { createMeter } from '../features/usage/meter.ts';
import { withinLimit } from '../features/usage/spend.ts';
import { assets } from '../http/assets.ts';
import { createCsrf } from '../http/csrf.ts';
import { frontDoor } from '../http/front-door.ts';
import { createHealth, healthRoutes } from '../http/health.ts';
import type { RouteDeps } from '../http/mount-routes.ts';
import { createOwnApp } from '../http/own-app.ts';
import { createView } from '../http/view.ts';
import { createChangeFeed } from '../infra/change-feed.ts';
import { createJobs } from '../infra/jobs.ts';
import { createLimits } from '../infra/limits.ts';
import type { Logger } from '../infra/log.ts';
import { createMetrics } from '../infra/metrics.ts';
import { createOutboundFetch } from '../infra/outbound-http.ts';
import { createSecretBox } from '../infra/secret-box.ts';
import { SWEEP_JOB, sweepHandler } from '../infra/sweeps.ts';
import { createCodes } from '../login/codes.ts';
import { devMailbox } from '../login/dev-mailbox.ts';
import { createDirectDoor } from '../login/direct-door.ts';
import { createEngine } from '../login/engine.ts';
import { deleteJourneysOf } from '../login/journey-store.ts';
import type { LoginMethod } from '../login/method.ts';
import { builtInMethods } from '../login/methods/index.ts';
import { loginJobs } from '../login/send-code.ts';
import { LOGIN_VIEWS } from '../login/views/pages.ts';
import { createAccounts } from '../oidc/accounts.ts';
import { serveDirectPaths } from '../oidc/direct-routes.ts';
import { browserSession } from '../oidc/sessions.ts';
import { storageKey } from '../oidc/storage-key.ts';
import { isTooOldAt } from '../oidc/tenant-choice.ts';
import { createApi } from './api.ts';
import { createAssurance } from './assurance.ts';
import { billed } from './billing.ts';
import { bootstrap, ensureInstallation } from './bootstrap.ts';
import { brandedPages, createBrandedInteractions } from './branding.ts';
import { createCallers } from './callers.ts';
import { createChallenges } from './challenges.ts';
import { checkClock, openDatabaseOf, openReplicaOf, type WaitOptions } from './database.ts';
import { createFactors } from './factors.ts';
import { createFederation, signInPages } from './federation.ts';
import { createInvitations } from './invitations.ts';
import { followIssuers } from './issuers.ts';
import { createMessages } from './messages.ts';
import { createNotices } from './notices.ts';
import { createOwnAccount, createTerms } from './own-account.ts';
import { createTenantPasswords } from './passwords.ts';
import { clientLabel, createProtocol } from './protocol.ts';
import { createOutsideFactor } from './second-factor-service.ts';
import { serveApi } from './serve-api.ts';

export interface AppOptions extends Pick<RouteDeps, 'strict' | 'onAnswer'>, WaitOptions {
  log: Logger;
  clock?: Clock;
  /** Who looks TXT records up; the machine's resolver where nothing is said. */
  resolveTxt?: ResolveTxt;
  /** What reaches other identity providers, in place of the guarded one. */
  upstreamFetch?: typeof globalThis.fetch;
  /** Ways to sign in beside the built-in ones. */
  methods?: readonly LoginMethod[];
}

/** Everything but the open port: what the server and the command line share. */
export async function buildApp(config: Config, options: AppOptions) {
  const { log, clock = systemClock, methods: more = [] } = options;
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse())
      await closer().catch((error: unknown) => log.error({ err: error }, 'closing a part failed'));
  };
  try {
    const warn = (text: string, error?: unknown): void => log.warn({ err: error }, text);
    const db = await openDatabaseOf(config, log, closers, options);
    const reads = openReplicaOf(config, log, closers) ?? db;
    // The client is read from disk only where there is a Redis.
    const redis = config.redisUrl === undefined ? undefined : (await import('../infra/redis.ts')).createRedis(config.redisUrl, log);
    if (redis) closers.push(async () => redis.disconnect());
    const { rootTenantId, ...installation } = await ensureInstallation(db, config);

    const box = createSecretBox(config.encryptionKeys);
    const view = createView({ clock, folders: [LOGIN_VIEWS, ACCOUNT_VIEWS] });
    const csrf = createCsrf(box);
    const metrics = createMetrics();
    const limits = createLimits({ db, redis });
    const fetch = createOutboundFetch({ allowHosts: config.outboundAllowHosts });
    closers.push(() => fetch.close());
    const jobs = createJobs(db, log);
    const feed = await createChangeFeed(db, { log: warn });
    closers.push(() => feed.stop());
    const issuers = followIssuers({ db, feed, warn }, installation.issuers);
    const roles = createRoleBooks({ db, feed });
    const tenants = createTenantCache({ db, feed });
    const meter = createMeter({ db, clock, tenants, log: warn });
    closers.push(() => meter.close());
    const plain = createAudit({ db, box, clock, jobs, log });
    const { audit, billing } = await billed({ config, audit: plain, tenants, metrics, log, closers });
    feed.on('person', ({ id }) => audit.drop(id));

    const meterMessage = (tenantId: string): void => meter.count(tenantId, 'messages');
    const base = { db, clock, box, limits };
    const messages = createMessages({ config, clock, log, db, box, jobs, fetch, count: meterMessage, tenants, rootTenantId });
    const { mailbox, mailer, queueMail, queueText } = messages;
    const contextWords = ['gatehouse', ...wordsOf(new URL(config.issuer).hostname)];
    const passwords = createTenantPasswords({ db, tenants, rules: { ...config.passwordPolicy, contextWords } });
    const place = { rootTenantId, ownTenant: () => ownTenant() };
    const federation = createFederation({ ...place, ...base, view, feed, audit, tenants, fetch: options.upstreamFetch ?? fetch });
    const built = builtInMethods({ passwords, box, mail: mailer !== undefined, texts: queueText !== undefined });
    const codes = createCodes({ clock, box, limits, lifetimeSeconds: config.lifetimes.code });
    const notices = createNotices({ db, box, clock, limits, jobs, queueMail, transact: audit.transact, mail: mailer !== undefined });
    const parts = { ...base, config, audit, roles, tenants, meter, ...federation.leaving };
    const accounts = createAccounts({ db, roles });
    const outside = createOutsideFactor({ ...parts, feed, accounts });
    closers.push(outside.close);
    const methods = [...built, ...outside.methods, federation.method, ...more];
    const findClient = (clientId: string) => protocol.clients.find(clientId);
    const assurance = createAssurance({ db, clock, tenants, roles, accounts, methods, rootTenantId, findClient });
    const terms = createTerms({ db, clock, feed });
    const factors = createFactors({
      db,
      clock,
      box,
      audit,
      tenants,
      queueMail,
      organizationFactor: outside.organizationFactor,
      mails: mailer !== undefined,
    });
    const engine = createEngine({
      ...notices.hooks,
      ...factors.hooks,
      ...base,
      audit: audit.audit,
      transact: audit.transact,
      codes,
      methods,
      required: assurance.requiredAt,
      demands: terms.demands,
      resolve: federation.resolve,
      count: (_name, labels) => metrics.login(labels['outcome'] === 'success' ? 'success' : 'failure', labels['method'] ?? 'other'),
    });

    const protocol = await createProtocol({
      ...parts,
      log,
      feed,
      metrics,
      view,
      fetch,
      rootTenantId,
      accounts,
      assurance,
      issuers,
      direct: { authenticate: (...asked) => direct.authenticate(...asked), act: (...asked) => direct.act(...asked) },
    });
    const keyring = { issuers: () => issuers().map(({ url }) => url), keyOf: storageKey };
    const sessions = { db, box, transact: audit.transact, jobs, endSignIns: deleteJourneysOf, ...keyring };
    const tenantHere = (): string => issuers().find(({ url }) => url === currentRequest.getStore()?.issuer)?.tenantId ?? rootTenantId;
    const ownTenant = (): string | undefined => [tenantHere()].find((id) => id !== rootTenantId);
    const callers = createCallers({ config, clock, db, roles, protocol, warn, ownTenant });
    closers.push(callers.close);
    const invitations = createInvitations({
      ...parts,
      queueMail: withinLimit(meter, queueMail),
      resolveTxt: options.resolveTxt,
    });
    const {
      routes,
      users,
      clients,
      handlers: ofPeople,
    } = createApi({
      ...parts,
      billing,
      connections: federation.connections,
      invitations,
      keys: callers.keys,
      factors: [...factors.routes, ...federation.routes, ...outside.routes],
      tellOfTaken: factors.tellOfTaken,
      reads,
      passwords,
      protocol,
      sessions,
      methods: methods.map(({ id }) => id),
    });
    const health = createHealth({ database: async () => checkClock(await db.clockSkewMs(() => clock.now().getTime())) }, log);
    const flow = {
      ...base,
      passwords,
      methods,
      queueMail,
      queueText,
      audit: audit.audit,
      transact: audit.transact,
      codes,
      terms,
      enrolments: factors.enrolments,
      organizationFactor: outside.organizationFactor,
      challenges: createChallenges({ box, clock, limits, tenants }),
      endAccess: (userId: string, sql: Parameters<typeof endAccess>[2], options?: { exceptSession?: string | undefined }) =>
        endAccess(sessions, userId, sql, options),
    };
    const direct = createDirectDoor({ ...flow, engine, required: assurance.requiredAt, mail: mailer !== undefined }, federation.direct);
    const ownAccount = createOwnAccount({ config, flow, reads, audit, sessions, users, notices: terms, mails: mailer !== undefined });
    routes.push(...ownAccount.routes);
    const interactions = createBrandedInteractions(protocol.branding, { providerOf: protocol.providerNow, db, audit: audit.audit, clock });
    const own = createOwnApp(
      [
        images({ db }),
        assets(),
        brandedPages(protocol, tenantHere),
        frontDoor('/account'),
        serveDirectPaths(protocol.pool),
        ...serveApi(routes, healthRoutes(health), {
          ...parts,
          authenticate: callers.authenticate,
          tenantHere,
          log,
          issuer: config.issuer,
          options,
        }),
        ...federation.answers(sessions),
        ...signInPages({
          ...flow,
          social: federation.door,
          connectionOf: federation.connections.find,
          asksElsewhere: outside.asksElsewhere,
          engine,
          interactions,
          view,
          csrf,
          mail: mailer !== undefined,
          invited: (ctx, client) =>
            invitedAt({ db, box, clock, rootTenantId }, ctx, currentRequest.getStore()?.issuer ?? config.issuer, client),
          resourceNames: (identifier) => protocol.resources.find(identifier),
        }),
        accountRoutes({
          ...flow,
          own: ownAccount.pages,
          ...federation.account,
          leaveTenant: (scope, tenantId) => leaveTenant({ db, transact: audit.transact, bookOf }, scope, tenantId),
          sessions,
          view,
          csrf,
          browserSession: (ctx) => browserSession(protocol.providerNow(), ctx, { accounts: protocol.accounts, ownTenant: ownTenant() }),
          isTooOld: (session, homeTenantId) => isTooOldAt({ clock, tenants }, [homeTenantId, ownTenant()], session),
          clientOf: (clientId) => clientLabel(protocol, clientId),
        }),
        ...(mailbox ? [devMailbox({ mailbox, view })] : []),
        ...(config.loopback && !config.production ? [createDemo({ issuer: config.issuer, box, csrf, view, clock })] : []),
      ],
      { view, log },
    );
    const firstSteps = await bootstrap({ config, rootTenantId, users, clients, findClient: protocol.clients.find });
    const handlers = {
      ...loginJobs(flow),
      ...notices.jobs,
      ...messages.handlers,
      [SWEEP_JOB]: sweepHandler(db, log),
      [DOMAIN_CHECK_JOB]: domainCheckHandler(invitations.domains),
      [TEND_JOB]: protocol.tend,
      ...ofPeople,
      ...ownAccount.handlers,
      [NOTIFY_JOB]: protocol.logout.deliver,
    };
    const running = { close, closers, db, metrics, health, view, own, protocol, jobs, handlers, users };
    return { ...running, clients, rootTenantId, firstSteps, mailbox, issuers, mails: mailer !== undefined };
  } catch (error) {
    await close();
    throw error;
  }
}

export type BuiltApp = Awaited<ReturnType<typeof buildApp>>;
