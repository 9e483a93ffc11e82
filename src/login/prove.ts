/** The pages of a proof beside the first one with a password, and what their buttons do. */
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { Context } from 'koa';
import { epochSeconds } from '../core/clock.ts';
import { isMessageKey, type MessageKey, message } from '../core/messages/catalogue.ts';
import type { Begun } from './attempt.ts';
import { type Kept, openBegun } from './begun.ts';
import { stepInvalid } from './flow.ts';
import { EXTERNAL_2FA } from './methods/external-2fa.ts';
import { EXTERNAL_OIDC } from './methods/external-oidc.ts';
import { nextStep, PHISHING_RESISTANT, type Step, TWO_FACTORS } from './next-step.ts';
import type { Refusal } from './refusal.ts';
import { type Again, afterResend, base, optionsOf, pathOf, showRefusal, showSignIn } from './screens.ts';
import { type MethodButton, showLoginPage } from './views/pages.ts';
import { arrive, type LoginRoutesDeps, type Visit } from './visit.ts';

type Form = Readonly<Record<string, string>>;
type Proving = Extract<Step, { name: 'prove' }>;

/** The page that asks for the proof: of the method that was chosen, of the only one, or for a choice. */
export function showProof(deps: LoginRoutesDeps, visit: Visit, step: Proving, again: Again = {}): void {
  const { ctx, view, at } = visit;
  const chosen = chosenOf(visit, step);
  if (step.first && chosen === undefined) {
    showSignIn(visit, again);
    return;
  }
  const backUrl = step.first ? pathOf(visit, '?page=sign-in') : pathOf(visit, '/restart');
  const page = { ...base(visit, afterResend(visit, again)), action: pathOf(visit), backUrl };
  const others = step.first ? [] : step.methods.filter((id) => id !== chosen).map((id) => buttonOf(at.locale, id));
  if (chosen === undefined) {
    showLoginPage(ctx, view, 'choose', { ...page, others }, optionsOf(visit, again));
    return;
  }
  const kept = openBegun(deps.box, at.journey, chosen, deps.clock.now());
  const sent = deps.engine.sends(chosen);
  const t = (key: Parameters<typeof message>[1], values = {}): string => message(at.locale, key, values);
  const data = {
    ...page,
    title: t(titleOf(chosen, sent)),
    lead: leadOf(at.locale, chosen, step.first, kept),
    digits: chosen !== 'recovery-code' && chosen !== EXTERNAL_2FA,
    isPasskey: chosen === 'passkey',
    mayRemember: !step.first,
    mayResend: sent !== undefined || chosen === EXTERNAL_2FA,
    isSecond: !step.first,
    others,
  };
  showLoginPage(ctx, view, 'prove', data, optionsOf(visit, again));
}

/** The page once more, with what is said of an answer that was not taken. */
export function showAgain(deps: LoginRoutesDeps, visit: Visit, form: Form): void {
  const { step } = visit;
  const isAnswer = step.name === 'prove' && (!step.first || form['login'] === undefined);
  if (!isAnswer) {
    showSignIn(visit, { alert: 'login.refused', typed: { login: form['login'] ?? '' } });
    return;
  }
  const alert = form['passkey'] !== undefined ? 'passkey.sign_in_failed' : step.first ? 'code.wrong' : 'prove.wrong';
  showProof(deps, visit, step, { alert });
}

/** What was chosen and has begun; else one that sends nothing and leads nowhere: its page asks at once. */
export function chosenOf({ at }: Visit, step: Proving): string | undefined {
  const { chosen } = at.journey;
  if (chosen !== undefined && step.methods.includes(chosen)) return chosen;
  return step.first ? undefined : ['totp', 'passkey'].find((id) => step.methods.includes(id));
}

/** The method that was chosen, where the form has its fields. */
export function chosenFor(deps: LoginRoutesDeps, visit: Visit, step: Proving, form: Form): string | undefined {
  const chosen = chosenOf(visit, step);
  return chosen !== undefined && deps.engine.methodFor([chosen], form) !== undefined ? chosen : undefined;
}

function titleOf(chosen: string, sent: 'email' | 'sms' | undefined): MessageKey {
  if (sent !== undefined) return sent === 'email' ? 'verify.title' : 'verify.title_text';
  return chosen === 'passkey' ? 'passkey.prove_title' : 'prove.title';
}

function leadOf(locale: string, chosen: string, isFirst: boolean, kept: Kept | undefined): string {
  // What was typed, in a first step: where it leads to would tell who has an account.
  const to = isFirst ? (kept?.login ?? '') : hidden(kept?.target?.to ?? '');
  if (chosen === 'totp') return message(locale, 'prove.totp');
  if (chosen === 'recovery-code') return message(locale, 'prove.recovery');
  if (chosen === 'passkey') return message(locale, 'passkey.prove_lead');
  if (chosen === EXTERNAL_2FA) return messageOf(kept) ?? message(locale, 'prove.external');
  if (chosen === 'magic-link') return message(locale, 'prove.link', { to });
  const channel = kept?.target?.channel ?? (chosen === 'sms-otp' ? 'sms' : chosen === 'email-otp' ? 'email' : undefined);
  if (channel === undefined) return message(locale, 'prove.other');
  return message(locale, isFirst ? `prove.${channel}` : `prove.${channel}_second`, { to });
}

/** What the tenant's own service says to the person, as text. */
function messageOf(kept: Kept | undefined): string | undefined {
  const said = kept?.challenge;
  return typeof said === 'object' && said !== null && 'message' in said && typeof said.message === 'string' ? said.message : undefined;
}

/** Enough for its owner to know which it is. */
function hidden(to: string): string {
  const at = to.indexOf('@');
  return at > 0 ? `${to.slice(0, 1)}•••${to.slice(at)}` : to.replace(/\d(?=\d{2})/g, '•');
}

function buttonOf(locale: string, id: string): MethodButton {
  const key = `method.${id}`;
  return { id, text: isMessageKey(key) ? message(locale, key) : id };
}

/** Whether a form asks for a method to begin, or for another code. */
export function wantsToBegin(deps: LoginRoutesDeps, form: Form): boolean {
  const { method, decision } = form;
  if (decision === 'deny') return false;
  return method !== undefined && deps.engine.begins(method, form);
}

/** Sends the code or asks for the challenge, and shows the page that takes the answer. A script gets the challenge itself. */
export async function beginProof(deps: LoginRoutesDeps, visit: Visit, form: Form, methodId: string): Promise<void> {
  const { ctx, at, interaction } = visit;
  const isScript = ctx.accepts('html', 'json') === 'json';
  const begun = await deps.engine.begin(at.scope, {
    door: 'browser',
    journeyId: at.journey.id,
    methodId,
    input: methodId === EXTERNAL_OIDC ? { external: { interaction: interaction.uid } } : named(deps, visit, form, methodId),
    requiredAcr: at.policy.requiredAcr,
    invited: at.invited,
    locale: at.locale,
    expiresAt: at.row.expiresAt,
    url: at.url,
    quiet: isScript,
  });
  if (isScript) return answerScript(ctx, begun);
  if ('refused' in begun) {
    if (begun.refused === 'auth.step_invalid') throw stepInvalid();
    if (begun.status === 429 || begun.status === 503) return showRefusal(visit, begun);
    const typed = { login: form['login'] ?? '' };
    const again =
      begun.refused === 'auth.identifier_missing'
        ? { errors: { login: 'login.name_missing' as const } }
        : { alert: 'login.refused' as const };
    return showSignIn(await arrive(deps, ctx, interaction), { ...again, typed });
  }
  if (begun.redirect !== undefined) return showTheWay(deps, visit, begun.redirect, begun.challenge);
  ctx.status = 303;
  ctx.set('location', `/login/${interaction.uid}${form['decision'] === 'resend' ? '?sent' : ''}`);
  ctx.set('cache-control', 'no-store');
  ctx.body = '';
}

/** Who asks for another code on the page that takes it has said before whom it is for, and says it for nobody else: what is asked of a first code was done for that one. */
function named({ box, clock }: LoginRoutesDeps, { at }: Visit, form: Form, methodId: string): Form {
  const { login: typed, ...rest } = form;
  const isAnother = form['decision'] === 'resend' && form['method'] === undefined;
  const login = (isAnother ? undefined : typed) ?? openBegun(box, at.journey, methodId, clock.now())?.login;
  return login === undefined ? rest : { ...rest, login };
}

/** The page that leads elsewhere by itself: browsers let no form lead to another site than the page names. */
function showTheWay(deps: LoginRoutesDeps, visit: Visit, url: string, challenge: unknown): void {
  const { host } = challenge as { host: string };
  showLoginPage(visit.ctx, deps.view, 'elsewhere', { ...base(visit, {}), name: host, isSecond: true, url });
  visit.ctx.set('refresh', `0; url=${url}`);
}

function answerScript(ctx: Context, begun: Refusal | Begun): void {
  ctx.set('cache-control', 'no-store');
  if ('refused' in begun) {
    ctx.status = begun.status;
    ctx.body = { code: begun.refused };
    return;
  }
  ctx.body = { challenge: begun.challenge };
}

/** The visit of somebody whose session is too weak, with what it has shown; undefined where that person can sign in no more. */
export async function stepUp(deps: LoginRoutesDeps, visit: Visit): Promise<Visit | undefined> {
  const { at, interaction } = visit;
  const { session, prompt } = interaction;
  if (!session) return undefined;
  const { authTime } = prompt.details;
  const journey = await deps.engine.resume(at.scope, {
    journeyId: at.journey.id,
    accountId: session.accountId,
    amr: session.amr ?? [],
    acr: session.acr,
    authTime: typeof authTime === 'number' ? authTime : epochSeconds(deps.clock.now()),
    expiresAt: at.row.expiresAt,
  });
  return journey && { ...visit, at: { ...at, journey }, step: nextStep(journey, at.policy) };
}

const STRONG: ReadonlySet<unknown> = new Set([TWO_FACTORS, PHISHING_RESISTANT]);

/** The application asks for a second factor itself, in whichever of the ways there are: a device that is trusted is none. */
export function asksForMore({ interaction: { params, prompt } }: Visit): boolean {
  const { acr_values: wish, claims } = params;
  const wished = typeof wish === 'string' ? wish.split(' ') : [];
  return (
    [...wished, ...acrsOf(claims)].some((acr) => STRONG.has(acr)) || (prompt.name === 'step_up' && prompt.reasons.includes('acr_requested'))
  );
}

const Acr = Type.Object({
  id_token: Type.Object({ acr: Type.Object({ value: Type.Optional(Type.Unknown()), values: Type.Optional(Type.Array(Type.Unknown())) }) }),
});

/** Those that the parameter `claims` asks for (OpenID Connect Core section 5.5.1.1), which the protocol has read as JSON before. */
function acrsOf(claims: unknown): unknown[] {
  const asked: unknown = typeof claims === 'string' ? JSON.parse(claims) : claims;
  if (!Value.Check(Acr, asked)) return [];
  const { value, values = [] } = asked.id_token.acr;
  return [value, ...values];
}

/** Where the link of a mail leads. Opening it uses nothing up. */
export function showLink(visit: Visit, code: string): void {
  const { ctx, view } = visit;
  showLoginPage(ctx, view, 'link', { ...base(visit, {}), action: pathOf(visit), code, elsewhere: false }, optionsOf(visit, {}));
}
