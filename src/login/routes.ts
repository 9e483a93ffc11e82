/** `/login/{uid}`: the browser's way through the journey. Every answer to a POST is a redirect or the same page with what to mend. */
import type { Context, Middleware } from 'koa';
import { AppError } from '../core/errors.ts';
import { pickLocale } from '../core/messages/catalogue.ts';
import { anonymousScope } from '../core/scope.ts';
import type { Csrf } from '../http/csrf.ts';
import { readForm } from '../http/read-body.ts';
import type { View } from '../http/view.ts';
import type { Interaction, Interactions } from '../oidc/interaction.ts';
import { keepDeviceToken, readDeviceToken } from './device-cookie.ts';
import type { Engine, Refusal } from './engine.ts';
import { type FlowDeps, type Position, type Progress, stepInvalid } from './flow.ts';
import { changeForcedPassword } from './forced-change.ts';
import { freshState, journeyIdOf } from './journey.ts';
import { deleteJourney } from './journey-store.ts';
import { nextStep, type Step } from './next-step.ts';
import { findPerson } from './people-store.ts';
import { policyOf } from './policy.ts';
import { finishRegistration, resendRegistrationCode, startRegistration } from './registration.ts';
import { finishReset, resendResetCode, startReset } from './reset.ts';
import {
  type Again,
  type ResourceNames,
  type Screen,
  showConsent,
  showRefusal,
  showRegistration,
  showResetRequest,
  showSelectAccount,
  showSignIn,
  showStep,
} from './screens.ts';
import { openRecipient, openRegistration } from './sealed-data.ts';
import { findJourney } from './store.ts';
import { finishVerification, startVerification } from './verification.ts';
import { showLoginPage } from './views/pages.ts';

export interface LoginRoutesDeps extends FlowDeps {
  engine: Engine;
  interactions: Interactions;
  view: View;
  csrf: Csrf;
  resourceNames: ResourceNames;
  /** Mail can be sent: accounts can be made and passwords reset. */
  mail: boolean;
}

type Form = Readonly<Record<string, string>>;
interface Visit extends Screen {
  step: Step;
}

const PATH = /^\/login\/([\w-]{1,64})(?:\/(register|reset|restart))?$/;

/** Answers everything below `/login/`; lets other paths pass. */
export function loginRoutes(deps: LoginRoutesDeps): Middleware {
  return async (ctx, next) => {
    const [, uid, page] = PATH.exec(ctx.path) ?? [];
    if (!uid) return next();
    if (!['GET', 'HEAD', 'POST'].includes(ctx.method)) {
      ctx.set('allow', 'GET, HEAD, POST');
      throw new AppError('method.not_allowed', 405, 'This method is not known here');
    }
    const visit = await arrive(deps, ctx, uid);
    if (!visit) return;
    try {
      if (ctx.method === 'POST') await answer(deps, visit, page, await readPosted(deps, visit));
      else await show(deps, visit, page);
    } catch (error) {
      // Taken in another window: show where the journey stands by now.
      if (!(error instanceof AppError) || error.code !== stepInvalid().code) throw error;
      seeOther(ctx, `/login/${uid}`);
    }
  };
}

/** The interaction of this browser and the journey in it; the page that says it is gone where there is none. */
async function arrive(deps: LoginRoutesDeps, ctx: Context, uid: string): Promise<Visit | undefined> {
  const interaction = await loadInteraction(deps, ctx, uid);
  if (!interaction) return undefined;
  const scope = anonymousScope(interaction.client.tenantId, interaction.client.clientId);
  const { issuer } = scope.request;
  const found = await findJourney(deps.db, journeyIdOf(issuer, uid), scope.tenantId, deps.clock.now());
  const wanted = interaction.prompt.name === 'step_up' ? interaction.prompt.details['acr'] : undefined;
  const policy = policyOf(deps.engine.methods, found.settings, typeof wanted === 'string' ? wanted : undefined);
  const uiLocales = interaction.params['ui_locales'];
  const at: Position = {
    scope,
    journey: found.journey,
    settings: found.settings,
    policy,
    row: { kind: 'browser', clientId: scope.clientId, expiresAt: new Date(interaction.expiresAt * 1000) },
    locale: pickLocale(typeof uiLocales === 'string' ? uiLocales : undefined, ctx.get('accept-language')),
    url: `${issuer}/login/${uid}`,
  };
  const csrf = deps.csrf.token(`login:${uid}`);
  const { view, mail, passwords } = deps;
  return { ctx, view, interaction, at, csrf, mail, minLength: passwords.minLength, step: nextStep(at.journey, policy) };
}

async function loadInteraction(deps: LoginRoutesDeps, ctx: Context, uid: string): Promise<Interaction | undefined> {
  try {
    const interaction = await deps.interactions.load(ctx.req, ctx.res);
    if (interaction.uid === uid) return interaction;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'interaction.expired') throw error;
  }
  const locale = pickLocale(ctx.get('accept-language'));
  showLoginPage(ctx, deps.view, 'expired', { locale, startUrl: '/account' }, { status: 400 });
  return undefined;
}

async function readPosted(deps: LoginRoutesDeps, { ctx, at, interaction }: Visit): Promise<Form> {
  const form = await readForm(ctx.req);
  deps.csrf.check(`login:${interaction.uid}`, form['_csrf'], ctx.req.headers, at.scope.request.issuer);
  return form;
}

async function show(deps: LoginRoutesDeps, visit: Visit, page: string | undefined): Promise<void> {
  const { ctx, interaction, at, step } = visit;
  if (page === 'restart') {
    await deleteJourney(deps.db, at.journey.id);
    seeOther(ctx, `/login/${interaction.uid}?page=sign-in`);
    return;
  }
  if (page !== undefined) {
    checkMail(deps);
    if (page === 'reset') showResetRequest(visit);
    else if (!at.settings.registration) showRefusal(visit, { refused: 'registration.closed', status: 403 });
    else showRegistration(visit);
    return;
  }
  const begins = step.name === 'prove' && step.first;
  if (ctx.query['page'] === 'sign-in' && at.journey.proofs.length === 0) {
    showSignIn(visit);
    return;
  }
  if (begins && isPrompt(visit, 'create') && deps.mail && at.settings.registration) showRegistration(visit);
  else if (begins && isPrompt(visit, 'consent')) await showConsent(await withSession(deps, visit), deps.resourceNames);
  else if (begins && isPrompt(visit, 'select_account') && interaction.session) showSelectAccount(await withSession(deps, visit));
  else if (begins && isPrompt(visit, 'step_up')) await finish(deps, visit, { name: 'unreachable', requiredAcr: at.policy.requiredAcr });
  else await proceed(deps, visit);
}

/** Shows the step that the journey is at, or ends it where there is none left. */
async function proceed(deps: LoginRoutesDeps, visit: Visit, again: Again = {}): Promise<void> {
  const { step, at } = visit;
  if (step.name === 'done' || step.name === 'unreachable') return finish(deps, visit, step);
  if (step.name === 'verify_email') {
    // Nobody asked for this code yet: it is sent as soon as its page is looked at.
    return goOn(visit, await startVerification(deps, at), () => proceed(deps, visit));
  }
  const person = at.journey.accountId === undefined ? undefined : await findPerson(deps.db, at.journey.accountId);
  const recipient = openRegistration(deps.box, at.journey)?.email ?? openRecipient(deps.box, at.journey);
  showStep({ ...visit, person, recipient }, step, again);
}

async function finish(deps: LoginRoutesDeps, { ctx, at }: Visit, step: Step): Promise<void> {
  const { req, res } = ctx;
  if (step.name === 'done') {
    const { accountId, acr, amr, authTime } = step;
    seeOther(ctx, await deps.interactions.finishLogin(req, res, { accountId, acr, amr: [...amr], authTime }));
    return;
  }
  const reason = { type: 'login.refused', outcome: 'failure', reason: 'assurance.unreachable' } as const;
  await deps.audit.append(at.scope, reason);
  seeOther(ctx, await deps.interactions.refuse(req, res, 'unmet_authentication_requirements'));
}

async function answer(deps: LoginRoutesDeps, visit: Visit, page: string | undefined, form: Form): Promise<void> {
  const { ctx, at, interaction, step } = visit;
  const { req, res } = ctx;
  const field = (name: string): string => form[name] ?? '';
  if (page === 'register') {
    checkMail(deps);
    const input = {
      email: field('email'),
      givenName: field('given_name'),
      familyName: field('family_name'),
      password: field('new_password'),
    };
    return goOn(visit, await startRegistration(deps, fresh(at), input), (again) => showRegistration(visit, { ...again, typed: form }));
  }
  if (page === 'reset') {
    checkMail(deps);
    return goOn(visit, await startReset(deps, fresh(at), { email: field('email') }), (again) =>
      showResetRequest(visit, { ...again, typed: form }),
    );
  }
  if (form['decision'] === 'deny') {
    await deleteJourney(deps.db, at.journey.id);
    seeOther(ctx, await deps.interactions.refuse(req, res, 'access_denied'));
    return;
  }
  if (form['login'] !== undefined || (step.name === 'prove' && !step.first)) return attempt(deps, visit, form);
  const begins = step.name === 'prove' && step.first;
  if (begins && isPrompt(visit, 'consent')) {
    if (form['decision'] !== 'allow') throw stepInvalid();
    seeOther(ctx, await deps.interactions.finishConsent(req, res, 'all'));
    return;
  }
  if (begins && isPrompt(visit, 'select_account') && interaction.session) {
    if (form['decision'] === 'other') seeOther(ctx, `/login/${interaction.uid}?page=sign-in`);
    else if (form['decision'] === 'continue') seeOther(ctx, await deps.interactions.finishSelection(req, res));
    else throw stepInvalid();
    return;
  }
  const resend = form['decision'] === 'resend';
  const shown = (again: Again): Promise<void> => proceed(deps, visit, again);
  if (step.name === 'enter_code' && step.purpose === 'register') {
    return goOn(visit, resend ? await resendRegistrationCode(deps, at) : await finishRegistration(deps, at, field('code')), shown, resend);
  }
  if (step.name === 'enter_code') {
    return goOn(visit, resend ? await startVerification(deps, at) : await finishVerification(deps, at, field('code')), shown, resend);
  }
  if (step.name === 'reset_password') {
    const input = { code: field('code'), password: field('new_password') };
    return goOn(visit, resend ? await resendResetCode(deps, at) : await finishReset(deps, at, input), shown, resend);
  }
  if (step.name === 'change_password') return goOn(visit, await changeForcedPassword(deps, at, { password: field('new_password') }), shown);
  throw stepInvalid();
}

/** One attempt by the method whose fields were posted. */
async function attempt(deps: LoginRoutesDeps, visit: Visit, form: Form): Promise<void> {
  const { ctx, at, step } = visit;
  const offered = step.name === 'prove' ? step.methods : deps.engine.methods.filter(({ first }) => first).map(({ id }) => id);
  const { issuer } = at.scope.request;
  const outcome = await deps.engine.attempt(at.scope, {
    door: 'browser',
    journeyId: at.journey.id,
    methodId: form['method'] ?? deps.engine.methodFor(offered, form) ?? offered[0] ?? '',
    input: form,
    requiredAcr: at.policy.requiredAcr,
    deviceToken: readDeviceToken(ctx, issuer),
    expiresAt: at.row.expiresAt,
  });
  if ('refused' in outcome) {
    if (outcome.refused === 'auth.step_invalid') throw stepInvalid();
    if (outcome.status === 429) showRefusal(visit, outcome);
    else showSignIn(visit, { alert: 'login.refused', typed: { login: form['login'] ?? '' } });
    return;
  }
  if (outcome.step.name === 'done') {
    keepDeviceToken(ctx, issuer, outcome.deviceToken);
    return finish(deps, visit, outcome.step);
  }
  seeOther(ctx, `/login/${visit.interaction.uid}`);
}

/** After a step: what to mend, what speaks against it, or the page where the journey now stands. */
async function goOn(
  { ctx, interaction, ...rest }: Visit,
  progress: Progress,
  mend: (again: Again) => void | Promise<void>,
  resent = false,
): Promise<void> {
  if ('refused' in progress) showRefusal({ ctx, interaction, ...rest }, progress satisfies Refusal);
  else if ('errors' in progress) await mend({ errors: progress.errors });
  else seeOther(ctx, `/login/${interaction.uid}${resent ? '?sent' : ''}`);
}

async function withSession(deps: LoginRoutesDeps, visit: Visit): Promise<Visit> {
  const { session } = visit.interaction;
  const person = session && (await findPerson(deps.db, session.accountId));
  const name = [person?.givenName, person?.familyName].filter(Boolean).join(' ');
  return person ? { ...visit, person: { email: person.email, ...(name ? { name } : {}) } } : visit;
}

/** A registration or a reset begins where nobody is proven; whoever is may not be lost by it. */
function fresh(at: Position): Position {
  if (at.journey.proofs.length > 0) throw stepInvalid();
  const { id, version } = at.journey;
  return { ...at, journey: { id, version, ...freshState() } };
}

const isPrompt = ({ interaction }: Visit, name: string): boolean => interaction.prompt.name === name;

function checkMail({ mail }: LoginRoutesDeps): void {
  if (!mail) throw new AppError('mail.not_configured', 503, 'Mail is not set up on this server');
}

function seeOther(ctx: Context, url: string): void {
  ctx.status = 303;
  ctx.set('location', url);
  ctx.set('cache-control', 'no-store');
  ctx.body = '';
}
