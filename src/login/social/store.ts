import { isId } from '../../core/ids.ts';
import type { Database, Sql, Statement } from '../../infra/postgres.ts';

export interface KnownIdentity {
  id: string;
  userId: string;
  /** Belongs to the tenant of the connection. */
  isMember: boolean;
  /** Neither the person nor their home tenant is closed. */
  isActive: boolean;
}

/** Whose identity it is, in the connection's tenant; the row is held until the transaction ends. */
export async function lockIdentity(sql: Sql, tenantId: string, connectionId: string, subject: string): Promise<KnownIdentity | undefined> {
  const { rows } = await sql.raw<{ rows: KnownIdentity[] }>(
    `select i.id, i.user_id as "userId", exists (select from memberships m where m.tenant_id = ? and m.user_id = i.user_id) as "isMember",
       exists (select from users u where u.id = i.user_id and u.status = 'active'
         and not exists (select from tenants t where t.id = u.home_tenant_id and t.status <> 'active')) as "isActive"
     from identities i join connections c on c.id = i.connection_id
     where i.connection_id = ? and i.subject = ? and c.tenant_id = ? for update of i`,
    [tenantId, connectionId, subject, tenantId],
  );
  return rows[0];
}

export interface LocalPerson {
  id: string;
  emailVerified: boolean;
  isMember: boolean;
}

/** Who has the address here, and whether they are the tenant's. */
export async function findByAddress(sql: Sql, tenantId: string, emailKey: string): Promise<LocalPerson | undefined> {
  const { rows } = await sql.raw<{ rows: LocalPerson[] }>(
    `select u.id, u.email_verified_at is not null as "emailVerified",
       exists (select from memberships m where m.tenant_id = ? and m.user_id = u.id) as "isMember" from users u where u.email_key = ?`,
    [tenantId, emailKey],
  );
  return rows[0];
}

export async function isMember(sql: Sql, tenantId: string, userId: string): Promise<boolean> {
  const { rows } = await sql.raw<{ rows: unknown[] }>('select 1 from memberships where tenant_id = ? and user_id = ?', [tenantId, userId]);
  return rows.length === 1;
}

export interface NewIdentity {
  id: string;
  connectionId: string;
  subject: string;
  userId: string;
  sealed: Buffer | null;
  sid: string | undefined;
  at: Date;
}

/** False where the subject is somebody's already. */
export async function insertIdentity(sql: Sql, identity: NewIdentity): Promise<boolean> {
  const { rows } = await sql.raw<{ rows: unknown[] }>(
    `insert into identities (id, connection_id, subject, user_id, sealed, upstream_sid, created_at, last_used_at) values (?, ?, ?, ?, ?, ?, ?, ?)
     on conflict (connection_id, subject) do nothing returning 1`,
    [
      identity.id,
      identity.connectionId,
      identity.subject,
      identity.userId,
      identity.sealed,
      identity.sid ?? null,
      identity.at,
      identity.at,
    ],
  );
  return rows.length === 1;
}

export async function touchIdentity(
  sql: Sql,
  id: string,
  seen: { sealed: Buffer | null; sid: string | undefined; at: Date },
): Promise<void> {
  await sql.raw('update identities set last_used_at = ?, sealed = coalesce(?, sealed), upstream_sid = ? where id = ?', [
    seen.at,
    seen.sealed,
    seen.sid ?? null,
    id,
  ]);
}

export interface Profile {
  givenName?: string | undefined;
  familyName?: string | undefined;
  locale?: string | undefined;
}

/** Takes over what the provider says now and is another; answers whether anything was. */
export async function refreshProfile(sql: Sql, userId: string, homeTenantId: string, profile: Profile, at: Date): Promise<boolean> {
  const { givenName = null, familyName = null, locale = null } = profile;
  const { rows } = await sql.raw<{ rows: unknown[] }>(
    `update users set given_name = coalesce(?, given_name), family_name = coalesce(?, family_name), locale = coalesce(?, locale),
       updated_at = ?, version = version + 1
     where id = ? and home_tenant_id = ? and (given_name, family_name, locale) is distinct from
       (coalesce(?, given_name), coalesce(?, family_name), coalesce(?, locale)) returning 1`,
    [givenName, familyName, locale, at, userId, homeTenantId, givenName, familyName, locale],
  );
  return rows.length === 1;
}

export interface StoredIdentity {
  id: string;
  connectionId: string;
  tenantId: string;
  key: string;
  kind: string;
  name: string;
  enabled: boolean;
  sealed: string | null;
  createdAt: string;
  lastUsedAt: string | null;
}

const OF_PERSON: Statement = { name: 'identities-of-person', text: 'select identities_of($1) as identities' };

/** Through whichever tenants' connections. */
export async function identitiesOf(db: Database, userId: string): Promise<StoredIdentity[]> {
  const [row] = await db.query<{ identities: StoredIdentity[] }>(OF_PERSON, [userId]);
  return row?.identities ?? [];
}

/** Deletes the identity where it is the person's and not the last way in; the person is held meanwhile. */
export async function deleteIdentity(sql: Sql, userId: string, id: string): Promise<'deleted' | 'unknown' | 'last'> {
  if (!isId(id)) return 'unknown';
  const { rows } = await sql.raw<{ rows: { others: boolean; own: boolean }[] }>(
    `with person as (select * from users where id = ? for no key update)
     select exists (select from identities i where i.id = ? and i.user_id = p.id) as own,
       p.email_verified_at is not null or p.phone_verified_at is not null
         or exists (select from identities i where i.user_id = p.id and i.id <> ?)
         or exists (select from credentials c where c.user_id = p.id and c.type in ('password', 'passkey')) as others from person p`,
    [userId, id, id],
  );
  const found = rows[0];
  if (!found?.own) return 'unknown';
  if (!found.others) return 'last';
  await sql.raw('delete from identities where id = ? and user_id = ?', [id, userId]);
  return 'deleted';
}

const TENANT_OF_DOMAIN: Statement = { name: 'login-tenant-of-domain', text: 'select tenant_of_domain($1) as id' };

/** Whose verified domain it is. */
export async function tenantOfDomain(db: Database, domain: string): Promise<string | undefined> {
  const [row] = await db.query<{ id: string | null }>(TENANT_OF_DOMAIN, [domain]);
  return row?.id ?? undefined;
}

/** Whether the tenant has that domain verified now. */
export async function isDomainOf(sql: Sql, tenantId: string, domain: string): Promise<boolean> {
  const { rows } = await sql.raw<{ rows: unknown[] }>(
    'select 1 from tenant_domains where tenant_id = ? and domain = ? and verified_at is not null',
    [tenantId, domain],
  );
  return rows.length === 1;
}

const SUBJECTS: Statement = {
  name: 'identities-of-upstream-session',
  text: 'select subject from identities where connection_id = $1 and upstream_sid = $2',
};

/** Who came in by that session of the provider's. */
export const subjectsOfSession = async (db: Database, connectionId: string, sid: string): Promise<string[]> =>
  (await db.query<{ subject: string }>(SUBJECTS, [connectionId, sid])).map(({ subject }) => subject);
