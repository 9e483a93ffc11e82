/** `/account`: a person's own page, for whoever is signed in in this browser. */
import { randomBytes } from 'node:crypto';
import type { Context, Middleware } from 'koa';
import { pickLocale } from '../core/messages/catalogue.ts';
import { currentRequest, type Scope } from '../core/scope.ts';
import { endSessions, type SessionCommandDeps, withdrawGrants } from '../features/sessions/commands.ts';
import { listSessions, type SessionQueryDeps } from '../features/sessions/queries.ts';
import type { Csrf } from '../http/csrf.ts';
import { pageRouter, servePages } from '../http/page-router.ts';
import type { PageBase } from '../http/pages.ts';
import { readForm } from '../http/read-body.ts';
import { showCommonPage, type View } from '../http/view.ts';
import { checkForm } from '../login/flow.ts';
import { findPerson, type Person } from '../login/people-store.ts';
import type { BrowserSession } from '../oidc/sessions.ts';
import { ACCOUNT_CLIENT_ID, accountOverview, nameOf, type OverviewDeps } from './overview.ts';
import { type AccountFlow, changeOwnPassword } from './password.ts';
import { showAccountPage } from './views/pages.ts';

export { ACCOUNT_CLIENT_ID } from './overview.ts';

export interface AccountRoutesDeps extends AccountFlow, OverviewDeps {
  sessions: SessionQueryDeps & SessionCommandDeps;
  browserSession(ctx: Context): Promise<BrowserSession | undefined>;
  view: View;
  csrf: Csrf;
}

interface Visit {
  ctx: Context;
  session: BrowserSession;
  person: Person;
  scope: Scope;
  page: PageBase & { csrf: string };
}

type Handler = (deps: AccountRoutesDeps, visit: Visit) => Promise<void>;

/** Answers `/account` and what is below; lets other paths pass. */
export function accountRoutes(deps: AccountRoutesDeps): Middleware {
  const visited = (handle: Handler) => (ctx: Context) => visitedBy(deps, ctx, handle);
  const router = pageRouter()
    .get('/account', visited(overview))
    .post('/account', visited(decide))
    .get('/account/password', visited(passwordForm))
    .post('/account/password', visited(changePassword))
    .get('/account/sign-out', visited(signOutForm))
    .post('/account/sign-out', visited(signOut));
  return servePages(router);
}

async function visitedBy(deps: AccountRoutesDeps, ctx: Context, handle: Handler): Promise<void> {
  ctx.set('cache-control', 'no-store');
  const visit = await arrive(deps, ctx);
  if (!visit) return startSignIn(deps, ctx);
  // Back from the sign-in: the code is not needed, the session is there.
  if (ctx.method !== 'POST' && (ctx.query['code'] !== undefined || ctx.query['error'] !== undefined)) return seeOther(ctx, ctx.path);
  return handle(deps, visit);
}

async function arrive(deps: AccountRoutesDeps, ctx: Context): Promise<Visit | undefined> {
  const session = await deps.browserSession(ctx);
  const person = session && (await findPerson(deps.db, session.userId));
  if (!session || !person?.active) return undefined;
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
function startSignIn(deps: AccountRoutesDeps, ctx: Context): void {
  const locale = pickLocale(ctx.get('accept-language'));
  if (ctx.query['code'] !== undefined || ctx.query['error'] !== undefined) {
    const link = { href: '/account', text: 'frame.try_again' } as const;
    showCommonPage(ctx, deps.view, 'message', { locale, title: 'login.again', link }, { status: 401 });
    return;
  }
  const { issuer } = requestFacts();
  const request = new URLSearchParams({
    client_id: ACCOUNT_CLIENT_ID,
    redirect_uri: `${issuer}/account`,
    response_type: 'code',
    scope: 'openid',
    state: randomBytes(16).toString('base64url'),
    // No token is ever asked for, so nobody keeps the verifier.
    code_challenge: randomBytes(32).toString('base64url'),
    code_challenge_method: 'S256',
  });
  seeOther(ctx, `/auth?${request}`);
}

async function overview(deps: AccountRoutesDeps, { ctx, session, person, page }: Visit, more: PageBase = {}): Promise<void> {
  const shown = await accountOverview(deps, person, session);
  showAccountPage(ctx, deps.view, 'account', {
    ...page,
    notice: noticeOf(ctx),
    ...more,
    ...shown,
    action: '/account',
    signOutUrl: '/account/sign-out',
  });
}

const noticeOf = (ctx: Context): PageBase['notice'] => (ctx.query['done'] === 'password' ? 'account_password.done' : undefined);

async function decide(deps: AccountRoutesDeps, visit: Visit): Promise<void> {
  const { scope, session, person } = visit;
  const { decision = '' } = await readPosted(deps, visit);
  const [verb = '', id = ''] = splitOnce(decision);
  if (verb === 'end' && id !== '') {
    const own = (await listSessions(deps.sessions, person.id)).some((one) => one.id === id && one.id !== session.id);
    if (own) await endSessions(deps.sessions, scope, person.id, [id], { offlineToo: true });
    return overview(deps, visit, { notice: 'account.ended' });
  }
  if (decision === 'end-others') {
    const others = (await listSessions(deps.sessions, person.id)).filter((one) => one.id !== session.id).map((one) => one.id);
    const count = await endSessions(deps.sessions, scope, person.id, others, { offlineToo: true });
    return overview(deps, visit, { notice: { key: 'account.others_ended', values: { count } } });
  }
  if (verb === 'withdraw' && id !== '') {
    const client = await deps.clientOf(id);
    await withdrawGrants(deps.sessions, scope, person.id, id);
    return overview(deps, visit, { notice: { key: 'account.withdrawn', values: { client: client?.name ?? id } } });
  }
  return overview(deps, visit);
}

async function passwordForm(deps: AccountRoutesDeps, { ctx, person, page }: Visit): Promise<void> {
  const shown = { ...page, email: person.email, minLength: deps.passwords.minLength, backUrl: '/account' };
  showAccountPage(ctx, deps.view, 'account-password', shown);
}

async function changePassword(deps: AccountRoutesDeps, visit: Visit): Promise<void> {
  const { ctx, scope, session, person, page } = visit;
  const form = await readPosted(deps, visit);
  const [current = '', next = ''] = [form['password'], form['new_password']];
  const result = await changeOwnPassword(deps, scope, { person, locale: page.locale ?? 'en', sessionId: session.id, current, next });
  if (!result) return seeOther(ctx, '/account?done=password');
  if ('refused' in result) {
    const retryAfterSeconds = result.retryAfterSeconds ?? 1;
    ctx.set('retry-after', String(retryAfterSeconds));
    showCommonPage(ctx, deps.view, 'limited', { locale: page.locale, retryAfterSeconds, retryUrl: '/account/password' }, { status: 429 });
    return;
  }
  const shown = { ...page, errors: result.errors, email: person.email, minLength: deps.passwords.minLength, backUrl: '/account' };
  showAccountPage(ctx, deps.view, 'account-password', shown, { status: 422 });
}

async function signOutForm(deps: AccountRoutesDeps, { ctx, person, page }: Visit): Promise<void> {
  const account = { name: nameOf(person), email: person.email };
  showCommonPage(ctx, deps.view, 'logout-confirm', { ...page, action: '/account/sign-out', account });
}

async function signOut(deps: AccountRoutesDeps, visit: Visit): Promise<void> {
  const { ctx, scope, session, person, page } = visit;
  const form = await readPosted(deps, visit);
  if (form['decision'] === 'deny') return seeOther(ctx, '/account');
  await endSessions(deps.sessions, scope, person.id, [session.id]);
  ctx.set('clear-site-data', '"cache", "storage"');
  showCommonPage(ctx, deps.view, 'logged-out', { locale: page.locale, signInUrl: '/account' });
}

async function readPosted(deps: AccountRoutesDeps, { ctx, session, scope }: Visit): Promise<Readonly<Record<string, string>>> {
  const form = await readForm(ctx.req);
  await checkForm(deps.audit, scope, ctx.path, () =>
    deps.csrf.check(`account:${session.id}`, form['_csrf'], ctx.req.headers, scope.request.issuer),
  );
  return form;
}

const requestFacts = () => currentRequest.getStore() ?? { id: '', address: '', device: '', issuer: '' };

function splitOnce(text: string): [string, string] {
  const at = text.indexOf(':');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function seeOther(ctx: Context, url: string): void {
  ctx.status = 303;
  ctx.set('location', url);
  ctx.body = '';
}
