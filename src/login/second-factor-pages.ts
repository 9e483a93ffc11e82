/** The browser's way to a tenant's own OpenID provider for a second factor, and back. */
import type { Context } from 'koa';
import { anonymousScope } from '../core/scope.ts';
import type { Interaction } from '../oidc/interaction.ts';
import { refusedEvent } from './attempt.ts';
import { keepDeviceToken, readDeviceToken } from './device-cookie.ts';
import { stepInvalid } from './flow.ts';
import { EXTERNAL_OIDC, type ExternalInput } from './methods/external-oidc.ts';
import { asksForMore, showProof } from './prove.ts';
import { pathOf, showRefusal } from './screens.ts';
import { arrive, type LoginRoutesDeps, loadInteraction } from './visit.ts';

/** The interaction of this browser; where it has none, the expired page is shown, and what came is recorded at the tenant whose provider sent it. */
export async function ownInteraction(deps: LoginRoutesDeps, ctx: Context, uid: string, tenantId: string): Promise<Interaction | undefined> {
  const interaction = await loadInteraction(deps, ctx, uid);
  if (!interaction) await recordStranger(deps, tenantId, 'interaction.foreign');
  return interaction;
}

/** An answer that belongs nowhere. */
export async function recordStranger(deps: LoginRoutesDeps, tenantId: string, reason: string): Promise<void> {
  if (!(await deps.asksElsewhere?.(tenantId))) return;
  await deps.audit.append(anonymousScope(tenantId), refusedEvent({ methodId: EXTERNAL_OIDC, door: 'browser' }, reason, {}));
}

/**
 * The browser is back with an answer: one attempt, through the engine as every other. A code is good for one attempt by the provider's word, and the
 * question for as many as there are tries: whatever comes twice at once, the right one counts.
 */
export async function arriveFromService(deps: LoginRoutesDeps, ctx: Context, interaction: Interaction): Promise<void> {
  const visit = await arrive(deps, ctx, interaction);
  const { at } = visit;
  const { issuer } = at.scope.request;
  const answer = [...new URLSearchParams(ctx.querystring)].slice(0, 20);
  const external: ExternalInput = { answer };
  const outcome = await deps.engine.attempt(at.scope, {
    door: 'browser',
    journeyId: at.journey.id,
    methodId: EXTERNAL_OIDC,
    input: { external },
    requiredAcr: at.policy.requiredAcr,
    invited: at.invited,
    locale: at.locale,
    expiresAt: at.row.expiresAt,
    deviceToken: readDeviceToken(ctx, issuer),
    distrustDevice: asksForMore(visit),
  });
  if (!('refused' in outcome)) {
    if (outcome.keepDevice) keepDeviceToken(ctx, issuer, outcome.deviceToken);
    ctx.status = 303;
    ctx.set('location', pathOf(visit));
    ctx.set('cache-control', 'no-store');
    ctx.body = '';
    return;
  }
  if (outcome.refused === 'auth.step_invalid') throw stepInvalid();
  const again = await arrive(deps, ctx, interaction);
  if (outcome.status === 429 || outcome.status === 503) return showRefusal(again, outcome);
  if (again.step.name !== 'prove' || again.step.first) throw stepInvalid();
  showProof(deps, again, again.step, { alert: 'prove.external_refused' });
}
