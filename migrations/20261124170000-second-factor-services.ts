/**
 * A tenant may have people prove a second factor at a service of its own. The token for it is sealed; the protocol asks for the service of a
 * person's home across tenants, by a function that answers one tenant's alone.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table second_factor_services (
      tenant_id uuid primary key references tenants on delete cascade,
      -- Another one with every change: what was begun under an earlier one is not finished under this.
      revision uuid not null,
      url text not null,
      token_sealed bytea not null,
      -- Names of roles; empty: everybody.
      roles text[] not null default '{}',
      when_unavailable text not null check (when_unavailable in ('refuse', 'other-factor')),
      created_at timestamptz not null default clock_timestamp(),
      updated_at timestamptz not null default clock_timestamp()
    );
    create trigger second_factor_services_changed after insert or update or delete on second_factor_services
      for each row execute function notify_change('tenants', 'tenant_id');
    alter table second_factor_services enable row level security;
    create policy of_tenant on second_factor_services to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
    create function second_factor_service_of(tenant uuid) returns jsonb language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select jsonb_build_object('tenantId', tenant_id, 'revision', revision, 'url', url, 'tokenSealed', encode(token_sealed, 'base64'),
          'roles', to_jsonb(roles), 'whenUnavailable', when_unavailable)
        from second_factor_services where tenant_id = tenant;
      end;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop function second_factor_service_of(uuid); drop table second_factor_services;');
}
