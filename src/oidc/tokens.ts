/** The token endpoint: each grant's handler runs inside a unit of work that one statement commits, audit row included. */
import type { Context } from 'koa';
import { errors, type Provider, type TokenEndpointGrantContext } from 'oidc-provider';
import { AppError, unavailable } from '../core/errors.ts';
import type { AuditLog } from '../features/audit/index.ts';
import { offerAgain } from '../http/read-body.ts';
import type { Database } from '../infra/postgres.ts';
import { markAudited, scopeOf, tokenEvent } from './audit.ts';
import { fingerprint, openAnswer, type RefreshDeps, Replayed, sealAnswer, type TokenResponse } from './refresh.ts';
import { findReplay } from './store.ts';
import { flush, type Replay, Unit, units } from './unit-of-work.ts';

export type GrantContext = TokenEndpointGrantContext;
export type GrantHandler = (ctx: GrantContext) => void | Promise<void>;

export interface GrantDeps extends RefreshDeps {
  db: Database;
  audit: AuditLog;
  /** The tenant of the issuer, where no client says another. */
  tenantId: string;
  graceSeconds: number;
}

/** A code that was made without a browser has no redirect URI, and its redemption names none. */
export const NO_REDIRECT = 'urn:gatehouse:no-redirect';

/** Runs one grant. An error of the handler writes nothing, so that what was presented is not burnt. */
export async function runGrant(deps: GrantDeps, handler: GrantHandler, ctx: GrantContext): Promise<void> {
  const unit = new Unit({ deferDeletes: false });
  await units.run(unit, async () => {
    const { params } = ctx.oidc;
    if (params.grant_type === 'authorization_code' && params['redirect_uri'] === undefined && typeof params['code'] === 'string') {
      const code = await ctx.oidc.provider.AuthorizationCode.find(params['code'], { ignoreExpiration: true });
      if (code?.redirectUri === NO_REDIRECT) Object.assign(params, { redirect_uri: NO_REDIRECT });
    }
    try {
      await handler(ctx);
    } catch (error) {
      if (!(error instanceof Replayed)) throw error;
      answerAgain(deps, ctx, error.replay);
      return;
    }
    if (ctx.state['isAction']) return markAudited(ctx);
    const body = bodyOf(ctx);
    const presented = String(params['refresh_token'] ?? '');
    if (unit.joined && unit.replay) adoptSuccessor(unit, body, openAnswer(deps, unit.replay.sealed, presented));
    if (params.grant_type === 'refresh_token' && unit.consume) {
      unit.seal = { key: await fingerprint(ctx), sealed: sealAnswer(deps, body, presented) };
    }
    unit.audit.push(tokenEvent(ctx));
    if (await commit(deps, unit, ctx)) markAudited(ctx);
    else await lost(deps, unit, ctx);
  });
}

/** One statement where the grant wrote something; where it only issued a JWT, the audit row shares its commit with other requests. */
async function commit(deps: GrantDeps, unit: Unit, ctx: GrantContext): Promise<boolean> {
  try {
    const scope = scopeOf(ctx, deps.tenantId);
    if (unit.isEmpty) {
      for (const event of unit.audit) await deps.audit.append(scope, event);
      return true;
    }
    return await flush(deps.db, unit, await deps.audit.rows(scope, unit.audit));
  } catch (error) {
    if ((error as { code?: unknown }).code === '23503') throw new errors.InvalidGrant('the grant was revoked meanwhile');
    throw error instanceof AppError ? error : unavailable(error);
  }
}

/** Another request used the token first: share its answer if this is a repetition, otherwise it is reuse. */
async function lost(deps: GrantDeps, unit: Unit, ctx: GrantContext): Promise<void> {
  const used = unit.consume;
  const row = used && (await findReplay(deps.db, used.model, used.id, deps.graceSeconds));
  if (!row?.in_grace || !row.replay_key || !row.replay) throw new errors.InvalidGrant('already used');
  const replay: Replay = { key: row.replay_key, sealed: row.replay };
  if (replay.key === unit.seal?.key) return answerAgain(deps, ctx, replay);
  // The same refresh token with other parameters (say, a second resource): its own access token, the same successor.
  unit.consume = undefined;
  unit.seal = undefined;
  adoptSuccessor(unit, bodyOf(ctx), openAnswer(deps, replay.sealed, String(ctx.oidc.params['refresh_token'])));
  await commit(deps, unit, ctx);
  markAudited(ctx);
}

function adoptSuccessor(unit: Unit, body: TokenResponse, first: TokenResponse): void {
  if (first.refresh_token) body.refresh_token = first.refresh_token;
  for (const [key, row] of unit.objects) if (row.model === 'RefreshToken') unit.objects.delete(key);
}

function answerAgain(deps: GrantDeps, ctx: GrantContext, replay: Replay): void {
  ctx.body = openAnswer(deps, replay.sealed, String(ctx.oidc.params['refresh_token']));
  ctx.state['replayed'] = true;
}

// The handler that has just returned made it.
const bodyOf = (ctx: GrantContext): TokenResponse => ctx.body as TokenResponse;

/** Serves one of oidc-provider's endpoints under another path: DPoP `htu` and assertion audiences name the path the client called. */
export function serveAs(ctx: Context, provider: Provider, route: string, form: Record<string, unknown>): void {
  ctx.state['servedAs'] = { [route]: `${provider.issuer}${ctx.path}` };
  ctx.url = provider.pathFor(route);
  ctx.req.headers['content-type'] = 'application/x-www-form-urlencoded';
  offerAgain(ctx.req, formOf(form));
}

/** As the body of a form (RFC 6749 appendix B). */
function formOf(fields: Readonly<Record<string, unknown>>): Buffer {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(fields))
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) form.append(name, String(one));
  return Buffer.from(form.toString());
}
