import { type Clock, epochSeconds } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import type { Scope } from '../core/scope.ts';

/** How old a sign-in may be for what changes how somebody signs in, seconds. */
export const FRESH_SECONDS = 300;

const ACR = ['urn:gatehouse:acr:1fa', 'urn:gatehouse:acr:2fa', 'phr'] as const;
export type Acr = (typeof ACR)[number];

export interface AssuranceDemand {
  /** The least; a single factor where nothing is said. */
  acr?: Acr | undefined;
  /** How long ago the person may have signed in; as long as the session lasts where nothing is said. */
  maxAgeSeconds?: number | undefined;
}

const rank = (acr: string | undefined): number => (ACR as readonly (string | undefined)[]).indexOf(acr);

/** Whether the person signed in as strongly and as recently as is asked. */
export function hasAssurance(
  { clock }: { clock: Clock },
  scope: Pick<Scope, 'session'>,
  { acr = ACR[0], maxAgeSeconds }: AssuranceDemand,
): boolean {
  const { session } = scope;
  if (rank(session?.acr) < rank(acr)) return false;
  // A device that is trusted stood in for the second factor: nobody showed one.
  if (acr === ACR[1] && session?.acr === ACR[1] && session.amr?.includes('mfa') === false) return false;
  if (maxAgeSeconds === undefined) return true;
  return session?.authTime !== undefined && epochSeconds(clock.now()) - session.authTime <= maxAgeSeconds;
}

/**
 * Throws 401 `authentication.insufficient` with what the application has to ask the person for (RFC 9470 section 3) where the sign-in behind
 * the token is too weak or too old.
 */
export function requireAssurance(deps: { clock: Clock }, scope: Scope, demand: AssuranceDemand): void {
  if (hasAssurance(deps, scope, demand)) return;
  const { acr, maxAgeSeconds } = demand;
  const challenge = [
    'error="insufficient_user_authentication"',
    'error_description="A stronger or more recent sign-in is required"',
    ...(acr === undefined ? [] : [`acr_values="${acr}"`]),
    ...(maxAgeSeconds === undefined ? [] : [`max_age="${maxAgeSeconds}"`]),
  ];
  throw new AppError('authentication.insufficient', 401, 'A stronger or more recent sign-in is required', {
    headers: { 'www-authenticate': `Bearer ${challenge.join(', ')}` },
    extra: { ...(acr === undefined ? {} : { acrValues: acr }), ...(maxAgeSeconds === undefined ? {} : { maxAge: maxAgeSeconds }) },
  });
}
