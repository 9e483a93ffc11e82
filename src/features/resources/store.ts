import type { Database, Sql } from '../../infra/postgres.ts';
import type { CachedResource, ResourceScope } from './index.ts';

export interface ResourceRow {
  id: string;
  tenant_id: string;
  identifier: string;
  name: string;
  scopes: ResourceScope[];
  access_token_format: 'jwt' | 'opaque';
  signing_alg: 'RS256' | 'ES256' | 'EdDSA';
  access_token_ttl_seconds: number;
  attributes: string[];
  clients: string[];
  version: number;
  created_at: Date;
  updated_at: Date;
}

export type ResourceValues = Omit<ResourceRow, 'id' | 'tenant_id' | 'version' | 'created_at' | 'updated_at'>;

const FOR_PROTOCOL = { name: 'resource-for-protocol', text: 'select resource_for_protocol($1) as resource' };

/** Across tenants: the protocol serves them all. */
export async function findForProtocol(db: Database, identifier: string): Promise<CachedResource | undefined> {
  const [row] = await db.query<{ resource: CachedResource | null }>(FOR_PROTOCOL, [identifier]);
  return row?.resource ?? undefined;
}

export const findResource = (sql: Sql, tenantId: string, id: string): Promise<ResourceRow | undefined> =>
  sql<ResourceRow>('resources').where({ tenant_id: tenantId, id }).first();

export const lockResource = (sql: Sql, tenantId: string, id: string): Promise<ResourceRow | undefined> =>
  sql<ResourceRow>('resources').where({ tenant_id: tenantId, id }).forUpdate().first();

export async function insertResource(sql: Sql, tenantId: string, id: string, values: ResourceValues): Promise<ResourceRow> {
  const [row] = await sql('resources')
    .insert({ ...values, scopes: JSON.stringify(values.scopes), id, tenant_id: tenantId })
    .returning<ResourceRow[]>('*');
  return row!;
}

export async function updateResource(sql: Sql, tenantId: string, id: string, values: ResourceValues): Promise<ResourceRow> {
  const [row] = await sql('resources')
    .where({ tenant_id: tenantId, id })
    .update({
      ...values,
      scopes: JSON.stringify(values.scopes),
      version: sql.raw('version + 1'),
      updated_at: sql.raw('clock_timestamp()'),
    })
    .returning<ResourceRow[]>('*');
  return row!;
}

export const deleteResource = (sql: Sql, tenantId: string, id: string): Promise<number> =>
  sql('resources').where({ tenant_id: tenantId, id }).delete();

/** `position` is the instant of creation in microseconds since the epoch. */
export type ListedResource = ResourceRow & { position: string };

/** In order of creation; `after` is the last row seen before. */
export function listResources(
  sql: Sql,
  tenantId: string,
  limit: number,
  after: readonly [string, string] | undefined,
  identifier: string | undefined,
): Promise<ListedResource[]> {
  const query = sql('resources')
    .select<ListedResource[]>('*', sql.raw('floor(extract(epoch from created_at) * 1000000)::text as position'))
    .where({ tenant_id: tenantId })
    .orderBy(['created_at', 'id'])
    .limit(limit);
  if (identifier !== undefined) query.where({ identifier });
  if (after) query.whereRaw(`(created_at, id) > (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)`, [...after]);
  return query.then((rows) => rows);
}
