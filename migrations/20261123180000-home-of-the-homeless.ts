/**
 * Who loses their home, and belongs elsewhere, is at home in the root tenant from then on: a tenant that only invited somebody must not come to set their
 * password because another was deleted.
 */
import type { Knex } from 'knex';

const functionWith = (home: string): string => `
  create or replace function people_to_purge(tenant uuid, most integer) returns table (user_id uuid, next_home uuid) language sql
    security definer set search_path = public, pg_temp
    begin atomic
      select u.id, ${home}
      from users u join tenants t on t.id = u.home_tenant_id
      where t.id = tenant and t.status = 'deleted' and t.purge_after <= clock_timestamp() order by u.created_at, u.id limit most;
    end;`;

const ELSEWHERE = `from memberships m join tenants other on other.id = m.tenant_id where m.user_id = u.id and m.tenant_id <> tenant and other.status = 'active'`;

export async function up(knex: Knex): Promise<void> {
  await knex.raw(functionWith(`(select r.id from tenants r where r.type = 'root' and exists (select ${ELSEWHERE}))`));
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(functionWith(`(select m.tenant_id ${ELSEWHERE} order by m.created_at, m.tenant_id limit 1)`));
}
