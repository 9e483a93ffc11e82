/** The session of the browser that makes a request, for pages of ours beside the protocol's. */
import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import type { Accounts } from './accounts.ts';
import { storageKey } from './storage-key.ts';
import { seenAtOf } from './tenant-choice.ts';

export interface BrowserSession {
  /** As features/sessions names it. */
  id: string;
  userId: string;
  /** Seconds since the epoch. */
  authTime: number | undefined;
  acr: string | undefined;
  amr: readonly string[];
  /** When it was last used at the authorization endpoint; seconds since the epoch. */
  usedAt: number | undefined;
  expiresAt: number;
}

export interface AtOwnIssuer {
  accounts: Pick<Accounts, 'findAccount'>;
  /** The tenant whose own issuer this is: its members only have a session there that is worth anything. */
  ownTenant: string | undefined;
}

/** Undefined where the browser is not signed in at this issuer, or its session has ended. Throws 503 where the database is away. */
export async function browserSession(provider: Provider, ctx: Context, at?: AtOwnIssuer): Promise<BrowserSession | undefined> {
  const session = await provider.Session.get(ctx);
  if (!session.accountId || typeof session.exp !== 'number') return undefined;
  if (at?.ownTenant !== undefined) {
    const person = await at.accounts.findAccount(session.accountId);
    if (!person?.memberships.some(({ tenantId }) => tenantId === at.ownTenant)) return undefined;
  }
  return {
    id: storageKey(provider.issuer, 'uid', session.uid),
    userId: session.accountId,
    authTime: session.authTime(),
    acr: session.acr,
    amr: session.amr ?? [],
    usedAt: seenAtOf(session),
    expiresAt: session.exp,
  };
}
