/** Which page shows where a journey stands. Each is drawn from what is stored, so going back or reloading never loses the way. */
import type { Context } from 'koa';
import { isMessageKey, type Note } from '../core/messages/catalogue.ts';
import { type CurrentNotice, urlOfNotice } from '../features/notices/index.ts';
import { showCommonPage, type View } from '../http/view.ts';
import type { Interaction } from '../oidc/interaction.ts';
import type { Position } from './flow.ts';
import type { Step } from './next-step.ts';
import { mayRegister, offersPasswords } from './policy.ts';
import type { Refusal } from './refusal.ts';
import { signInForm } from './sign-in-form.ts';
import type { Offered } from './social/offered.ts';
import { type ConsentPage, type MethodId, showLoginPage } from './views/pages.ts';

export interface Screen {
  ctx: Context;
  view: View;
  interaction: Interaction;
  at: Position;
  csrf: string;
  /** Of a new password; known where a page that asks for one is shown. */
  minLength?: number | undefined;
  /** The address a code went to, where one did. */
  recipient?: string | undefined;
  /** Whoever is signing in or signed in. */
  person?: { name?: string | undefined; email?: string | undefined } | undefined;
  /** Other providers to sign in with. */
  connections?: readonly Offered[] | undefined;
  /** The provider that is linked to the account that is proven next. */
  linking?: string | undefined;
  /** What whoever registers is asked to agree to. */
  notices?: readonly CurrentNotice[] | undefined;
  /** Mail can be sent, so accounts can be made and passwords reset. */
  mail: boolean;
}

/** What went wrong with what was typed, and what was typed, to be shown again; never a password. */
export interface Again {
  errors?: Readonly<Record<string, Note>>;
  alert?: Note;
  notice?: Note;
  typed?: Readonly<Record<string, string>>;
}

const UNPROCESSABLE = 422;

export const base = ({ interaction, at, csrf }: Screen, again: Again) => ({
  locale: at.locale,
  csrf,
  client: { name: interaction.client.name, logoUri: interaction.client.logoUri },
  alert: again.alert,
  errors: again.errors,
  notice: again.notice,
});

/** What is said on the page of a code when another was asked for there. */
export const afterResend = ({ ctx }: Screen, again: Again): Again =>
  ctx.query['sent'] === undefined || again.errors || again.alert || again.notice ? again : { ...again, notice: 'code.resent' };

export const optionsOf = ({ interaction }: Screen, again: Again) => ({
  status: again.errors || again.alert ? UNPROCESSABLE : 200,
  formAction: interaction.redirectOrigin ? [interaction.redirectOrigin] : [],
});

export const pathOf = ({ interaction }: Screen, below = ''): string => `/login/${interaction.uid}${below}`;

export function showSignIn(screen: Screen, given: Again = {}): void {
  const again: Again =
    screen.linking === undefined || given.notice ? given : { ...given, notice: { key: 'social.link', values: { name: screen.linking } } };
  const hint = screen.interaction.params['login_hint'];
  const login = again.typed?.['login'] ?? (typeof hint === 'string' ? hint.slice(0, 320) : undefined);
  const passwords = offersPasswords(screen.at.settings);
  const methods = firstMethods(screen).filter((id) => isMessageKey(`method.${id}`)) as MethodId[];
  showLoginPage(
    screen.ctx,
    screen.view,
    'login',
    {
      ...base(screen, again),
      action: pathOf(screen),
      login,
      autofill: methods.includes('passkey'),
      ...signInForm({ passwords, methods, leads: screen.connections?.some(({ leads }) => leads) === true }),
      registerUrl: screen.mail && screen.at.settings.registration ? pathOf(screen, '/register') : undefined,
      resetUrl: passwords && screen.mail ? pathOf(screen, '/reset') : undefined,
      connections: screen.connections?.map(({ key, kind, name }) => ({ key, kind, name, url: pathOf(screen, `/social/${key}`) })),
      canCancel: true,
    },
    optionsOf(screen, again),
  );
}

const firstMethods = ({ at }: Screen): string[] =>
  at.policy.methods.filter(({ id, first }) => first && id !== 'password').map(({ id }) => id);

export function showRegistration(screen: Screen, again: Again = {}): void {
  const { typed } = again;
  const { invited, settings } = screen.at;
  const fixed = invited !== undefined && !mayRegister(settings);
  showLoginPage(
    screen.ctx,
    screen.view,
    'register',
    {
      ...base(screen, again),
      action: pathOf(screen, '/register'),
      email: fixed ? invited?.email : (typed?.['email'] ?? invited?.email),
      emailFixed: fixed,
      givenName: typed?.['given_name'],
      familyName: typed?.['family_name'],
      loginUrl: pathOf(screen, '?page=sign-in'),
      minLength: screen.minLength,
      notices: inLanguage(screen, screen.notices ?? []).map((one) => ({ ...one, agreed: typed?.[`agree_${one.kind}`] === one.id })),
    },
    optionsOf(screen, again),
  );
}

export function showResetRequest(screen: Screen, again: Again = {}): void {
  const data = {
    ...base(screen, again),
    action: pathOf(screen, '/reset'),
    email: again.typed?.['email'],
    loginUrl: pathOf(screen, '?page=sign-in'),
  };
  showLoginPage(screen.ctx, screen.view, 'reset-request', data, optionsOf(screen, again));
}

/** The page of a step that is not over; `done` and `unreachable` have none. */
export function showStep(screen: Screen, step: Step, again: Again = {}): void {
  const { ctx, view, at } = screen;
  const page = { ...base(screen, afterResend(screen, again)), action: pathOf(screen) };
  const options = optionsOf(screen, again);
  switch (step.name) {
    case 'enter_code': {
      const changeUrl = step.purpose === 'register' ? pathOf(screen, '/register') : undefined;
      showLoginPage(ctx, view, 'verify-email', { ...page, email: screen.recipient ?? '', changeUrl }, options);
      return;
    }
    case 'reset_password': {
      const loginUrl = pathOf(screen, '?page=sign-in');
      showLoginPage(ctx, view, 'reset-code', { ...page, email: screen.recipient, loginUrl, minLength: screen.minLength }, options);
      return;
    }
    case 'change_password': {
      const notYouUrl = pathOf(screen, '/restart');
      showLoginPage(
        ctx,
        view,
        'change-password',
        { ...page, email: screen.person?.email, notYouUrl, minLength: screen.minLength },
        options,
      );
      return;
    }
    default:
      throw new Error(`The step ${step.name} has no page in ${at.row.kind} journeys`);
  }
}

/** Each where the reader's language has it. */
const inLanguage = ({ at }: Screen, notices: readonly CurrentNotice[]): CurrentNotice[] =>
  notices.map((one) => ({ ...one, url: urlOfNotice(one, at.locale) }));

/** What the tenant asks the person to agree to. */
export function showTerms(screen: Screen, notices: readonly CurrentNotice[], again: Again = {}): void {
  const data = {
    ...base(screen, again),
    action: pathOf(screen),
    tenant: screen.interaction.tenantName,
    notices: inLanguage(screen, notices),
  };
  showLoginPage(screen.ctx, screen.view, 'terms', data, optionsOf(screen, again));
}

export function showSelectAccount(screen: Screen): void {
  showLoginPage(
    screen.ctx,
    screen.view,
    'select-account',
    { ...base(screen, {}), action: pathOf(screen), account: screen.person ?? {} },
    optionsOf(screen, {}),
  );
}

/** In which of their tenants the person wants to act. */
export function showTenants(screen: Screen): void {
  const data = {
    ...base(screen, {}),
    action: pathOf(screen),
    account: screen.person ?? {},
    notYouUrl: pathOf(screen, '?page=sign-in'),
    tenants: screen.interaction.tenants ?? [],
  };
  showLoginPage(screen.ctx, screen.view, 'tenant', data, optionsOf(screen, {}));
}

/** What an application asks for, in words; `nameOf` knows what resources call themselves and their scopes. */
export async function showConsent(screen: Screen, nameOf: ResourceNames): Promise<void> {
  const { interaction } = screen;
  const { oidcScopes = [], claims = [], resourceScopes = {}, offline = false } = interaction.missing ?? {};
  const resources: ConsentPage['resources'] = await Promise.all(
    Object.entries(resourceScopes).map(async ([identifier, scopes]) => {
      const known = await nameOf(identifier);
      const describe = (name: string) => ({ name, description: known?.scopes.find((scope) => scope.name === name)?.description });
      return { name: known?.name ?? identifier, scopes: scopes.map(describe) };
    }),
  );
  showLoginPage(
    screen.ctx,
    screen.view,
    'consent',
    {
      ...base(screen, {}),
      action: pathOf(screen),
      client: { name: interaction.client.name, logoUri: interaction.client.logoUri },
      account: { ...screen.person, tenant: interaction.tenantName },
      notYouUrl: pathOf(screen, '?page=sign-in'),
      scopes: [...new Set([...oidcScopes, ...claims])],
      resources,
      offline,
      redirectHost: hostOf(interaction.params['redirect_uri']),
    },
    optionsOf(screen, {}),
  );
}

export type ResourceNames = (
  identifier: string,
) => Promise<{ name: string; scopes: readonly { name: string; description?: string | undefined }[] } | undefined>;

/** Too many attempts, an account that may not be made: pages without a form. */
export function showRefusal(
  { ctx, view, at, interaction }: Pick<Screen, 'ctx' | 'view' | 'at' | 'interaction'>,
  { refused, status, retryAfterSeconds, methods }: Refusal,
): void {
  if (status === 429) {
    ctx.set('retry-after', String(retryAfterSeconds ?? 1));
    showCommonPage(
      ctx,
      view,
      'limited',
      { locale: at.locale, retryAfterSeconds: retryAfterSeconds ?? 1, retryUrl: `/login/${interaction.uid}` },
      { status },
    );
    return;
  }
  if (methods) {
    // Another factor stands in: the page asks for that by now.
    ctx.status = 303;
    ctx.set('location', `/login/${interaction.uid}`);
    ctx.set('cache-control', 'no-store');
    ctx.body = '';
    return;
  }
  const isAway = refused === 'auth.factor_unavailable';
  const title = isAway ? 'prove.unavailable' : refused === 'registration.closed' ? 'register.closed' : 'error.request';
  showCommonPage(
    ctx,
    view,
    'message',
    { locale: at.locale, title, link: { href: `/login/${interaction.uid}?page=sign-in`, text: isAway ? 'prove.again' : 'reset.back' } },
    { status },
  );
}

function hostOf(uri: unknown): string | undefined {
  if (typeof uri !== 'string' || !URL.canParse(uri)) return undefined;
  return new URL(uri).host || undefined;
}
