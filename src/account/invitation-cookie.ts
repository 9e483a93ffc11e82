/** What a browser keeps of an invitation while its person signs in or makes an account: sealed, for half an hour, where it is needed. */
import type { Context } from 'koa';
import { type Clock, epochSeconds } from '../core/clock.ts';
import { invitationOf } from '../features/invitations/decide.ts';
import type { Database } from '../infra/postgres.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import { ACCOUNT_CLIENT_ID } from './overview.ts';

const CONTEXT = 'invitation-cookie';
const SECONDS = 1800;
const PATHS = ['/account', '/login'] as const;

export interface InvitationCookieDeps {
  db: Database;
  box: SecretBox;
  clock: Clock;
}

const isHttps = (issuer: string): boolean => issuer.startsWith('https:');
const nameAt = (issuer: string): string => (isHttps(issuer) ? '__Secure-gh_invitation' : 'gh_invitation');

function set(ctx: Context, issuer: string, value: string, seconds: number): void {
  const secure = isHttps(issuer) ? '; Secure' : '';
  for (const path of PATHS)
    ctx.append('set-cookie', `${nameAt(issuer)}=${value}; Path=${path}; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`);
}

export function keepInvitation({ box, clock }: InvitationCookieDeps, ctx: Context, issuer: string, secret: string): void {
  const until = epochSeconds(clock.now()) + SECONDS;
  set(ctx, issuer, box.seal(`${until} ${secret}`, CONTEXT).toString('base64url'), SECONDS);
}

/** The secret that the browser keeps; undefined where it keeps none, or for too long. */
export function keptInvitation({ box, clock }: Omit<InvitationCookieDeps, 'db'>, ctx: Context, issuer: string): string | undefined {
  const sealed = ctx.cookies.get(nameAt(issuer), { signed: false });
  if (!sealed) return undefined;
  try {
    const [until = '', secret = ''] = box.open(Buffer.from(sealed, 'base64url'), CONTEXT).toString('utf8').split(' ');
    return Number(until) > epochSeconds(clock.now()) ? secret : undefined;
  } catch {
    return undefined;
  }
}

export function dropInvitation(deps: Omit<InvitationCookieDeps, 'db'>, ctx: Context, issuer: string): void {
  if (keptInvitation(deps, ctx, issuer) !== undefined) set(ctx, issuer, '', 0);
}

/**
 * The address whose invitation the browser brings along to a sign-in: at the installation's account application, and at applications of the
 * tenant that invites, the account application at its own issuer among them. Elsewhere it opens nothing. Asks the database only where there is a cookie.
 */
export async function invitedAt(
  deps: InvitationCookieDeps & { rootTenantId: string },
  ctx: Context,
  issuer: string,
  client: { clientId: string; tenantId: string },
): Promise<{ email: string; tenantId: string } | undefined> {
  const secret = keptInvitation(deps, ctx, issuer);
  const shown = secret === undefined ? undefined : await invitationOf(deps, secret);
  const isCommon = client.clientId === ACCOUNT_CLIENT_ID && client.tenantId === deps.rootTenantId;
  if (shown?.status !== 'pending' || !(isCommon || client.tenantId === shown.tenantId)) return undefined;
  return { email: shown.email, tenantId: shown.tenantId };
}
