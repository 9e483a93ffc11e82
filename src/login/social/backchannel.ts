/** `POST /login/backchannel/{connection}`: a provider says that somebody's session there is over (OpenID Connect Back-Channel Logout 1.0). */
import type { Middleware } from 'koa';
import { AppError } from '../../core/errors.ts';
import { anonymousScope, type Scope } from '../../core/scope.ts';
import type { AuditLog } from '../../features/audit/index.ts';
import type { ConnectionCache } from '../../features/connections/index.ts';
import { readForm } from '../../http/read-body.ts';
import { addressKey, type Limits, RULES } from '../../infra/limits.ts';
import type { Database } from '../../infra/postgres.ts';
import type { ExternalIdentity } from '../method.ts';
import { LOGOUT_TOKEN_SECONDS, type LogoutClaims, UpstreamRefused } from './provider.ts';
import type { Resolved } from './resolve.ts';
import { subjectsOfSession } from './store.ts';
import type { Upstreams } from './upstreams.ts';

/** OpenID Connect Back-Channel Logout 1.0 section 2.6: what was accepted once is not accepted again. `until` in seconds since the epoch. */
export interface ReplayGuard {
  first(connectionId: string, jti: string, until: number): Promise<boolean>;
  forget(connectionId: string, jti: string): Promise<void>;
}

export interface BackchannelDeps {
  db: Database;
  audit: AuditLog;
  limits: Limits;
  connections: ConnectionCache;
  upstreams: Upstreams;
  once: ReplayGuard;
  /** Whose an identity is: the only way from one to a person. */
  whose(scope: Scope, identity: ExternalIdentity): Promise<Resolved>;
  /** Ends every session of a person, and what hangs on them; what was given with `offline_access` goes on. */
  endSessionsOf(scope: Scope, userId: string): Promise<unknown>;
}

const PATH = /^\/login\/backchannel\/([0-9a-f-]{36})$/;

export function backchannelLogout(deps: BackchannelDeps): Middleware {
  return async (ctx, next) => {
    const [, id] = PATH.exec(ctx.path) ?? [];
    if (id === undefined) return next();
    if (ctx.method !== 'POST') {
      ctx.set('allow', 'POST');
      throw new AppError('method.not_allowed', 405, 'This method is not known here');
    }
    ctx.set('cache-control', 'no-store');
    const connection = await deps.connections.find(id);
    if (!connection?.enabled || !connection.options.upstreamLogout) throw new AppError('connection.not_found', 404, 'Not found');
    const scope = anonymousScope(connection.tenantId);
    // Checking a signature costs as much as signing in.
    await deps.limits.consume(RULES.loginByAddress, addressKey(scope.request.address));
    const { logout_token: token = '' } = await readForm(ctx.req);
    const target = { type: 'connection', id } as const;
    try {
      const claims = await deps.upstreams.judgeLogout(connection, token);
      // Older than this it is refused for its age.
      if (!(await deps.once.first(id, claims.jti, claims.issuedAt + LOGOUT_TOKEN_SECONDS))) throw new UpstreamRefused('logout_token.jti');
      await endAll(deps, scope, id, claims).catch(async (error: unknown) => {
        // The provider sends it again.
        await deps.once.forget(id, claims.jti);
        throw error;
      });
      await deps.limits.refund(RULES.loginByAddress, addressKey(scope.request.address));
      await deps.audit.append(scope, { type: 'upstream_logout.received', outcome: 'success', target });
      ctx.status = 200;
      ctx.body = '';
    } catch (error) {
      if (!(error instanceof UpstreamRefused)) throw error;
      await deps.audit.append(scope, { type: 'upstream_logout.refused', outcome: 'failure', reason: error.reason, target });
      // Section 2.8.
      ctx.status = 400;
      ctx.body = { error: 'invalid_request' };
    }
  };
}

async function endAll(deps: BackchannelDeps, scope: Scope, connectionId: string, claims: LogoutClaims): Promise<void> {
  for (const subject of await subjectsOf(deps, connectionId, claims)) {
    const found = await deps.whose(scope, { connectionId, subject, claims: {} });
    if (!('refused' in found)) await deps.endSessionsOf(scope, found.userId);
  }
}

/** A token names the person, or their session there, or both. */
async function subjectsOf({ db }: BackchannelDeps, connectionId: string, { subject, sid }: LogoutClaims): Promise<string[]> {
  if (subject !== undefined) return [subject];
  return sid === undefined ? [] : subjectsOfSession(db, connectionId, sid);
}
