import type { Database, Sql } from '../../infra/postgres.ts';
import type { CachedClient, ClientMetadata, ClientProfile } from './index.ts';

export interface ClientRow {
  client_id: string;
  tenant_id: string;
  metadata: ClientMetadata;
  enabled: boolean;
  first_party: boolean;
  direct_login: boolean;
  profile: ClientProfile;
  permissions: string[];
  allowed_origins: string[];
  version: number;
  created_at: Date;
  updated_at: Date;
}

export interface ClientSecretRow {
  id: string;
  client_id: string;
  tenant_id: string;
  secret_hash: string;
  created_at: Date;
  expires_at: Date | null;
}

export type ClientValues = Omit<ClientRow, 'client_id' | 'tenant_id' | 'version' | 'created_at' | 'updated_at'>;

const FOR_PROTOCOL = { name: 'client-for-protocol', text: 'select client_for_protocol($1) as client' };

/** Across tenants: the protocol serves them all. */
export async function findForProtocol(db: Database, clientId: string): Promise<CachedClient | undefined> {
  const [row] = await db.query<{ client: CachedClient | null }>(FOR_PROTOCOL, [clientId]);
  return row?.client ?? undefined;
}

export const findClient = (sql: Sql, tenantId: string, clientId: string): Promise<ClientRow | undefined> =>
  sql<ClientRow>('clients').where({ tenant_id: tenantId, client_id: clientId }).first();

export const lockClient = (sql: Sql, tenantId: string, clientId: string): Promise<ClientRow | undefined> =>
  sql<ClientRow>('clients').where({ tenant_id: tenantId, client_id: clientId }).forUpdate().first();

export async function insertClient(sql: Sql, tenantId: string, clientId: string, values: ClientValues): Promise<ClientRow> {
  const [row] = await sql('clients')
    .insert({ ...values, metadata: JSON.stringify(values.metadata), client_id: clientId, tenant_id: tenantId })
    .returning<ClientRow[]>('*');
  return row!;
}

export async function updateClient(sql: Sql, tenantId: string, clientId: string, values: ClientValues): Promise<ClientRow> {
  const [row] = await sql('clients')
    .where({ tenant_id: tenantId, client_id: clientId })
    .update({
      ...values,
      metadata: JSON.stringify(values.metadata),
      version: sql.raw('version + 1'),
      updated_at: sql.raw('clock_timestamp()'),
    })
    .returning<ClientRow[]>('*');
  return row!;
}

/** Its tokens, grants, consents and secrets go with it, by foreign key. */
export const deleteClient = (sql: Sql, tenantId: string, clientId: string): Promise<number> =>
  sql('clients').where({ tenant_id: tenantId, client_id: clientId }).delete();

/** `position` is the instant of creation in microseconds since the epoch. */
export type ListedClient = ClientRow & { position: string };

export interface ClientFilter {
  name?: string | undefined;
  enabled?: boolean | undefined;
}

/** What hangs on it changed: so did its version. */
export async function touchClient(sql: Sql, tenantId: string, clientId: string): Promise<void> {
  await sql('clients')
    .where({ tenant_id: tenantId, client_id: clientId })
    .update({ version: sql.raw('version + 1'), updated_at: sql.raw('clock_timestamp()') });
}

/** In order of creation; `after` is the last row seen before. */
export function listClients(
  sql: Sql,
  tenantId: string,
  limit: number,
  after: readonly [string, string] | undefined,
  filter: ClientFilter,
): Promise<ListedClient[]> {
  const query = sql('clients')
    .select<ListedClient[]>('*', sql.raw('floor(extract(epoch from created_at) * 1000000)::text as position'))
    .where({ tenant_id: tenantId })
    .orderBy(['created_at', 'client_id'])
    .limit(limit);
  if (filter.name !== undefined) query.whereRaw(`metadata ->> 'client_name' = ?`, [filter.name]);
  if (filter.enabled !== undefined) query.where({ enabled: filter.enabled });
  if (after) query.whereRaw(`(created_at, client_id) > (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?)`, [...after]);
  return query.then((rows) => rows);
}

export const secretsOfAll = (sql: Sql, tenantId: string, clientIds: readonly string[]): Promise<ClientSecretRow[]> =>
  sql<ClientSecretRow>('client_secrets').where({ tenant_id: tenantId }).whereIn('client_id', clientIds).orderBy('created_at');

export const secretsOf = (sql: Sql, tenantId: string, clientId: string): Promise<ClientSecretRow[]> =>
  sql<ClientSecretRow>('client_secrets').where({ tenant_id: tenantId, client_id: clientId }).orderBy('created_at');

export async function insertSecret(
  sql: Sql,
  row: { id: string; tenantId: string; clientId: string; hash: string; expiresInSeconds?: number | undefined },
): Promise<ClientSecretRow> {
  const [made] = await sql('client_secrets')
    .insert({
      id: row.id,
      tenant_id: row.tenantId,
      client_id: row.clientId,
      secret_hash: row.hash,
      expires_at:
        row.expiresInSeconds === undefined ? null : sql.raw('clock_timestamp() + make_interval(secs => ?)', [row.expiresInSeconds]),
    })
    .returning<ClientSecretRow[]>('*');
  return made!;
}

/** Whether a secret that has not expired is left without this one. */
export const hasOtherSecret = async (sql: Sql, tenantId: string, clientId: string, id: string): Promise<boolean> =>
  (await sql('client_secrets')
    .where({ tenant_id: tenantId, client_id: clientId })
    .whereNot({ id })
    .whereRaw('(expires_at is null or expires_at > clock_timestamp())')
    .first('id')) !== undefined;

export const deleteSecret = (sql: Sql, tenantId: string, clientId: string, id: string): Promise<number> =>
  sql('client_secrets').where({ tenant_id: tenantId, client_id: clientId, id }).delete();

/** Makes room for a new secret: what has expired counts no longer. */
export const deleteExpiredSecrets = (sql: Sql, tenantId: string, clientId: string): Promise<number> =>
  sql('client_secrets').where({ tenant_id: tenantId, client_id: clientId }).whereRaw('expires_at <= clock_timestamp()').delete();

export const existingClients = async (sql: Sql, tenantId: string, clientIds: readonly string[]): Promise<string[]> =>
  (await sql<ClientRow>('clients').where({ tenant_id: tenantId }).whereIn('client_id', clientIds).select('client_id')).map(
    ({ client_id }) => client_id,
  );
