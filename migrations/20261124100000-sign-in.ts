/**
 * Every way to sign in: upstream providers of a tenant and the identities that people have there, devices that stand in for a second factor,
 * passwords that were used before, what people agreed to, pictures of tenants and applications, and accounts that wait for their deletion.
 */
import type { Knex } from 'knex';

const ROW = `version integer not null default 1, created_at timestamptz not null default clock_timestamp(), updated_at timestamptz not null default clock_timestamp()`;

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table connections (
      id uuid primary key,
      tenant_id uuid not null references tenants on delete cascade,
      -- Names it in 'social:<key>', 'connection' and 'provider'.
      key text not null check (key ~ '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9]|)$'),
      kind text not null check (kind in ('oidc', 'google', 'facebook', 'line', 'github', 'microsoft', 'apple')),
      name text not null,
      issuer text,
      client_id text not null,
      secret_sealed bytea,
      options jsonb not null default '{}',
      domains text[] not null default '{}',
      enabled boolean not null default true,
      ${ROW},
      unique (tenant_id, key)
    );
    create index connections_by_age on connections (tenant_id, created_at, id);
    create trigger connections_counted after insert on connections for each row execute function count_towards_limit('connections', '1');
    create trigger connections_uncounted after delete on connections for each row execute function count_towards_limit('connections', '-1');
    create trigger connections_changed after insert or update or delete on connections for each row execute function notify_change('connections', 'tenant_id');
    alter table connections enable row level security;
    create policy of_tenant on connections to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
    -- What processes keep of a tenant's connections; secrets stay sealed.
    create function connections_for_protocol(tenant uuid) returns jsonb language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select coalesce(jsonb_agg(jsonb_build_object('id', id, 'tenantId', tenant_id, 'key', key, 'kind', kind, 'name', name, 'issuer', issuer, 'clientId', client_id,
          'secretSealed', encode(secret_sealed, 'base64'), 'options', options, 'domains', domains, 'enabled', enabled, 'version', version) order by created_at, id), '[]')
        from connections where tenant_id = tenant;
      end;

    -- Who somebody is elsewhere: by connection and subject, never by address.
    create table identities (
      id uuid primary key,
      connection_id uuid not null references connections on delete cascade,
      subject text not null,
      user_id uuid not null references users on delete cascade,
      sealed bytea,
      upstream_sid text,
      created_at timestamptz not null default clock_timestamp(),
      last_used_at timestamptz,
      unique (connection_id, subject)
    );
    create index identities_by_user on identities (user_id);

    alter table known_devices add column id uuid not null default gen_random_uuid();
    alter table known_devices add column trusted_until timestamptz;
    alter table known_devices add column sealed bytea;
    create unique index known_devices_by_id on known_devices (id);

    create table password_history (
      user_id uuid not null references users on delete cascade,
      hash text not null,
      created_at timestamptz not null default clock_timestamp(),
      primary key (user_id, created_at, hash)
    );

    -- Terms and privacy notices of a tenant; the newest published one of a kind is asked for.
    create table notices (
      id uuid primary key,
      tenant_id uuid not null references tenants on delete cascade,
      kind text not null check (kind in ('terms', 'privacy')),
      label text not null,
      url text not null,
      published_at timestamptz,
      ${ROW},
      unique (tenant_id, kind, label)
    );
    create index notices_by_age on notices (tenant_id, created_at, id);
    alter table notices enable row level security;
    create policy of_tenant on notices to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
    create trigger notices_changed after insert or update or delete on notices for each row execute function notify_change('notices', 'tenant_id');
    create function notices_for_protocol(tenant uuid) returns jsonb language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select coalesce(jsonb_agg(jsonb_build_object('id', n.id, 'kind', n.kind, 'label', n.label, 'url', n.url)), '[]') from (
          select distinct on (kind) * from notices where tenant_id = tenant and published_at <= clock_timestamp() order by kind, published_at desc, id desc) n;
      end;
    create table agreements (
      user_id uuid not null references users on delete cascade,
      notice_id uuid not null references notices on delete cascade,
      agreed_at timestamptz not null default clock_timestamp(),
      withdrawn_at timestamptz,
      primary key (user_id, notice_id)
    );
    create index agreements_by_notice on agreements (notice_id);

    create table images (
      id uuid primary key,
      tenant_id uuid not null references tenants on delete cascade,
      type text not null check (type in ('image/png', 'image/jpeg', 'image/webp')),
      bytes bytea not null,
      width integer not null,
      height integer not null,
      created_at timestamptz not null default clock_timestamp()
    );
    create index images_by_tenant on images (tenant_id);
    alter table images enable row level security;
    create policy of_tenant on images to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
    -- Pages show them to anybody who knows the id.
    create function image_for_pages(wanted uuid) returns table (type text, bytes bytea) language sql stable security definer set search_path = public, pg_temp
      begin atomic select type, bytes from images where id = wanted; end;

    alter table users add column delete_after timestamptz;
    create index users_to_delete on users (delete_after) where delete_after is not null;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop index users_to_delete; alter table users drop column delete_after;
    drop function image_for_pages(uuid); drop table images; drop table agreements; drop function notices_for_protocol(uuid); drop table notices;
    drop table password_history;
    drop index known_devices_by_id; alter table known_devices drop column sealed; alter table known_devices drop column trusted_until; alter table known_devices drop column id;
    drop table identities; drop function connections_for_protocol(uuid); drop table connections;
  `);
}
