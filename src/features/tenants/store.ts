import type { Database, Sql } from '../../infra/postgres.ts';
import type { Issuer, TenantFacts } from './index.ts';

const ISSUERS = { name: 'issuers', text: 'select url, tenant_id as "tenantId" from issuers order by is_base desc, created_at, url' };

/** The root tenant's id, made where there is none. Processes that start at once agree on one. */
export async function ensureRootTenant(sql: Sql, tenant: { id: string; name: string }): Promise<string> {
  await sql('tenants')
    .insert({ ...tenant, slug: 'root', type: 'root' })
    .onConflict()
    .ignore();
  const row: { id: string } = await sql('tenants').select('id').where({ type: 'root' }).first();
  return row.id;
}

/** The base issuer is what the settings say; one that it was before is no issuer any more. */
export async function ensureBaseIssuer(sql: Sql, url: string, tenantId: string): Promise<void> {
  const known: { url: string } | undefined = await sql('issuers').select('url').where({ is_base: true }).first();
  if (known?.url === url) return;
  if (known) await sql('issuers').where({ url: known.url }).delete();
  await sql('issuers').insert({ url, tenant_id: tenantId, is_base: true }).onConflict('url').merge();
}

export const listIssuers = (db: Database): Promise<Issuer[]> => db.query<Issuer>(ISSUERS, []);

const FACTS = { name: 'tenant-facts', text: 'select tenant_for_protocol($1) as tenant' };
const BY_SLUG = { name: 'tenant-by-slug', text: 'select id from tenants where slug = $1' };

/** A tenant of any status, whoever asks: for processes, not for the API. */
export async function readTenant(db: Database, id: string): Promise<TenantFacts | undefined> {
  const [row] = await db.query<{ tenant: TenantFacts | null }>(FACTS, [id]);
  return row?.tenant ?? undefined;
}

export const findTenantId = async (db: Database, slug: string): Promise<{ id: string } | undefined> =>
  (await db.query<{ id: string }>(BY_SLUG, [slug]))[0];
