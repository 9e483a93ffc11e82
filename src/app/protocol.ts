/** The protocol's parts: keys, caches, the provider of each issuer and the pages it shows. */
import type { Context } from 'koa';
import { ACCOUNT_CLIENT_ID } from '../account/routes.ts';
import type { Config } from '../config.ts';
import type { Clock } from '../core/clock.ts';
import { pickLocale } from '../core/messages/catalogue.ts';
import { currentRequest, systemScope } from '../core/scope.ts';
import type { Audit } from '../features/audit/record.ts';
import type { RoleBooks } from '../features/roles/index.ts';
import { ensureSecrets, type SigningKeyDeps, tendKeys } from '../features/signing-keys/commands.ts';
import { addressAllowed } from '../features/tenants/address-rules.ts';
import type { Issuer, TenantCache } from '../features/tenants/index.ts';
import { againUrl } from '../http/error-handler.ts';
import type { PageBase } from '../http/pages.ts';
import { showCommonPage, type View } from '../http/view.ts';
import type { ChangeFeed } from '../infra/change-feed.ts';
import type { Limits } from '../infra/limits.ts';
import type { Logger } from '../infra/log.ts';
import type { Metrics } from '../infra/metrics.ts';
import type { Database } from '../infra/postgres.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import type { Accounts } from '../oidc/accounts.ts';
import type { Assurance } from '../oidc/assurance.ts';
import { createClientCache } from '../oidc/clients.ts';
import type { ClientSummary, ProtocolPages } from '../oidc/configuration.ts';
import { DIRECT_LOGIN, type DirectLoginDeps, registerDirectLogin } from '../oidc/direct-login.ts';
import { useDirectPaths } from '../oidc/direct-routes.ts';
import { createFailureLimits, useFailureLimits } from '../oidc/failure-limits.ts';
import { COOKIE_SECRET, createKeys, NONCE_SECRET } from '../oidc/keys.ts';
import { createLogout } from '../oidc/logout.ts';
import { createProvider, type ProviderDeps } from '../oidc/provider.ts';
import { createProviderPool } from '../oidc/provider-pool.ts';
import { cachePublicDocuments } from '../oidc/public-documents.ts';
import { createResourceCache } from '../oidc/resources.ts';
import type { TenantChoiceDeps } from '../oidc/tenant-choice.ts';
import { createTokenState } from '../oidc/token-state.ts';
import { useTrafficLimits } from '../oidc/traffic-limits.ts';
import { createBranding } from './branding.ts';

export interface ProtocolParts {
  config: Config;
  clock: Clock;
  log: Logger;
  db: Database;
  box: SecretBox;
  feed: ChangeFeed;
  limits: Limits;
  metrics: Metrics;
  view: View;
  fetch: typeof globalThis.fetch;
  audit: Audit;
  rootTenantId: string;
  roles: RoleBooks;
  tenants: TenantCache;
  issuers(): readonly Issuer[];
  /** Counts who was active in a tenant. */
  meter?: TenantChoiceDeps['meter'];
  accounts: Accounts;
  assurance: Assurance;
  /** The engine's direct door. */
  direct: Pick<DirectLoginDeps, 'authenticate' | 'act'>;
  /** Sends a browser that has signed out on to the provider that its person came by. */
  leaveForProvider: ProviderDeps['leaveForProvider'];
}

export async function createProtocol(parts: ProtocolParts) {
  const { config, clock, log, db, box, feed, metrics, fetch, rootTenantId, accounts, assurance } = parts;
  const { audit, transact } = parts.audit;
  const { lifetimes } = config;
  const keyDeps: SigningKeyDeps = {
    db,
    box,
    transact,
    schedule: {
      jwksMaxAgeSeconds: lifetimes.jwksMaxAge,
      // At the least what a node takes that missed the notification, and looks by itself.
      marginSeconds: Math.max(3, Math.min(60, Math.ceil(lifetimes.jwksMaxAge / 5))),
      periodSeconds: lifetimes.signingKeyPeriod,
      // A resource may ask for access tokens of up to a day.
      longestTokenSeconds: Math.max(lifetimes.accessToken, lifetimes.idToken, 86_400),
    },
  };
  const tend = (payload?: unknown): Promise<void> => tendKeys(keyDeps, systemScope(rootTenantId, 'keys'), payload);
  await tend();
  await ensureSecrets(keyDeps, systemScope(rootTenantId, 'keys'), [COOKIE_SECRET, NONCE_SECRET]);
  const warn = (message: string, error?: unknown): void => log.warn({ err: error }, message);
  const keys = await createKeys({ db, box, feed, cookieKeys: config.cookieKeys, log: warn });
  const clients = createClientCache({ db, feed });
  const resources = createResourceCache({ db, feed });
  const tokens = createTokenState({ db, keys, clock });
  const count = countInto(metrics);
  const logout = createLogout({ clients, keys, clock, fetch, count });
  const failures = createFailureLimits(parts.limits);
  const choice: TenantChoiceDeps = {
    clock,
    rootTenantId,
    tenants: parts.tenants,
    assurance,
    homeClients: new Set([ACCOUNT_CLIENT_ID]),
    addressAllowed,
    meter: parts.meter,
  };
  const branding = createBranding({ db, feed, tenants: parts.tenants, rootTenantId, clients });
  const tenantHere = (): string => parts.issuers().find(({ url }) => url === currentRequest.getStore()?.issuer)?.tenantId ?? rootTenantId;
  const pages = protocolPages(parts.view, async (client) => {
    const { tenantId = tenantHere(), clientId } = client ?? {};
    const brand = await branding.of(tenantId, clientId);
    const label = client && { name: client.name, logoUri: await branding.clientLogo(tenantId, client.clientId) };
    return { ...(brand ? { brand } : {}), ...(label ? { client: label } : {}) };
  });

  const pool = createProviderPool({
    maxLive: 500,
    lookup(issuer) {
      const found = parts.issuers().find(({ url }) => url === issuer);
      return found && { issuer, tenantId: found.tenantId, revision: `${keys.revision()} ${found.tenantId}` };
    },
    build(settings) {
      const shared = { ...choice, db, clients, resources, accounts, lifetimes };
      const provider = createProvider(
        {
          ...shared,
          baseIssuer: config.issuer,
          keys,
          assurance,
          pages,
          fetch,
          audit,
          box,
          tokens,
          count,
          log,
          leaveForProvider: parts.leaveForProvider,
        },
        settings,
      );
      useFailureLimits(provider, failures);
      useTrafficLimits(provider, { limits: parts.limits, pages, log, count });
      registerDirectLogin(provider, { ...shared, ...settings, ...parts.direct });
      useDirectPaths(provider);
      cachePublicDocuments(provider, { maxAgeSeconds: lifetimes.jwksMaxAge });
      return provider;
    },
  });
  const providerNow = () => pool.get(currentRequest.getStore()?.issuer || config.issuer);
  return {
    keys,
    keyDeps: { ...keyDeps, changed: keys.reload },
    tend,
    clients,
    resources,
    accounts,
    tokens,
    logout,
    failures,
    branding,
    rootTenantId,
    pool,
    providerNow,
  };
}

export type Protocol = Awaited<ReturnType<typeof createProtocol>>;

/** An application as pages name it. */
export async function clientLabel({ clients, branding }: Pick<Protocol, 'clients' | 'branding'>, clientId: string) {
  const client = await clients.find(clientId);
  if (!client) return undefined;
  return { name: String(client.metadata['client_name'] ?? clientId), logoUri: await branding.clientLogo(client.tenantId, clientId) };
}

function countInto(metrics: Metrics): (name: string, labels: Record<string, string>) => void {
  return (name, labels) => {
    if (name === 'introspection') metrics.introspection(labels['active'] === 'true');
    else if (name === 'token') metrics.tokens(labels['grantType'] === DIRECT_LOGIN ? 'direct' : (labels['grantType'] ?? 'other'));
    else if (name === 'limited') metrics.limited(labels['rule'] ?? 'other');
    else if (name === 'login_attempts') metrics.login(labels['outcome'] === 'success' ? 'success' : 'failure', labels['method'] ?? 'other');
  };
}

/** Whose fault it is. */
const WORDS = {
  unavailable: { title: 'error.unavailable', explanation: 'error.unavailable_explanation' },
  request: { title: 'error.request', explanation: 'error.request_explanation' },
  missing: { title: 'error.not_found', explanation: 'error.not_found_explanation' },
  bug: { title: 'error.title', explanation: 'error.explanation' },
} as const;

const WORD_OF: Readonly<Record<number, keyof typeof WORDS>> = { 404: 'missing', 503: 'unavailable' };

type Labels = Pick<PageBase, 'brand' | 'client'>;

function protocolPages(view: View, labelsOf: (client?: ClientSummary) => Promise<Labels>): ProtocolPages {
  const localeOf = (ctx: Context): string => {
    const wished = ctx.query['ui_locales'];
    return pickLocale(typeof wished === 'string' ? wished : undefined, ctx.get('accept-language'));
  };
  return {
    async error(ctx, { status, error, description }) {
      if (status === 429) {
        const retryAfterSeconds = Number(ctx.response.get('retry-after')) || 1;
        const limited = { ...(await brandWhereKnown(labelsOf)), locale: localeOf(ctx), retryAfterSeconds, retryUrl: againUrl(ctx) };
        return showCommonPage(ctx, view, 'limited', limited, { status });
      }
      const words = WORDS[WORD_OF[status] ?? (status < 500 ? 'request' : 'bug')];
      const detail = status >= 500 || status === 404 ? undefined : [error, description].filter(Boolean).join(': ');
      const requestId = currentRequest.getStore()?.id;
      showCommonPage(
        ctx,
        view,
        'error',
        {
          ...(await brandWhereKnown(labelsOf)),
          locale: localeOf(ctx),
          ...words,
          detail,
          requestId,
          retryUrl: status >= 500 ? againUrl(ctx) : undefined,
        },
        { status },
      );
    },
    async logout(ctx, { action, hidden, confirm, client, redirectUri }) {
      const data = { ...(await labelsOf(client)), locale: localeOf(ctx), action, hidden, confirm };
      showCommonPage(ctx, view, 'logout-confirm', data, { formAction: redirectUri ? [redirectUri] : [] });
    },
    async loggedOut(ctx, { client }) {
      ctx.set('clear-site-data', '"cache", "storage"');
      showCommonPage(ctx, view, 'logged-out', { ...(await labelsOf(client)), locale: localeOf(ctx) });
    },
  };
}

/** A page about a fault is shown without the database too. */
const brandWhereKnown = (labelsOf: () => Promise<Labels>): Promise<Labels> => labelsOf().catch(() => ({}));
