/** `/account`: a person's own page, for whoever is signed in in this browser. */
import type { Context, Middleware } from 'koa';
import { endSessions, withdrawGrants } from '../features/sessions/commands.ts';
import { listSessions, upstreamOfSession } from '../features/sessions/queries.ts';
import { pageRouter, servePages } from '../http/page-router.ts';
import type { PageBase } from '../http/pages.ts';
import { showCommonPage } from '../http/view.ts';
import { beginLink, finishLink, type IdentityDeps, identitiesPage, unlinkPosted } from './identities.ts';
import { keptInvitation } from './invitation-cookie.ts';
import { continueInvitation, decideOnInvitation, invitationPage } from './invitations.ts';
import { decideOnInvited, leave, leavePage } from './organizations.ts';
import { accountOverview, nameOf } from './overview.ts';
import { isFresh, type OwnPagesDeps } from './own-pages.ts';
import { addOwnPages } from './own-routes.ts';
import { changeOwnPassword } from './password.ts';
import {
  addPasskey,
  addTotp,
  codesPage,
  makeCodes,
  passkeyPage,
  remove,
  removePage,
  rename,
  renamePage,
  type SecurityDeps,
  securityPage,
  totpPage,
} from './security.ts';
import { returnPath } from './step-up.ts';
import { showAccountPage } from './views/pages.ts';
import { type AccountRoutesDeps, arrive, readPosted, requestFacts, seeOther, startSignIn, type Visit } from './visit.ts';

export { ACCOUNT_CLIENT_ID } from './overview.ts';
export type { AccountRoutesDeps } from './visit.ts';

type AccountDeps = SecurityDeps & OwnPagesDeps & Partial<Pick<IdentityDeps, 'identities'>>;
type Handler = (deps: AccountDeps, visit: Visit) => Promise<void>;

/** Answers `/account` and what is below; lets other paths pass. */
export function accountRoutes(deps: AccountDeps): Middleware {
  const visited = (handle: Handler) => (ctx: Context) => visitedBy(deps, ctx, handle);
  const linking = (handle: LinkHandler) => visited(linked(handle));
  const router = pageRouter()
    .get('/account', visited(overview))
    .post('/account', visited(decide))
    .get('/account/password', visited(passwordForm))
    .post('/account/password', visited(changePassword))
    .get('/account/sign-out', visited(signOutForm))
    .post('/account/sign-out', visited(signOut))
    .get('/account/security', visited(securityPage))
    .get('/account/security/totp', visited(totpPage))
    .post('/account/security/totp', visited(addTotp))
    .get('/account/security/passkey', visited(passkeyPage))
    .post('/account/security/passkey', visited(addPasskey))
    .get('/account/security/codes', visited(codesPage))
    .post('/account/security/codes', visited(makeCodes))
    .get('/account/security/:id/name', visited(renamePage))
    .post('/account/security/:id/name', visited(rename))
    .get('/account/security/:id/remove', visited(removePage))
    .post('/account/security/:id/remove', visited(remove))
    .get(
      '/account/identities',
      linking((of, visit) => identitiesPage(of, visit)),
    )
    .post('/account/identities', linking(unlinkPosted))
    .get('/account/identities/link/:key', linking(beginLink))
    // What comes along is the provider's answer, not that of a sign-in.
    .get('/account/identities/callback/:id', async (ctx) => {
      const visit = await arrive(deps, ctx);
      return visit ? linked(finishLink)(deps, visit) : startSignIn(deps, ctx);
    })
    .get('/account/organizations/:id/leave', visited(leavePage))
    .post('/account/organizations/:id/leave', visited(leave))
    .get('/account/invitations/:secret', (ctx) => invitationPage(deps, ctx))
    .post('/account/invitations/:secret', (ctx) => decideOnInvitation(deps, ctx))
    .get('/account/invitations/:secret/register', (ctx) => continueInvitation('create')(deps, ctx))
    .get('/account/invitations/:secret/sign-in', (ctx) => continueInvitation('login')(deps, ctx));
  addOwnPages(router, visited);
  return servePages(router);
}

type LinkHandler = (deps: IdentityDeps, visit: Visit) => Promise<void>;

/** For where people can be linked to other providers. */
const linked =
  (handle: LinkHandler): Handler =>
  async (deps, visit) =>
    deps.identities ? handle({ ...deps, identities: deps.identities }, visit) : seeOther(visit.ctx, '/account');

async function visitedBy(deps: AccountDeps, ctx: Context, handle: Handler): Promise<void> {
  ctx.set('cache-control', 'no-store');
  const visit = await arrive(deps, ctx);
  if (!visit) return startSignIn(deps, ctx);
  // Back from the sign-in: the code is not needed, the session is there.
  if (ctx.method !== 'POST' && (ctx.query['code'] !== undefined || ctx.query['error'] !== undefined)) {
    const secret = keptInvitation(deps, ctx, requestFacts().issuer);
    return seeOther(ctx, secret === undefined ? (returnPath(ctx) ?? ctx.path) : `/account/invitations/${secret}`);
  }
  return handle(deps, visit);
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

const NOTICES: Readonly<Record<string, PageBase['notice']>> = {
  password: 'account_password.done',
  declined: 'invitation.declined',
  left: 'organizations.left',
};

const noticeOf = ({ query: { done } }: Context): PageBase['notice'] => (typeof done === 'string' ? NOTICES[done] : undefined);

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
  if ((verb === 'join' || verb === 'decline') && id !== '') return overview(deps, visit, await decideOnInvited(deps, visit, verb, id));
  if (verb === 'withdraw' && id !== '') {
    const client = await deps.clientOf(id);
    await withdrawGrants(deps.sessions, scope, person.id, id);
    return overview(deps, visit, { notice: { key: 'account.withdrawn', values: { client: client?.name ?? id } } });
  }
  return overview(deps, visit);
}

async function passwordForm(deps: AccountDeps, visit: Visit): Promise<void> {
  const { ctx, person, page } = visit;
  if (!(await isFresh(deps, visit))) return;
  const shown = { ...page, email: person.email, minLength: await deps.passwords.minLengthAt(person.homeTenantId), backUrl: '/account' };
  showAccountPage(ctx, deps.view, 'account-password', shown);
}

async function changePassword(deps: AccountDeps, visit: Visit): Promise<void> {
  const { ctx, scope, session, person, page } = visit;
  const form = await readPosted(deps, visit);
  if (!(await isFresh(deps, visit))) return;
  const [current = '', next = ''] = [form['password'], form['new_password']];
  const result = await changeOwnPassword(deps, scope, { person, locale: page.locale ?? 'en', sessionId: session.id, current, next });
  if (!result) return seeOther(ctx, '/account?done=password');
  if ('refused' in result) {
    const retryAfterSeconds = result.retryAfterSeconds ?? 1;
    ctx.set('retry-after', String(retryAfterSeconds));
    showCommonPage(ctx, deps.view, 'limited', { locale: page.locale, retryAfterSeconds, retryUrl: '/account/password' }, { status: 429 });
    return;
  }
  const shown = {
    ...page,
    errors: result.errors,
    email: person.email,
    minLength: await deps.passwords.minLengthAt(person.homeTenantId),
    backUrl: '/account',
  };
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
  const sealed = await upstreamOfSession(deps, session);
  await endSessions(deps.sessions, scope, person.id, [session.id]);
  ctx.set('clear-site-data', '"cache", "storage"');
  if (sealed && (await deps.leaveForProvider(ctx, { userId: person.id, sealed }))) return;
  showCommonPage(ctx, deps.view, 'logged-out', { locale: page.locale, signInUrl: '/account' });
}

function splitOnce(text: string): [string, string] {
  const at = text.indexOf(':');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
