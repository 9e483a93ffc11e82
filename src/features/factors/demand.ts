import { sha256 } from '../../core/ids.ts';
import { type AssuranceDemand, FRESH_SECONDS } from '../../http/assurance.ts';
import type { Factor } from './index.ts';
import { parseOrigin } from './schema.ts';

/** What a change of the person's factors asks of the sign-in behind it: recent, and with a second factor where there is one. */
export const demandOf = (factors: readonly Pick<Factor, 'type'>[]): AssuranceDemand => ({
  maxAgeSeconds: FRESH_SECONDS,
  ...(factors.some(({ type }) => type !== 'recovery-code') ? { acr: 'urn:gatehouse:acr:2fa' as const } : {}),
});

/** The session that somebody is in, as a factor remembers it. */
export const sessionKey = (sessionId: string): string => sha256(`factor\n${sessionId}`);

/**
 * The same for recovery codes. Whoever has none yet and just set up their first factor makes them in the same go: at that sign-in there was
 * no second factor to ask for. In that session only: another one that began without the factor, be it a thief's, gets no way round it.
 */
export const demandOfCodes = (
  factors: readonly (Pick<Factor, 'type'> & { data: unknown })[],
  sessionId: string | undefined,
): AssuranceDemand =>
  demandOf(
    factors.some(({ type }) => type === 'recovery-code')
      ? factors
      : factors.filter(({ data }) => sessionId === undefined || parseOrigin(data) !== sessionKey(sessionId)),
  );
