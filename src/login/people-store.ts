import type { Database, Sql } from '../infra/postgres.ts';
import type { Account, StoredCredential } from './method.ts';

export interface Person {
  id: string;
  homeTenantId: string;
  username: string | undefined;
  active: boolean;
  email: string | undefined;
  emailVerified: boolean;
  /** E.164. */
  phone: string | undefined;
  phoneVerified: boolean;
  givenName: string | undefined;
  familyName: string | undefined;
  locale: string | undefined;
}

interface PersonRow {
  id: string;
  home_tenant_id: string;
  username: string | null;
  active: boolean;
  email: string | null;
  verified: boolean;
  phone: string | null;
  phone_verified: boolean;
  given_name: string | null;
  family_name: string | null;
  locale: string | null;
}

const PERSON = `select u.id, u.home_tenant_id, u.username, u.status = 'active' and t.status = 'active' as active, u.email, u.email_verified_at is not null as verified, u.phone, u.phone_verified_at is not null as phone_verified, u.given_name,
    u.family_name, u.locale
  from users u join tenants t on t.id = u.home_tenant_id where`;

const personOf = (row: PersonRow | undefined): Person | undefined =>
  row && {
    id: row.id,
    homeTenantId: row.home_tenant_id,
    username: row.username ?? undefined,
    active: row.active,
    email: row.email ?? undefined,
    emailVerified: row.verified,
    phone: row.phone ?? undefined,
    phoneVerified: row.phone_verified,
    givenName: row.given_name ?? undefined,
    familyName: row.family_name ?? undefined,
    locale: row.locale ?? undefined,
  };

export async function findPersonByEmail(db: Database, key: string): Promise<Person | undefined> {
  const [row] = await db.query<PersonRow>({ name: 'login-person-by-email', text: `${PERSON} u.email_key = $1` }, [key]);
  return personOf(row);
}

export async function findPersonByPhone(db: Database, phone: string): Promise<Person | undefined> {
  const [row] = await db.query<PersonRow>(
    { name: 'login-person-by-phone', text: `${PERSON} u.phone = $1 and u.phone_verified_at is not null` },
    [phone],
  );
  return personOf(row);
}

export async function findPerson(db: Database, id: string): Promise<Person | undefined> {
  const [row] = await db.query<PersonRow>({ name: 'login-person', text: `${PERSON} u.id = $1` }, [id]);
  return personOf(row);
}

type LockedRow = Pick<PersonRow, 'id' | 'home_tenant_id' | 'active' | 'email' | 'verified' | 'phone' | 'phone_verified'>;

/** The person as methods see it, read in the transaction that is about to change it; the row is held until then. */
export async function lockAccount(sql: Sql, id: string): Promise<Account | undefined> {
  const { rows } = await sql.raw<{ rows: LockedRow[] }>(
    `select u.id, u.home_tenant_id, u.status = 'active' and t.status = 'active' as active, u.email, u.email_verified_at is not null as verified,
       u.phone, u.phone_verified_at is not null as phone_verified
     from users u join tenants t on t.id = u.home_tenant_id where u.id = ? for no key update of u`,
    [id],
  );
  const row = rows[0];
  if (!row) return undefined;
  const found = await sql.raw<{ rows: (Omit<StoredCredential, 'sealed' | 'name'> & { sealed: Buffer | null; name: string | null })[] }>(
    'select id, type, data, version, sealed, name, created_at as "createdAt" from credentials where user_id = ? order by created_at, id',
    [id],
  );
  return {
    id: row.id,
    homeTenantId: row.home_tenant_id,
    active: row.active,
    email: row.email ?? undefined,
    emailVerified: row.verified,
    phone: row.phone ?? undefined,
    phoneVerified: row.phone_verified,
    credentials: found.rows.map(({ sealed, name, ...rest }) => ({ ...rest, sealed: sealed ?? undefined, name: name ?? undefined })),
  };
}

/**
 * Keeps the person from being disabled or deleted until the transaction ends; false where there is none any more. Whoever writes rows that refer to
 * them over rows that do already calls it first: the foreign key would ask for the person last, and whoever ends access holds them first.
 */
export const holdPerson = async (sql: Sql, id: string): Promise<boolean> =>
  (await sql.raw<{ rows: unknown[] }>('select 1 from users where id = ? for key share', [id])).rows.length === 1;

export interface NewPerson {
  id: string;
  tenantId: string;
  /** Proven, as the number is. */
  email?: string | undefined;
  emailKey?: string | undefined;
  /** E.164. */
  phone?: string | undefined;
  givenName?: string | undefined;
  familyName?: string | undefined;
  locale: string | undefined;
  at: Date;
}

/** Adds a person with a proven address or number, at home in the tenant and, except in the root tenant, a member of it. Answers false where one is taken. */
export async function addPerson(sql: Sql, person: NewPerson): Promise<boolean> {
  const { rows } = await sql.raw<{ rows: unknown[] }>(
    `insert into users (id, home_tenant_id, email, email_key, email_verified_at, phone, phone_verified_at, given_name, family_name, locale, created_at, updated_at)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing returning 1`,
    [
      person.id,
      person.tenantId,
      person.email ?? null,
      person.emailKey ?? null,
      person.email === undefined ? null : person.at,
      person.phone ?? null,
      person.phone === undefined ? null : person.at,
      person.givenName ?? null,
      person.familyName ?? null,
      person.locale ?? null,
      person.at,
      person.at,
    ],
  );
  return rows.length === 1;
}

/** The address counts as proven from now on, unless it was changed since the code was sent. */
export async function markEmailVerified(sql: Sql, userId: string, emailKey: string, at: Date): Promise<boolean> {
  const { rows } = await sql.raw<{ rows: unknown[] }>(
    `update users set email_verified_at = coalesce(email_verified_at, ?), updated_at = ?, version = version + 1
     where id = ? and email_key = ? returning 1`,
    [at, at, userId, emailKey],
  );
  return rows.length === 1;
}

/** The tenant's name and slug: words that do not make a password. */
export async function tenantWords(db: Database, tenantId: string): Promise<string[]> {
  const rows = await db.query<{ name: string; slug: string }>(
    { name: 'login-tenant-words', text: 'select name, slug from tenants where id = $1' },
    [tenantId],
  );
  return rows.flatMap(({ name, slug }) => [name, slug]);
}
