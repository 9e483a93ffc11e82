import type { Database, Sql } from '../../infra/postgres.ts';
import { FACTOR_TYPES, type Factor, type FactorType } from './index.ts';
import { codesLeft, parseRecovery, type RecoveryData } from './schema.ts';

interface FactorRow {
  id: string;
  type: FactorType;
  name: string | null;
  data: unknown;
  created_at: Date;
  last_used_at: Date | null;
}

const LIST = {
  name: 'factors-of-person',
  text: `select id, type, name, data, created_at, last_used_at from credentials where user_id = $1 and type = any($2) order by created_at, id limit 100`,
};

/** A person's factors beside the password, oldest first, with what they hold. */
export async function findFactors(db: Database, userId: string): Promise<(Factor & { data: unknown })[]> {
  return (await db.query<FactorRow>(LIST, [userId, [...FACTOR_TYPES]])).map(factorOf);
}

function factorOf(row: FactorRow): Factor & { data: unknown } {
  const recovery = row.type === 'recovery-code' ? parseRecovery(row.data) : undefined;
  return {
    id: row.id,
    type: row.type,
    name: row.name ?? undefined,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at ?? undefined,
    codesLeft: recovery && codesLeft(recovery),
    data: row.data,
  };
}

export interface Owner {
  id: string;
  homeTenantId: string;
  email: string | undefined;
  locale: string | undefined;
  /** There is a way in without any factor: a password, a proven address or number, an identity elsewhere. */
  otherWayIn: boolean;
}

/** The person, held until the transaction ends, so that two changes of their factors follow one another; undefined where they may not sign in. */
export async function lockOwner(sql: Sql, userId: string): Promise<Owner | undefined> {
  const { rows } = await sql.raw<{
    rows: { id: string; home_tenant_id: string; email: string | null; locale: string | null; other: boolean }[];
  }>(
    `select u.id, u.home_tenant_id, u.email, u.locale,
       u.email_verified_at is not null or u.phone_verified_at is not null or exists (select from identities i where i.user_id = u.id)
         or exists (select from credentials c where c.user_id = u.id and c.type = 'password') as other
     from users u join tenants t on t.id = u.home_tenant_id where u.id = ? and u.status = 'active' and t.status = 'active' for no key update of u`,
    [userId],
  );
  const [row] = rows;
  return (
    row && {
      id: row.id,
      homeTenantId: row.home_tenant_id,
      email: row.email ?? undefined,
      locale: row.locale ?? undefined,
      otherWayIn: row.other,
    }
  );
}

export async function countFactors(sql: Sql, userId: string, type: FactorType): Promise<number> {
  const { rows } = await sql.raw<{ rows: { count: number }[] }>(
    'select count(*)::integer as count from credentials where user_id = ? and type = ?',
    [userId, type],
  );
  return rows[0]?.count ?? 0;
}

export interface FactorInsert {
  id: string;
  userId: string;
  type: FactorType;
  name: string | undefined;
  data: unknown;
  sealed: Buffer | undefined;
  lookup: string | undefined;
  at: Date;
}

/** False where the same authenticator is somebody's already. */
export async function insertFactor(sql: Sql, factor: FactorInsert): Promise<boolean> {
  const { rows } = await sql.raw<{ rows: unknown[] }>(
    `insert into credentials (id, user_id, type, name, data, sealed, lookup, created_at, updated_at) values (?, ?, ?, ?, ?::jsonb, ?, ?, ?, ?)
     on conflict (type, lookup) where lookup is not null do nothing returning id`,
    [
      factor.id,
      factor.userId,
      factor.type,
      factor.name ?? null,
      JSON.stringify(factor.data),
      factor.sealed ?? null,
      factor.lookup ?? null,
      factor.at,
      factor.at,
    ],
  );
  return rows.length === 1;
}

export async function renameFactorRow(sql: Sql, userId: string, id: string, name: string, at: Date): Promise<boolean> {
  const { rows } = await sql.raw<{ rows: unknown[] }>(
    `update credentials set name = ?, updated_at = ? where id = ? and user_id = ? and type in ('totp', 'passkey') returning id`,
    [name, at, id, userId],
  );
  return rows.length === 1;
}

/** What was deleted; undefined where the person has no such factor. */
export async function deleteFactorRow(sql: Sql, userId: string, id: string): Promise<FactorType | undefined> {
  const { rows } = await sql.raw<{ rows: { type: FactorType }[] }>(
    'delete from credentials where id = ? and user_id = ? and type = any(?) returning type',
    [id, userId, [...FACTOR_TYPES]],
  );
  return rows[0]?.type;
}

export async function deleteFactorsOfType(sql: Sql, userId: string, type: FactorType): Promise<number> {
  const { rows } = await sql.raw<{ rows: unknown[] }>('delete from credentials where user_id = ? and type = ? returning id', [
    userId,
    type,
  ]);
  return rows.length;
}

export const insertRecoveryCodes = (sql: Sql, id: string, userId: string, data: RecoveryData, at: Date): Promise<boolean> =>
  insertFactor(sql, { id, userId, type: 'recovery-code', name: undefined, data, sealed: undefined, lookup: undefined, at });

/** No device stands in for a second factor any more. */
export async function distrustDevices(sql: Sql, userId: string): Promise<void> {
  await sql.raw('update known_devices set trusted_until = null where user_id = ? and trusted_until is not null', [userId]);
}
