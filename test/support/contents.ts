/** What a tenant owns in the database, as checksums: two that are equal say that nothing of it was touched. */
import type pg from 'pg';

type Owner = Pick<pg.Pool, 'query'>;

/** Tables that row-level security guards by a tenant. */
export async function guardedTables(owner: Owner): Promise<string[]> {
  const { rows } = await owner.query<{ name: string }>(
    `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' and c.relrowsecurity
       and c.relkind in ('r', 'p') and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped) order by 1`,
  );
  return rows.map(({ name }) => name);
}

/** Everything a tenant owns, by table, and the people at home in it; the audit log apart. */
export async function contentsOf(owner: Owner, tenantId: string): Promise<Record<string, string>> {
  const contents: Record<string, string> = {};
  for (const table of await guardedTables(owner)) {
    if (table.startsWith('audit_events')) continue;
    const { rows } = await owner.query<{ sum: string | null }>(
      `select md5(string_agg(t::text, '|' order by t::text)) as sum from ${table} t where tenant_id = $1`,
      [tenantId],
    );
    contents[table] = rows[0]?.sum ?? '';
  }
  const { rows } = await owner.query<{ sum: string }>(
    `select md5(string_agg(u::text, '|' order by u.id)) as sum from users u where home_tenant_id = $1`,
    [tenantId],
  );
  return { ...contents, users: rows[0]?.sum ?? '' };
}

/** The tenant's own row, and what lets the people in who are at home in it: factors, sessions, grants, consents. */
export async function accessOf(owner: Owner, tenantId: string): Promise<Record<string, string>> {
  const sums: Record<string, string> = {};
  for (const table of ['credentials', 'oidc_sessions', 'oidc_grants', 'consents']) {
    const { rows } = await owner.query<{ sum: string | null }>(
      `select md5(string_agg(t::text, '|' order by t::text)) as sum from ${table} t where user_id in (select id from users where home_tenant_id = $1)`,
      [tenantId],
    );
    sums[table] = rows[0]?.sum ?? '';
  }
  const { rows } = await owner.query<{ sum: string }>('select md5(t::text) as sum from tenants t where id = $1', [tenantId]);
  return { ...sums, tenants: rows[0]?.sum ?? '' };
}
