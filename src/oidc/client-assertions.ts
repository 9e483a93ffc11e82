/** What a client's signed assertion (RFC 7523) has to say beyond what the library looks at. */
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { type Clock, epochSeconds } from '../core/clock.ts';

/** Seconds; assertions are made for one request, and are remembered until they expire. */
const LONGEST_LIFE = 3600;

/**
 * For nobody but us, since what also names another server may be used by it (RFC 7523bis section 4; FAPI 2.0: by our identifier alone), and not
 * for long. Throws InvalidClientAuth.
 */
export const checkAssertion =
  (clock: Clock) =>
  async (ctx: KoaContextWithOIDC, claims: Readonly<Record<string, unknown>>): Promise<void> => {
    const { aud, exp } = claims;
    if (Array.isArray(aud) && aud.length !== 1) throw new errors.InvalidClientAuth('audience (aud) must be this server alone');
    if (ctx.oidc.isFapi('2.0') && aud !== ctx.oidc.issuer)
      throw new errors.InvalidClientAuth('audience (aud) must equal the issuer identifier url');
    if (typeof exp !== 'number' || exp > epochSeconds(clock.now()) + LONGEST_LIFE)
      throw new errors.InvalidClientAuth('expiration (exp) must be at most an hour away');
  };
