/** `/account/identities`: the accounts at other providers that open this one. What changes them asks for a fresh sign-in first. */

import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { Context } from 'koa';
import { AppError } from '../core/errors.ts';
import { newSecret } from '../core/ids.ts';
import type { Note } from '../core/messages/catalogue.ts';
import type { Scope } from '../core/scope.ts';
import type { Connection } from '../features/connections/index.ts';
import { demandOf } from '../features/factors/demand.ts';
import { findFactors } from '../features/factors/store.ts';
import { isForeign } from '../http/csrf.ts';
import type { ExternalIdentity } from '../login/method.ts';
import { callbackUri } from '../login/methods/social.ts';
import type { Identity } from '../login/social/link.ts';
import type { Offered } from '../login/social/offered.ts';
import { ACCOUNT_STATE } from '../login/social/pages.ts';
import { UpstreamRefused } from '../login/social/provider.ts';
import type { Upstreams } from '../login/social/upstreams.ts';
import { confirm } from './step-up.ts';
import { showAccountPage } from './views/pages.ts';
import { type AccountRoutesDeps, readPosted, seeOther, type Visit } from './visit.ts';

export interface OwnIdentities {
  /** Those of the tenant whose issuer the request came to; at the base issuer, of the person's home. */
  offered(homeTenantId: string): Promise<readonly Offered[]>;
  find(id: string): Promise<Connection | undefined>;
  list(userId: string): Promise<readonly Identity[]>;
  link(scope: Scope, userId: string, identity: ExternalIdentity): Promise<void>;
  unlink(scope: Scope, userId: string, id: string): Promise<void>;
  upstreams: Upstreams;
}

export type IdentityDeps = AccountRoutesDeps & { identities: OwnIdentities };

const HOME = '/account/identities';
const SECONDS = 600;

/** What the browser holds while it is at the provider, sealed: good for the session that began. */
const Asked = Type.Object({
  session: Type.String(),
  connection: Type.String(),
  redirectUri: Type.String(),
  state: Type.String(),
  nonce: Type.String(),
  verifier: Type.String(),
});

const cookieAt = (issuer: string): string => (issuer.startsWith('https:') ? '__Secure-gh_link' : 'gh_link');

function keepAsked(ctx: Context, issuer: string, value: string, seconds: number): void {
  const secure = issuer.startsWith('https:') ? '; Secure' : '';
  ctx.append('set-cookie', `${cookieAt(issuer)}=${value}; Path=${HOME}; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`);
}

export async function identitiesPage(deps: IdentityDeps, visit: Visit, more: { alert?: Note; notice?: Note } = {}): Promise<void> {
  const { ctx, person, page } = visit;
  const identities = await deps.identities.list(person.id);
  const linked = new Set(identities.map(({ connection }) => connection.id));
  const offered = (await deps.identities.offered(person.homeTenantId)).filter(({ id }) => !linked.has(id));
  const shown = {
    ...page,
    ...more,
    action: HOME,
    identities: identities.map(({ id, connection, email, name }) => ({ id, provider: connection.name, who: email ?? name })),
    offered: offered.map(({ key, name }) => ({ name, url: `${HOME}/link/${key}` })),
  };
  showAccountPage(ctx, deps.view, 'account-identities', shown, more.alert ? { status: 422 } : {});
}

const isConfirmed = async (deps: IdentityDeps, visit: Visit, path?: string): Promise<boolean> =>
  confirm(deps, visit, demandOf(await findFactors(deps.db, visit.person.id)), path);

export async function unlinkPosted(deps: IdentityDeps, visit: Visit): Promise<void> {
  const { unlink = '' } = await readPosted(deps, visit, HOME);
  if (!(await isConfirmed(deps, visit, HOME))) return;
  try {
    await deps.identities.unlink(visit.scope, visit.person.id, unlink);
  } catch (error) {
    if (!(error instanceof AppError) || error.status >= 500) throw error;
    return identitiesPage(deps, visit, error.status === 409 ? { alert: 'identities.last' } : {});
  }
  await identitiesPage(deps, visit, { notice: 'identities.unlinked' });
}

export async function beginLink(deps: IdentityDeps, visit: Visit): Promise<void> {
  const { ctx, session, scope, person } = visit;
  const { issuer } = scope.request;
  const key = ctx.path.slice(`${HOME}/link/`.length);
  const found = (await deps.identities.offered(person.homeTenantId)).find((one) => one.key === key);
  const connection = found && (await deps.identities.find(found.id));
  if (!connection || isForeign(ctx.req.headers, issuer)) return seeOther(ctx, HOME);
  if (!(await isConfirmed(deps, visit))) return;
  const asked = {
    session: session.id,
    connection: connection.id,
    redirectUri: callbackUri(issuer, connection.id),
    state: `${ACCOUNT_STATE}.${newSecret()}`,
    nonce: newSecret(),
    verifier: newSecret(48),
  };
  try {
    const url = await deps.identities.upstreams.begin(connection, asked);
    keepAsked(ctx, issuer, deps.box.seal(JSON.stringify(asked), 'identity-cookie').toString('base64url'), SECONDS);
    seeOther(ctx, url.href);
  } catch (error) {
    await refused(deps, visit, connection, error);
  }
}

/** Back from the provider: it counts in the session that began, once, for the connection that was asked. */
export async function finishLink(deps: IdentityDeps, visit: Visit): Promise<void> {
  const { ctx, session, scope, person } = visit;
  const { issuer } = scope.request;
  const id = ctx.path.slice(`${HOME}/callback/`.length);
  const asked = openAsked(deps, ctx.cookies.get(cookieAt(issuer), { signed: false }));
  keepAsked(ctx, issuer, '', 0);
  const connection = await deps.identities.find(id);
  if (!connection?.enabled) return seeOther(ctx, HOME);
  if (!asked || asked.session !== session.id || asked.connection !== id)
    return refused(deps, visit, connection, new UpstreamRefused('social.not_begun'));
  // A second factor may have come in between.
  const { acr } = demandOf(await findFactors(deps.db, person.id));
  if (!confirm(deps, visit, { acr }, HOME)) return;
  try {
    const { subject, ...claims } = await deps.identities.upstreams.finish(connection, {
      ...asked,
      params: new URLSearchParams(ctx.querystring),
    });
    await deps.identities.link(scope, person.id, { connectionId: id, subject, claims });
  } catch (error) {
    return refused(deps, visit, connection, error);
  }
  await identitiesPage(deps, visit, { notice: { key: 'identities.linked', values: { name: connection.name } } });
}

async function refused(deps: IdentityDeps, visit: Visit, { id, name }: Connection, error: unknown): Promise<void> {
  const ours = error instanceof AppError && error.status < 500 ? error : undefined;
  if (!ours && !(error instanceof UpstreamRefused)) throw error;
  const reason = ours?.code ?? (error as UpstreamRefused).reason;
  const event = {
    type: 'identity.refused',
    outcome: 'failure',
    reason,
    target: { type: 'connection', id },
    personId: visit.person.id,
  } as const;
  await deps.audit.append(visit.scope, event);
  const key = ours?.status === 409 ? 'identities.taken' : 'identities.failed';
  await identitiesPage(deps, visit, { alert: { key, values: { name } } });
}

function openAsked({ box }: IdentityDeps, sealed: string | undefined) {
  if (!sealed) return undefined;
  try {
    const asked: unknown = JSON.parse(box.open(Buffer.from(sealed, 'base64url'), 'identity-cookie').toString('utf8'));
    return Value.Check(Asked, asked) ? asked : undefined;
  } catch {
    return undefined;
  }
}
