/** The browser's way to another provider and back. */
import type { Context, Middleware } from 'koa';
import { AppError } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { anonymousScope } from '../../core/scope.ts';
import { isForeign } from '../../http/csrf.ts';
import { readForm } from '../../http/read-body.ts';
import type { Interaction } from '../../oidc/interaction.ts';
import { refusedEvent } from '../attempt.ts';
import { keepDeviceToken, readDeviceToken } from '../device-cookie.ts';
import { stepInvalid } from '../flow.ts';
import { begunAgain } from '../journey.ts';
import { saveJourney } from '../journey-store.ts';
import { SOCIAL, type SocialInput } from '../methods/social.ts';
import { asksForMore } from '../prove.ts';
import { base, showRefusal, showSignIn } from '../screens.ts';
import { arriveFromService, ownInteraction, recordStranger } from '../second-factor-pages.ts';
import { findJourney } from '../store.ts';
import { showLoginPage } from '../views/pages.ts';
import { arrive, type LoginRoutesDeps, loadInteraction, type Visit } from '../visit.ts';
import { byName, type Offered } from './offered.ts';
import { UpstreamRefused } from './provider.ts';

const BEGIN = /^\/login\/([\w-]{1,64})\/social\/([\w-]{1,64})$/;
const BACK = /^\/login\/callback\/((second-factor\/)?([0-9a-f-]{36}))$/;
const ARRIVED = /^\/login\/([\w-]{1,64})\/callback\/([0-9a-f-]{36})$/;
/** At the tenant's own provider for second factors. */
const ARRIVED_SECOND = /^\/login\/([\w-]{1,64})\/callback\/second-factor\/([0-9a-f-]{36})$/;
/** In front of the state stands where the answer belongs; only the browser that began holds that place's cookie. */
const STATE = /^([\w-]{1,64})\.[\w-]{43}$/;
/** In place of an interaction's uid: begun on the account page. */
export const ACCOUNT_STATE = 'account';
const ANSWERS = new Set(['code', 'state', 'iss', 'error', 'user']);

/** Answers the paths on which somebody goes to a provider and comes back; lets others pass. */
export function socialPages(deps: LoginRoutesDeps): Middleware {
  return async (ctx, next) => {
    const [, back, second, id = ''] = BACK.exec(ctx.path) ?? [];
    if (back !== undefined) return handBack(deps, ctx, back, second === undefined ? { connectionId: id } : { tenantId: id });
    const isSecond = ARRIVED_SECOND.test(ctx.path);
    const [, uid, name] = BEGIN.exec(ctx.path) ?? ARRIVED.exec(ctx.path) ?? ARRIVED_SECOND.exec(ctx.path) ?? [];
    if (uid === undefined || name === undefined) return next();
    if (ctx.method !== 'GET') return methodNotAllowed(ctx, 'GET');
    const interaction = isSecond ? await ownInteraction(deps, ctx, uid, name) : await loadInteraction(deps, ctx, uid);
    if (!interaction) return;
    try {
      if (isSecond) await arriveFromService(deps, ctx, interaction);
      else if (ARRIVED.test(ctx.path)) await arriveFrom(deps, ctx, interaction, name);
      else await go(deps, ctx, interaction, name);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== stepInvalid().code) throw error;
      seeOther(ctx, `/login/${uid}`);
    }
  };
}

/**
 * The one address of a connection that its provider knows. The cookies of the sign-in do not reach here, those of a form that is posted from
 * elsewhere reach nowhere: a redirect within this site brings the answer to where they do.
 */
async function handBack(
  deps: LoginRoutesDeps,
  ctx: Context,
  back: string,
  from: { connectionId: string } | { tenantId: string },
): Promise<void> {
  if (ctx.method !== 'GET' && ctx.method !== 'POST') return methodNotAllowed(ctx, 'GET, POST');
  const given = ctx.method === 'POST' ? Object.entries(await readForm(ctx.req)) : [...new URLSearchParams(ctx.querystring)];
  const state = given.filter(([name]) => name === 'state');
  const [, place] = (state.length === 1 && STATE.exec(state[0]?.[1] ?? '')) || [];
  if (place === undefined) {
    const { tenantId } = 'tenantId' in from ? {} : ((await deps.connectionOf?.(from.connectionId)) ?? {});
    if ('tenantId' in from) await recordStranger(deps, from.tenantId, 'response.state');
    else if (tenantId !== undefined)
      await deps.audit.append(anonymousScope(tenantId), refusedEvent({ methodId: SOCIAL, door: 'browser' }, 'response.state', {}));
    showLoginPage(ctx, deps.view, 'expired', { startUrl: '/account' }, { status: 400 });
    return;
  }
  const query = new URLSearchParams(given.filter(([name, value]) => ANSWERS.has(name) && value.length <= 4096));
  const base = place === ACCOUNT_STATE ? '/account/identities' : `/login/${place}`;
  seeOther(ctx, `${base}/callback/${back}?${query}`);
}

async function go(deps: LoginRoutesDeps, ctx: Context, interaction: Interaction, name: string): Promise<void> {
  const visit = await arrive(deps, ctx, interaction);
  const { at } = visit;
  if (isForeign(ctx.req.headers, at.scope.request.issuer)) throw stepInvalid();
  const { login } = ctx.query;
  const byDomain = isId(name) && typeof login === 'string' ? await deps.social?.byAddress(interaction.client.tenantId, login) : undefined;
  const offered = byName(visit.connections ?? [], name) ?? (byDomain?.id === name ? byDomain : undefined);
  if (!offered) {
    showRefusal(visit, { refused: 'connection.not_found', status: 404 });
    return;
  }
  await leaveFor(deps, visit, offered, typeof login === 'string' ? login : undefined);
}

/** Sends the browser to the provider; shows the sign-in page again where it cannot be reached. */
export async function leaveFor(deps: LoginRoutesDeps, visit: Visit, connection: Offered, login?: string): Promise<void> {
  const { ctx, at, interaction } = visit;
  const social: SocialInput = { connection: connection.id, interaction: interaction.uid, ...(login ? { login: login.slice(0, 320) } : {}) };
  const request = { ...requestOf(visit), input: { social } };
  try {
    const begun = await deps.engine.begin(at.scope, { ...request, url: at.url });
    if ('refused' in begun) {
      if (begun.refused === 'auth.step_invalid') throw stepInvalid();
      showRefusal(visit, begun);
    } else seeOther(ctx, begun.redirect ?? `/login/${interaction.uid}`);
  } catch (error) {
    if (!(error instanceof UpstreamRefused)) throw error;
    await deps.audit.append(at.scope, refusedEvent(request, error.reason, { target: { type: 'connection', id: connection.id } }));
    showSignIn(visit, { alert: { key: 'social.unreachable', values: { name: connection.name } } });
  }
}

/**
 * What was posted is for another provider: its button, or an address whose domain signs in there. The page that follows goes there by itself:
 * browsers let no form lead to another site than the page names.
 */
export async function leavesFor(
  deps: LoginRoutesDeps,
  ctx: Context,
  interaction: Interaction,
  form: Readonly<Record<string, string>>,
): Promise<boolean> {
  if (!deps.social || form['decision'] !== undefined) return false;
  const { method, login } = form;
  if (method?.startsWith(`${SOCIAL}:`)) {
    seeOther(ctx, `/login/${interaction.uid}/${SOCIAL}/${encodeURIComponent(method.slice(SOCIAL.length + 1))}`);
    return true;
  }
  const found = login === undefined || method !== undefined ? undefined : await deps.social.byAddress(interaction.client.tenantId, login);
  if (!found) return false;
  const visit = await arrive(deps, ctx, interaction);
  // Who is to prove the account here is not sent away again.
  if (visit.at.journey.link !== undefined || visit.at.journey.proofs.length > 0) return false;
  const url = `/login/${interaction.uid}/${SOCIAL}/${found.id}?${new URLSearchParams({ login: login ?? '' })}`;
  showLoginPage(ctx, deps.view, 'elsewhere', { ...base(visit, {}), name: found.name, key: found.key, url });
  ctx.set('refresh', `0; url=${url}`);
  return true;
}

/** Goes at once to the provider that the request asks for, the first time that the page is looked at. */
export async function goesAsAsked(deps: LoginRoutesDeps, visit: Visit): Promise<boolean> {
  const { at, interaction, ctx } = visit;
  if (!deps.social || at.journey.version > 0 || !['login', 'create'].includes(interaction.prompt.name) || ctx.method !== 'GET')
    return false;
  const found = await deps.social.asked({ tenantId: at.scope.tenantId, settings: at.settings, params: interaction.params });
  if (!found) return false;
  const { login_hint: hint } = interaction.params;
  await leaveFor(deps, visit, found, typeof hint === 'string' ? hint : undefined);
  return true;
}

async function arriveFrom(deps: LoginRoutesDeps, ctx: Context, interaction: Interaction, connectionId: string): Promise<void> {
  const visit = await arrive(deps, ctx, interaction);
  const { at } = visit;
  const { issuer } = at.scope.request;
  const answer = [...new URLSearchParams(ctx.querystring)].slice(0, 20);
  const social: SocialInput = { connection: connectionId, answer };
  const outcome = await deps.engine.attempt(at.scope, {
    ...requestOf(visit),
    input: { social },
    deviceToken: readDeviceToken(ctx, issuer),
    distrustDevice: asksForMore(visit),
  });
  if (!('refused' in outcome)) {
    if (outcome.keepDevice) keepDeviceToken(ctx, issuer, outcome.deviceToken);
    return seeOther(ctx, `/login/${interaction.uid}`);
  }
  if (outcome.refused === 'auth.step_invalid') throw stepInvalid();
  // What was begun is used up, however it ended.
  await beginAgain(deps, visit, outcome.link);
  if (outcome.refused === 'auth.link_required') return seeOther(ctx, `/login/${interaction.uid}?page=sign-in`);
  const again = await arrive(deps, ctx, interaction);
  if (outcome.status === 429) return showRefusal(again, outcome);
  const name = (await deps.social?.find(connectionId))?.name ?? '';
  const denied = new URLSearchParams(answer).get('error') === 'access_denied';
  showSignIn(again, { alert: { key: denied ? 'social.cancelled' : 'social.refused', values: { name } } });
}

/** The journey at its beginning, with an identity that waits or without. */
async function beginAgain(deps: LoginRoutesDeps, { at }: Visit, link: string | undefined): Promise<void> {
  const { journey } = await findJourney(deps.db, at.journey.id, at.scope.tenantId, deps.clock.now());
  if (journey.proofs.length > 0) throw stepInvalid();
  const { link: _before, ...fresh } = begunAgain(journey);
  const next = link === undefined ? fresh : { ...fresh, link };
  const saved = await deps.transact(at.scope, ({ sql }) => saveJourney(sql, next, at.row));
  if (!saved) throw stepInvalid();
}

const requestOf = ({ at, interaction }: Visit) => {
  const { prompt } = interaction;
  return {
    door: 'browser' as const,
    journeyId: at.journey.id,
    methodId: SOCIAL,
    requiredAcr: prompt.name === 'step_up' ? at.policy.requiredAcr : undefined,
    invited: at.invited,
    locale: at.locale,
    expiresAt: at.row.expiresAt,
  };
};

function methodNotAllowed(ctx: Context, allow: string): never {
  ctx.set('allow', allow);
  throw new AppError('method.not_allowed', 405, 'This method is not known here');
}

function seeOther(ctx: Context, url: string): void {
  ctx.status = 303;
  ctx.set('location', url);
  ctx.set('cache-control', 'no-store');
  ctx.body = '';
}
