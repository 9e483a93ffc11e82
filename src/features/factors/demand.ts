import { type AssuranceDemand, FRESH_SECONDS } from '../../http/assurance.ts';
import type { Factor } from './index.ts';

/** What a change of the person's factors asks of the sign-in behind it: recent, and with a second factor where there is one. */
export const demandOf = (factors: readonly Pick<Factor, 'type'>[]): AssuranceDemand => ({
  maxAgeSeconds: FRESH_SECONDS,
  ...(factors.some(({ type }) => type !== 'recovery-code') ? { acr: 'urn:gatehouse:acr:2fa' as const } : {}),
});
