/** Codes and tokens act in one tenant: whether their person still belongs to it is asked of one function, since memberships are hidden by row-level security. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create function is_active_member(person uuid, tenant uuid) returns boolean language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select exists (select from memberships m join tenants t on t.id = m.tenant_id where m.tenant_id = tenant and m.user_id = person and t.status = 'active');
      end;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop function is_active_member(uuid, uuid)');
}
