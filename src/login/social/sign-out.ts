/** Signing out here goes on at the provider that somebody came by (OpenID Connect RP-Initiated Logout 1.0), and from there to where it would have led. */
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { Context, Middleware } from 'koa';
import { type Clock, epochSeconds } from '../../core/clock.ts';
import { AppError } from '../../core/errors.ts';
import { newSecret } from '../../core/ids.ts';
import { pickLocale } from '../../core/messages/catalogue.ts';
import { anonymousScope, currentRequest } from '../../core/scope.ts';
import type { AuditLog } from '../../features/audit/index.ts';
import type { Connection, ConnectionCache } from '../../features/connections/index.ts';
import { showCommonPage, type View } from '../../http/view.ts';
import type { SecretBox } from '../../infra/secret-box.ts';
import type { ExternalIdentity } from '../method.ts';
import { showLoginPage } from '../views/pages.ts';
import { UpstreamRefused } from './provider.ts';
import type { Upstreams } from './upstreams.ts';

export interface ProviderSignOutDeps {
  clock: Clock;
  box: SecretBox;
  audit: AuditLog;
  connections: ConnectionCache;
  upstreams: Upstreams;
}

/** What the session keeps of how it came about. */
const Kept = Type.Object({ userId: Type.String(), connectionId: Type.String(), idToken: Type.Optional(Type.String()) });
/** What the browser keeps while it is at the provider. */
const Pending = Type.Object({
  connectionId: Type.String(),
  state: Type.String(),
  /** Seconds since the epoch. */
  until: Type.Integer(),
  /** Where it goes on to; the page that says that they are signed out where nothing is said. */
  returnTo: Type.Optional(Type.String()),
});

const SESSION = 'upstream-session';
/** Longer ones are not kept: the provider asks the person instead, or not. */
const LONGEST_ID_TOKEN = 16_384;
const SECONDS = 600;
/** What browsers take, name and attributes included (RFC 6265 section 6.1). */
const LONGEST_COOKIE = 3800;
const BACK = /^\/login\/signed-out\/([0-9a-f-]{36})$/;

/** Where the provider sends the browser back to; to be registered there beside the redirect URI. */
export const signedOutPath = (connectionId: string): string => `/login/signed-out/${connectionId}`;

/** The ID token where it will be used: the connection sends people on to sign out, and it is not too long to be kept. */
export const keptToken = ({ options }: Pick<Connection, 'options'>, { claims: { idToken } }: ExternalIdentity): string | undefined =>
  options.logoutAtProvider && typeof idToken === 'string' && idToken.length <= LONGEST_ID_TOKEN ? idToken : undefined;

/** What is kept with the session of somebody who came by that identity, sealed; undefined where the connection does not ask for it. */
export async function sealProvider(
  { box, connections }: Pick<ProviderSignOutDeps, 'box' | 'connections'>,
  userId: string,
  identity: ExternalIdentity,
): Promise<string | undefined> {
  const { connectionId } = identity;
  const connection = await connections.find(connectionId);
  if (!connection?.options.logoutAtProvider) return undefined;
  const kept = { userId, connectionId, idToken: keptToken(connection, identity) };
  return box.seal(JSON.stringify(kept), SESSION).toString('base64');
}

export interface SignedOut {
  userId: string;
  /** As `sealProvider` made it. */
  sealed: Buffer;
  /** Where the browser goes otherwise; the page that says that they are signed out where nothing is said. */
  returnTo?: string | undefined;
}

/**
 * Answers a browser whose session has just ended with the page that leads to its provider. False, having answered nothing, where the connection
 * is gone or says otherwise, or the provider has nowhere to sign out or cannot be asked in time: then it goes where it would have gone. Never throws.
 */
export async function leaveForProvider(deps: ProviderSignOutDeps & { view: View }, ctx: Context, signedOut: SignedOut): Promise<boolean> {
  try {
    return await leave(deps, ctx, signedOut);
  } catch {
    // They are signed out here, which is what was asked for.
    return false;
  }
}

async function leave(deps: ProviderSignOutDeps & { view: View }, ctx: Context, { userId, sealed, returnTo }: SignedOut): Promise<boolean> {
  const kept: unknown = JSON.parse(deps.box.open(sealed, SESSION).toString('utf8'));
  if (!Value.Check(Kept, kept) || kept.userId !== userId) return false;
  const { connectionId, idToken } = kept;
  const connection = await deps.connections.find(connectionId);
  if (!connection?.enabled || !connection.options.logoutAtProvider) return false;
  const issuer = issuerNow();
  const state = newSecret();
  const until = epochSeconds(deps.clock.now()) + SECONDS;
  const pending = JSON.stringify({ connectionId, state, until, ...(returnTo === undefined ? {} : { returnTo }) });
  const cookie = deps.box.seal(pending, contextAt(issuer)).toString('base64url');
  const scope = { ...anonymousScope(connection.tenantId), actor: { type: 'user', id: userId } } as const;
  const event = { type: 'upstream_logout.sent', target: { type: 'connection', id: connectionId }, personId: userId } as const;
  try {
    if (cookie.length > LONGEST_COOKIE) throw new UpstreamRefused('logout.too_long');
    const locale = localeOf(ctx);
    const url = await deps.upstreams.endSession(connection, { idToken, returnUri: issuer + signedOutPath(connectionId), state, locale });
    await deps.audit.append(scope, { ...event, outcome: 'success' });
    ctx.remove('location');
    showLoginPage(ctx, deps.view, 'signing-out', { locale, name: connection.name, url: url.href, refresh: url.href });
    setCookie(ctx, issuer, cookie, SECONDS);
    return true;
  } catch (error) {
    if (!(error instanceof UpstreamRefused)) throw error;
    await deps.audit.append(scope, { ...event, outcome: 'failure', reason: error.reason });
    return false;
  }
}

/**
 * Where the provider sends the browser back to. It goes on only where this browser was sent there, by exactly the state that comes back, and
 * only to where it was to go then: nothing in the address leads anywhere.
 */
export function signedOutPages(deps: Pick<ProviderSignOutDeps, 'box' | 'clock'> & { view: View }): Middleware {
  return async (ctx, next) => {
    const [, connectionId] = BACK.exec(ctx.path) ?? [];
    if (connectionId === undefined) return next();
    if (ctx.method !== 'GET') {
      ctx.set('allow', 'GET');
      throw new AppError('method.not_allowed', 405, 'This method is not known here');
    }
    ctx.set('cache-control', 'no-store');
    const issuer = issuerNow();
    const pending = pendingIn(deps, ctx, issuer);
    const states = new URLSearchParams(ctx.querystring).getAll('state');
    const isThis = pending?.connectionId === connectionId && states.length === 1 && states[0] === pending.state;
    if (isThis) setCookie(ctx, issuer, '', 0);
    if (isThis && pending.returnTo !== undefined) {
      ctx.status = 303;
      ctx.set('location', pending.returnTo);
      ctx.body = '';
      return;
    }
    ctx.set('clear-site-data', '"cache", "storage"');
    showCommonPage(ctx, deps.view, 'logged-out', { locale: localeOf(ctx), signInUrl: '/account' });
  };
}

function pendingIn({ box, clock }: Pick<ProviderSignOutDeps, 'box' | 'clock'>, ctx: Context, issuer: string) {
  const sealed = ctx.cookies.get(nameAt(issuer), { signed: false });
  if (!sealed) return undefined;
  try {
    const pending: unknown = JSON.parse(box.open(Buffer.from(sealed, 'base64url'), contextAt(issuer)).toString('utf8'));
    return Value.Check(Pending, pending) && pending.until > epochSeconds(clock.now()) ? pending : undefined;
  } catch {
    return undefined;
  }
}

const issuerNow = (): string => currentRequest.getStore()?.issuer ?? '';
const contextAt = (issuer: string): string => `signed-out ${issuer}`;
const isHttps = (issuer: string): boolean => issuer.startsWith('https:');
const nameAt = (issuer: string): string => (isHttps(issuer) ? '__Secure-gh_signed_out' : 'gh_signed_out');

function setCookie(ctx: Context, issuer: string, value: string, seconds: number): void {
  const secure = isHttps(issuer) ? '; Secure' : '';
  ctx.append('set-cookie', `${nameAt(issuer)}=${value}; Path=/login/signed-out; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`);
}

function localeOf(ctx: Context): string {
  const { ui_locales: wished } = ctx.query;
  return pickLocale(typeof wished === 'string' ? wished : undefined, ctx.get('accept-language'));
}
