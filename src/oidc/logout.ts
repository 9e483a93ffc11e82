/** Tells relying parties that a session ended (OpenID Connect Back-Channel Logout 1.0), by jobs of their own. */
import { SignJWT } from 'jose';
import { type Clock, epochSeconds } from '../core/clock.ts';
import { newId } from '../core/ids.ts';
import type { LogoutNotice } from '../features/sessions/index.ts';
import { SIGNING_ALGS } from '../features/signing-keys/index.ts';
import type { CachedClient } from './clients.ts';
import type { Keys } from './keys.ts';

export interface LogoutDeps {
  clients: { find(clientId: string): Promise<CachedClient | undefined> };
  keys: Pick<Keys, 'signingKey'>;
  clock: Clock;
  /** Guarded; bounded in time. */
  fetch: typeof globalThis.fetch;
  count?(name: string, labels: Record<string, string>): void;
}

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
/** Section 2.4 recommends at most two minutes. */
const LIFE_SECONDS = 120;

export interface Logout {
  /** The handler of job `logout.notify`: throws to be tried again. */
  deliver(payload: unknown): Promise<void>;
}

export function createLogout(deps: LogoutDeps): Logout {
  return {
    async deliver(payload) {
      const notice = asNotice(payload);
      const client = await deps.clients.find(notice.clientId);
      const uri = client?.metadata['backchannel_logout_uri'];
      if (!client?.enabled || typeof uri !== 'string') return;
      const response = await deps.fetch(uri, {
        method: 'POST',
        redirect: 'manual',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ logout_token: await logoutToken(deps, client, notice) }).toString(),
      });
      await response.body?.cancel();
      const ok = response.status === 200 || response.status === 204;
      deps.count?.('oidc_backchannel_logout', { outcome: ok ? 'success' : 'failure' });
      if (!ok) throw new Error(`the relying party ${notice.clientId} answered ${response.status} to a logout token`);
    },
  };
}

/** Section 2.4; signed as the client's ID tokens are. */
async function logoutToken(deps: LogoutDeps, client: CachedClient, notice: LogoutNotice): Promise<string> {
  const wanted = client.metadata['id_token_signed_response_alg'];
  const key = deps.keys.signingKey(SIGNING_ALGS.find((alg) => alg === wanted) ?? 'RS256');
  const now = epochSeconds(deps.clock.now());
  return new SignJWT({ sid: notice.sid, events: { [EVENT]: {} } })
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'logout+jwt' })
    .setIssuer(notice.issuer)
    .setSubject(notice.userId)
    .setAudience(notice.clientId)
    .setIssuedAt(now)
    .setExpirationTime(now + LIFE_SECONDS)
    .setJti(newId())
    .sign(key);
}

function asNotice(payload: unknown): LogoutNotice {
  const { issuer, clientId, userId, sid } = (payload ?? {}) as Record<string, unknown>;
  if (![issuer, clientId, userId, sid].every((value) => typeof value === 'string')) throw new TypeError('not a logout notice');
  return { issuer, clientId, userId, sid } as LogoutNotice;
}
