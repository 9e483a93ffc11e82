import type { Database, Sql, Statement } from '../../infra/postgres.ts';
import type { RoleFacts } from '../roles/index.ts';
import type { InvitationStatus, ShownInvitation } from './index.ts';

export interface InvitationRow {
  id: string;
  tenant_id: string;
  email: string;
  email_key: string;
  roles: string[];
  attributes: Record<string, unknown>;
  status: InvitationStatus;
  invited_by: string | null;
  accepted_by: string | null;
  decided_at: Date | null;
  expires_at: Date;
  sent_count: number;
  sent_at: Date;
  version: number;
  created_at: Date;
}

const EXPIRED = `i.status = 'pending' and i.expires_at <= clock_timestamp()`;
// The hash of the secret stays where it is.
const COLUMNS = `i.id, i.tenant_id, i.email, i.email_key, i.attributes, case when ${EXPIRED} then 'expired' else i.status end as status, i.invited_by, i.accepted_by,
  i.decided_at, i.expires_at, i.sent_count, i.sent_at, i.version, i.created_at,
  array(select r.name from roles r where r.tenant_id = i.tenant_id and r.id = any (i.role_ids) order by r.name) as roles`;

async function rowsOf<Row>(sql: Sql, text: string, values: readonly unknown[]): Promise<Row[]> {
  const { rows } = await sql.raw<{ rows: Row[] }>(text, values as never);
  return rows;
}

export async function findInvitation(sql: Sql, tenantId: string, id: string): Promise<InvitationRow | undefined> {
  return (await rowsOf<InvitationRow>(sql, `select ${COLUMNS} from invitations i where i.tenant_id = ? and i.id = ?`, [tenantId, id]))[0];
}

/** The one that is open to this address; close expired ones before. */
export async function findPending(sql: Sql, tenantId: string, emailKey: string): Promise<InvitationRow | undefined> {
  const text = `select ${COLUMNS} from invitations i where i.tenant_id = ? and i.email_key = ? and i.status = 'pending'`;
  return (await rowsOf<InvitationRow>(sql, text, [tenantId, emailKey]))[0];
}

export async function lockInvitation(sql: Sql, tenantId: string, id: string): Promise<InvitationRow | undefined> {
  const text = `select ${COLUMNS} from invitations i where i.tenant_id = ? and i.id = ? for update of i`;
  return (await rowsOf<InvitationRow>(sql, text, [tenantId, id]))[0];
}

/** `position` is the instant of creation in microseconds since the epoch. */
export type ListedInvitation = InvitationRow & { position: string };

export function listInvitations(
  sql: Sql,
  tenantId: string,
  limit: number,
  after: readonly [string, string] | undefined,
  status: InvitationStatus | undefined,
): Promise<ListedInvitation[]> {
  const conditions = ['i.tenant_id = ?'];
  const values: unknown[] = [tenantId];
  if (after) {
    conditions.push(`(i.created_at, i.id) > (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)`);
    values.push(...after);
  }
  if (status === 'pending') conditions.push(`i.status = 'pending' and not (${EXPIRED})`);
  else if (status === 'expired') conditions.push(`(i.status = 'expired' or ${EXPIRED})`);
  else if (status !== undefined) {
    conditions.push('i.status = ?');
    values.push(status);
  }
  const text = `select ${COLUMNS}, floor(extract(epoch from i.created_at) * 1000000)::text as position from invitations i
    where ${conditions.join(' and ')} order by i.created_at, i.id limit ?`;
  return rowsOf<ListedInvitation>(sql, text, [...values, limit]);
}

/** What has expired by the clock makes room: for another to the same address, and below the tenant's limit. */
export const closeExpired = (sql: Sql, tenantId: string): Promise<unknown> =>
  sql.raw(
    `update invitations i set status = 'expired', version = version + 1, updated_at = clock_timestamp() where i.tenant_id = ? and ${EXPIRED}`,
    [tenantId],
  );

/** Whether somebody who has proven the address belongs to the tenant. */
export async function isMember(sql: Sql, tenantId: string, emailKey: string): Promise<boolean> {
  const text = `select 1 from users u join memberships m on m.user_id = u.id where u.email_key = ? and u.email_verified_at is not null and m.tenant_id = ?`;
  return (await rowsOf(sql, text, [emailKey, tenantId])).length > 0;
}

export interface InvitationValues {
  id: string;
  tenantId: string;
  email: string;
  emailKey: string;
  roleIds: readonly string[];
  attributes: Readonly<Record<string, unknown>>;
  secretHash: string;
  invitedBy: string | null;
  seconds: number;
}

export async function insertInvitation(sql: Sql, values: InvitationValues): Promise<InvitationRow> {
  const { id, tenantId, email, emailKey, roleIds, attributes, secretHash, invitedBy, seconds } = values;
  await sql.raw(
    `insert into invitations (id, tenant_id, email, email_key, role_ids, attributes, secret_hash, invited_by, sent_at, expires_at)
     select ?, ?, ?, ?, ?::uuid[], ?::jsonb, ?, ?, now.at, now.at + ?::integer * interval '1 second' from (select clock_timestamp() as at) now`,
    [id, tenantId, email, emailKey, [...roleIds], JSON.stringify(attributes), secretHash, invitedBy, seconds] as never,
  );
  return (await findInvitation(sql, tenantId, id))!;
}

/** Another secret, and as much time as the first one had. */
export async function renewInvitation(sql: Sql, tenantId: string, id: string, secretHash: string): Promise<InvitationRow> {
  await sql.raw(
    `update invitations i set secret_hash = ?, status = 'pending', sent_at = now.at, expires_at = now.at + (i.expires_at - i.sent_at), sent_count = i.sent_count + 1,
       version = i.version + 1, updated_at = now.at from (select clock_timestamp() as at) now where i.tenant_id = ? and i.id = ?`,
    [secretHash, tenantId, id],
  );
  return (await findInvitation(sql, tenantId, id))!;
}

/** Compare and set: an open invitation, by the clock, is decided once. */
export async function decideInvitation(
  sql: Sql,
  tenantId: string,
  id: string,
  decision: 'accepted' | 'declined' | 'revoked',
  acceptedBy: string | null = null,
): Promise<boolean> {
  const open = decision === 'revoked' ? `status in ('pending', 'expired')` : `status = 'pending' and expires_at > clock_timestamp()`;
  const text = `update invitations set status = ?, accepted_by = ?, decided_at = clock_timestamp(), version = version + 1, updated_at = clock_timestamp()
    where tenant_id = ? and id = ? and ${open} returning 1`;
  return (await rowsOf(sql, text, [decision, acceptedBy, tenantId, id])).length === 1;
}

/** The roles of a tenant as this transaction sees them: one that it has just made has some too. */
export async function readRolesIn(sql: Sql, tenantId: string): Promise<readonly RoleFacts[]> {
  return (await rowsOf<{ roles: RoleFacts[] }>(sql, 'select roles_for_protocol(?) as roles', [tenantId]))[0]?.roles ?? [];
}

/** What the tenant is called, and whoever invites, where a person does. */
export async function namesFor(sql: Sql, tenantId: string, userId: string | null): Promise<{ tenant: string; inviter: string | null }> {
  const text = `select t.name as tenant, (select nullif(concat_ws(' ', u.given_name, u.family_name), '') from users u where u.id = ?::uuid) as inviter
    from tenants t where t.id = ?`;
  return (await rowsOf<{ tenant: string; inviter: string | null }>(sql, text, [userId, tenantId]))[0]!;
}

export interface Address {
  emailKey: string | null;
  verified: boolean;
  active: boolean;
}

const ADDRESS = `select u.email_key as "emailKey", u.email_verified_at is not null as verified, u.status = 'active' and t.status = 'active' as active
  from users u join tenants t on t.id = u.home_tenant_id where u.id =`;
const FIND_ADDRESS: Statement = { name: 'invitation-address', text: `${ADDRESS} $1` };

export const findAddress = async (db: Database, userId: string): Promise<Address | undefined> =>
  (await db.query<Address>(FIND_ADDRESS, [userId]))[0];

/** The same, held until the transaction ends: it cannot be changed or lose its proof meanwhile. */
export const lockAddress = async (sql: Sql, userId: string): Promise<Address | undefined> =>
  (await rowsOf<Address>(sql, `${ADDRESS} ? for no key update of u`, [userId]))[0];

/** The tenant cannot be suspended or deleted until the transaction ends. */
export const isTenantActive = async (sql: Sql, tenantId: string): Promise<boolean> =>
  (await rowsOf(sql, `select 1 from tenants where id = ? and status = 'active' for share`, [tenantId])).length === 1;

/** Membership, attributes and those of the roles that are still there. */
export async function addMember(sql: Sql, { id, tenant_id: tenantId }: InvitationRow, userId: string): Promise<void> {
  await sql.raw(
    `insert into memberships as m (tenant_id, user_id, attributes) select i.tenant_id, ?, i.attributes from invitations i where i.tenant_id = ? and i.id = ?
     on conflict (tenant_id, user_id) do update set attributes = m.attributes || excluded.attributes, version = m.version + 1 where excluded.attributes <> '{}'`,
    [userId, tenantId, id],
  );
  await sql.raw(
    `insert into role_assignments (id, tenant_id, role_id, user_id, granted_by) select gen_random_uuid(), r.tenant_id, r.id, ?, i.invited_by
     from invitations i join roles r on r.tenant_id = i.tenant_id and r.id = any (i.role_ids) where i.tenant_id = ? and i.id = ?
     on conflict (tenant_id, user_id, role_id, resource) where user_id is not null do update set expires_at = null`,
    [userId, tenantId, id],
  );
}

const BY_SECRET: Statement = { name: 'invitation-by-secret', text: 'select invitation_shown(i) as shown from invitation_by_secret($1) i' };
const TO_ADDRESS: Statement = { name: 'invitations-to', text: 'select invitation_shown(i) as shown from invitations_to($1) i' };

/** For who holds the secret, whichever tenant it is of. */
export const findBySecret = async (db: Database, secretHash: string): Promise<ShownInvitation | undefined> =>
  (await db.query<{ shown: ShownInvitation }>(BY_SECRET, [secretHash]))[0]?.shown;

/** Open ones to an address, of all tenants; for who has proven it. At most 100. */
export const findToAddress = async (db: Database, emailKey: string): Promise<ShownInvitation[]> =>
  (await db.query<{ shown: ShownInvitation }>(TO_ADDRESS, [emailKey])).map(({ shown }) => shown);

const ACCEPTED: Statement = { name: 'invitation-accepted-by', text: 'select tenant_id from memberships_of($1) where tenant_id = $2' };

export const belongsTo = async (db: Database, userId: string, tenantId: string): Promise<boolean> =>
  (await db.query(ACCEPTED, [userId, tenantId])).length > 0;
