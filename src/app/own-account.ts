/** What people do about their own account, by pages and by API, with what it runs on. */

import { contactChangeId, finishContactChange, newChangeToken, startContactChange } from '../account/contact.ts';
import type { OwnAccount } from '../account/own-pages.ts';
import { type AccountFlow, changeOwnPassword } from '../account/password.ts';
import type { Config } from '../config.ts';
import type { Clock } from '../core/clock.ts';
import { AppError, invalidInput, limited, notFound } from '../core/errors.ts';
import { DEFAULT_LOCALE, noteText, pickLocale } from '../core/messages/catalogue.ts';
import type { Scope } from '../core/scope.ts';
import type { Work } from '../features/audit/index.ts';
import { pageOfOwnEvents } from '../features/audit/queries.ts';
import type { Audit } from '../features/audit/record.ts';
import { demandOf } from '../features/factors/demand.ts';
import { findFactors } from '../features/factors/store.ts';
import { invitationsTo } from '../features/invitations/decide.ts';
import { DELETION_JOB, type DeletionDeps, type DueDeps, deletionHandler, type Tell } from '../features/me/deletion.ts';
import type { ExportDeps } from '../features/me/export.ts';
import { type OwnAccountDeps, ownAccountRoutes } from '../features/me/routes.ts';
import { findMe, keptByTenant } from '../features/me/store.ts';
import { openNotices, recordAgreement } from '../features/notices/agreements.ts';
import { createNoticeCache } from '../features/notices/cache.ts';
import type { NoticeCache } from '../features/notices/index.ts';
import { noticeRoutes } from '../features/notices/routes.ts';
import { agreementsOf, publishedOf } from '../features/notices/store.ts';
import { findSession, listGrants, listSessions, type SessionQueryDeps } from '../features/sessions/queries.ts';
import { grantView, viewOf } from '../features/sessions/schema.ts';
import { checkNotLast, removeUser, type UserDeps } from '../features/users/commands.ts';
import { membershipsOf } from '../features/users/store.ts';
import type { Route } from '../http/route.ts';
import type { ChangeFeed } from '../infra/change-feed.ts';
import type { JobHandler } from '../infra/jobs.ts';
import type { Database } from '../infra/postgres.ts';
import type { Codes } from '../login/codes.ts';
import { deleteJourneysOf } from '../login/journey-store.ts';
import { renderMail } from '../login/mails/render.ts';
import { findPerson } from '../login/people-store.ts';
import type { Refusal } from '../login/refusal.ts';

export interface OwnAccountParts {
  config: Pick<Config, 'issuer' | 'accountDeletionGraceDays'>;
  flow: AccountFlow & { codes: Codes };
  reads: Database;
  audit: Pick<Audit, 'openPersonal'>;
  sessions: SessionQueryDeps;
  users: UserDeps;
  notices: NoticeCache;
  /** Whether mail can be sent at all. */
  mails: boolean;
}

export interface OwnAccountApp {
  pages: OwnAccount;
  routes: Route[];
  handlers: Readonly<Record<string, JobHandler>>;
}

export function createOwnAccount({ config, flow, reads, audit, sessions, users, notices, mails }: OwnAccountParts): OwnAccountApp {
  const { db, clock, transact, codes } = flow;
  const tell: Tell = async (work, scope, news, { email, locale, tenantId, until }) => {
    if (!mails) return;
    const { address, device, issuer } = scope.request;
    const cause = scope.actor.type === 'system' ? undefined : { at: clock.now(), address, device };
    const mail = renderMail('account-news', pickLocale(locale), { news, issuer: issuer || config.issuer, cause, until });
    await flow.queueMail({ to: email, ...mail }, work.sql, { tenantId });
  };
  const deletion: DeletionDeps = {
    db,
    clock,
    transact,
    tell,
    graceDays: config.accountDeletionGraceDays,
    async checkNotLast(work, scope, userId) {
      for (const { tenant_id: id } of await membershipsOf(work.sql, userId)) await users.roles.of(id);
      await checkNotLast(users, work.sql, scope, userId);
    },
  };
  const activity: OwnAccount['activity'] = (userId, page) => pageOfOwnEvents({ db: reads, openPersonal: audit.openPersonal }, userId, page);
  const exported: ExportDeps = {
    db,
    box: flow.box,
    clock,
    transact,
    activity,
    parts: {
      sessions: async (userId) => (await listSessions(sessions, userId)).map((session) => viewOf(session, undefined)),
      grants: async (userId) => (await listGrants({ db }, userId)).map(grantView),
      memberships: (userId) => membershipsWithAll(db, userId),
      invitations: async (userId) =>
        (await invitationsTo({ db }, userId)).map(({ id, tenantId, tenant, email, roles, inviter, expiresAt }) => ({
          id,
          tenantId,
          tenantName: tenant,
          email,
          roles,
          invitedBy: inviter,
          expiresAt,
        })),
      agreements: (userId) => agreementsOf(db, userId),
    },
  };
  const contact = { codes, tell };
  const own: OwnAccountDeps = {
    ...deletion,
    ...exported,
    endUnderWay: (sql, userId) => deleteJourneysOf(sql, userId),
    demandOf: async (userId) => demandOf(await findFactors(db, userId)),
    async startContact(scope, userId, kind, to) {
      const changeToken = newChangeToken();
      const change = { kind, id: contactChangeId(kind, changeToken), ...(await about(db, userId)) };
      const { expiresAt } = unwrap(await startContactChange({ ...flow, ...contact }, scope, change, to));
      return { changeToken, expiresAt };
    },
    async finishContact(scope, userId, kind, changeToken, code) {
      const change = { kind, id: contactChangeId(kind, changeToken), ...(await about(db, userId)) };
      const outcome = await finishContactChange({ ...flow, ...contact }, scope, change, code);
      if ('errors' in outcome && outcome.errors[kind]) throw new AppError(`user.${kind}_taken`, 409, 'This belongs to another account');
      return unwrap(outcome).value;
    },
    async changePassword(scope, userId, current, next) {
      const person = await findPerson(db, userId);
      if (!person) throw notFound('user');
      const result = await changeOwnPassword(flow, scope, {
        person,
        locale: pickLocale(person.locale),
        sessionId: (await sessionOf(sessions, scope)) ?? '',
        current,
        next,
      });
      if (result) unwrap(result, { password: 'currentPassword', new_password: 'newPassword' });
    },
  };
  const endAccess: OwnAccount['endAccess'] = (work, userId) => users.endAccess(work, userId);
  const due: DueDeps = {
    db,
    clock,
    transact,
    tell,
    remove: (scope, userId, ifMatch, also) =>
      removeUser(
        {
          ...users,
          transact: (within, run) =>
            users.transact(within, async (work) => {
              const answer = await run(work);
              await also(work);
              return answer;
            }),
        },
        scope,
        userId,
        ifMatch,
      ),
  };
  return {
    pages: { contact, deletion, exported, activity, endAccess },
    routes: [...ownAccountRoutes(own), ...noticeRoutes({ db, clock, transact, endAccess, changed: notices.drop })],
    handlers: { [DELETION_JOB]: deletionHandler(due) },
  };
}

/** What tenants ask people to agree to, as a sign-in and the account page need it. */
export function createTerms({ db, clock, feed }: { db: Database; clock: Clock; feed: ChangeFeed }) {
  const notices = createNoticeCache({ db, feed });
  const open = (userId: string, tenantId: string) => openNotices({ db, notices }, userId, tenantId);
  return {
    ...notices,
    open,
    published: (tenantId: string, ids: readonly string[]) => db.transaction((sql) => publishedOf(sql, tenantId, ids), { tenantId }),
    agree: (work: Work, userId: string, noticeIds: readonly string[]) => recordAgreement({ clock }, work, userId, noticeIds),
    demands: async ({ id }: { id: string }, { tenantId }: Scope): Promise<readonly 'accept_terms'[]> =>
      (await open(id, tenantId)).length > 0 ? ['accept_terms'] : [],
  };
}

/** With what each tenant keeps of the person: it is seen in that tenant alone, so each is asked. */
async function membershipsWithAll(db: Database, userId: string): Promise<unknown[]> {
  const memberships = await db.transaction((sql) => membershipsOf(sql, userId));
  const all: unknown[] = [];
  for (const membership of memberships) {
    const { tenant_id: tenantId } = membership;
    all.push({ ...membership, ...(await db.transaction((sql) => keptByTenant(sql, tenantId, userId), { tenantId })) });
  }
  return all;
}

async function about(db: Database, userId: string) {
  const me = await findMe(db, userId);
  if (!me) throw notFound('user');
  const person = {
    id: me.id,
    homeTenantId: me.home_tenant_id,
    email: me.email ?? undefined,
    phone: me.phone ?? undefined,
    phoneProven: me.phone_verified_at !== null,
  };
  return { person, locale: pickLocale(me.locale ?? undefined) };
}

const sessionOf = async (sessions: SessionQueryDeps, { session }: Scope): Promise<string | undefined> =>
  session?.sid === undefined ? undefined : (await findSession(sessions, session.sid))?.id;

type Errors = { errors: Readonly<Record<string, Parameters<typeof noteText>[1]>> };

/** What the pages show beside fields is 422 here. */
function unwrap<T extends object>(outcome: T | Errors | Refusal, names: Readonly<Record<string, string>> = {}): T {
  if ('refused' in outcome) throw limited(outcome.retryAfterSeconds ?? 1, outcome.refused);
  if (!('errors' in outcome)) return outcome;
  throw invalidInput(
    Object.entries(outcome.errors).map(([field, note]) => ({
      pointer: `/${names[field] ?? field}`,
      message: noteText(DEFAULT_LOCALE, note),
    })),
  );
}
