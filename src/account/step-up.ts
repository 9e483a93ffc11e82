/** Sends whoever is about to change how they sign in through the sign-in once more, and back to where they were. */
import type { Context } from 'koa';
import { type AssuranceDemand, hasAssurance } from '../http/assurance.ts';
import { showCommonPage } from '../http/view.ts';
import { type AccountRoutesDeps, seeOther, signInUrl, type Visit } from './visit.ts';

const PATH = /^\/account(?:\/[\w-]{1,64}){0,4}$/;
/** Says that the sign-in was asked for already: who still lacks it is not sent in a circle. */
const ASKED = 'confirmed';

/** The `state` by which `returnPath` finds the way back to a page below `/account`. */
const stateFor = (path: string): string => Buffer.from(path).toString('base64url');

/** Where a sign-in that `confirm` asked for was to lead. */
export function returnPath({ query }: Context): string | undefined {
  const [, encoded = ''] = typeof query['state'] === 'string' ? query['state'].split('.') : [];
  const path = Buffer.from(encoded, 'base64url').toString('utf8');
  return PATH.test(path) ? `${path}?${ASKED}` : undefined;
}

/**
 * Whether this session may do what the page is for. Where it is too old or too weak the answer is on its way: to the sign-in, and back to
 * `path` afterwards.
 */
export function confirm(
  deps: Pick<AccountRoutesDeps, 'clock' | 'view'>,
  { ctx, scope, page }: Visit,
  demand: AssuranceDemand,
  path: string = ctx.path,
): boolean {
  if (hasAssurance(deps, scope, demand)) return true;
  if (ctx.method !== 'POST' && ctx.query[ASKED] !== undefined) {
    const link = { href: '/account', text: 'frame.back' } as const;
    showCommonPage(ctx, deps.view, 'message', { locale: page.locale, title: 'login.again', link }, { status: 403 });
    return false;
  }
  const more = {
    ...(demand.maxAgeSeconds === undefined ? {} : { max_age: String(demand.maxAgeSeconds) }),
    ...(demand.acr === undefined ? {} : { acr_values: demand.acr }),
  };
  seeOther(ctx, signInUrl(undefined, more, stateFor(path)));
  return false;
}
