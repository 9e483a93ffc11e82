/**
 * People of a tenant at any size: the names that they are searched by, kept beside their memberships by trigger; what is known of their identity;
 * attribute definitions and the values of what is no person; keys for services; imports, line by line, so that a restart goes on where it was.
 */
import type { Knex } from 'knex';

const ROW = `version integer not null default 1, created_at timestamptz not null default clock_timestamp(), updated_at timestamptz not null default clock_timestamp()`;

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    -- {level, method, verifiedAt}: how sure anybody is that the person is who they say.
    alter table users add column verification jsonb;
    create index users_by_age on users (created_at, id);

    create table member_names (
      tenant_id uuid not null,
      name text not null,
      user_id uuid not null,
      primary key (tenant_id, name, user_id),
      foreign key (tenant_id, user_id) references memberships (tenant_id, user_id) on delete cascade
    );
    create index member_names_by_user on member_names (tenant_id, user_id);
    create function names_of(u users) returns text[] language sql immutable
      begin atomic
        select array(select distinct name from unnest(array[u.username_key, u.email_key, u.phone,
          lower(u.given_name collate "und-x-icu") collate "C", lower(u.family_name collate "und-x-icu") collate "C"]) as name where name is not null and name <> '');
      end;
    create function name_member() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
    begin
      insert into member_names (tenant_id, name, user_id) select new.tenant_id, unnest(names_of(u)), u.id from users u where u.id = new.user_id on conflict do nothing;
      return null;
    end $$;
    create trigger memberships_named after insert on memberships for each row execute function name_member();
    create function rename_member() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
    begin
      delete from member_names n where n.user_id = new.id and n.tenant_id in (select tenant_id from memberships where user_id = new.id) and n.name <> all (names_of(new));
      insert into member_names (tenant_id, name, user_id) select m.tenant_id, unnest(names_of(new)), new.id from memberships m where m.user_id = new.id on conflict do nothing;
      return null;
    end $$;
    create trigger users_renamed after update of username_key, email_key, phone, given_name, family_name on users for each row execute function rename_member();
    insert into member_names (tenant_id, name, user_id) select m.tenant_id, unnest(names_of(u)), u.id from memberships m join users u on u.id = m.user_id on conflict do nothing;

    create table attribute_groups (
      id uuid primary key,
      tenant_id uuid not null references tenants on delete cascade,
      name text not null,
      description text,
      ${ROW},
      unique (tenant_id, name),
      unique (tenant_id, id)
    );
    create table attribute_definitions (
      id uuid primary key,
      tenant_id uuid not null references tenants on delete cascade,
      path text not null,
      type text not null check (type in ('string', 'number', 'boolean', 'time', 'date', 'datetime', 'ip')),
      cardinality text not null default 'one' check (cardinality in ('one', 'many')),
      source text not null default 'stored' check (source in ('stored', 'request', 'server')),
      attribute_group_id uuid,
      personal_data boolean not null default false,
      description text,
      ${ROW},
      unique (tenant_id, path),
      foreign key (tenant_id, attribute_group_id) references attribute_groups (tenant_id, id)
    );
    -- Of groups, clients, resources and the tenant itself; a member's are with the membership.
    create table attribute_values (
      tenant_id uuid not null references tenants on delete cascade,
      entity text not null check (entity in ('group', 'client', 'resource', 'tenant')),
      entity_id text not null,
      attributes jsonb not null default '{}',
      version integer not null default 1,
      updated_at timestamptz not null default clock_timestamp(),
      primary key (tenant_id, entity, entity_id)
    );

    -- Dead with the person's membership, or with the client, that made it.
    create table api_keys (
      id uuid primary key,
      tenant_id uuid not null references tenants on delete cascade,
      name text not null,
      prefix text not null,
      key_hash text not null unique,
      permissions text[] not null,
      owner_user_id uuid,
      owner_client_id text references clients on delete cascade,
      expires_at timestamptz,
      last_used_at timestamptz,
      ${ROW},
      check (num_nonnulls(owner_user_id, owner_client_id) = 1),
      foreign key (tenant_id, owner_user_id) references memberships (tenant_id, user_id) on delete cascade
    );
    create index api_keys_by_age on api_keys (tenant_id, created_at, id);
    create index api_keys_by_owner on api_keys (tenant_id, owner_user_id) where owner_user_id is not null;
    create index api_keys_by_client on api_keys (owner_client_id) where owner_client_id is not null;
    create trigger api_keys_counted after insert on api_keys for each row execute function count_towards_limit('apiKeys', '1');
    create trigger api_keys_uncounted after delete on api_keys for each row execute function count_towards_limit('apiKeys', '-1');

    -- Everything that a key's right depends on, as it is now.
    create function api_key_for_protocol(hash text) returns jsonb language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select jsonb_build_object('id', k.id, 'tenantId', k.tenant_id, 'tenantType', t.type, 'permissions', k.permissions, 'lastUsedAt', extract(epoch from k.last_used_at),
          'alive', t.status = 'active' and (k.expires_at is null or k.expires_at > clock_timestamp())
            and (k.owner_user_id is null or (u.status = 'active' and h.status = 'active')) and (k.owner_client_id is null or c.enabled),
          'owner', case when k.owner_user_id is null then jsonb_build_object('type', 'client', 'id', k.owner_client_id, 'permissions', c.permissions, 'tenantId', c.tenant_id)
            else jsonb_build_object('type', 'user', 'id', k.owner_user_id, 'roles', role_names_of(k.owner_user_id, k.tenant_id)) end)
        from api_keys k join tenants t on t.id = k.tenant_id left join users u on u.id = k.owner_user_id left join tenants h on h.id = u.home_tenant_id
          left join clients c on c.client_id = k.owner_client_id
        where k.key_hash = hash;
      end;
    create function api_keys_used(ids uuid[], at timestamptz) returns void language sql security definer set search_path = public, pg_temp
      begin atomic update api_keys set last_used_at = at where id = any (ids) and (last_used_at is null or last_used_at < at); end;

    create table user_imports (
      id uuid primary key,
      tenant_id uuid not null references tenants on delete cascade,
      status text not null default 'receiving' check (status in ('receiving', 'queued', 'running', 'done', 'failed', 'canceled')),
      dry_run boolean not null default false,
      lines bigint not null default 0,
      done bigint not null default 0,
      created_people bigint not null default 0,
      invited bigint not null default 0,
      failed bigint not null default 0,
      started_by text,
      error text,
      started_at timestamptz,
      finished_at timestamptz,
      ${ROW},
      unique (tenant_id, id)
    );
    create index user_imports_by_age on user_imports (tenant_id, created_at, id);
    -- Lines as they came, sealed, a few hundred together; gone as soon as they were worked on.
    create table user_import_batches (
      tenant_id uuid not null,
      import_id uuid not null,
      first_line bigint not null,
      lines integer not null,
      sealed bytea not null,
      primary key (tenant_id, import_id, first_line),
      foreign key (tenant_id, import_id) references user_imports (tenant_id, id) on delete cascade
    );
    create table user_import_faults (
      tenant_id uuid not null,
      import_id uuid not null,
      line bigint not null,
      code text not null,
      message text not null,
      primary key (tenant_id, import_id, line),
      foreign key (tenant_id, import_id) references user_imports (tenant_id, id) on delete cascade
    );
    ${[
      'member_names',
      'attribute_groups',
      'attribute_definitions',
      'attribute_values',
      'api_keys',
      'user_imports',
      'user_import_batches',
      'user_import_faults',
    ]
      .map(
        (table) => `alter table ${table} enable row level security;
    create policy of_tenant on ${table} to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());`,
      )
      .join('\n    ')}
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop table user_import_faults; drop table user_import_batches; drop table user_imports;
    drop function api_keys_used(uuid[], timestamptz); drop function api_key_for_protocol(text); drop table api_keys;
    drop table attribute_values; drop table attribute_definitions; drop table attribute_groups;
    drop trigger users_renamed on users; drop function rename_member(); drop trigger memberships_named on memberships; drop function name_member();
    drop function names_of(users); drop table member_names;
    drop index users_by_age; alter table users drop column verification;
  `);
}
