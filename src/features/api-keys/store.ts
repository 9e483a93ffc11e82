import { isId } from '../../core/ids.ts';
import type { Database, Sql } from '../../infra/postgres.ts';
import type { ApiKeyState } from './index.ts';

export interface ApiKeyRow {
  id: string;
  tenant_id: string;
  name: string;
  prefix: string;
  permissions: string[];
  owner_user_id: string | null;
  owner_client_id: string | null;
  maker_id: string | null;
  expires_at: Date | null;
  last_used_at: Date | null;
  version: number;
  created_at: Date;
  updated_at: Date;
}

/** Everything but the hash. */
const SHOWN = [
  'id',
  'tenant_id',
  'name',
  'prefix',
  'permissions',
  'owner_user_id',
  'owner_client_id',
  'maker_id',
  'expires_at',
  'last_used_at',
  'version',
  'created_at',
  'updated_at',
] as const;

const FOR_PROTOCOL = { name: 'api-key-for-protocol', text: 'select api_key_for_protocol($1) as key' };

/** By the hash of the whole key, in whichever tenant. */
export async function findForProtocol(db: Database, hash: string): Promise<ApiKeyState | undefined> {
  const [row] = await db.query<{ key: ApiKeyState | null }>(FOR_PROTOCOL, [hash]);
  return row?.key ?? undefined;
}

export async function writeUses(db: Database, ids: readonly string[], at: Date): Promise<void> {
  await db.query({ name: 'api-keys-used', text: 'select api_keys_used($1, $2)' }, [ids, at]);
}

export interface KeyBounds {
  /** Seconds since the epoch; null where it never ends. */
  expiresAt: number | null;
  /** By another key, so that it makes none itself. */
  made: boolean;
}

/** What bounds the keys that this one makes or changes; undefined once it is gone. */
export async function findBounds(sql: Sql, id: string): Promise<KeyBounds | undefined> {
  const { rows } = await sql.raw('select api_key_bounds(?) as bounds', [id]);
  return (rows as { bounds: KeyBounds | null }[])[0]?.bounds ?? undefined;
}

export const findKey = (sql: Sql, tenantId: string, id: string): Promise<ApiKeyRow | undefined> =>
  sql('api_keys')
    .select<ApiKeyRow[]>(...SHOWN)
    .where({ tenant_id: tenantId, id })
    .first();

export const lockKey = (sql: Sql, tenantId: string, id: string): Promise<ApiKeyRow | undefined> =>
  sql('api_keys')
    .select<ApiKeyRow[]>(...SHOWN)
    .where({ tenant_id: tenantId, id })
    .forUpdate()
    .first();

export type NewKeyRow = Pick<
  ApiKeyRow,
  'id' | 'name' | 'prefix' | 'permissions' | 'owner_user_id' | 'owner_client_id' | 'maker_id' | 'expires_at'
> & { key_hash: string };

export async function insertKey(sql: Sql, tenantId: string, values: NewKeyRow): Promise<ApiKeyRow> {
  const [row] = await sql('api_keys')
    .insert({ ...values, tenant_id: tenantId })
    .returning<ApiKeyRow[]>([...SHOWN]);
  return row!;
}

export async function updateKey(
  sql: Sql,
  tenantId: string,
  id: string,
  values: Pick<ApiKeyRow, 'name' | 'permissions' | 'expires_at'>,
): Promise<ApiKeyRow> {
  const [row] = await sql('api_keys')
    .where({ tenant_id: tenantId, id })
    .update({ ...values, version: sql.raw('version + 1'), updated_at: sql.raw('clock_timestamp()') })
    .returning<ApiKeyRow[]>([...SHOWN]);
  return row!;
}

export const deleteKey = (sql: Sql, tenantId: string, id: string): Promise<number> =>
  sql('api_keys').where({ tenant_id: tenantId, id }).delete();

/** `position` is the instant of creation in microseconds since the epoch. */
export type ListedKey = ApiKeyRow & { position: string };

/** In order of creation; `ownerId` is a person's or a client's. */
export function listKeys(
  sql: Sql,
  tenantId: string,
  limit: number,
  after: readonly [string, string] | undefined,
  ownerId: string | undefined,
): Promise<ListedKey[]> {
  const query = sql('api_keys')
    .select<ListedKey[]>(...SHOWN, sql.raw('floor(extract(epoch from created_at) * 1000000)::text as position'))
    .where({ tenant_id: tenantId })
    .orderBy(['created_at', 'id'])
    .limit(limit);
  if (ownerId !== undefined)
    query.where((either) => {
      either.where({ owner_client_id: ownerId });
      if (isId(ownerId)) either.orWhere({ owner_user_id: ownerId });
    });
  if (after) query.whereRaw(`(created_at, id) > (timestamptz 'epoch' + ?::bigint * interval '1 microsecond', ?::uuid)`, [...after]);
  return query.then((rows) => rows);
}
