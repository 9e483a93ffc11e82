/** The challenge of `challenge.ts` for clients that sign people in themselves: a program takes whichever door asks for nothing. */
import type { Scope } from '../core/scope.ts';
import type { AuditLog } from '../features/audit/index.ts';
import type { Refusal } from '../oidc/direct-login.ts';
import type { ChallengePurpose, Challenges } from './challenge.ts';

type Fields = Readonly<Record<string, unknown>>;

/** What the pages ask it for as well. A service of the tenant's own sends nothing of ours. */
const PURPOSES: Readonly<Record<string, (input: Fields) => ChallengePurpose | undefined>> = {
  '/api/auth/otp': ({ channel }) => (channel === 'external' ? undefined : 'code'),
  '/api/auth/register': () => 'register',
  '/api/auth/password/reset': () => 'reset',
};

/**
 * Undefined where the tenant asks for nothing, or `input.challenge` answers it; else 403 `auth.challenge_required`, which is recorded, with a
 * challenge to solve.
 */
export async function challengeDue(
  { audit, challenges }: { audit: AuditLog; challenges: Challenges },
  path: string,
  input: Fields,
  scope: Scope,
): Promise<Refusal | undefined> {
  const purpose = PURPOSES[path]?.(input);
  const answer = typeof input['challenge'] === 'string' ? input['challenge'] : undefined;
  if (purpose === undefined || (await challenges.passes(scope.tenantId, purpose, answer))) return undefined;
  const challenge = await challenges.issue(scope.tenantId, purpose);
  if (!challenge) return undefined;
  const reason = answer === undefined ? 'challenge.missing' : 'challenge.unsolved';
  await audit.append(scope, { type: 'request.refused', outcome: 'failure', reason, data: { purpose } });
  const { token, difficulty } = challenge;
  return { refused: 'auth.challenge_required', status: 403, extra: { challenge: { kind: 'proof-of-work', token, difficulty } } };
}
