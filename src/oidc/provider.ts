/** One issuer's provider, with everything attached that it needs: building it again and swapping the two forgets nothing. */
import { type Client, type Configuration, Provider, type Session, type TokenEndpointGrantContext } from 'oidc-provider';
import type { AuditLog } from '../features/audit/index.ts';
import { noticeJob } from '../features/sessions/commands.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import { createAdapter, savingSessions } from './adapter.ts';
import { type AuditDeps, useAudit } from './audit.ts';
import { useIdTokenClaims } from './claims.ts';
import { type ClientModelDeps, useClientCache } from './client-models.ts';
import { type ConfigurationDeps, configure } from './configuration.ts';
import { useFormPages } from './form-page.ts';
import { type JwtTokenDeps, useJwtAccessTokens } from './introspection.ts';
import { makeOneSessionEach } from './one-sign-in.ts';
import { type OutageDeps, useOutage } from './outage.ts';
import { type ProviderSignOutHook, useProviderSignOut } from './provider-sign-out.ts';
import { limitSessions } from './session-limit.ts';
import { storageKey } from './storage-key.ts';
import { rememberOnce } from './store.ts';
import { carryTenants } from './tenant-choice.ts';
import { type GrantDeps, type GrantHandler, runGrant } from './tokens.ts';
import { units } from './unit-of-work.ts';
import { useUnknownPath } from './unknown-path.ts';

export interface IssuerSettings {
  /** The issuer's URL, no trailing slash. */
  issuer: string;
  /** The tenant it belongs to. */
  tenantId: string;
}

export interface ProviderDeps
  extends Omit<ConfigurationDeps, keyof IssuerSettings>,
    Omit<AuditDeps, 'tenantId' | 'pages'>,
    Pick<ClientModelDeps, 'baseIssuer'>,
    Pick<OutageDeps, 'log'>,
    Pick<ProviderSignOutHook, 'leaveForProvider'>,
    Pick<JwtTokenDeps, 'tokens'> {
  audit: AuditLog;
  box: SecretBox;
  /** For how long a repeated refresh gets the same answer, in seconds; 10 where nothing is said. */
  graceSeconds?: number;
}

interface Parts {
  deps: GrantDeps;
  handlers: Map<string, GrantHandler>;
}

// Filled while the base constructor runs, before any field of the subclass exists.
let building: Parts | undefined;
const parts = new WeakMap<Provider, Parts>();

function partsOf(provider: Provider): Parts {
  const known = parts.get(provider) ?? building;
  if (!known) throw new Error('not a provider of ours');
  return known;
}

/** Every grant, the library's own included, is registered through this public method: so each runs inside a unit of work. */
class UnitProvider extends Provider {
  override registerGrantType<Params extends object>(
    name: string,
    handler: (ctx: TokenEndpointGrantContext<Params>) => void | Promise<void>,
    params?: string | readonly string[] | ReadonlySet<string>,
    duplicates?: string | readonly string[] | ReadonlySet<string>,
  ): void {
    partsOf(this).handlers.set(name, handler as GrantHandler);
    const known = typeof params === 'string' ? [params] : [...(params ?? [])];
    const all = name === 'refresh_token' ? [...known, 'tenant'] : known;
    super.registerGrantType<Params>(name, (ctx) => runGrant(partsOf(this).deps, handler as GrantHandler, ctx), all, duplicates);
  }
}

/** Builds the provider of an issuer. Throws where the library no longer behaves as this relies on. */
export function createProvider(deps: ProviderDeps, settings: IssuerSettings): Provider {
  const { issuer } = settings;
  const graceSeconds = deps.graceSeconds ?? 10;
  building = { deps: { ...deps, ...settings, graceSeconds }, handlers: new Map() };
  try {
    const configuration: Configuration = {
      ...configure({ ...deps, ...settings }),
      adapter: createAdapter({ ...deps, issuer, graceSeconds }),
    };
    const provider = new UnitProvider(issuer, configuration);
    parts.set(provider, building);
    for (const name of ['authorization_code', 'refresh_token', 'client_credentials']) {
      if (!building.handlers.has(name)) throw new Error(`oidc-provider no longer registers ${name} through registerGrantType`);
    }
    useClientCache(provider, { ...deps, issuerTenantId: settings.tenantId });
    carryTenants(provider, deps);
    useIdTokenClaims(provider, deps);
    provider.ReplayDetection.unique = (iss: string, jti: string, exp: number) =>
      rememberOnce(deps.db, storageKey(issuer, 'ReplayDetection', `${iss}\n${jti}`), exp);
    limitSessions(provider, deps);
    handSessionsOver(provider);
    makeOneSessionEach(provider);
    queueLogouts(provider);
    nameServedPath(provider);
    useProviderSignOut(provider, deps);
    useAudit(provider, { ...deps, ...settings });
    useOutage(provider, deps);
    useFormPages(provider);
    useUnknownPath(provider, deps);
    useJwtAccessTokens(provider, deps);
    return provider;
  } finally {
    building = undefined;
  }
}

/** The handler that the library registered for a grant type of its own. */
export function builtInGrant(provider: Provider, name: string): GrantHandler {
  const handler = partsOf(provider).handlers.get(name);
  if (!handler) throw new Error(`no grant type ${name}`);
  return handler;
}

/** A session's new id and the farewell to its old one are one write, and one that ended meanwhile is not written again. */
function handSessionsOver(provider: Provider): void {
  type Stored = Session & { oldId?: string | undefined; iat?: number | undefined };
  const prototype = provider.Session.prototype as Stored;
  const save = prototype.save;
  prototype.save = async function (this: Stored, ttl: number) {
    const { jti, oldId } = this;
    if (oldId !== undefined) this.oldId = undefined;
    savingSessions.set(jti, { known: this.iat !== undefined, replaces: oldId });
    try {
      return await save.call(this, ttl);
    } finally {
      savingSessions.delete(jti);
    }
  };
}

/** Relying parties are told by jobs, which exist when the session has ended, and only then: a slow one keeps nobody waiting. */
function queueLogouts(provider: Provider): void {
  const prototype = provider.Client.prototype as Client & { backchannelLogout(userId: string, sid: string): Promise<void> };
  if (typeof prototype.backchannelLogout !== 'function') throw new Error('oidc-provider no longer sends logout tokens through the client');
  prototype.backchannelLogout = async function (this: Client, userId, sid) {
    units.getStore()?.jobs.push(noticeJob({ issuer: provider.issuer, clientId: this.clientId, userId, sid }));
  };
}

/** Where an endpoint is served under another path, DPoP `htu` and assertion audiences name the path that was called; see `serveAs`. */
function nameServedPath(provider: Provider): void {
  const prototype = provider.OIDCContext.prototype;
  const urlFor = prototype.urlFor;
  prototype.urlFor = function (name, options) {
    const served = (Provider.ctx?.state['servedAs'] as Record<string, string> | undefined)?.[name];
    return served ?? urlFor.call(this, name, options);
  };
}
