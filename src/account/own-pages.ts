/** `/account/profile`, `/account/activity` and `/account/data`: what is kept of a person, and what they do about it. */
import { AppError } from '../core/errors.ts';
import { isId } from '../core/ids.ts';
import { DEFAULT_LOCALE, isMessageKey, LANGUAGE_NAMES, LOCALES, type MessageKey, type Note } from '../core/messages/catalogue.ts';
import type { Page, PageRequest } from '../core/page.ts';
import type { Work } from '../features/audit/index.ts';
import type { OwnEventView } from '../features/audit/schema.ts';
import { demandOf } from '../features/factors/demand.ts';
import { findFactors } from '../features/factors/store.ts';
import { type DeletionDeps, keepAccount, scheduleDeletion } from '../features/me/deletion.ts';
import { forgetDevice } from '../features/me/devices.ts';
import { type ExportDeps, exportAccount } from '../features/me/export.ts';
import { ALWAYS, changeNotifications, notificationsOf } from '../features/me/notifications.ts';
import { devicesOf, findMe, type MeRow } from '../features/me/store.ts';
import { withdrawAgreement } from '../features/notices/agreements.ts';
import { urlOfNotice } from '../features/notices/index.ts';
import { agreementsOf } from '../features/notices/store.ts';
import { changeMe } from '../features/users/commands.ts';
import { setRouteTemplate } from '../http/access-log.ts';
import type { PageBase } from '../http/pages.ts';
import { showCommonPage } from '../http/view.ts';
import type { ContactDeps } from './contact.ts';
import { confirm } from './step-up.ts';
import { showAccountPage } from './views/pages.ts';
import { type AccountRoutesDeps, readPosted, seeOther, type Visit } from './visit.ts';

export interface OwnAccount {
  contact: Pick<ContactDeps, 'codes' | 'tell'>;
  deletion: DeletionDeps;
  exported: ExportDeps;
  /** What the log holds of the person, newest first. Throws 422 where the cursor is none of ours. */
  activity(userId: string, page: PageRequest): Promise<Page<OwnEventView>>;
  /** Ends everything that lets the person in. */
  endAccess(work: Work, userId: string): Promise<void>;
}

export type OwnPagesDeps = AccountRoutesDeps & { own: OwnAccount };
type Handler = (deps: OwnPagesDeps, visit: Visit) => Promise<void>;

/** Whether this session may do what the page is for; the answer is on its way where it may not. */
export const isFresh = async (deps: OwnPagesDeps, visit: Visit): Promise<boolean> =>
  confirm(deps, visit, demandOf(await findFactors(deps.db, visit.person.id)));

/** The same for the end of what was begun freshly: the second factor may have come in between. */
export const isStrong = async (deps: OwnPagesDeps, visit: Visit): Promise<boolean> => {
  const { acr } = demandOf(await findFactors(deps.db, visit.person.id));
  return confirm(deps, visit, { acr });
};

async function meOf(deps: OwnPagesDeps, { person }: Visit): Promise<MeRow> {
  const me = await findMe(deps.db, person.id);
  if (!me) throw new AppError('user.not_found', 404, 'Not found');
  return me;
}

const DONE: Readonly<Record<string, MessageKey>> = {
  saved: 'account.saved',
  kept: 'account.kept',
  forgotten: 'activity.forgotten',
  'phone-removed': 'contact.phone_removed',
};

const doneOf = ({ ctx }: Visit): Note | undefined => {
  const { done } = ctx.query;
  return typeof done === 'string' && Object.hasOwn(DONE, done) ? DONE[done] : undefined;
};

export async function profilePage(deps: OwnPagesDeps, visit: Visit, more: PageBase = {}, typed: Readonly<Record<string, string>> = {}) {
  const { ctx, person, page } = visit;
  const me = await meOf(deps, visit);
  const data = {
    ...page,
    notice: doneOf(visit),
    ...more,
    deleteAfter: me.delete_after ?? undefined,
    givenName: typed['given_name'] ?? person.givenName,
    familyName: typed['family_name'] ?? person.familyName,
    language: typed['locale'] ?? me.locale ?? '',
    languages: LOCALES.map((id) => ({ id, name: LANGUAGE_NAMES[id] })),
    contacts: [
      { label: 'profile.email', value: me.email, proven: me.email_verified_at !== null, changeUrl: '/account/email' },
      { label: 'profile.phone', value: me.phone, proven: me.phone_verified_at !== null, changeUrl: '/account/phone' },
      ...(me.username ? [{ label: 'profile.username', value: me.username, proven: true } as const] : []),
    ] as const,
  };
  showAccountPage(ctx, deps.view, 'account-profile', data, { status: more.errors ? 422 : 200 });
}

const NAME = /^[^\p{Cc}<>]{0,100}$/u;

export const changeProfile: Handler = async (deps, visit) => {
  const form = await readPosted(deps, visit);
  const field = (name: string): string => (form[name] ?? '').trim();
  const wrong = ['given_name', 'family_name'].filter((name) => !NAME.test(field(name)));
  const locale = field('locale');
  if (wrong.length > 0) {
    const errors = Object.fromEntries(wrong.map((name): [string, Note] => [name, 'profile.name_invalid']));
    return profilePage(deps, visit, { errors }, form);
  }
  const known = locale === '' || LOCALES.some((one) => one === locale);
  const names = { givenName: field('given_name') || null, familyName: field('family_name') || null };
  await changeMe(deps, visit.scope, { ...names, ...(known ? { locale: locale || null } : {}) });
  seeOther(visit.ctx, '/account/profile?done=saved');
};

export const activityPage: Handler = async (deps, visit) => {
  const { ctx, person, page } = visit;
  const { cursor } = ctx.query;
  const [me, devices, events] = await Promise.all([
    meOf(deps, visit),
    devicesOf(deps, person.id, deps.clock.now()),
    deps.own.activity(person.id, { limit: 25, cursor: typeof cursor === 'string' ? cursor : undefined }),
  ]);
  showAccountPage(ctx, deps.view, 'account-activity', {
    ...page,
    notice: doneOf(visit),
    action: '/account/activity',
    deleteAfter: me.delete_after ?? undefined,
    devices: await Promise.all(
      devices.map(async ({ clientId, ...rest }) => ({ ...rest, app: clientId && ((await deps.clientOf(clientId))?.name ?? clientId) })),
    ),
    events: events.items.map((event) => ({
      at: new Date(event.at),
      what: whatOf(event.type),
      failed: event.outcome === 'failure',
      by: byWhom(event, person.id),
      ofOther: event.actor.id === person.id && event.target?.type === 'user' && event.target.id !== person.id,
      address: event.address ?? undefined,
      device: event.device ?? undefined,
    })),
    nextUrl: events.nextCursor === null ? undefined : `/account/activity?${new URLSearchParams({ cursor: events.nextCursor })}`,
    firstUrl: cursor === undefined ? undefined : '/account/activity',
  });
};

/** Who else did it: never their name, but where they had the right to. */
function byWhom({ actor, tenant }: OwnEventView, personId: string): Note | undefined {
  const isProgram = actor.type === 'api_key' || actor.type === 'client';
  if (!isProgram && (actor.type !== 'user' || actor.id === personId)) return undefined;
  if (tenant.name === null) return 'activity.by_other';
  return { key: isProgram ? 'activity.by_program' : 'activity.by_administrator', values: { tenant: tenant.name } };
}

function whatOf(type: string): Note {
  const key = `activity.${type}`;
  return isMessageKey(key) ? key : { key: 'activity.other', values: { type } };
}

export const decideOnDevices: Handler = async (deps, visit) => {
  const { decision = '' } = await readPosted(deps, visit);
  const [, id = ''] = /^forget:(.+)$/.exec(decision) ?? [];
  if (decision === 'forget-all') await forgetDevice(deps, visit.scope, visit.person.id);
  else if (isId(id)) await forgetDevice(deps, visit.scope, visit.person.id, id).catch(unlessMissing);
  seeOther(visit.ctx, '/account/activity?done=forgotten');
};

/** Gone already is what was wanted. */
function unlessMissing(error: unknown): void {
  if (!(error instanceof AppError) || error.status !== 404) throw error;
}

export const dataPage: Handler = async (deps, visit) => {
  const { ctx, person, page } = visit;
  const [me, agreements] = await Promise.all([meOf(deps, visit), agreementsOf(deps.db, person.id)]);
  showAccountPage(ctx, deps.view, 'account-data', {
    ...page,
    notice: doneOf(visit),
    action: '/account/data',
    deleteAfter: me.delete_after ?? undefined,
    graceDays: deps.own.deletion.graceDays,
    agreements: agreements.map((one) => ({ ...one, url: urlOfNotice(one, page.locale ?? DEFAULT_LOCALE) })),
    notifications: Object.entries(notificationsOf(me)).flatMap(([name, on]) => (name === ALWAYS ? [] : [{ name, on }])),
  });
};

export const decideOnData: Handler = async (deps, visit) => {
  const form = await readPosted(deps, visit);
  const known = Object.keys(notificationsOf(await meOf(deps, visit))).filter((name) => name !== ALWAYS);
  const wanted = Object.fromEntries(known.map((name) => [name, form[`notify:${name}`] === 'on']));
  await changeNotifications(deps, visit.scope, visit.person.id, wanted);
  seeOther(visit.ctx, '/account/data?done=saved');
};

export const exportPage: Handler = async (deps, visit) => {
  if (!(await isFresh(deps, visit))) return;
  const { ctx, scope, person } = visit;
  const exported = await exportAccount(deps.own.exported, scope, person.id);
  ctx.set('content-type', 'application/json; charset=utf-8');
  ctx.set('content-disposition', 'attachment; filename="account.json"');
  ctx.set('cache-control', 'no-store');
  ctx.body = JSON.stringify(exported, null, 2);
};

export async function deletePage(deps: OwnPagesDeps, visit: Visit, more: PageBase = {}): Promise<void> {
  const { ctx, page } = visit;
  const { delete_after: until } = await meOf(deps, visit);
  if (until) {
    const scheduled = { title: 'account.keep_title', lead: 'account.deletion', until, confirm: 'account.keep', keeps: true } as const;
    return showAccountPage(ctx, deps.view, 'account-question', { ...page, ...scheduled });
  }
  if (!(await isFresh(deps, visit))) return;
  const when = new Date(deps.clock.now().getTime() + deps.own.deletion.graceDays * 86_400_000);
  const data = { ...page, ...more, title: 'delete.title', lead: 'delete.lead', until: when, confirm: 'delete.submit' } as const;
  showAccountPage(ctx, deps.view, 'account-question', data, { status: more.alert ? 409 : 200 });
}

export const decideOnDeletion: Handler = async (deps, visit) => {
  const { ctx, scope, person } = visit;
  const { decision } = await readPosted(deps, visit);
  if (decision === 'keep') {
    await keepAccount(deps, scope, person.id);
    return seeOther(ctx, '/account/data?done=kept');
  }
  if (decision !== 'confirm') return seeOther(ctx, '/account/data');
  if (!(await isFresh(deps, visit))) return;
  try {
    await scheduleDeletion(deps.own.deletion, scope, person.id);
  } catch (error) {
    const key = error instanceof AppError ? `delete.${error.code.replace('user.', '')}` : '';
    if (!isMessageKey(key)) throw error;
    return deletePage(deps, visit, { alert: key });
  }
  seeOther(ctx, '/account/data');
};

const AGREEMENT = '/account/agreements/{id}';

async function agreementOf(deps: OwnPagesDeps, { ctx, person }: Visit) {
  setRouteTemplate(ctx.req, AGREEMENT);
  return (await agreementsOf(deps.db, person.id)).find((one) => one.noticeId === ctx['params']['id'] && !one.withdrawnAt);
}

export const agreementPage: Handler = async (deps, visit) => {
  const { ctx, page } = visit;
  const one = await agreementOf(deps, visit);
  if (!one) return seeOther(ctx, '/account/data');
  const lead = { key: 'withdraw.lead', values: { what: one.label, tenant: one.tenantName } } as const;
  showAccountPage(ctx, deps.view, 'account-question', { ...page, title: 'withdraw.title', lead, confirm: 'withdraw.submit' });
};

export const decideOnAgreement: Handler = async (deps, visit) => {
  const { ctx, scope, person, page } = visit;
  const { decision } = await readPosted(deps, visit, AGREEMENT);
  const one = await agreementOf(deps, visit);
  if (!one || decision !== 'confirm') return seeOther(ctx, '/account/data');
  const { clock, transact } = deps;
  await withdrawAgreement({ clock, transact, endAccess: deps.own.endAccess }, scope, person.id, one.noticeId);
  ctx.set('clear-site-data', '"cache", "storage"');
  showCommonPage(ctx, deps.view, 'logged-out', { locale: page.locale, signInUrl: '/account' });
};
