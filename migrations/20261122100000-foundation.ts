/**
 * The role that the server works as, and what everything else hangs on: issuers, tenants, revisions.
 * `gatehouse_app` owns nothing, is no superuser and cannot bypass row-level security; migrations run as the owner.
 * Each change of a cached table bumps its revision and notifies the nodes, by trigger, so that no writer can forget it.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    do $$ begin
      if not exists (select from pg_roles where rolname = 'gatehouse_app') then
        create role gatehouse_app nologin nosuperuser nobypassrls nocreatedb nocreaterole;
      end if;
    exception when duplicate_object or unique_violation then null; end $$;

    do $$ begin
      if not pg_has_role(current_user, 'gatehouse_app', 'member') or not (select rolsuper from pg_roles where rolname = current_user) then
        execute format('grant gatehouse_app to %I', current_user);
      end if;
    exception when unique_violation then null; end $$;

    grant usage on schema public to gatehouse_app;
    alter default privileges in schema public grant select, insert, update, delete on tables to gatehouse_app;
    alter default privileges in schema public grant usage on sequences to gatehouse_app;
    alter default privileges in schema public grant execute on functions to gatehouse_app;

    create function current_tenant() returns uuid language sql stable
      return nullif(current_setting('app.tenant_id', true), '')::uuid;

    create table revisions (kind text primary key, revision bigint not null default 1);

    create function notify_change() returns trigger language plpgsql as $$
    declare row_data jsonb := to_jsonb(coalesce(new, old)); reached bigint;
    begin
      insert into revisions as r (kind) values (tg_argv[0]) on conflict (kind) do update set revision = r.revision + 1 returning revision into reached;
      perform pg_notify('gatehouse_changed', json_build_object('kind', tg_argv[0], 'id', row_data ->> tg_argv[1], 'revision', reached)::text);
      return null;
    end $$;

    create table tenants (
      id uuid primary key,
      slug text not null unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9]|)$'),
      name text not null,
      type text not null check (type in ('root', 'personal', 'team', 'enterprise')),
      status text not null default 'active' check (status in ('active', 'suspended', 'deleted')),
      settings jsonb not null default '{}',
      version integer not null default 1,
      created_at timestamptz not null default clock_timestamp(),
      updated_at timestamptz not null default clock_timestamp()
    );
    create unique index tenants_one_root on tenants (type) where type = 'root';

    create table issuers (
      url text primary key,
      tenant_id uuid not null references tenants on delete cascade,
      is_base boolean not null default false,
      created_at timestamptz not null default clock_timestamp()
    );
    create unique index issuers_one_base on issuers (is_base) where is_base;
    create index issuers_by_tenant on issuers (tenant_id);

    create trigger tenants_changed after insert or update or delete on tenants for each row execute function notify_change('tenants', 'id');
    create trigger issuers_changed after insert or update or delete on issuers for each row execute function notify_change('issuers', 'url');
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop table issuers; drop table tenants; drop table revisions;
    drop function notify_change(); drop function current_tenant();
    alter default privileges in schema public revoke select, insert, update, delete on tables from gatehouse_app;
    alter default privileges in schema public revoke usage on sequences from gatehouse_app;
    alter default privileges in schema public revoke execute on functions from gatehouse_app;
    revoke usage on schema public from gatehouse_app;
  `);
}
