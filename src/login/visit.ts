import type { Context } from 'koa';
import { AppError } from '../core/errors.ts';
import { pickLocale } from '../core/messages/catalogue.ts';
import { anonymousScope } from '../core/scope.ts';
import type { Csrf } from '../http/csrf.ts';
import type { View } from '../http/view.ts';
import type { Interaction, Interactions } from '../oidc/interaction.ts';
import type { Challenges } from './challenge.ts';
import type { Engine } from './engine.ts';
import type { EnrolmentDeps } from './enrolment.ts';
import type { FlowDeps, Invited, Position } from './flow.ts';
import { freshJourney, journeyIdOf } from './journey.ts';
import { nextStep, type Step } from './next-step.ts';
import { findPerson } from './people-store.ts';
import { loginSettingsOf, mayRegister, offersPasswords, policyOf } from './policy.ts';
import type { ResourceNames, Screen } from './screens.ts';
import type { SocialDoor } from './social/door.ts';
import { findJourney } from './store.ts';
import { showLoginPage } from './views/pages.ts';

export interface LoginRoutesDeps extends FlowDeps {
  engine: Engine;
  interactions: Interactions;
  view: View;
  csrf: Csrf;
  resourceNames: ResourceNames;
  /** The invitation that the browser brings along and that counts at this application. */
  invited?(ctx: Context, client: Interaction['client']): Promise<Invited | undefined>;
  /** What has to be done before messages are sent and accounts made; nothing where nothing is said. */
  challenges?: Challenges | undefined;
  /** Sign-in with other providers. */
  social?: SocialDoor | undefined;
  /** Whose connection it is, for what is recorded. */
  connectionOf?(id: string): Promise<{ tenantId: string } | undefined>;
  /** Whether the tenant has second factors proven at an OpenID provider of its own. */
  asksElsewhere?(tenantId: string): Promise<boolean>;
  /** How second factors are set up on the way. */
  enrolments?: EnrolmentDeps | undefined;
  /** Mail can be sent: accounts can be made and passwords reset. */
  mail: boolean;
}

/** One request of a browser that is on its way through a journey. */
export interface Visit extends Screen {
  step: Step;
}

/** What is known of a visit before the journey is read: it stands at its beginning. */
export function entry(
  deps: LoginRoutesDeps,
  ctx: Context,
  interaction: Interaction,
  found: Awaited<ReturnType<typeof findJourney>> | undefined = undefined,
  invited: Invited | undefined = undefined,
): Visit {
  const { uid } = interaction;
  const scope = anonymousScope(interaction.client.tenantId, interaction.client.clientId);
  const { issuer } = scope.request;
  const { journey, settings: stored } = found ?? { journey: freshJourney(journeyIdOf(issuer, uid)), settings: loginSettingsOf({}) };
  const settings = invited
    ? { ...stored, registration: mayRegister(stored, true) && offersPasswords(stored), verifiedEmail: true }
    : stored;
  const wanted = interaction.prompt.name === 'step_up' ? interaction.prompt.details['acr'] : undefined;
  const policy = policyOf(deps.engine.methods, settings, typeof wanted === 'string' ? wanted : undefined, deps.engine.enrollable);
  const at: Position = {
    scope,
    journey,
    settings,
    invited,
    policy,
    row: { kind: 'browser', clientId: scope.clientId, expiresAt: new Date(interaction.expiresAt * 1000) },
    locale: localeOf(ctx, interaction),
    url: `${issuer}/login/${uid}`,
  };
  const { view, mail } = deps;
  return {
    ctx,
    view,
    interaction,
    at,
    csrf: deps.csrf.token(`login:${uid}`),
    mail,
    step: nextStep(journey, policy),
  };
}

/** What the application asks for goes first, then what is known of the person, then the browser. */
export function localeOf(ctx: Context, { params }: Pick<Interaction, 'params'>, own?: string | undefined): string {
  const wished = params['ui_locales'];
  return pickLocale(typeof wished === 'string' ? wished : undefined, own, ctx.get('accept-language'));
}

/** The visit with the journey as it is stored. */
export async function arrive(deps: LoginRoutesDeps, ctx: Context, interaction: Interaction): Promise<Visit> {
  const { scope, journey } = entry(deps, ctx, interaction).at;
  const invited = await deps.invited?.(ctx, interaction.client);
  const visit = entry(deps, ctx, interaction, await findJourney(deps.db, journey.id, scope.tenantId, deps.clock.now()), invited);
  const { at, step } = visit;
  visit.minLength = await deps.passwords.minLengthAt(scope.tenantId);
  visit.notices = await deps.terms?.of(scope.tenantId);
  if (!deps.social || step.name !== 'prove' || !step.first) return visit;
  const connections = await deps.social.offered({ tenantId: scope.tenantId, settings: at.settings, params: interaction.params });
  return { ...visit, connections, linking: await deps.social.waiting(at.journey.link) };
}

/** The visit with who is signed in, in their own language. */
export async function withSession({ db }: Pick<LoginRoutesDeps, 'db'>, visit: Visit): Promise<Visit> {
  const { session } = visit.interaction;
  const person = session && (await findPerson(db, session.accountId));
  if (!person) return visit;
  const name = [person.givenName, person.familyName].filter(Boolean).join(' ');
  const at = { ...visit.at, locale: localeOf(visit.ctx, visit.interaction, person.locale) };
  return { ...visit, at, person: { email: person.email, ...(name ? { name } : {}) } };
}

const CODE = /^[0-9]{6}$/;

/** The code of a mailed link, where the address has one. */
export function linkedCode(ctx: Context): string | undefined {
  const { code } = ctx.query;
  return typeof code === 'string' && CODE.test(code) ? code : undefined;
}

export async function loadInteraction(deps: LoginRoutesDeps, ctx: Context, uid: string): Promise<Interaction | undefined> {
  try {
    const interaction = await deps.interactions.load(ctx.req, ctx.res);
    if (interaction.uid === uid) return interaction;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'interaction.expired') throw error;
  }
  const locale = pickLocale(ctx.get('accept-language'));
  // The link of a mail, opened in another browser than the one that waits for it.
  const code = ctx.path.endsWith('/link') && ctx.method !== 'POST' ? linkedCode(ctx) : undefined;
  if (code !== undefined) {
    showLoginPage(ctx, deps.view, 'link', { locale, code, elsewhere: true });
    return undefined;
  }
  showLoginPage(ctx, deps.view, 'expired', { locale, startUrl: '/account' }, { status: 400 });
  return undefined;
}
