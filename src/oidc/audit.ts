/**
 * One durable audit row for each protocol request, written before its answer leaves. The library's events only collect facts (they are
 * synchronous, not awaited, and many outcomes have none); the row is made from the route, the facts and the answer by the outermost middleware.
 */
import type { Context } from 'koa';
import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import type { AuditEvent } from '../core/audit-event.ts';
import { anonymousScope, type Scope } from '../core/scope.ts';
import type { AuditLog } from '../features/audit/index.ts';
import type { Database } from '../infra/postgres.ts';
import { recordOf } from './client-models.ts';
import { answerUnavailable, type OutageDeps } from './outage.ts';
import { actingTenantOf, TenantRefused } from './tenant-choice.ts';
import { flush, Unit, units } from './unit-of-work.ts';

export interface AuditDeps extends OutageDeps {
  db: Database;
  audit: AuditLog;
  /** The tenant of the issuer, where no client says another. */
  tenantId: string;
  /** Counts answers: `token` by `grantType`, `introspection` by `active`, `userinfo`. The last two, where they succeed, are not audited. */
  count(name: string, labels: Record<string, string>): void;
}

type ProtocolError = Error & { error?: string; error_detail?: string };

interface Facts {
  error?: ProtocolError;
  prompt?: string;
  accepted?: boolean;
  grantsRevoked: number;
}

const ERRORS = [
  'grant',
  'introspection',
  'revocation',
  'userinfo',
  'authorization',
  'pushed_authorization_request',
  'end_session',
  'end_session_confirm',
  'end_session_success',
] as const;

// Routes whose writes are committed with their audit row. The token endpoint has units of its own; the others write nothing.
const IN_UNIT = /^\/(?:auth|session\/end)(?:\/|$)|^\/(?:request|token\/revocation)$/;

const collected = new WeakMap<object, Facts>();
const audited = new WeakSet<object>();

function factsOf(ctx: object): Facts {
  let facts = collected.get(ctx);
  if (!facts) {
    facts = { grantsRevoked: 0 };
    collected.set(ctx, facts);
  }
  return facts;
}

/** Says that the row of this request is stored already, or that the request is somebody else's to record. */
export const markAudited = (ctx: object): void => void audited.add(ctx);

/** Whose request it is, as far as the protocol knows by now. A client counts only once it has authenticated. */
export function scopeOf(ctx: KoaContextWithOIDC, tenantId: string): Scope {
  const { client, entities } = ctx.oidc;
  const known = client && !(collected.get(ctx)?.error instanceof errors.InvalidClientAuth) ? client : undefined;
  const userId = entities.Account?.accountId ?? entities.Session?.accountId ?? entities.AccessToken?.accountId;
  const scope = anonymousScope(actingTenantOf(ctx) ?? (known ? recordOf(known).tenantId : tenantId), known?.clientId);
  if (userId) return { ...scope, actor: { type: 'user', id: userId } };
  return known && entities.ClientCredentials ? { ...scope, actor: { type: 'client', id: known.clientId } } : scope;
}

/** The event of tokens that were issued. */
export function tokenEvent(ctx: KoaContextWithOIDC): AuditEvent {
  const { params, entities, client } = ctx.oidc;
  const token = entities.AccessToken ?? entities.ClientCredentials;
  return {
    type: 'token.issued',
    outcome: 'success',
    target: client && { type: 'client', id: client.clientId },
    data: {
      grantType: params?.['grant_type'],
      ...(token?.aud ? { audience: token.aud } : {}),
      ...(token?.scope ? { scope: token.scope } : {}),
    },
  };
}

/** Registers the middleware that stores what a request did; call it before any other `provider.use` but what waits for that. */
export function useAudit(provider: Provider, deps: AuditDeps): void {
  const emitter: NodeJS.EventEmitter = provider;
  for (const name of ERRORS) {
    emitter.on(`${name}.error`, (ctx: object, error: ProtocolError) => {
      factsOf(ctx).error = error;
    });
  }
  provider.on('server_error', (ctx, error) => {
    factsOf(ctx).error = error;
  });
  provider.on('interaction.started', (ctx, prompt) => {
    factsOf(ctx).prompt = prompt.name;
  });
  provider.on('authorization.success', (ctx) => {
    factsOf(ctx).accepted = true;
  });
  provider.on('grant.revoked', (ctx) => {
    factsOf(ctx).grantsRevoked += 1;
  });

  provider.use(async (ctx, next) => {
    const unit = IN_UNIT.test(ctx.path) ? new Unit({ deferDeletes: true }) : undefined;
    await (unit ? units.run(unit, next) : next());
    try {
      // What failed half-way is not written at all.
      await record(ctx, ctx.status >= 500 ? undefined : unit, deps);
    } catch (error) {
      await answerUnavailable(ctx, deps, error);
    }
  });
}

async function record(ctx: Context, unit: Unit | undefined, deps: AuditDeps): Promise<void> {
  const protocol = protocolContext(ctx);
  if (protocol?.oidc.route === 'token' && ctx.status === 200)
    deps.count('token', { grantType: String(protocol.oidc.params?.['grant_type']) });
  const event = protocol && describe(protocol, factsOf(ctx), deps);
  // Most answers to programs leave nothing behind.
  if (!event && !unit) return;
  const scope = protocol && scopeOf(protocol, deps.tenantId);
  if (unit && !unit.isEmpty) {
    const events = [...unit.audit, ...(event ? [event] : [])];
    const rows = scope ? await deps.audit.rows(scope, events) : [];
    let won = await flush(deps.db, unit, rows);
    if (!won && unit.finishes !== undefined) {
      unit.join();
      won = await flush(deps.db, unit, rows);
    }
    if (!won && scope) await refuseSecondUse(ctx, scope, deps);
    return;
  }
  if (!scope) return;
  for (const one of [...(unit?.audit ?? []), ...(event ? [event] : [])]) await deps.audit.append(scope, one);
}

/** The pushed request was used by another tab at this instant (RFC 9126 section 4): nothing of this one was written. */
async function refuseSecondUse(ctx: Context, scope: Scope, deps: AuditDeps): Promise<void> {
  for (const name of ['set-cookie', 'location', 'content-type']) ctx.remove(name);
  ctx.status = 400;
  await deps.pages.error(ctx, { status: 400, error: 'invalid_request_uri', description: 'the request was used before' });
  await deps.audit.append(scope, { type: 'authorization.refused', outcome: 'failure', reason: 'invalid_request_uri' });
}

function protocolContext(ctx: Context): KoaContextWithOIDC | undefined {
  return 'oidc' in ctx ? (ctx as unknown as KoaContextWithOIDC) : undefined;
}

function describe(ctx: KoaContextWithOIDC, facts: Facts, deps: AuditDeps): AuditEvent | undefined {
  const { oidc } = ctx;
  if (audited.has(ctx) || ctx.method === 'OPTIONS') return undefined;
  const { entities, params } = oidc;
  // A JWT that the library refuses to look at is answered by introspection.ts; its refusal is none.
  const error = facts.error instanceof errors.UnsupportedTokenType && ctx.status === 200 ? undefined : facts.error;
  if (error) return refusal(ctx, error, facts);

  const target = oidc.client && { type: 'client', id: oidc.client.clientId };
  const success = (type: string, data?: Record<string, unknown>): AuditEvent => ({
    type,
    outcome: 'success',
    target,
    ...(data ? { data } : {}),
  });
  switch (oidc.route) {
    case 'token':
      return success(ctx.state['replayed'] ? 'token.replayed' : 'token.issued', { grantType: params?.['grant_type'] });
    case 'introspection':
      deps.count('introspection', { active: String(isActive(ctx.body)) });
      return undefined;
    case 'userinfo':
      deps.count('userinfo', {});
      return undefined;
    case 'revocation':
      return success('token.revoked', { grantsRevoked: facts.grantsRevoked });
    case 'authorization':
    case 'resume':
      if (facts.prompt) return success('interaction.started', { prompt: facts.prompt });
      return facts.accepted ? success('authorization.granted', { scope: entities.AuthorizationCode?.scope }) : undefined;
    case 'end_session_confirm':
      // Who would rather stay leaves the application they came from, and nothing else.
      return success(params?.['logout'] ? 'session.ended' : 'session.kept', { grantsRevoked: facts.grantsRevoked });
    case 'pushed_authorization_request':
      return success('authorization.pushed');
    default:
      return undefined; // jwks, discovery, pages
  }
}

/** A signed answer tells nobody but its client. */
const isActive = (body: unknown): boolean => typeof body === 'object' && body !== null && 'active' in body && body.active === true;

const NAMES: Readonly<Record<string, string>> = {
  resume: 'authorization',
  pushed_authorization_request: 'authorization',
  end_session: 'session',
  end_session_confirm: 'session',
  end_session_success: 'session',
};

function refusal(ctx: KoaContextWithOIDC, error: ProtocolError, facts: Facts): AuditEvent {
  const { oidc } = ctx;
  if (error instanceof TenantRefused)
    return { type: 'tenant.refused', outcome: 'failure', reason: error.reason, data: { route: oidc.route } };
  const unauthenticated = error instanceof errors.InvalidClientAuth;
  const claimed = oidc.client?.clientId ?? oidc.params?.['client_id'];
  const data = {
    route: oidc.route,
    ...(unauthenticated && typeof claimed === 'string' && /^[A-Za-z0-9_.~:-]{1,256}$/.test(claimed) ? { claimedClientId: claimed } : {}),
    ...(detailOf(error) ? { detail: detailOf(error) } : {}),
    ...(facts.grantsRevoked ? { grantsRevoked: facts.grantsRevoked } : {}),
  };
  return {
    type: unauthenticated ? 'client.authentication_failed' : `${NAMES[oidc.route] ?? oidc.route}.refused`,
    outcome: 'failure',
    reason: error.error ?? 'server_error',
    data,
  };
}

// The library's own words for the true reason; any other text may repeat what was sent, and rows hold codes only.
const DETAILS: ReadonlySet<string> = new Set([
  'invalid secret provided',
  'client not found',
  'authorization code not found',
  'authorization code is expired',
  'authorization code already consumed',
  'authorization code redirect_uri mismatch',
  'PKCE verification failed',
  'refresh token not found',
  'refresh token is expired',
  'refresh token already used',
  'already used',
  'not an active member of the tenant',
  'the sign-in is too old for the tenant',
  'the sign-in is too weak for the tenant',
  'client mismatch',
  'grant not found',
  'grant is expired',
  'the grant was revoked meanwhile',
  'failed jkt verification',
  'failed x5t#S256 verification',
  'client certificate was not provided',
  'client certificate was not verified',
  'certificate subject value does not match the registered one',
  'unregistered client certificate provided',
  'mutual TLS client certificate not provided',
  'access token not found',
  'the provided authentication mechanism does not match the registered client authentication method',
  'interaction session not found',
  'authorization request has expired',
]);

function detailOf({ error_detail: detail }: ProtocolError): string | undefined {
  return detail !== undefined && DETAILS.has(detail) ? detail.replaceAll(/[^A-Za-z]+/g, '_').toLowerCase() : undefined;
}
