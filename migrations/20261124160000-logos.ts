/**
 * Pictures are logos: of a tenant, or of an application of it, one of each. Which there are is asked by every page, so that processes keep
 * the list of a tenant; the pictures themselves are read by id, which changes with every upload.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table images add column client_id text references clients on delete cascade;
    create unique index images_by_owner on images (tenant_id, client_id) nulls not distinct;
    create index images_by_client on images (client_id);
    create trigger logos_changed after insert or update or delete on images for each row execute function notify_change('logos', 'tenant_id');
    create function logos_for_pages(tenant uuid) returns jsonb language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select jsonb_build_object('tenant', (select id from images where tenant_id = tenant and client_id is null),
          'clients', coalesce((select jsonb_object_agg(client_id, id) from images where tenant_id = tenant and client_id is not null), '{}'));
      end;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop function logos_for_pages(uuid); drop trigger logos_changed on images;
    drop index images_by_client; drop index images_by_owner; alter table images drop column client_id;
  `);
}
