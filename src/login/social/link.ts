/** Identities of somebody who has proven who they are: added, listed, taken away. */
import type { Clock } from '../../core/clock.ts';
import { AppError, notFound } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import type { AuditLog, Transact } from '../../features/audit/index.ts';
import type { ConnectionCache } from '../../features/connections/index.ts';
import type { Database } from '../../infra/postgres.ts';
import type { SecretBox } from '../../infra/secret-box.ts';
import type { ExternalIdentity } from '../method.ts';
import type { TenantLoginSettings } from '../policy.ts';
import { saidBy } from './claims.ts';
import type { SocialDoor } from './door.ts';
import { byName, mayUse } from './offered.ts';
import { UpstreamRefused } from './provider.ts';
import { openShown, sealShown } from './resolve.ts';
import { deleteIdentity, identitiesOf, insertIdentity, isMember } from './store.ts';
import type { Upstreams } from './upstreams.ts';

export interface LinkDeps {
  db: Database;
  clock: Clock;
  box: SecretBox;
  audit: AuditLog;
  transact: Transact;
  connections: ConnectionCache;
  settingsOf(tenantId: string): Promise<TenantLoginSettings>;
}

const taken = (): AppError => new AppError('identity.taken', 409, 'This identity belongs to another account');

/**
 * Links an identity to a person who has proven both. Throws 409 `identity.taken` where it is somebody else's, 403 `identity.not_member` where
 * the connection is of a tenant that the person does not belong to. Linking again what is linked changes nothing.
 */
export async function linkIdentity(deps: LinkDeps, scope: Scope, userId: string, identity: ExternalIdentity): Promise<void> {
  const connection = await deps.connections.find(identity.connectionId);
  // Policy may have changed while the person was at the provider, or proved the account here.
  if (!connection?.enabled || !mayUse(await deps.settingsOf(connection.tenantId), connection)) throw notFound('connection');
  const { id: connectionId, tenantId } = connection;
  const said = saidBy(identity, connection);
  const at = deps.clock.now();
  const id = newId(at);
  await deps.transact({ ...scope, tenantId }, async (work) => {
    if (!(await isMember(work.sql, tenantId, userId)))
      throw new AppError('identity.not_member', 403, 'This connection is for people of another organisation');
    const row = { id, connectionId, subject: identity.subject, userId, sealed: sealShown(deps.box, id, said), sid: said.sid, at };
    if (!(await insertIdentity(work.sql, row))) throw taken();
    work.record({
      type: 'identity.linked',
      outcome: 'success',
      target: { type: 'identity', id },
      personId: userId,
      data: { userId, connectionId, key: connection.key },
    });
  });
}

/** The identity that an app's token speaks of. Throws 404 for a provider that is not offered, 401 `identity.refused` for what may not be believed. */
export async function broughtIdentity(
  deps: Pick<LinkDeps, 'audit' | 'settingsOf'> & { door: SocialDoor; upstreams: Upstreams },
  scope: Scope,
  brought: Readonly<Record<string, string | undefined>>,
  connections: ConnectionCache,
): Promise<ExternalIdentity> {
  const { provider, access_token: accessToken, id_token: idToken, code, redirectUri, codeVerifier: verifier, nonce } = brought;
  const offered = await deps.door.offered({ tenantId: scope.tenantId, settings: await deps.settingsOf(scope.tenantId), params: {} });
  const found = byName(offered, provider);
  const connection = found && (await connections.find(found.id));
  if (!connection) throw notFound('connection');
  try {
    const { subject, ...claims } =
      code !== undefined && redirectUri !== undefined && URL.canParse(redirectUri)
        ? await deps.upstreams.finish(connection, { params: new URLSearchParams({ code }), redirectUri, state: undefined, nonce, verifier })
        : await deps.upstreams.judgeToken(connection, { accessToken, idToken, nonce });
    return { connectionId: connection.id, subject, claims };
  } catch (error) {
    if (!(error instanceof UpstreamRefused)) throw error;
    const target = { type: 'connection', id: connection.id };
    await deps.audit.append(scope, { type: 'identity.refused', outcome: 'failure', reason: error.reason, target });
    throw new AppError('identity.refused', 401, 'What the provider gave is not good', { headers: { 'www-authenticate': 'Bearer' } });
  }
}

export interface Identity {
  id: string;
  connection: { id: string; key: string; kind: string; name: string };
  email: string | undefined;
  name: string | undefined;
  createdAt: Date;
  lastUsedAt: Date | undefined;
}

export async function listIdentities({ db, box }: Pick<LinkDeps, 'db' | 'box'>, userId: string): Promise<Identity[]> {
  return (await identitiesOf(db, userId)).map(({ id, connectionId, key, kind, name, sealed, createdAt, lastUsedAt }) => {
    const shown = openShown(box, id, sealed);
    return {
      id,
      connection: { id: connectionId, key, kind, name },
      email: shown.email,
      name: shown.name,
      createdAt: new Date(createdAt),
      lastUsedAt: lastUsedAt === null ? undefined : new Date(lastUsedAt),
    };
  });
}

/** Throws 404 where it is not the person's, 409 `identity.last_way_in`. */
export async function unlinkIdentity(deps: Pick<LinkDeps, 'transact'>, scope: Scope, userId: string, id: string): Promise<void> {
  await deps.transact(scope, async (work) => {
    const outcome = await deleteIdentity(work.sql, userId, id);
    if (outcome === 'unknown') throw notFound('identity');
    if (outcome === 'last')
      throw new AppError('identity.last_way_in', 409, 'This is the only way into the account', {
        detail: 'Set a password, or prove an e-mail address, before you take it away.',
      });
    work.record({ type: 'identity.unlinked', outcome: 'success', target: { type: 'identity', id }, personId: userId, data: { userId } });
  });
}
