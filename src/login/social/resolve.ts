/** From an identity at another provider to a person: the one way there is. */
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { Clock } from '../../core/clock.ts';
import { newId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import type { Transact, Work } from '../../features/audit/index.ts';
import type { Connection, ConnectionCache } from '../../features/connections/index.ts';
import { personalTenantJob } from '../../features/tenants/personal.ts';
import { addressKey, type Limits, RULES } from '../../infra/limits.ts';
import type { Sql } from '../../infra/postgres.ts';
import type { SecretBox } from '../../infra/secret-box.ts';
import { emailKey } from '../identifiers.ts';
import type { ExternalIdentity } from '../method.ts';
import { addPerson } from '../people-store.ts';
import { mayRegister, type TenantLoginSettings } from '../policy.ts';
import { limited } from '../refusal.ts';
import { type Said, saidBy } from './claims.ts';
import { mayUse } from './offered.ts';
import { keptToken } from './sign-out.ts';
import { findByAddress, insertIdentity, isDomainOf, lockIdentity, refreshProfile, touchIdentity } from './store.ts';

export interface ResolveDeps {
  clock: Clock;
  box: SecretBox;
  limits: Limits;
  transact: Transact;
  connections: ConnectionCache;
  rootTenantId: string;
  settingsOf(tenantId: string): Promise<TenantLoginSettings>;
  /** All that the person belongs to, suspended ones too. */
  tenantsOf(userId: string): Promise<readonly string[]>;
  /** Called in the transaction that makes somebody's account. */
  onRegistered?: ((work: Work, person: { id: string; tenantId: string }) => Promise<void>) | undefined;
}

export type Resolved =
  | {
      userId: string;
      /** The provider asked for two factors, and the connection trusts what it says of that. */
      double?: boolean;
      /** The provider, sealed for the session, where signing out is to go on there. */
      upstream?: string | undefined;
    }
  /** Somebody here has proven the same address: who proves that account too, may have the two linked. Sealed for that. */
  | { refused: 'identity.link_required'; link: string }
  /** Why not, for the audit log. */
  | { refused: string };

/** `logout` asks whose it is, and neither makes nor changes anything. */
export type Purpose = 'sign-in' | 'logout';

/** An invitation that the browser brings along to the sign-in: by which tenant, and to which address. */
export interface InvitedTo {
  email: string;
  tenantId: string;
}

class Raced extends Error {}

/**
 * Whose identity (connection, subject) is. An unknown one becomes a person where the connection's tenant lets people register; never is it
 * somebody who is there because the addresses are the same. A connection speaks for people of its own tenant and no others.
 */
export async function resolveIdentity(
  deps: ResolveDeps,
  scope: Scope,
  identity: ExternalIdentity,
  purpose: Purpose,
  invited?: InvitedTo | undefined,
): Promise<Resolved> {
  const connection = await deps.connections.find(identity.connectionId);
  if (!connection?.enabled) return { refused: 'connection.disabled' };
  const { tenantId } = connection;
  if (scope.tenantId !== tenantId && scope.tenantId !== deps.rootTenantId) return { refused: 'connection.foreign' };
  // Policy may have changed while they were at the provider.
  if (purpose === 'sign-in' && !mayUse(await deps.settingsOf(tenantId), connection)) return { refused: 'connection.not_offered' };
  // It opens the tenant that is signed in at, and the one that invites, and no third.
  const counts = invited !== undefined && [scope.tenantId, invited.tenantId].includes(tenantId);
  const arrival = { connection, identity, purpose, invitedKey: counts ? emailKey(invited.email) : undefined };
  const whose = await resolveIn(deps, scope, arrival).catch((error: unknown) => {
    // The same identity came twice at the same instant; by now it is known.
    if (error instanceof Raced) return resolveIn(deps, scope, arrival);
    throw error;
  });
  return trusted(deps, tenantId, whose);
}

/**
 * A session says how strong a sign-in was, and not who says so, and goes to every tenant of its person: what a tenant's provider asked for counts
 * as a second factor only for people of that tenant alone, so that no other tenant has to take its word.
 */
async function trusted(deps: ResolveDeps, tenantId: string, whose: Resolved): Promise<Resolved> {
  if ('refused' in whose || !whose.double) return whose;
  const isOnlyHere = (await deps.tenantsOf(whose.userId)).every((id) => id === tenantId);
  return isOnlyHere ? whose : { userId: whose.userId };
}

interface Arrival {
  connection: Connection;
  identity: ExternalIdentity;
  purpose: Purpose;
  /** Whose address may register where only the invited may. */
  invitedKey: string | undefined;
}

async function resolveIn(deps: ResolveDeps, scope: Scope, arrival: Arrival): Promise<Resolved> {
  const { connection, identity, purpose } = arrival;
  const { id: connectionId, tenantId, options } = connection;
  const said = saidBy(identity, connection);
  const at = deps.clock.now();
  return deps.transact({ ...scope, tenantId }, async (work): Promise<Resolved> => {
    const known = await lockIdentity(work.sql, tenantId, connectionId, identity.subject);
    if (known && !known.isMember) return { refused: 'identity.not_member' };
    if (known) {
      if (purpose === 'logout') return { userId: known.userId };
      // Whoever judges the sign-in refuses it, and a sign-in that is refused writes nothing.
      if (!known.isActive) return { userId: known.userId };
      await touchIdentity(work.sql, known.id, { sealed: sealShown(deps.box, known.id, said), sid: said.sid, at });
      if (options.refreshProfile && (await refreshProfile(work.sql, known.userId, tenantId, said.profile, at)))
        work.record({
          type: 'user.changed',
          outcome: 'success',
          target: { type: 'user', id: known.userId },
          personId: known.userId,
          data: { connectionId, fields: Object.keys(said.profile) },
        });
      return { userId: known.userId, ...(options.trustUpstreamAmr && said.twoFactors ? { double: true } : {}) };
    }
    if (purpose === 'logout') return { refused: 'identity.unknown' };
    const local =
      said.email !== undefined && said.emailVerified ? await findByAddress(work.sql, tenantId, emailKey(said.email)) : undefined;
    // Not linked, and no second account beside it either: whoever made it may not have been the address's owner.
    if (local && !local.emailVerified) return { refused: 'identity.address_unverified' };
    if (local && !local.isMember) return { refused: 'identity.address_taken' };
    if (local) return { refused: 'identity.link_required', link: sealLink(deps.box, connection, { userId: local.id, identity }) };
    return register(deps, work, scope, arrival, said, at);
  });
}

async function register(
  deps: ResolveDeps,
  work: Work,
  scope: Scope,
  { connection, identity: { subject }, invitedKey }: Arrival,
  said: Said,
  at: Date,
): Promise<Resolved> {
  const { tenantId, id: connectionId } = connection;
  const settings = await deps.settingsOf(tenantId);
  const email = said.emailVerified ? said.email : undefined;
  const expected = email !== undefined && (emailKey(email) === invitedKey || (await leadsHere(work.sql, connection, domainOf(email))));
  if (!mayRegister(settings, expected)) return { refused: 'registration.closed' };
  if (settings.verifiedEmail && email === undefined) return { refused: 'identity.email_unverified' };
  const held = await limited(() => deps.limits.consume(RULES.registerByAddress, addressKey(scope.request.address)));
  if (held) return { refused: 'limit.registrations' };
  const userId = newId(at);
  const { givenName, familyName, locale } = said.profile;
  const person = {
    id: userId,
    tenantId,
    email,
    emailKey: email === undefined ? undefined : emailKey(email),
    givenName,
    familyName,
    locale,
    at,
  };
  if (!(await addPerson(work.sql, person))) throw new Raced();
  const id = newId(at);
  if (!(await insertIdentity(work.sql, { id, connectionId, subject, userId, sealed: sealShown(deps.box, id, said), sid: said.sid, at })))
    throw new Raced();
  await deps.onRegistered?.(work, { id: userId, tenantId });
  const { personalTenant } = settings;
  if (personalTenant.enabled) work.later(personalTenantJob({ userId, templateId: personalTenant.templateId }));
  work.record({
    type: 'user.registered',
    outcome: 'success',
    target: { type: 'user', id: userId },
    personId: userId,
    data: { connectionId },
  });
  return { userId };
}

/** Whether the domain leads to this connection, and is its tenant's at this very moment. */
const leadsHere = async (sql: Sql, { tenantId, domains }: Connection, domain: string): Promise<boolean> =>
  domains.includes(domain) && (await isDomainOf(sql, tenantId, domain));

export const domainOf = (email: string): string => email.slice(email.lastIndexOf('@') + 1).toLowerCase();

const Shown = Type.Object({ email: Type.Optional(Type.String()), name: Type.Optional(Type.String()) });

/** What the person sees of the identity on their own page. */
export function sealShown(box: SecretBox, id: string, { email, profile }: Pick<Said, 'email' | 'profile'>): Buffer {
  const name = [profile.givenName, profile.familyName].filter(Boolean).join(' ');
  return box.seal(JSON.stringify({ ...(email ? { email } : {}), ...(name ? { name } : {}) }), `identity:${id}`);
}

export function openShown(box: SecretBox, id: string, sealed: string | null): { email?: string; name?: string } {
  if (sealed === null) return {};
  const shown: unknown = JSON.parse(box.open(Buffer.from(sealed, 'base64'), `identity:${id}`).toString('utf8'));
  return Value.Check(Shown, shown) ? shown : {};
}

const Link = Type.Object({
  userId: Type.String(),
  identity: Type.Object({
    connectionId: Type.String(),
    subject: Type.String(),
    claims: Type.Record(Type.String(), Type.Unknown()),
  }),
});

/** An identity that waits for the proof of an account; of one subject for one person. */
export interface PendingLink {
  userId: string;
  identity: ExternalIdentity;
}

function sealLink(box: SecretBox, connection: Connection, { userId, identity }: PendingLink): string {
  const { email, emailVerified, sid, claims } = identity.claims;
  const idToken = keptToken(connection, identity);
  const kept = { userId, identity: { ...identity, claims: { email, emailVerified, sid, idToken, claims: namesIn(claims) } } };
  return box.seal(JSON.stringify(kept), 'identity-link').toString('base64');
}

export function openLink(box: SecretBox, sealed: string): PendingLink | undefined {
  const link: unknown = JSON.parse(box.open(Buffer.from(sealed, 'base64'), 'identity-link').toString('utf8'));
  return Value.Check(Link, link) ? link : undefined;
}

/** A provider may say a great deal; a journey keeps the names. */
const namesIn = (claims: unknown): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries((claims ?? {}) as object).filter(
      ([name, value]) => ['given_name', 'family_name'].includes(name) && typeof value === 'string',
    ),
  );
