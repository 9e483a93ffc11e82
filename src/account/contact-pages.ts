/** `/account/email` and `/account/phone`, each in two steps. */
import { AppError } from '../core/errors.ts';
import type { Note } from '../core/messages/catalogue.ts';
import type { ContactKind } from '../features/me/index.ts';
import { forgetPhone } from '../features/me/phone.ts';
import { findMe } from '../features/me/store.ts';
import { showCommonPage } from '../http/view.ts';
import { deleteJourneysOf } from '../login/journey-store.ts';
import type { Refusal } from '../login/refusal.ts';
import { type ContactDeps, contactChangeId, finishContactChange, pendingContact, startContactChange } from './contact.ts';
import { isFresh, isStrong, type OwnPagesDeps } from './own-pages.ts';
import { showAccountPage } from './views/pages.ts';
import { readPosted, seeOther, type Visit } from './visit.ts';

type Handler = (deps: OwnPagesDeps, visit: Visit) => Promise<void>;

const PROFILE = '/account/profile';
const partsOf = (deps: OwnPagesDeps): ContactDeps => ({ ...deps, ...deps.own.contact });

async function changeOf(deps: OwnPagesDeps, { person, session, page }: Visit, kind: ContactKind) {
  const me = await findMe(deps.db, person.id);
  const own = {
    id: person.id,
    homeTenantId: person.homeTenantId,
    email: me?.email ?? undefined,
    phone: me?.phone ?? undefined,
    phoneProven: (me?.phone_verified_at ?? null) !== null,
  };
  return { kind, id: contactChangeId(kind, session.id), person: own, locale: page.locale ?? 'en' };
}

export const contactPage =
  (kind: ContactKind): Handler =>
  async (deps, visit) => {
    if (await isFresh(deps, visit)) await show(deps, visit, kind);
  };

async function show(
  deps: OwnPagesDeps,
  visit: Visit,
  kind: ContactKind,
  more: { errors?: Readonly<Record<string, Note>>; value?: string } = {},
): Promise<void> {
  const { person } = await changeOf(deps, visit, kind);
  const removable = kind === 'phone' && person.phone !== undefined;
  const data = { ...visit.page, ...more, kind, removable, backUrl: PROFILE };
  showAccountPage(visit.ctx, deps.view, 'account-contact', data, { status: more.errors ? 422 : 200 });
}

export const startContact =
  (kind: ContactKind): Handler =>
  async (deps, visit) => {
    const form = await readPosted(deps, visit);
    if (!(await isFresh(deps, visit))) return;
    const { ctx, scope } = visit;
    const change = await changeOf(deps, visit, kind);
    if (kind === 'phone' && form['decision'] === 'remove') {
      const fault = await removed(deps, visit);
      return fault ? show(deps, visit, kind, { errors: { phone: fault } }) : seeOther(ctx, `${PROFILE}?done=phone-removed`);
    }
    const typed = form[kind] ?? '';
    const outcome = await startContactChange(partsOf(deps), scope, change, typed);
    if ('refused' in outcome) return showLimited(deps, visit, outcome, `/account/${kind}`);
    if ('errors' in outcome) return show(deps, visit, kind, { errors: outcome.errors, value: typed });
    seeOther(ctx, `/account/${kind}/code`);
  };

/** Why the number stays; undefined where it is gone, or was before. */
async function removed(deps: OwnPagesDeps, { scope, person }: Visit): Promise<Note | undefined> {
  try {
    await forgetPhone(
      { ...deps, tell: deps.own.contact.tell, endUnderWay: (sql, userId) => deleteJourneysOf(sql, userId) },
      scope,
      person.id,
    );
  } catch (error) {
    if (!(error instanceof AppError) || error.status >= 500) throw error;
    if (error.code === 'phone.last_way_in') return 'contact.phone_last';
  }
  return undefined;
}

export const contactCodePage =
  (kind: ContactKind): Handler =>
  (deps, visit) =>
    showCode(deps, visit, kind);

async function showCode(deps: OwnPagesDeps, visit: Visit, kind: ContactKind, errors?: Readonly<Record<string, Note>>): Promise<void> {
  const to = await pendingContact(deps, contactChangeId(kind, visit.session.id), visit.person.id);
  if (to === undefined) return seeOther(visit.ctx, `/account/${kind}`);
  const data = { ...visit.page, to, backUrl: `/account/${kind}`, ...(errors ? { errors } : {}) };
  showAccountPage(visit.ctx, deps.view, 'account-code', data, { status: errors ? 422 : 200 });
}

export const finishContact =
  (kind: ContactKind): Handler =>
  async (deps, visit) => {
    const { code = '' } = await readPosted(deps, visit);
    if (!(await isStrong(deps, visit))) return;
    const outcome = await finishContactChange(partsOf(deps), visit.scope, await changeOf(deps, visit, kind), code);
    if ('refused' in outcome) return showLimited(deps, visit, outcome, `/account/${kind}/code`);
    if ('errors' in outcome) return outcome.errors['code'] ? showCode(deps, visit, kind, outcome.errors) : show(deps, visit, kind, outcome);
    seeOther(visit.ctx, `${PROFILE}?done=saved`);
  };

function showLimited(deps: OwnPagesDeps, { ctx, page }: Visit, { retryAfterSeconds = 1 }: Refusal, retryUrl: string): void {
  ctx.set('retry-after', String(retryAfterSeconds));
  showCommonPage(ctx, deps.view, 'limited', { locale: page.locale, retryAfterSeconds, retryUrl }, { status: 429 });
}
