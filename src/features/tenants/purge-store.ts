/** The end of a deleted tenant; the functions of the owner's look for themselves whether it is due. */
import type { Database, Sql } from '../../infra/postgres.ts';

export const dueToPurge = async (db: Database, most: number): Promise<string[]> => {
  const rows = await db.query<{ id: string }>(
    {
      name: 'tenants-to-purge',
      text: `select id from tenants where status = 'deleted' and type <> 'root' and purge_after <= clock_timestamp() order by purge_after, id limit $1`,
    },
    [most],
  );
  return rows.map(({ id }) => id);
};

/** False where another process is at it; held until the transaction ends. */
export async function takePurge(sql: Sql, tenantId: string): Promise<boolean> {
  const { rows } = await sql.raw<{ rows: { taken: boolean }[] }>(
    `select pg_try_advisory_xact_lock(hashtextextended('purge:' || ?, 0)) as taken`,
    [tenantId],
  );
  return rows[0]?.taken === true;
}

export interface Leaving {
  user_id: string;
  /** Null: they belong nowhere else. */
  next_home: string | null;
}

export const peopleAtHome = async (sql: Sql, tenantId: string, most: number): Promise<Leaving[]> =>
  (await sql.raw<{ rows: Leaving[] }>('select * from people_to_purge(?, ?)', [tenantId, most])).rows;

/** False where they are at home elsewhere by now. */
export const moveHome = async (sql: Sql, userId: string, from: string, to: string): Promise<boolean> =>
  (await sql('users')
    .where({ id: userId, home_tenant_id: from })
    .update({ home_tenant_id: to, version: sql.raw('version + 1'), updated_at: sql.raw('clock_timestamp()') })) === 1;

export const deletePerson = (sql: Sql, userId: string): Promise<number> => sql('users').where({ id: userId }).delete();

/** Takes up to so many rows away; answers how many, and whether the tenant is gone with them. */
export async function purgeRows(sql: Sql, tenantId: string, most: number): Promise<{ rows: number; gone: boolean }> {
  const { rows } = await sql.raw<{ rows: { count: number }[] }>('select purge_tenant(?, ?) as count', [tenantId, most]);
  const left: unknown[] = await sql('tenants').select('id').where({ id: tenantId });
  return { rows: rows[0]?.count ?? 0, gone: left.length === 0 };
}
