/** Invitations hold addresses of people who may never have come: they go 90 days after their time, and with the person who accepted. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create index invitations_by_end on invitations (expires_at);
    create index invitations_by_person on invitations (accepted_by) where accepted_by is not null;

    -- Answers how many went; what somebody holds is left for the next time.
    create function sweep_invitations(most integer) returns integer language sql security definer set search_path = public, pg_temp
      begin atomic
        with gone as (delete from invitations where id = any (array(select i.id from invitations i
          where i.expires_at < clock_timestamp() - interval '90 days' limit most for update skip locked)) returning 1)
        select count(*)::integer from gone;
      end;

    create function forget_invitations() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
    begin
      delete from invitations where accepted_by = old.id;
      return null;
    end $$;
    create trigger users_invited after delete on users for each row execute function forget_invitations();
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop trigger users_invited on users;
    drop function forget_invitations(); drop function sweep_invitations(integer);
    drop index invitations_by_person; drop index invitations_by_end;
  `);
}
