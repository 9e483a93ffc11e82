import { type AssuranceDemand, FRESH_SECONDS } from '../../http/assurance.ts';
import type { Factor } from './index.ts';

/** What a change of the person's factors asks of the sign-in behind it: recent, and with a second factor where there is one. */
export const demandOf = (factors: readonly Pick<Factor, 'type'>[]): AssuranceDemand => ({
  maxAgeSeconds: FRESH_SECONDS,
  ...(factors.some(({ type }) => type !== 'recovery-code') ? { acr: 'urn:gatehouse:acr:2fa' as const } : {}),
});

/**
 * The same for recovery codes. Whoever has none yet and just set up their first factor makes them in the same go: at that sign-in there was
 * no second factor to ask for. `authTime` is in seconds since the epoch.
 */
export const demandOfCodes = (factors: readonly Pick<Factor, 'type' | 'createdAt'>[], authTime: number | undefined): AssuranceDemand =>
  demandOf(
    factors.some(({ type }) => type === 'recovery-code')
      ? factors
      : factors.filter(({ createdAt }) => authTime === undefined || createdAt.getTime() < authTime * 1000),
  );
