import type { Database, Sql } from '../../infra/postgres.ts';
import type { SigningAlg, SigningKey, SigningKeyState } from './index.ts';

export interface SealedKey extends SigningKey {
  sealed: Buffer;
}

export interface ServerSecretRow {
  kind: string;
  sealed: Buffer;
}

interface KeyRow {
  kid: string;
  alg: SigningAlg;
  state: SigningKeyState;
  public_jwk: Record<string, unknown>;
  sealed: Buffer;
  created_at: Date;
  published_at: Date;
  activated_at: Date | null;
  retired_at: Date | null;
  revoked_at: Date | null;
}

const ALL_KEYS = { name: 'signing-keys', text: 'select * from signing_keys order by created_at, kid' };
const ALL_SECRETS = { name: 'server-secrets', text: 'select kind, sealed from server_secrets order by created_at desc, id desc' };
/** Taken by whoever changes keys, until the transaction ends. */
const LOCK = 4_710_302_620;

const keyOf = (row: KeyRow): SealedKey => ({
  kid: row.kid,
  alg: row.alg,
  state: row.state,
  publicJwk: row.public_jwk,
  sealed: row.sealed,
  createdAt: row.created_at,
  publishedAt: row.published_at,
  activatedAt: row.activated_at,
  retiredAt: row.retired_at,
  revokedAt: row.revoked_at,
});

export const listKeys = async (db: Database): Promise<SealedKey[]> => (await db.query<KeyRow>(ALL_KEYS, [])).map(keyOf);

/** Newest first. */
export const listSecrets = (db: Database): Promise<ServerSecretRow[]> => db.query<ServerSecretRow>(ALL_SECRETS, []);

/** Waits for any other change of keys, then answers what there is and the database's time. */
export async function lockKeys(sql: Sql): Promise<{ keys: SealedKey[]; now: Date }> {
  await sql.raw('select pg_advisory_xact_lock(?)', [LOCK]);
  const { rows } = await sql.raw<{ rows: { now: Date }[] }>('select clock_timestamp() as now');
  return { keys: (await sql<KeyRow>('signing_keys').orderBy('created_at')).map(keyOf), now: rows[0]!.now };
}

export async function databaseTime(db: Database): Promise<Date> {
  const [row] = await db.query<{ now: Date }>({ name: 'now', text: 'select clock_timestamp() as now' }, []);
  return row!.now;
}

export async function insertKey(
  sql: Sql,
  key: { kid: string; alg: SigningAlg; state: 'active' | 'next'; publicJwk: object; sealed: Buffer },
): Promise<void> {
  await sql('signing_keys').insert({
    kid: key.kid,
    alg: key.alg,
    state: key.state,
    public_jwk: JSON.stringify(key.publicJwk),
    sealed: key.sealed,
    activated_at: key.state === 'active' ? sql.raw('clock_timestamp()') : null,
  });
}

const INSTANT = { active: 'activated_at', retired: 'retired_at', revoked: 'revoked_at' } as const;

/** A revoked key's private part is wiped. */
export async function changeKey(sql: Sql, kid: string, state: keyof typeof INSTANT): Promise<void> {
  await sql('signing_keys')
    .where({ kid })
    .update({ state, [INSTANT[state]]: sql.raw('clock_timestamp()'), ...(state === 'revoked' ? { sealed: Buffer.alloc(0) } : {}) });
}

export async function deleteKey(sql: Sql, kid: string): Promise<void> {
  await sql('signing_keys').where({ kid }).delete();
}

export const secretExists = async (sql: Sql, kind: string): Promise<boolean> =>
  (await sql('server_secrets').where({ kind }).first('id')) !== undefined;

export async function insertSecret(sql: Sql, id: string, kind: string, sealed: Buffer): Promise<void> {
  await sql('server_secrets').insert({ id, kind, sealed });
}
