/** A sign-out by the protocol that goes on at the provider which somebody came by. */
import type { Context } from 'koa';
import { Provider, type Session } from 'oidc-provider';
import { findUpstreamOf } from '../features/sessions/store.ts';
import type { Database } from '../infra/postgres.ts';
import { storageKey } from './storage-key.ts';

export interface ProviderSignOutHook {
  db: Database;
  /** Answers the browser instead, or answers false. Never throws. */
  leaveForProvider?: ((ctx: Context, signedOut: { userId: string; sealed: Buffer; returnTo: string }) => Promise<boolean>) | undefined;
}

/** What a session had that ended in this request. */
const ended = new WeakMap<object, { userId: string; sealed: Buffer }>();

/** Sealed, as the sign-in that this request ends has it; undefined where none ends, or nothing is to be kept. */
export function upstreamNow(): string | undefined {
  const login: unknown = Provider.ctx?.oidc?.result?.login;
  return typeof login === 'object' && login !== null && 'upstream' in login && typeof login.upstream === 'string'
    ? login.upstream
    : undefined;
}

/** Registers the middleware; outside of what stores the end of the session, so that nobody leaves before it is stored. */
export function useProviderSignOut(provider: Provider, { db, leaveForProvider }: ProviderSignOutHook): void {
  if (!leaveForProvider) return;
  const prototype = provider.Session.prototype as Session;
  const destroy = prototype.destroy;
  prototype.destroy = async function (this: Session) {
    const { ctx } = Provider;
    const { accountId, uid } = this;
    if (ctx?.oidc.route === 'end_session_confirm' && accountId) {
      const sealed = await findUpstreamOf(db, storageKey(provider.issuer, 'uid', uid), accountId);
      if (sealed) ended.set(ctx, { userId: accountId, sealed });
    }
    return destroy.call(this);
  };
  provider.use(async (ctx, next) => {
    await next();
    const had = ended.get(ctx);
    const returnTo = ctx.response.get('location');
    if (!had || ctx.status !== 303 || isResumed(provider, returnTo)) return;
    await leaveForProvider(ctx, { ...had, returnTo: new URL(returnTo, provider.issuer).href });
  });
}

/** Somebody else has signed in in this browser: the library ends the one session for the other, and nobody asked to sign out. */
const isResumed = (provider: Provider, location: string): boolean =>
  new URL(location, provider.issuer).href.startsWith(`${provider.issuer}/auth/`);
