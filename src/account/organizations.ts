/** What a person does about the organizations that they belong to, and are invited to. */
import { AppError } from '../core/errors.ts';
import { isId } from '../core/ids.ts';
import { acceptInvitation, declineInvitation, invitationsTo } from '../features/invitations/decide.ts';
import { setRouteTemplate } from '../http/access-log.ts';
import type { PageBase } from '../http/pages.ts';
import { findMemberships, type MembershipRow } from './store.ts';
import { showAccountPage } from './views/pages.ts';
import { type AccountRoutesDeps, readPosted, seeOther, type Visit } from './visit.ts';

const LEAVE = '/account/organizations/{id}/leave';

/** `join` or `decline` of an invitation to the person's own address; what to tell, undefined where it is not open. */
export async function decideOnInvited(
  deps: AccountRoutesDeps,
  { scope, person }: Visit,
  verb: 'join' | 'decline',
  id: string,
): Promise<Pick<PageBase, 'notice' | 'alert'>> {
  const shown = (await invitationsTo(deps, person.id)).find((one) => one.id === id);
  if (!shown) return { alert: 'invitation.gone_title' };
  const values = { tenant: shown.tenant };
  try {
    if (verb === 'decline') await declineInvitation(deps, scope, person.id, shown);
    else await acceptInvitation(deps, scope, person.id, shown);
  } catch (error) {
    if (!(error instanceof AppError) || error.status >= 500) throw error;
    if (error.code === 'limit.reached') return { alert: { key: 'invitation.full', values } };
    return { alert: error.code === 'tenant.inactive' ? { key: 'invitation.inactive', values } : 'invitation.gone_title' };
  }
  return { notice: verb === 'decline' ? 'invitation.declined' : { key: 'organizations.joined', values } };
}

async function membershipIn(deps: AccountRoutesDeps, { ctx, person }: Visit): Promise<MembershipRow | undefined> {
  setRouteTemplate(ctx.req, LEAVE);
  const id = String(ctx['params']['id']);
  if (!isId(id) || id === person.homeTenantId) return undefined;
  return (await findMemberships(deps.db, person.id)).find(({ tenant_id }) => tenant_id === id);
}

export async function leavePage(deps: AccountRoutesDeps, visit: Visit, more: PageBase = {}): Promise<void> {
  const { ctx, page } = visit;
  const membership = await membershipIn(deps, visit);
  if (!membership) return seeOther(ctx, '/account');
  const { name, roles } = membership;
  showAccountPage(ctx, deps.view, 'leave', { ...page, ...more, tenant: name, roles }, { status: more.alert ? 409 : 200 });
}

export async function leave(deps: AccountRoutesDeps, visit: Visit): Promise<void> {
  const { ctx, scope } = visit;
  const { decision } = await readPosted(deps, visit, LEAVE);
  const membership = await membershipIn(deps, visit);
  if (!membership || decision !== 'confirm') return seeOther(ctx, '/account');
  try {
    await deps.leaveTenant(scope, membership.tenant_id);
  } catch (error) {
    if (!(error instanceof AppError) || error.status >= 500) throw error;
    if (error.code === 'member.last_owner')
      return leavePage(deps, visit, { alert: { key: 'organizations.last_owner', values: { tenant: membership.name } } });
  }
  seeOther(ctx, '/account?done=left');
}
