/** `/login/{uid}`: the browser's way through the journey. Every answer to a POST is a redirect or the same page with what to mend. */
import type { Context, Middleware } from 'koa';
import { AppError } from '../core/errors.ts';
import { anonymousScope } from '../core/scope.ts';
import { isForeign } from '../http/csrf.ts';
import { readForm } from '../http/read-body.ts';
import { mailNotConfigured } from '../infra/mail.ts';
import type { Interaction } from '../oidc/interaction.ts';
import { askAgain, challengeOf } from './challenged.ts';
import { keepDeviceToken, readDeviceToken } from './device-cookie.ts';
import { finishEnrolStep, showEnrolStep } from './enrol-step.ts';
import { checkForm, type Position, type Progress, stepInvalid } from './flow.ts';
import { changeForcedPassword } from './forced-change.ts';
import { begunAgain, type Journey } from './journey.ts';
import { deleteJourney, standingOf } from './journey-store.ts';
import type { Step } from './next-step.ts';
import { findPerson } from './people-store.ts';
import { offersPasswords } from './policy.ts';
import { asksForMore, beginProof, chosenFor, chosenOf, showAgain, showLink, showProof, stepUp, wantsToBegin } from './prove.ts';
import type { Refusal } from './refusal.ts';
import { finishRegistration, resendRegistrationCode, startRegistration } from './registration.ts';
import { finishReset, resendResetCode, startReset } from './reset.ts';
import {
  type Again,
  pathOf,
  showConsent,
  showRefusal,
  showRegistration,
  showResetRequest,
  showSelectAccount,
  showSignIn,
  showStep,
  showTenants,
  showTerms,
} from './screens.ts';
import { codeRecipient } from './sealed-data.ts';
import { goesAsAsked, leavesFor } from './social/pages.ts';
import { acceptTerms, termsAt } from './terms.ts';
import { finishVerification, startVerification } from './verification.ts';
import { arrive, entry, type LoginRoutesDeps, linkedCode, loadInteraction, type Visit, withSession } from './visit.ts';

export type { LoginRoutesDeps } from './visit.ts';

type Form = Readonly<Record<string, string>>;

const PATH = /^\/login\/([\w-]{1,64})(?:\/(register|reset|restart|link))?$/;

/** Answers everything below `/login/`; lets other paths pass. */
export function loginRoutes(deps: LoginRoutesDeps): Middleware {
  return async (ctx, next) => {
    const [, uid, page] = PATH.exec(ctx.path) ?? [];
    if (!uid) return next();
    if (!['GET', 'HEAD', 'POST'].includes(ctx.method)) {
      ctx.set('allow', 'GET, HEAD, POST');
      throw new AppError('method.not_allowed', 405, 'This method is not known here');
    }
    const interaction = await loadInteraction(deps, ctx, uid);
    if (!interaction) return;
    const passes = await challengeOf(deps, ctx, interaction, page);
    try {
      if (ctx.method !== 'POST') return await show(deps, await arrive(deps, ctx, interaction), page);
      const form = await readPosted(deps, ctx, interaction);
      if (!(await passes(form))) return await askAgain(deps, await arrive(deps, ctx, interaction), page, form);
      if (page === undefined && (await leavesFor(deps, ctx, interaction, form))) return;
      // The engine reads for itself where the journey stands: the most frequent step is not to read it twice.
      if (
        page === undefined &&
        (form['login'] ?? form['passkey']) !== undefined &&
        form['decision'] !== 'deny' &&
        !wantsToBegin(deps, form)
      )
        return await attempt(deps, entry(deps, ctx, interaction, undefined, await deps.invited?.(ctx, interaction.client)), form);
      return await answer(deps, await arrive(deps, ctx, interaction), page, form);
    } catch (error) {
      // Taken in another window: show where the journey stands by now.
      if (!(error instanceof AppError) || error.code !== stepInvalid().code) throw error;
      seeOther(ctx, `/login/${uid}`);
    }
  };
}

async function readPosted(deps: LoginRoutesDeps, ctx: Context, { uid, client }: Interaction): Promise<Form> {
  const form = await readForm(ctx.req);
  const scope = anonymousScope(client.tenantId, client.clientId);
  await checkForm(deps.audit, scope, '/login/{uid}', () =>
    deps.csrf.check(`login:${uid}`, form['_csrf'], ctx.req.headers, scope.request.issuer),
  );
  return form;
}

async function show(deps: LoginRoutesDeps, visit: Visit, page: string | undefined): Promise<void> {
  const { ctx, interaction, at, step } = visit;
  if (page === 'restart') {
    if (isForeign(ctx.req.headers, at.scope.request.issuer)) throw stepInvalid();
    await deleteJourney(deps.db, at.journey.id);
    seeOther(ctx, `/login/${interaction.uid}?page=sign-in`);
    return;
  }
  if (page === 'register' || page === 'reset') {
    checkMail(deps);
    if (page === 'reset' && !offersPasswords(at.settings)) throw stepInvalid();
    if (page === 'reset') showResetRequest(visit);
    else if (!at.settings.registration) showRefusal(visit, { refused: 'registration.closed', status: 403 });
    else showRegistration(visit);
    return;
  }
  const begins = step.name === 'prove' && step.first;
  const linked = page === undefined ? undefined : linkedCode(ctx);
  if (page === 'link') {
    if (linked === undefined || !begins) throw stepInvalid();
    return showLink(visit, linked);
  }
  if (ctx.query['page'] === 'sign-in' && at.journey.proofs.length === 0) {
    showSignIn(visit);
    return;
  }
  if (begins && isPrompt(visit, 'create') && deps.mail && at.settings.registration) showRegistration(visit);
  else if (begins && isPrompt(visit, 'consent')) await showConsent(await withSession(deps, visit), deps.resourceNames);
  else if (begins && isPrompt(visit, 'select_account') && interaction.session) showSelectAccount(await withSession(deps, visit));
  else if (begins && isPrompt(visit, 'tenant')) showTenants(await withSession(deps, visit));
  else if (begins && isPrompt(visit, 'step_up'))
    await proceed(deps, (await stepUp(deps, visit)) ?? { ...visit, step: { name: 'unreachable', requiredAcr: at.policy.requiredAcr } });
  else if (!begins || !(await goesAsAsked(deps, visit))) await proceed(deps, visit);
}

/** Shows the step that the journey is at, or ends it where there is none left. */
async function proceed(deps: LoginRoutesDeps, visit: Visit, again: Again = {}): Promise<void> {
  const { step, at } = visit;
  if (step.name === 'done' || step.name === 'unreachable') return finish(deps, visit, step);
  if (step.name === 'verify_email') {
    checkMail(deps);
    // Nobody asked for this code yet: it is sent as soon as its page is looked at.
    return goOn(visit, await startVerification(deps, at), () => proceed(deps, visit));
  }
  if (step.name === 'prove') {
    showProof(deps, visit, step, again);
    return;
  }
  if (step.name === 'enrol') return showEnrolStep(deps, visit, step, again);
  if (step.name === 'terms') return showTerms(visit, await termsAt(deps, at), again);
  const person = at.journey.accountId === undefined ? undefined : await findPerson(deps.db, at.journey.accountId);
  const recipient = codeRecipient(deps.box, at.journey);
  const minLength = person ? await deps.passwords.minLengthAt(person.homeTenantId) : visit.minLength;
  showStep({ ...visit, person, recipient, minLength }, step, again);
}

async function finish(deps: LoginRoutesDeps, { ctx, at }: Visit, step: Step): Promise<void> {
  const { req, res } = ctx;
  if (step.name === 'done') {
    const { accountId, acr, amr, authTime } = step;
    const stands = await standingOf(deps.db, at.journey.id);
    const linked = stands?.link === undefined ? undefined : await deps.social?.complete(at.scope, stands.link, accountId);
    const upstream = linked ?? stands?.upstream;
    const over = stands === undefined ? undefined : { accountId, acr, amr: [...amr], authTime, epoch: stands.epoch, upstream };
    seeOther(ctx, await (over ? deps.interactions.finishLogin(req, res, over) : deps.interactions.refuse(req, res, 'access_denied')));
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
      agreed: agreedIn(form),
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
  if (step.name === 'prove') {
    const chosen = chosenOf(visit, step);
    if (wantsToBegin(deps, form)) return beginProof(deps, visit, form, form['method'] ?? '');
    if (form['decision'] === 'resend' && chosen !== undefined) return beginProof(deps, visit, form, chosen);
    if (!step.first || (chosen !== undefined && form['code'] !== undefined)) return attempt(deps, visit, form, at.journey);
  }
  const begins = step.name === 'prove' && step.first;
  if (begins && isPrompt(visit, 'consent')) {
    if (form['decision'] !== 'allow') throw stepInvalid();
    seeOther(ctx, await deps.interactions.finishConsent(req, res, 'all'));
    return;
  }
  if (begins && isPrompt(visit, 'tenant')) {
    const chosen = interaction.tenants?.find(({ id }) => id === form['tenant']);
    if (!chosen) throw stepInvalid();
    seeOther(ctx, await deps.interactions.finishTenant(req, res, chosen.id));
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
  if (step.name === 'enrol') {
    const fault = await finishEnrolStep(deps, visit, step, form);
    return fault ? shown(fault) : seeOther(ctx, pathOf(visit));
  }
  if (step.name === 'terms') return goOn(visit, await acceptTerms(deps, at, agreedIn(form)), shown);
  if (step.name === 'change_password') return goOn(visit, await changeForcedPassword(deps, at, { password: field('new_password') }), shown);
  throw stepInvalid();
}

/** One attempt by the method whose fields were posted; with the journey where it was read. */
async function attempt(deps: LoginRoutesDeps, visit: Visit, form: Form, journey?: Journey): Promise<void> {
  const { ctx, at, step } = visit;
  const offered = step.name === 'prove' ? step.methods : deps.engine.methods.filter(({ first }) => first).map(({ id }) => id);
  const { issuer } = at.scope.request;
  const outcome = await deps.engine.attempt(at.scope, {
    door: 'browser',
    journeyId: at.journey.id,
    journey,
    methodId:
      form['method'] ??
      (form['login'] === undefined && step.name === 'prove' ? chosenFor(deps, visit, step, form) : undefined) ??
      deps.engine.methodFor(offered, form) ??
      offered[0] ??
      '',
    input: form,
    requiredAcr: at.policy.requiredAcr,
    invited: at.invited,
    locale: at.locale,
    deviceToken: readDeviceToken(ctx, issuer),
    trustDevice: form['remember'] !== undefined,
    distrustDevice: asksForMore(visit),
    expiresAt: at.row.expiresAt,
  });
  if ('refused' in outcome) {
    if (outcome.refused === 'auth.step_invalid') throw stepInvalid();
    if (outcome.status === 429 || outcome.status === 503) showRefusal(visit, outcome);
    else await showAgain(deps, await arrive(deps, ctx, visit.interaction), form);
    return;
  }
  if (outcome.keepDevice) keepDeviceToken(ctx, issuer, outcome.deviceToken);
  if (outcome.step.name === 'done') return finish(deps, visit, outcome.step);
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

/** A registration or a reset begins where nobody is proven; whoever is may not be lost by it. */
function fresh(at: Position): Position {
  if (at.journey.proofs.length > 0) throw stepInvalid();
  return { ...at, journey: begunAgain(at.journey) };
}

const agreedIn = (form: Form): string[] => [form['agree_terms'] ?? '', form['agree_privacy'] ?? ''];

const isPrompt = ({ interaction }: Visit, name: string): boolean => interaction.prompt.name === name;

function checkMail({ mail }: LoginRoutesDeps): void {
  if (!mail) throw mailNotConfigured();
}

function seeOther(ctx: Context, url: string): void {
  ctx.status = 303;
  ctx.set('location', url);
  ctx.set('cache-control', 'no-store');
  ctx.body = '';
}
