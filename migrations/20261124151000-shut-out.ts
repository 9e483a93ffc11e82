/**
 * Whoever is disabled loses what lets them in without asking again, whichever way it happened and in the same transaction: API keys in any tenant, and
 * devices that are known or stand in for a second factor. To be enabled again brings none of it back.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create function shut_out() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
    begin
      delete from api_keys where owner_user_id = new.id;
      delete from known_devices where user_id = new.id;
      return null;
    end $$;
    create trigger users_shut_out after update of status on users for each row
      when (new.status = 'disabled' and old.status <> 'disabled') execute function shut_out();
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop trigger users_shut_out on users; drop function shut_out()');
}
