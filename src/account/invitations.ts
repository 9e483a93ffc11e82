/** `/account/invitations/{secret}`: where the link of an invitation leads. To look changes nothing, however often, whoever does. */
import type { Context } from 'koa';
import { AppError } from '../core/errors.ts';
import type { MessageKey, Note } from '../core/messages/catalogue.ts';
import { acceptInvitation, declineInvitation, hasAccepted, invitationOf } from '../features/invitations/decide.ts';
import type { ShownInvitation } from '../features/invitations/index.ts';
import { setRouteTemplate } from '../http/access-log.ts';
import { showCommonPage } from '../http/view.ts';
import { dropInvitation, keepInvitation } from './invitation-cookie.ts';
import { nameOf } from './overview.ts';
import { type InvitationPage, showAccountPage } from './views/pages.ts';
import { type AccountRoutesDeps, arrive, localeOf, readPosted, requestFacts, seeOther, signInUrl, type Visit } from './visit.ts';

// The path holds the secret: neither the log nor a recorded refusal may.
const TEMPLATE = '/account/invitations/{secret}';

const secretIn = (ctx: Context): string => String(ctx['params']['secret']);
const pathOf = (ctx: Context, below = ''): string => `/account/invitations/${encodeURIComponent(secretIn(ctx))}${below}`;

interface Arrival {
  shown: ShownInvitation | undefined;
  visit: Visit | undefined;
}

async function arriveWith(deps: AccountRoutesDeps, ctx: Context): Promise<Arrival> {
  setRouteTemplate(ctx.req, TEMPLATE);
  ctx.set('cache-control', 'no-store');
  const [shown, visit] = await Promise.all([invitationOf(deps, secretIn(ctx)), arrive(deps, ctx)]);
  return { shown, visit };
}

export async function invitationPage(deps: AccountRoutesDeps, ctx: Context): Promise<void> {
  const { shown, visit } = await arriveWith(deps, ctx);
  if (visit) dropInvitation(deps, ctx, requestFacts().issuer);
  if (visit && shown && (await hasAccepted(deps, visit.person.id, shown))) {
    const { tenant } = shown;
    say(deps, ctx, visit, { key: 'invitation.member_title', values: { tenant } }, { key: 'invitation.member', values: { tenant } }, 200);
    return;
  }
  if (shown?.status !== 'pending') return gone(deps, ctx, visit);
  const { tenant, inviter, roles, email, expiresAt } = shown;
  const page: InvitationPage = {
    locale: visit?.page.locale ?? localeOf(ctx),
    csrf: visit?.page.csrf,
    action: pathOf(ctx),
    tenant,
    inviter: inviter ?? undefined,
    roles,
    email,
    until: new Date(expiresAt),
    state: stateOf(shown, visit),
    account: visit && { name: nameOf(visit.person), email: visit.person.email ?? visit.person.username },
    registerUrl: pathOf(ctx, '/register'),
    signInUrl: pathOf(ctx, '/sign-in'),
  };
  showAccountPage(ctx, deps.view, 'invitation', page);
}

function stateOf({ emailKey }: ShownInvitation, visit: Visit | undefined): InvitationPage['state'] {
  if (!visit) return 'signed-out';
  if (visit.person.email?.toLowerCase() !== emailKey) return 'other';
  return visit.person.emailVerified ? 'open' : 'unproven';
}

/** On to sign in, or to make an account, with the invitation in a cookie. */
export const continueInvitation =
  (prompt: 'login' | 'create') =>
  async (deps: AccountRoutesDeps, ctx: Context): Promise<void> => {
    const { shown, visit } = await arriveWith(deps, ctx);
    if (shown?.status !== 'pending') return gone(deps, ctx, visit);
    keepInvitation(deps, ctx, requestFacts().issuer, secretIn(ctx));
    seeOther(ctx, signInUrl(prompt));
  };

const REFUSALS: Readonly<Record<string, MessageKey>> = {
  'limit.reached': 'invitation.full',
  'tenant.inactive': 'invitation.inactive',
};

export async function decideOnInvitation(deps: AccountRoutesDeps, ctx: Context): Promise<void> {
  const { shown, visit } = await arriveWith(deps, ctx);
  if (!visit) return seeOther(ctx, pathOf(ctx));
  const { decision } = await readPosted(deps, visit, TEMPLATE);
  if (!shown) return gone(deps, ctx, visit);
  try {
    if (decision === 'allow') await acceptInvitation(deps, visit.scope, visit.person.id, shown);
    else if (decision === 'deny') await declineInvitation(deps, visit.scope, visit.person.id, shown);
    // Once more by GET, which says how it stands: joined, another address, unproven, or not open.
    seeOther(ctx, decision === 'deny' ? '/account?done=declined' : pathOf(ctx));
  } catch (error) {
    if (!(error instanceof AppError) || error.status >= 500) throw error;
    const key = REFUSALS[error.code];
    if (!key) return seeOther(ctx, pathOf(ctx));
    const { tenant } = shown;
    say(deps, ctx, visit, { key: 'invitation.title', values: { tenant } }, { key, values: { tenant } }, error.status);
  }
}

/** The same for every reason: who tries secrets learns nothing. */
function gone(deps: AccountRoutesDeps, ctx: Context, visit: Visit | undefined): void {
  say(deps, ctx, visit, 'invitation.gone_title', 'invitation.gone', 404);
}

function say(deps: AccountRoutesDeps, ctx: Context, visit: Visit | undefined, title: Note, text: Note, status: number): void {
  const link = { href: '/account', text: 'invitation.to_account' } as const;
  showCommonPage(ctx, deps.view, 'message', { locale: visit?.page.locale ?? localeOf(ctx), title, text, link }, { status });
}
