/** What a person changes of their own account, and what is read for them alone. */
import type { Database, Sql } from '../../infra/postgres.ts';
import type { SecretBox } from '../../infra/secret-box.ts';
import type { ContactKind, KnownDevice } from './index.ts';
import { openDevice } from './known-device.ts';

const DEVICES = {
  name: 'me-devices',
  text: `select id, device_hash, sealed, created_at, last_seen_at, case when trusted_until > $2::timestamptz then trusted_until end as trusted_until
    from known_devices where user_id = $1 order by last_seen_at desc, id limit 200`,
};

interface DeviceRow {
  id: string;
  device_hash: string;
  sealed: Buffer | null;
  created_at: Date;
  last_seen_at: Date;
  trusted_until: Date | null;
}

/** Last used first. */
export async function devicesOf(
  { db, box }: { db: Database; box: Pick<SecretBox, 'open'> },
  userId: string,
  now: Date,
): Promise<KnownDevice[]> {
  const rows = await db.query<DeviceRow>(DEVICES, [userId, now]);
  return rows.map((row) => {
    const { device, address, clientId } = openDevice(box, userId, row.device_hash, row.sealed) ?? {};
    return {
      id: row.id,
      device,
      address,
      clientId,
      firstSeenAt: row.created_at,
      lastSeenAt: row.last_seen_at,
      trustedUntil: row.trusted_until ?? undefined,
    };
  });
}

/** Forgets one device, or all; answers how many there were. */
export function forgetDevices(sql: Sql, userId: string, id?: string): Promise<number> {
  const query = sql('known_devices').where({ user_id: userId });
  if (id !== undefined) query.where({ id });
  return query.delete().then((count) => count);
}

export interface MeRow {
  id: string;
  home_tenant_id: string;
  version: number;
  username: string | null;
  email: string | null;
  email_key: string | null;
  email_verified_at: Date | null;
  phone: string | null;
  phone_verified_at: Date | null;
  locale: string | null;
  settings: Record<string, unknown>;
  delete_after: Date | null;
}

const COLUMNS =
  'id, home_tenant_id, version, username, email, email_key, email_verified_at, phone, phone_verified_at, locale, settings, delete_after';

export async function findMe(db: Database, userId: string): Promise<MeRow | undefined> {
  const [row] = await db.query<MeRow>({ name: 'me-row', text: `select ${COLUMNS} from users where id = $1` }, [userId]);
  return row;
}

/** The person, held until the transaction ends, less those who may not sign in. */
export async function lockMe(sql: Sql, userId: string): Promise<MeRow | undefined> {
  const { rows } = await sql.raw<{ rows: MeRow[] }>(`select ${COLUMNS} from users where id = ? and status = 'active' for update`, [userId]);
  return rows[0];
}

const CONTACT = {
  email: 'email = ?, email_key = ?, email_verified_at = ?',
  phone: 'phone = ?, phone_verified_at = ?',
} as const;

/** The proven address or number in place of the one before. Throws SQLSTATE 23505 where it is somebody else's by now. */
export async function setContact(sql: Sql, userId: string, kind: ContactKind, value: string, at: Date): Promise<void> {
  const values = kind === 'email' ? [value, value.toLowerCase(), at] : [value, at];
  await sql.raw(`update users set ${CONTACT[kind]}, version = version + 1, updated_at = ? where id = ?`, [...values, at, userId]);
}

export async function removePhone(sql: Sql, userId: string, at: Date): Promise<void> {
  await sql.raw('update users set phone = null, phone_verified_at = null, version = version + 1, updated_at = ? where id = ?', [
    at,
    userId,
  ]);
}

/** Whether something else opens the account: a proven address, an identity elsewhere, a passkey, or a password with a name to go with it. */
export async function hasWayInWithoutPhone(sql: Sql, userId: string): Promise<boolean> {
  const { rows } = await sql.raw<{ rows: { other: boolean }[] }>(
    `select u.email_verified_at is not null or exists (select from identities i where i.user_id = u.id)
       or exists (select from credentials c where c.user_id = u.id
         and (c.type = 'passkey' or (c.type = 'password' and (u.email is not null or u.username is not null)))) as other
     from users u where u.id = ?`,
    [userId],
  );
  return rows[0]?.other === true;
}

/** Who has the address already, or has proven the number: one that is not proven is nobody's. */
export async function isTaken(sql: Sql, kind: ContactKind, key: string): Promise<{ id: string; email: string | null } | undefined> {
  const query =
    kind === 'email' ? sql('users').where({ email_key: key }) : sql('users').where({ phone: key }).whereNotNull('phone_verified_at');
  return (await query.select('id', 'email').first()) as { id: string; email: string | null } | undefined;
}

export async function setSettings(sql: Sql, userId: string, settings: Readonly<Record<string, unknown>>, at: Date): Promise<void> {
  await sql.raw('update users set settings = ?::jsonb, version = version + 1, updated_at = ? where id = ?', [
    JSON.stringify(settings),
    at,
    userId,
  ]);
}

/** When the account is to be deleted; undefined takes that back. */
export async function setDeletion(sql: Sql, userId: string, after: Date | undefined, at: Date): Promise<void> {
  await sql.raw('update users set delete_after = ?, version = version + 1, updated_at = ? where id = ?', [after ?? null, at, userId]);
}

export interface DueRow {
  id: string;
  home_tenant_id: string;
  version: number;
  member_version: number;
  email: string | null;
  locale: string | null;
}

/** People whose account is due for deletion. */
export const dueForDeletion = (db: Database, now: Date, most: number): Promise<DueRow[]> =>
  db.query<DueRow>({ name: 'me-due', text: 'select * from people_to_delete($1, $2)' }, [now, most]);

export interface ExportRow {
  factors: unknown[];
  identities: unknown[];
  person: Record<string, unknown>;
}

const EXPORT = {
  name: 'me-export',
  text: `select jsonb_build_object('id', u.id, 'username', u.username, 'email', u.email, 'emailVerifiedAt', u.email_verified_at, 'phone', u.phone,
      'phoneVerifiedAt', u.phone_verified_at, 'givenName', u.given_name, 'familyName', u.family_name, 'locale', u.locale, 'verification', u.verification,
      'settings', u.settings, 'createdAt', u.created_at, 'updatedAt', u.updated_at, 'lastLoginAt', u.last_login_at, 'deleteAfter', u.delete_after) as person,
    (select coalesce(jsonb_agg(jsonb_build_object('type', type, 'name', name, 'createdAt', created_at, 'lastUsedAt', last_used_at) order by created_at, id), '[]')
      from credentials where user_id = u.id) as factors,
    (select coalesce(jsonb_agg(value - 'sealed'), '[]') from jsonb_array_elements(identities_of(u.id))) as identities
    from users u where u.id = $1`,
};

/** Less every secret. */
export async function exportRow(db: Database, userId: string): Promise<ExportRow | undefined> {
  return (await db.query<ExportRow>(EXPORT, [userId]))[0];
}

export interface KeptByTenant {
  attributes: Record<string, unknown>;
  /** Months in which the person counted. */
  usage: string[];
  apiKeys: unknown[];
}

/** What one tenant keeps of its member, less secrets; in a transaction of that tenant. */
export async function keptByTenant(sql: Sql, tenantId: string, userId: string): Promise<KeptByTenant | undefined> {
  const { rows } = await sql.raw<{ rows: KeptByTenant[] }>(
    `select m.attributes,
       (select coalesce(jsonb_agg(p.period order by p.period), '[]') from usage_people p where p.tenant_id = m.tenant_id and p.user_id = m.user_id) as usage,
       (select coalesce(jsonb_agg(jsonb_build_object('id', k.id, 'name', k.name, 'prefix', k.prefix, 'permissions', k.permissions, 'createdAt', k.created_at,
           'lastUsedAt', k.last_used_at, 'expiresAt', k.expires_at) order by k.created_at, k.id), '[]')
         from api_keys k where k.tenant_id = m.tenant_id and k.owner_user_id = m.user_id) as "apiKeys"
     from memberships m where m.tenant_id = ? and m.user_id = ?`,
    [tenantId, userId],
  );
  return rows[0];
}
