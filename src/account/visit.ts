/** Whoever is at their own pages, and how they get there. */
import { randomBytes } from 'node:crypto';
import type { Context } from 'koa';
import { pickLocale } from '../core/messages/catalogue.ts';
import { currentRequest, type Scope } from '../core/scope.ts';
import type { SessionCommandDeps } from '../features/sessions/commands.ts';
import type { SessionQueryDeps } from '../features/sessions/queries.ts';
import type { Csrf } from '../http/csrf.ts';
import type { PageBase } from '../http/pages.ts';
import { readForm } from '../http/read-body.ts';
import { showCommonPage, type View } from '../http/view.ts';
import { checkForm } from '../login/flow.ts';
import { findPerson, type Person } from '../login/people-store.ts';
import type { BrowserSession } from '../oidc/sessions.ts';
import { ACCOUNT_CLIENT_ID, type OverviewDeps } from './overview.ts';
import type { AccountFlow } from './password.ts';

export interface AccountRoutesDeps extends AccountFlow, OverviewDeps {
  sessions: SessionQueryDeps & SessionCommandDeps;
  browserSession(ctx: Context): Promise<BrowserSession | undefined>;
  /** Whether the session is older, or was idle for longer, than the tenant allows. */
  isTooOld(session: BrowserSession, tenantId: string): Promise<boolean>;
  /** Ends the membership of the person who acts. Throws 404 where there is none that could end, 409 for the last owner. */
  leaveTenant(scope: Scope, tenantId: string): Promise<void>;
  /** Answers a browser whose session has ended by the way to the provider that its person came by; false where it is to be answered as ever. */
  leaveForProvider(ctx: Context, signedOut: { userId: string; sealed: Buffer }): Promise<boolean>;
  view: View;
  csrf: Csrf;
}

export interface Visit {
  ctx: Context;
  session: BrowserSession;
  person: Person;
  scope: Scope;
  page: PageBase & { csrf: string };
}

/** Undefined where nobody is signed in in this browser, or longer ago than their home allows. */
export async function arrive(deps: AccountRoutesDeps, ctx: Context): Promise<Visit | undefined> {
  const session = await deps.browserSession(ctx);
  const person = session && (await findPerson(deps.db, session.userId));
  if (!session || !person?.active || (await deps.isTooOld(session, person.homeTenantId))) return undefined;
  const scope: Scope = {
    tenantId: person.homeTenantId,
    actor: { type: 'user', id: person.id },
    request: requestFacts(),
    permissions: new Set(),
    platform: false,
    session: {
      amr: session.amr,
      ...(session.acr ? { acr: session.acr } : {}),
      ...(session.authTime ? { authTime: session.authTime } : {}),
    },
  };
  const page = { locale: pickLocale(person.locale, ctx.get('accept-language')), csrf: deps.csrf.token(`account:${session.id}`) };
  return { ctx, session, person, scope, page };
}

/** Through the authorization endpoint as any application; what comes back is only looked at for having come back. */
export function startSignIn(deps: Pick<AccountRoutesDeps, 'view'>, ctx: Context): void {
  if (ctx.query['code'] !== undefined || ctx.query['error'] !== undefined) {
    // Whoever is refused, as at the host of a tenant they are no member of, may be somebody else there.
    const href = ctx.query['error'] === 'access_denied' ? signInUrl('login') : '/account';
    const link = { href, text: 'frame.try_again' } as const;
    showCommonPage(ctx, deps.view, 'message', { locale: localeOf(ctx), title: 'login.again', link }, { status: 401 });
    return;
  }
  seeOther(ctx, signInUrl());
}

/** Where a sign-in at the account application begins; `prompt` and `more` as OpenID Connect has them, `note` comes back in `state`. */
export function signInUrl(prompt?: 'login' | 'create', more: Readonly<Record<string, string>> = {}, note?: string): string {
  const { issuer } = requestFacts();
  const request = new URLSearchParams({
    client_id: ACCOUNT_CLIENT_ID,
    redirect_uri: `${issuer}/account`,
    response_type: 'code',
    scope: 'openid',
    state: [randomBytes(16).toString('base64url'), ...(note === undefined ? [] : [note])].join('.'),
    // No token is ever asked for, so nobody keeps the verifier.
    code_challenge: randomBytes(32).toString('base64url'),
    code_challenge_method: 'S256',
    ...(prompt === undefined ? {} : { prompt }),
    ...more,
  });
  return `/auth?${request}`;
}

/** The form that was posted. Throws 403 where it is not this session's; `path` is how that is recorded. */
export async function readPosted(
  deps: AccountRoutesDeps,
  { ctx, session, scope }: Visit,
  path: string = ctx.path,
): Promise<Readonly<Record<string, string>>> {
  const form = await readForm(ctx.req);
  await checkForm(deps.audit, scope, path, () =>
    deps.csrf.check(`account:${session.id}`, form['_csrf'], ctx.req.headers, scope.request.issuer),
  );
  return form;
}

export const localeOf = (ctx: Context): string => pickLocale(ctx.get('accept-language'));

export const requestFacts = () => currentRequest.getStore() ?? { id: '', address: '', device: '', issuer: '' };

export function seeOther(ctx: Context, url: string): void {
  ctx.status = 303;
  ctx.set('location', url);
  ctx.body = '';
}
