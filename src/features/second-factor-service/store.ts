import type { Database, Sql, Statement } from '../../infra/postgres.ts';
import type { ProviderSettings, WhenUnavailable } from './index.ts';

export interface ServiceRow {
  tenant_id: string;
  revision: string;
  /** Of a service that is asked by HTTP; null of an OpenID provider. */
  url: string | null;
  oidc: ProviderSettings | null;
  /** The token, or the client's secret at the provider. */
  token_sealed: Buffer;
  roles: string[];
  when_unavailable: WhenUnavailable;
  created_at: Date;
  updated_at: Date;
}

export type ServiceValues = Pick<ServiceRow, 'revision' | 'url' | 'oidc' | 'token_sealed' | 'roles' | 'when_unavailable'>;

export const findService = (sql: Sql, tenantId: string): Promise<ServiceRow | undefined> =>
  sql<ServiceRow>('second_factor_services').where({ tenant_id: tenantId }).first();

/** Until the transaction ends, nobody else changes or adds it. */
export async function lockService(sql: Sql, tenantId: string): Promise<ServiceRow | undefined> {
  await sql.raw(`select pg_advisory_xact_lock(hashtextextended('second-factor-service:' || ?::text, 0))`, [tenantId]);
  return findService(sql, tenantId);
}

export async function saveService(sql: Sql, tenantId: string, values: ServiceValues): Promise<ServiceRow> {
  const stored = { ...values, oidc: values.oidc && JSON.stringify(values.oidc) };
  const [row] = await sql('second_factor_services')
    .insert({ ...stored, tenant_id: tenantId })
    .onConflict('tenant_id')
    .merge({ ...stored, updated_at: sql.raw('clock_timestamp()') })
    .returning<ServiceRow[]>('*');
  return row!;
}

export const deleteService = (sql: Sql, tenantId: string): Promise<number> =>
  sql('second_factor_services').where({ tenant_id: tenantId }).delete();

export interface SealedService {
  tenantId: string;
  revision: string;
  url: string | null;
  oidc: ProviderSettings | null;
  roles: readonly string[];
  whenUnavailable: WhenUnavailable;
  tokenSealed: string;
}

const OF_TENANT: Statement = { name: 'second-factor-service-of-tenant', text: 'select second_factor_service_of($1) as service' };

/** For sign-in, whichever tenant it is at. */
export async function serviceOf(db: Database, tenantId: string): Promise<SealedService | undefined> {
  const [row] = await db.query<{ service: SealedService | null }>(OF_TENANT, [tenantId]);
  return row?.service ?? undefined;
}
