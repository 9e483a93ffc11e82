/** Pages whose form is taken only with the answer to a challenge, where the tenant asks for one. */
import type { Context } from 'koa';
import { setChallenge } from '../http/view.ts';
import type { Interaction } from '../oidc/interaction.ts';
import type { ChallengePurpose } from './challenge.ts';
import { showProof } from './prove.ts';
import { showRegistration, showResetRequest, showSignIn } from './screens.ts';
import type { LoginRoutesDeps, Visit } from './visit.ts';

type Form = Readonly<Record<string, string>>;

/** Methods whose button has a message sent. */
const SENDS = new Set(['email-otp', 'sms-otp', 'magic-link']);

const purposeOf = (page: string | undefined): ChallengePurpose => (page === 'register' || page === 'reset' ? page : 'code');

/** Puts a challenge on the page that the request is answered with; answers whether a posted form brings what it takes. */
export async function challengeOf(
  deps: LoginRoutesDeps,
  ctx: Context,
  { client }: Interaction,
  page: string | undefined,
): Promise<(form: Form) => Promise<boolean>> {
  const purpose = purposeOf(page);
  const { challenges } = deps;
  const challenge = await challenges?.issue(client.tenantId, purpose);
  if (!challenges || !challenge) return async () => true;
  setChallenge(ctx, challenge);
  return async (form) => {
    if (purpose === 'code' && !(SENDS.has(form['method'] ?? '') && !form['code'])) return true;
    return challenges.passes(client.tenantId, purpose, form['challenge']);
  };
}

/** The page once more, with another challenge and what was typed: nobody loses what is proven. The refusal is kept. */
export async function askAgain(deps: LoginRoutesDeps, visit: Visit, page: string | undefined, form: Form): Promise<void> {
  const purpose = purposeOf(page);
  await deps.audit.append(visit.at.scope, {
    type: 'request.refused',
    outcome: 'failure',
    reason: 'challenge.unsolved',
    data: { purpose },
  });
  const again = { alert: 'challenge.unsolved', typed: form } as const;
  if (purpose === 'register') showRegistration(visit, again);
  else if (purpose === 'reset') showResetRequest(visit, again);
  else if (visit.step.name === 'prove' && !visit.step.first) showProof(deps, visit, visit.step, again);
  else showSignIn(visit, again);
}
