import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { AppError } from '../core/errors.ts';

/** A keyed hash; `macAll` gives one per key, so that forms survive a change of keys. */
export interface Mac {
  mac(context: string, text: string): string;
  macAll(context: string, text: string): string[];
}

export interface Csrf {
  /** The value of the hidden field `_csrf`, for pages of this session or interaction. */
  token(boundTo: string): string;
  /** Throws 403 `csrf.invalid` where the field is not this session's, or the browser says that another site posts. */
  check(boundTo: string, token: string | undefined, headers: IncomingHttpHeaders, issuer: string): void;
}

const CONTEXT = 'csrf';

/** Tokens are HMACs of what the browser already holds in a cookie that scripts cannot read; nothing is stored. */
export const createCsrf = (box: Mac): Csrf => ({
  token: (boundTo) => box.mac(CONTEXT, boundTo),
  check(boundTo, token, headers, issuer) {
    if (isForeign(headers, issuer) || !token || !box.macAll(CONTEXT, boundTo).some((expected) => same(expected, token)))
      throw new AppError('csrf.invalid', 403, 'This form has expired', { detail: 'Open the page again and repeat what you did.' });
  },
});

/** Our pages send no referrer, so that browsers say `Origin: null` even from them: only a named origin tells something. */
export function isForeign({ origin, 'sec-fetch-site': site }: IncomingHttpHeaders, issuer: string): boolean {
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  return origin !== undefined && origin !== 'null' && origin !== new URL(issuer).origin;
}

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
