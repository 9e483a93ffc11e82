import { isId } from '../../core/ids.ts';
import type { Database, Sql, Statement } from '../../infra/postgres.ts';
import type { Connection, ConnectionKind, ConnectionOptions } from './index.ts';

export interface ConnectionRow {
  id: string;
  tenant_id: string;
  key: string;
  kind: ConnectionKind;
  name: string;
  issuer: string | null;
  client_id: string;
  secret_sealed: Buffer | null;
  options: ConnectionOptions;
  domains: string[];
  enabled: boolean;
  version: number;
  created_at: Date;
  updated_at: Date;
}

export type ConnectionValues = Pick<
  ConnectionRow,
  'key' | 'name' | 'issuer' | 'client_id' | 'secret_sealed' | 'options' | 'domains' | 'enabled'
>;

export const findConnection = (sql: Sql, tenantId: string, id: string): Promise<ConnectionRow | undefined> =>
  sql<ConnectionRow>('connections').where({ tenant_id: tenantId, id }).first();

export const lockConnection = (sql: Sql, tenantId: string, id: string): Promise<ConnectionRow | undefined> =>
  sql<ConnectionRow>('connections').where({ tenant_id: tenantId, id }).forUpdate().first();

/** Until the transaction ends, nobody else gives domains of the tenant to a connection. */
export async function holdDomains(sql: Sql, tenantId: string): Promise<void> {
  await sql.raw(`select pg_advisory_xact_lock(hashtextextended('connection-domains:' || ?::text, 0))`, [tenantId]);
}

/** Those of the domains that lead to another connection of the tenant. */
export async function domainsTaken(sql: Sql, tenantId: string, domains: readonly string[], but: string): Promise<string[]> {
  const { rows } = await sql.raw<{ rows: { domain: string }[] }>(
    `select distinct d.domain from connections c, unnest(c.domains) as d(domain)
     where c.tenant_id = ? and c.id <> ? and c.domains && ?::text[] and d.domain = any(?::text[])`,
    [tenantId, but, [...domains], [...domains]],
  );
  return rows.map(({ domain }) => domain);
}

export async function insertConnection(
  sql: Sql,
  tenantId: string,
  id: string,
  kind: ConnectionKind,
  values: ConnectionValues,
): Promise<ConnectionRow> {
  const [row] = await sql('connections')
    .insert({ ...values, options: JSON.stringify(values.options), kind, id, tenant_id: tenantId })
    .returning<ConnectionRow[]>('*');
  return row!;
}

export async function updateConnection(sql: Sql, tenantId: string, id: string, values: ConnectionValues): Promise<ConnectionRow> {
  const [row] = await sql('connections')
    .where({ tenant_id: tenantId, id })
    .update({
      ...values,
      options: JSON.stringify(values.options),
      version: sql.raw('version + 1'),
      updated_at: sql.raw('clock_timestamp()'),
    })
    .returning<ConnectionRow[]>('*');
  return row!;
}

export const deleteConnection = (sql: Sql, tenantId: string, id: string): Promise<number> =>
  sql('connections').where({ tenant_id: tenantId, id }).delete();

/** `position` is the instant of creation in microseconds since the epoch. */
export type ListedConnection = ConnectionRow & { position: string };

/** In order of creation; `after` is the last row seen before. */
export function listConnections(
  sql: Sql,
  tenantId: string,
  limit: number,
  after: readonly [string, string] | undefined,
): Promise<ListedConnection[]> {
  const query = sql('connections')
    .select<ListedConnection[]>('*', sql.raw('floor(extract(epoch from created_at) * 1000000)::text as position'))
    .where({ tenant_id: tenantId })
    .orderBy(['created_at', 'id'])
    .limit(limit);
  if (after) query.whereRaw(`(created_at, id) > (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)`, [...after]);
  return query.then((rows) => rows);
}

export type SealedConnection = Omit<Connection, 'clientSecret' | 'privateKey' | 'issuer'> & {
  issuer: string | null;
  secretSealed: string | null;
};

const OF_TENANT: Statement = { name: 'connections-of-tenant', text: 'select connections_for_protocol($1) as connections' };
const TENANT_OF: Statement = { name: 'tenant-of-connection', text: 'select tenant_of_connection($1) as id' };

export async function connectionsOf(db: Database, tenantId: string): Promise<SealedConnection[]> {
  const [row] = await db.query<{ connections: SealedConnection[] }>(OF_TENANT, [tenantId]);
  return row?.connections ?? [];
}

export async function tenantOfConnection(db: Database, id: string): Promise<string | undefined> {
  if (!isId(id)) return undefined;
  const [row] = await db.query<{ id: string | null }>(TENANT_OF, [id]);
  return row?.id ?? undefined;
}
