/** What a person sees of themselves across tenants, the notices they agreed to; and whose account is due for deletion. */
import type { Knex } from 'knex';

const HEAD = `language sql stable security definer set search_path = public, pg_temp`;

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create function agreements_of(person uuid) returns table (notice_id uuid, kind text, label text, url text, tenant_id uuid, tenant_name text,
        agreed_at timestamptz, withdrawn_at timestamptz) ${HEAD}
      begin atomic
        select a.notice_id, n.kind, n.label, n.url, n.tenant_id, t.name, a.agreed_at, a.withdrawn_at
        from agreements a join notices n on n.id = a.notice_id join tenants t on t.id = n.tenant_id
        where a.user_id = person order by a.agreed_at desc, a.notice_id limit 200;
      end;
    create function people_to_delete(before timestamptz, most integer) returns table (id uuid, home_tenant_id uuid, version integer, member_version integer,
        email text, locale text) ${HEAD}
      begin atomic
        select u.id, u.home_tenant_id, u.version, coalesce(m.version, 0), u.email, u.locale
        from users u left join memberships m on m.tenant_id = u.home_tenant_id and m.user_id = u.id
        where u.delete_after <= before order by u.delete_after, u.id limit most;
      end;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop function people_to_delete(timestamptz, integer); drop function agreements_of(uuid)');
}
