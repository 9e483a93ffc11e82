import type { Database, Sql, Statement } from '../../infra/postgres.ts';

export interface DomainRow {
  id: string;
  tenant_id: string;
  domain: string;
  challenge: string;
  verified_at: Date | null;
  verified_by: 'dns' | 'platform' | null;
  checked_at: Date | null;
  issuer_url: string | null;
  version: number;
  created_at: Date;
  updated_at: Date;
}

export const findDomain = (sql: Sql, tenantId: string, id: string): Promise<DomainRow | undefined> =>
  sql<DomainRow>('tenant_domains').where({ tenant_id: tenantId, id }).first();

export const lockDomain = (sql: Sql, tenantId: string, id: string): Promise<DomainRow | undefined> =>
  sql<DomainRow>('tenant_domains').where({ tenant_id: tenantId, id }).forUpdate().first();

/** `position` is the instant of creation in microseconds since the epoch. */
export type ListedDomain = DomainRow & { position: string };

export function listDomains(
  sql: Sql,
  tenantId: string,
  limit: number,
  after: readonly [string, string] | undefined,
): Promise<ListedDomain[]> {
  const query = sql('tenant_domains')
    .select<ListedDomain[]>('*', sql.raw('floor(extract(epoch from created_at) * 1000000)::text as position'))
    .where({ tenant_id: tenantId })
    .orderBy(['created_at', 'id'])
    .limit(limit);
  if (after) query.whereRaw(`(created_at, id) > (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)`, [...after]);
  return query.then((rows) => rows);
}

export interface DomainValues {
  id: string;
  domain: string;
  challenge: string;
  verified: boolean;
}

export async function insertDomain(sql: Sql, tenantId: string, { id, domain, challenge, verified }: DomainValues): Promise<DomainRow> {
  const [row] = await sql('tenant_domains')
    .insert({
      id,
      tenant_id: tenantId,
      domain,
      challenge,
      ...(verified ? { verified_at: sql.raw('clock_timestamp()'), verified_by: 'platform' } : {}),
    })
    .returning<DomainRow[]>('*');
  return row!;
}

type Change = Partial<Record<'verified_at' | 'checked_at' | 'verified_by' | 'issuer_url', unknown>>;

async function update(sql: Sql, { tenant_id, id }: DomainRow, change: Change): Promise<DomainRow> {
  const [row] = await sql('tenant_domains')
    .where({ tenant_id, id })
    .update({ ...change, version: sql.raw('version + 1'), updated_at: sql.raw('clock_timestamp()') })
    .returning<DomainRow[]>('*');
  return row!;
}

export const markVerified = (sql: Sql, row: DomainRow): Promise<DomainRow> =>
  update(sql, row, { verified_at: sql.raw('clock_timestamp()'), checked_at: sql.raw('clock_timestamp()'), verified_by: 'dns' });

/** No change of the domain's, so that its version stays. */
export const markChecked = (sql: Sql, tenantId: string, id: string): Promise<number> =>
  sql('tenant_domains')
    .where({ tenant_id: tenantId, id })
    .update({ checked_at: sql.raw('clock_timestamp()') });

export async function addIssuer(sql: Sql, row: DomainRow, url: string): Promise<DomainRow> {
  await sql('issuers').insert({ url, tenant_id: row.tenant_id });
  return update(sql, row, { issuer_url: url });
}

export async function removeIssuer(sql: Sql, row: DomainRow): Promise<DomainRow> {
  await sql('issuers').where({ url: row.issuer_url, tenant_id: row.tenant_id, is_base: false }).delete();
  return update(sql, row, { issuer_url: null });
}

/** With the issuer that it may be. */
export async function deleteDomain(sql: Sql, row: DomainRow): Promise<void> {
  if (row.issuer_url !== null) await sql('issuers').where({ url: row.issuer_url, tenant_id: row.tenant_id, is_base: false }).delete();
  await sql('tenant_domains').where({ tenant_id: row.tenant_id, id: row.id }).delete();
}

export type DueDomain = Pick<DomainRow, 'id' | 'tenant_id' | 'domain' | 'challenge'>;

const DUE: Statement = { name: 'domains-to-check', text: 'select * from domains_to_check($1, $2)' };

/** Domains of all tenants that were proven by DNS and last looked up before that instant. */
export const domainsToCheck = (db: Database, before: Date, most: number): Promise<DueDomain[]> => db.query<DueDomain>(DUE, [before, most]);
