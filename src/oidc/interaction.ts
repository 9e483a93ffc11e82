/** What the login pages see of the protocol: where a person stands, and how they go on. Nothing of oidc-provider leaks out. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { errors, type Grant, type InteractionResults, type Provider } from 'oidc-provider';
import type { AuditEvent } from '../core/audit-event.ts';
import { type Clock, epochSeconds } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import { anonymousScope, type Scope } from '../core/scope.ts';
import type { AuditLog } from '../features/audit/index.ts';
import type { Database } from '../infra/postgres.ts';
import { recordOf } from './client-models.ts';
import { type ClientSummary, summaryOf } from './configuration.ts';
import { type Agreement, saveConsent } from './store.ts';
import { flush, Unit, units } from './unit-of-work.ts';

export interface Interaction {
  uid: string;
  prompt: { name: string; reasons: string[]; details: Record<string, unknown> };
  /** The parameters of the authorization request, validated. */
  params: Record<string, unknown>;
  client: ClientSummary;
  /** Who is signed in in this browser, if anybody. */
  session?: { accountId: string; uid: string; acr?: string; amr?: string[] };
  /** Where the browser goes afterwards, for `form-action`: an origin, or `scheme:` of an app's own scheme. */
  redirectOrigin?: string;
  /** What the person has not agreed to yet. */
  missing?: Missing;
  /** The tenant that consent is for, where that is not the installation's. */
  tenantName?: string;
  /** Those of the person's tenants that they may act in here, where they are asked which. */
  tenants?: readonly TenantToChoose[];
  /** Seconds since the epoch. */
  expiresAt: number;
}

export interface TenantToChoose {
  id: string;
  name: string;
  /** What the person is in it, by name. */
  roles: readonly string[];
}

export interface Missing {
  oidcScopes: string[];
  /** Single claims (OpenID Connect Core section 5.5). */
  claims: string[];
  /** By the API's identifier. */
  resourceScopes: Record<string, string[]>;
  /** Whether access while the person is away is asked for. */
  offline: boolean;
}

export interface LoginResult {
  accountId: string;
  acr: string;
  amr: string[];
  /** False: the session cookie goes with the browser. */
  remember?: boolean;
  /** Seconds since the epoch; now where nothing is said. */
  authTime?: number;
  /** How often the person's access had been ended when they proved who they are; where it is ended before the browser is back, it is not signed in. */
  epoch?: number | undefined;
  /** The provider that they came by, sealed for the session. */
  upstream?: string | undefined;
}

export interface Allowed {
  oidcScopes?: readonly string[];
  claims?: readonly string[];
  resourceScopes?: Readonly<Record<string, readonly string[]>>;
}

/** Each `finish…` answers the URL to send the browser to (303). All throw AppError 400 `interaction.expired` where the cookie or the row is gone. */
export interface Interactions {
  load(req: IncomingMessage, res: ServerResponse): Promise<Interaction>;
  finishLogin(req: IncomingMessage, res: ServerResponse, result: LoginResult): Promise<string>;
  /** Goes on with the person that is signed in, after `select_account`. */
  finishSelection(req: IncomingMessage, res: ServerResponse): Promise<string>;
  /** Goes on in that tenant; whether it is one of the person's is judged again when the browser comes back. */
  finishTenant(req: IncomingMessage, res: ServerResponse, tenantId: string): Promise<string>;
  /** Grants what is missing, or the part of it that was allowed, and remembers it. */
  finishConsent(req: IncomingMessage, res: ServerResponse, allow: Allowed | 'all'): Promise<string>;
  /** Back to the client with an error (OpenID Connect Core section 3.1.2.6). */
  refuse(req: IncomingMessage, res: ServerResponse, error: string, description?: string): Promise<string>;
}

export interface InteractionsDeps {
  /** The provider of the issuer that the request came to. */
  providerOf(req: IncomingMessage): Provider | Promise<Provider>;
  db: Database;
  audit: AuditLog;
  clock: Clock;
}

type Details = Awaited<ReturnType<Provider['interactionDetails']>>;

// Asked for by `prompt`, and answered by any sign-in.
const ANSWERED_BY_LOGIN = ['create', 'login', 'select_account', 'step_up'];

export function createInteractions(deps: InteractionsDeps): Interactions {
  async function details(req: IncomingMessage, res: ServerResponse): Promise<{ provider: Provider; found: Details }> {
    const provider = await deps.providerOf(req);
    return { provider, found: await orExpired(provider.interactionDetails(req, res)) };
  }

  async function finish(req: IncomingMessage, res: ServerResponse, result: InteractionResults): Promise<string> {
    const provider = await deps.providerOf(req);
    return orExpired(provider.interactionResult(req, res, result));
  }

  return {
    async load(req, res) {
      const { provider, found } = await details(req, res);
      const client = await provider.Client.find(String(found.params['client_id']));
      if (!client) throw expired();
      return interactionOf(found, summaryOf(client));
    },

    async finishLogin(req, res, { accountId, acr, amr, remember = true, authTime, epoch, upstream }) {
      const ts = authTime ?? epochSeconds(deps.clock.now());
      const answered = Object.fromEntries(ANSWERED_BY_LOGIN.map((name): [string, object] => [name, {}]));
      const more = { ...(epoch === undefined ? {} : { epoch }), ...(upstream === undefined ? {} : { upstream }) };
      return finish(req, res, { ...answered, login: { accountId, acr, amr, remember, ts, ...more } });
    },

    finishSelection: (req, res) => finish(req, res, { select_account: {} }),

    finishTenant: (req, res, tenantId) => finish(req, res, { tenant: { tenantId } }),

    async finishConsent(req, res, allow) {
      const { provider, found } = await details(req, res);
      const userId = found.session?.accountId;
      const client = await provider.Client.find(String(found.params['client_id']));
      if (!userId || !client) throw expired();
      const unit = new Unit({ deferDeletes: true });
      const { grant, returnTo } = await units.run(unit, async () => {
        const known = found.grantId ? await provider.Grant.find(found.grantId) : undefined;
        const own = known?.accountId === userId ? known : undefined;
        const agreed = own ?? new provider.Grant({ accountId: userId, clientId: client.clientId });
        agree(agreed, missingOf(found), allow);
        const grantId = await agreed.save();
        return { grant: agreed, returnTo: await orExpired(provider.interactionResult(req, res, { consent: { grantId } })) };
      });
      const scope: Scope = { ...anonymousScope(recordOf(client).tenantId, client.clientId), actor: { type: 'user', id: userId } };
      await flush(deps.db, unit, await deps.audit.rows(scope, [consentEvent(client.clientId, grant)]));
      await saveConsent(deps.db, userId, client.clientId, contentsOf(grant));
      return returnTo;
    },

    refuse: (req, res, error, description) => finish(req, res, { error, ...(description ? { error_description: description } : {}) }),
  };
}

const expired = (cause?: unknown): AppError => new AppError('interaction.expired', 400, 'This sign-in has expired', { cause });

async function orExpired<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof errors.SessionNotFound ? expired(error) : error;
  }
}

function interactionOf(found: Details, client: ClientSummary): Interaction {
  const { accountId, uid, acr, amr } = found.session ?? {};
  const redirectOrigin = originOf(found.params['redirect_uri']);
  return {
    uid: found.uid,
    prompt: { name: found.prompt.name, reasons: [...found.prompt.reasons], details: { ...found.prompt.details } },
    params: { ...found.params },
    client,
    expiresAt: found.exp ?? 0,
    ...(accountId && uid ? { session: { accountId, uid, ...(acr ? { acr } : {}), ...(amr ? { amr: [...amr] } : {}) } } : {}),
    ...(redirectOrigin ? { redirectOrigin } : {}),
    ...(found.prompt.name === 'consent' ? { missing: missingOf(found) } : {}),
    ...(typeof found.prompt.details['tenantName'] === 'string' ? { tenantName: found.prompt.details['tenantName'] } : {}),
    ...(found.prompt.name === 'tenant' ? { tenants: tenantsOf(found) } : {}),
  };
}

/** As the prompt of policy.ts has left it. */
const tenantsOf = (found: Details): TenantToChoose[] =>
  [...((found.prompt.details as { tenants?: TenantToChoose[] }).tenants ?? [])].sort((one, other) => one.name.localeCompare(other.name));

function missingOf(found: Details): Missing {
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = found.prompt.details as {
    missingOIDCScope?: string[];
    missingOIDCClaims?: string[];
    missingResourceScopes?: Record<string, string[]>;
  };
  const oidcScopes = missingOIDCScope ?? [];
  return {
    oidcScopes,
    claims: missingOIDCClaims ?? [],
    resourceScopes: missingResourceScopes ?? {},
    offline: oidcScopes.includes('offline_access'),
  };
}

/** What was not allowed is remembered as refused in this grant, so that it is not asked for again in this session. */
function agree(grant: Grant, missing: Missing, allow: Allowed | 'all'): void {
  const split = (wanted: readonly string[], allowed: readonly string[] | undefined): [string[], string[]] => {
    const yes = wanted.filter((scope) => allow === 'all' || scope === 'openid' || allowed?.includes(scope));
    return [yes, wanted.filter((scope) => !yes.includes(scope))];
  };
  const chosen = allow === 'all' ? {} : allow;
  const [yes, no] = split(missing.oidcScopes, chosen.oidcScopes);
  if (yes.length > 0) grant.addOIDCScope(yes.join(' '));
  if (no.length > 0) grant.rejectOIDCScope(no.join(' '));
  const [claims, withheld] = split(missing.claims, chosen.claims);
  if (claims.length > 0) grant.addOIDCClaims(claims);
  if (withheld.length > 0) grant.rejectOIDCClaims(withheld);
  for (const [resource, wanted] of Object.entries(missing.resourceScopes)) {
    const [granted, refused] = split(wanted, chosen.resourceScopes?.[resource]);
    if (granted.length > 0) grant.addResourceScope(resource, granted.join(' '));
    if (refused.length > 0) grant.rejectResourceScope(resource, refused.join(' '));
  }
}

const resourcesOf = (grant: Grant): Record<string, string> =>
  Object.fromEntries(Object.keys(grant.resources ?? {}).map((resource) => [resource, grant.getResourceScope(resource)]));

const contentsOf = (grant: Grant): Agreement => ({
  scope: grant.getOIDCScope(),
  claims: grant.getOIDCClaims().join(' '),
  resources: resourcesOf(grant),
});

const consentEvent = (clientId: string, grant: Grant): AuditEvent => ({
  type: 'consent.granted',
  outcome: 'success',
  target: { type: 'client', id: clientId },
  data: { ...contentsOf(grant) },
});

function originOf(uri: unknown): string | undefined {
  const url = typeof uri === 'string' ? URL.parse(uri) : null;
  if (!url) return undefined;
  return url.protocol === 'http:' || url.protocol === 'https:' ? url.origin : url.protocol;
}
