/** `/account/security`: what a person signs in with beside a password. Whatever changes it asks for a fresh sign-in first. */
import type { Context } from 'koa';
import { AppError } from '../core/errors.ts';
import type { MessageKey, Note } from '../core/messages/catalogue.ts';
import { removeFactor, renameFactor, replaceRecoveryCodes } from '../features/factors/commands.ts';
import { demandOf, demandOfCodes } from '../features/factors/demand.ts';
import type { Factor, OrganizationFactor } from '../features/factors/index.ts';
import { findFactors } from '../features/factors/store.ts';
import { type Fault, faultOf, nameIn, notProven, readCredential } from '../login/enrol-form.ts';
import { type EnrolmentDeps, type EnrolmentId, finishEnrolment, type Shown, showEnrolment, startEnrolment } from '../login/enrolment.ts';
import { showLoginPage } from '../login/views/pages.ts';
import type { OwnIdentities } from './identities.ts';
import { confirm } from './step-up.ts';
import { showAccountPage } from './views/pages.ts';
import { type AccountRoutesDeps, readPosted, seeOther, type Visit } from './visit.ts';

export type SecurityDeps = AccountRoutesDeps & {
  enrolments: EnrolmentDeps;
  /** The service of their organisation that the person is asked by. */
  organizationFactor?(this: void, person: Pick<Visit['person'], 'id' | 'homeTenantId'>): Promise<OrganizationFactor | undefined>;
  /** Other providers, where people can be linked to them. */
  identities?: Pick<OwnIdentities, 'offered' | 'list'> | undefined;
};

type Handler = (deps: SecurityDeps, visit: Visit) => Promise<void>;

const HOME = '/account/security';
const UNPROCESSABLE = 422;

export const securityPage: Handler = async (deps, visit) => {
  const { ctx, person, page } = visit;
  const factors = await findFactors(deps.db, person.id);
  const rows = (type: Factor['type']) =>
    factors
      .filter((factor) => factor.type === type)
      .map(({ id, name, createdAt, lastUsedAt }) => ({
        name: name ?? '',
        createdAt,
        lastUsedAt,
        renameUrl: `${HOME}/${id}/name`,
        removeUrl: `${HOME}/${id}/remove`,
      }));
  const codes = factors.find(({ type }) => type === 'recovery-code');
  const [passkeys, apps] = [rows('passkey'), rows('totp')];
  showAccountPage(ctx, deps.view, 'account-security', {
    ...page,
    notice: noticeOf(deps, visit),
    passkeys,
    apps,
    codes: passkeys.length + apps.length === 0 ? undefined : { left: codes?.codesLeft ?? 0 },
    organization: (await deps.organizationFactor?.(person))?.host,
    identitiesUrl: (await mayLink(deps, person)) ? '/account/identities' : undefined,
    passkeyUrl: `${HOME}/passkey`,
    totpUrl: `${HOME}/totp`,
    codesUrl: `${HOME}/codes`,
  });
};

const mayLink = async ({ identities }: SecurityDeps, { id, homeTenantId }: Visit['person']): Promise<boolean> =>
  identities !== undefined && ((await identities.offered(homeTenantId)).length > 0 || (await identities.list(id)).length > 0);

const NOTICES: Readonly<Record<string, MessageKey>> = { renamed: 'security.renamed' };

/** The name of what was added or removed is shown where this session was sent here with it: nobody's link writes on this page. */
function noticeOf({ box }: SecurityDeps, { ctx: { query }, session }: Visit): Note | undefined {
  const { done, name, mark } = query;
  if ((done === 'added' || done === 'removed') && typeof name === 'string' && typeof mark === 'string')
    return box.macAll(NOTICE, noticed(session.id, done, name)).includes(mark) ? { key: `security.${done}`, values: { name } } : undefined;
  return typeof done === 'string' ? NOTICES[done] : undefined;
}

const NOTICE = 'account-notice';
const noticed = (...parts: [session: string, done: string, name: string]): string => JSON.stringify(parts);

function doneWith({ box }: SecurityDeps, { ctx, session }: Visit, done: 'added' | 'removed' | 'renamed', name = ''): void {
  const about = name ? { name, mark: box.mac(NOTICE, noticed(session.id, done, name)) } : {};
  seeOther(ctx, `${HOME}?${new URLSearchParams({ done, ...about })}`);
}

/** Hands on whoever may change their factors now, with what they have. */
const fresh =
  (
    handle: (deps: SecurityDeps, visit: Visit, factors: readonly Factor[]) => Promise<void>,
    demand: typeof demandOfCodes = demandOf,
  ): Handler =>
  async (deps, visit) => {
    const factors = await findFactors(deps.db, visit.person.id);
    if (confirm(deps, visit, demand(factors, visit.session.id))) await handle(deps, visit, factors);
  };

const ceremonyOf = <Id extends EnrolmentId>({ session, person }: Visit, kind: Id) => ({ kind, userId: person.id, of: session.id });

/** What was begun in this session, or a new one. */
async function begun<Id extends EnrolmentId>(deps: SecurityDeps, visit: Visit, kind: Id): Promise<Shown<Id>> {
  const ceremony = ceremonyOf(visit, kind);
  return (await showEnrolment(deps.enrolments, visit.scope, ceremony)) ?? (await startEnrolment(deps.enrolments, visit.scope, ceremony));
}

async function showTotp(deps: SecurityDeps, visit: Visit, fault?: Fault): Promise<void> {
  const shown = await begun(deps, visit, 'totp');
  const data = { ...visit.page, ...fault, ...shown, backUrl: HOME };
  showLoginPage(visit.ctx, deps.view, 'enrol-totp', data, { status: fault ? UNPROCESSABLE : 200 });
}

async function showPasskey(deps: SecurityDeps, visit: Visit, fault?: Fault): Promise<void> {
  const options = JSON.stringify(await begun(deps, visit, 'passkey'));
  const data = { ...visit.page, ...fault, options, backUrl: HOME };
  showLoginPage(visit.ctx, deps.view, 'enrol-passkey', data, { status: fault ? UNPROCESSABLE : 200 });
}

export const totpPage: Handler = fresh((deps, visit) => showTotp(deps, visit));
export const passkeyPage: Handler = fresh((deps, visit) => showPasskey(deps, visit));

export const addTotp: Handler = fresh(async (deps, visit) => {
  const form = await readPosted(deps, visit);
  const fault = await enrol(deps, visit, 'totp', { code: form['code'] ?? '', ...nameIn(form) });
  if (fault) await showTotp(deps, visit, fault);
});

export const addPasskey: Handler = fresh(async (deps, visit) => {
  const form = await readPosted(deps, visit);
  const fault = await enrol(deps, visit, 'passkey', { credential: readCredential(form), ...nameIn(form) });
  if (fault) await showPasskey(deps, visit, fault);
});

async function enrol(deps: SecurityDeps, visit: Visit, kind: EnrolmentId, input: object): Promise<Fault | undefined> {
  const { ctx, scope, page, person } = visit;
  try {
    const id = await finishEnrolment(deps.enrolments, scope, ceremonyOf(visit, kind), input, page.locale ?? 'en');
    if (id === undefined) return notProven(kind);
    const factors = await findFactors(deps.db, person.id);
    // Whoever has nothing to fall back on is led to the codes at once.
    if (!factors.some(({ type }) => type === 'recovery-code')) seeOther(ctx, `${HOME}/codes`);
    else doneWith(deps, visit, 'added', factors.find((factor) => factor.id === id)?.name);
    return undefined;
  } catch (error) {
    return faultOf(error, kind);
  }
}

export const codesPage: Handler = fresh(async (deps, { ctx, page }, factors) => {
  const codes = factors.find(({ type }) => type === 'recovery-code');
  showAccountPage(ctx, deps.view, 'account-codes', { ...page, codes: undefined, replaces: codes !== undefined, backUrl: HOME });
}, demandOfCodes);

export const makeCodes: Handler = fresh(async (deps, visit) => {
  const { ctx, scope, page, person } = visit;
  await readPosted(deps, visit);
  try {
    const { codes } = await replaceRecoveryCodes(deps.enrolments, scope, person.id);
    showAccountPage(ctx, deps.view, 'account-codes', { ...page, codes, replaces: false, backUrl: HOME });
  } catch (error) {
    const data = { ...page, ...faultOf(error), codes: undefined, replaces: false, backUrl: HOME };
    showAccountPage(ctx, deps.view, 'account-codes', data, { status: UNPROCESSABLE });
  }
}, demandOfCodes);

/** Throws 404 where the person has no such factor. */
function named404(ctx: Context, factors: readonly Factor[]): Factor {
  const found = factors.find(({ id, type }) => type !== 'recovery-code' && ctx.path.split('/')[3] === id);
  if (!found) throw new AppError('factor.not_found', 404, 'Not found');
  return found;
}

export const renamePage: Handler = fresh(async (deps, { ctx, page }, factors) => {
  const { name = '' } = named404(ctx, factors);
  showAccountPage(ctx, deps.view, 'account-rename', { ...page, name, backUrl: HOME });
});

export const rename: Handler = fresh(async (deps, visit, factors) => {
  const { ctx, scope, person, page } = visit;
  const { id, name: before = '' } = named404(ctx, factors);
  const { name } = nameIn(await readPosted(deps, visit));
  if (name === undefined) {
    const data = { ...page, name: before, errors: { name: 'field.required' as const }, backUrl: HOME };
    return showAccountPage(ctx, deps.view, 'account-rename', data, { status: UNPROCESSABLE });
  }
  await renameFactor(deps.enrolments, scope, { userId: person.id, id, name });
  doneWith(deps, visit, 'renamed');
});

const losesCodes = (factors: readonly Factor[]): boolean =>
  factors.some(({ type }) => type === 'recovery-code') && factors.filter(({ type }) => type !== 'recovery-code').length === 1;

export const removePage: Handler = fresh(async (deps, { ctx, page }, factors) => {
  const { name = '' } = named404(ctx, factors);
  showAccountPage(ctx, deps.view, 'account-remove', { ...page, name, codesToo: losesCodes(factors) });
});

export const remove: Handler = fresh(async (deps, visit, factors) => {
  const { ctx, scope, person, page } = visit;
  const { id, name = '' } = named404(ctx, factors);
  const form = await readPosted(deps, visit);
  if (form['decision'] === 'deny') return seeOther(ctx, HOME);
  try {
    await removeFactor(deps.enrolments, scope, { userId: person.id, id });
    doneWith(deps, visit, 'removed', name);
  } catch (error) {
    const data = { ...page, ...faultOf(error), name, codesToo: false };
    showAccountPage(ctx, deps.view, 'account-remove', data, { status: UNPROCESSABLE });
  }
});
