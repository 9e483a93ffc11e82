import type { Context } from 'koa';

const YEAR_SECONDS = 365 * 24 * 3600;

const nameAt = (issuer: string): string => (issuer.startsWith('https:') ? '__Host-gh_device' : 'gh_device');

/** What the browser holds from an earlier sign-in; it proves nothing, and only spares its owner the lock of an account that others attack. */
export const readDeviceToken = (ctx: Context, issuer: string): string | undefined => ctx.cookies.get(nameAt(issuer), { signed: false });

/** Has the browser keep the token for a year. */
export function keepDeviceToken(ctx: Context, issuer: string, token: string): void {
  const secure = issuer.startsWith('https:') ? '; Secure' : '';
  ctx.append('set-cookie', `${nameAt(issuer)}=${token}; Path=/; Max-Age=${YEAR_SECONDS}; HttpOnly; SameSite=Lax${secure}`);
}
