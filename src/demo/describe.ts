import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { DemoPage, NamedValue } from '../http/pages.ts';
import type { Claims } from './relying-party.ts';
import type { SignedIn } from './session.ts';

/** What the page shows of a sign-in. The ID token was checked when it came; here it is only read. */
export function describeSignedIn(session: SignedIn, userinfo: Claims = {}): NonNullable<DemoPage['signedIn']> {
  const claims = decodeJwt(session.idToken);
  return {
    name: session.name,
    claims: rowsOf(claims),
    userinfo: rowsOf(userinfo),
    tokens: [
      ...rowOf('id_token', session.idToken),
      ...rowOf('id_token: header', JSON.stringify(decodeProtectedHeader(session.idToken))),
      ...rowOf('access_token', session.accessToken),
      ...rowOf('access_token: claims', claimsOf(session.accessToken)),
      ...rowOf('refresh_token', session.refreshToken),
      ...rowOf('scope', session.scope),
    ],
  };
}

/** What to call somebody: the first of the usual claims that there is. */
export const nameOf = (claims: Claims): string => text(claims['name'] ?? claims['email'] ?? claims['sub'] ?? '');

const rowOf = (name: string, value: string | undefined): NamedValue[] => (value === undefined ? [] : [{ name, value }]);
const rowsOf = (claims: Claims): NamedValue[] => Object.entries(claims).flatMap(([name, value]) => rowOf(name, textOf(name, value)));

/** NumericDates (RFC 7519 section 2), which nobody reads as they are. */
const TIMES = new Set(['iat', 'exp', 'nbf', 'auth_time', 'updated_at']);
const textOf = (name: string, value: unknown): string =>
  TIMES.has(name) && typeof value === 'number' ? `${value} (${new Date(value * 1000).toISOString()})` : text(value);
const text = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));

/** The claims of a JWT access token (RFC 9068); an opaque one has none to show. */
function claimsOf(accessToken: string): string | undefined {
  if (accessToken.split('.').length !== 3) return undefined;
  try {
    return JSON.stringify(decodeJwt(accessToken), null, 2);
  } catch {
    return undefined;
  }
}
