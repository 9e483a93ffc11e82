/**
 * People by any filter at any size; a phone number is searched for by the home tenant only, which alone sees it. Imports know as whom they
 * work, and are found again where their process died. Sign-in attempts of one person.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create function names_of(u users, tenant uuid) returns text[] language sql immutable
      begin atomic
        select array(select distinct name from unnest(array[u.username_key, u.email_key, case when u.home_tenant_id = tenant then u.phone end,
          lower(u.given_name collate "und-x-icu") collate "C", lower(u.family_name collate "und-x-icu") collate "C"]) as name where name is not null and name <> '');
      end;
    create or replace function name_member() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
    begin
      insert into member_names (tenant_id, name, user_id) select new.tenant_id, unnest(names_of(u, new.tenant_id)), u.id from users u where u.id = new.user_id on conflict do nothing;
      return null;
    end $$;
    create or replace function rename_member() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
    begin
      delete from member_names n where n.user_id = new.id and n.tenant_id in (select tenant_id from memberships where user_id = new.id)
        and n.name <> all (names_of(new, n.tenant_id));
      insert into member_names (tenant_id, name, user_id) select m.tenant_id, unnest(names_of(new, m.tenant_id)), new.id from memberships m where m.user_id = new.id
        on conflict do nothing;
      return null;
    end $$;
    delete from member_names n using users u where u.id = n.user_id and n.tenant_id <> u.home_tenant_id and n.name = u.phone;
    drop function names_of(users);

    -- Who is disabled is rare among many.
    create index users_disabled on users (id) where status = 'disabled';

    -- As whom and with which rights the work is done: {actor, clientId, platform, owner, permissions}.
    alter table user_imports add column started_as jsonb not null default '{}';
    alter table user_imports add column format text not null default 'gatehouse' check (format in ('gatehouse', 'keycloak', 'auth0'));
    -- Hashes of names in a dry run, which writes no people in whom a name could be found twice.
    create table user_import_names (
      tenant_id uuid not null,
      import_id uuid not null,
      hash text not null,
      primary key (tenant_id, import_id, hash),
      foreign key (tenant_id, import_id) references user_imports (tenant_id, id) on delete cascade
    );
    alter table user_import_names enable row level security;
    create policy of_tenant on user_import_names to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
    create index user_imports_open on user_imports (updated_at) where status in ('receiving', 'queued', 'running');

    -- Imports that nobody has worked on for a while: in whichever tenant.
    create function stalled_user_imports(seconds integer) returns table (tenant_id uuid, id uuid) language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select i.tenant_id, i.id from user_imports i where i.status in ('queued', 'running') and i.updated_at < clock_timestamp() - make_interval(secs => seconds)
          order by i.updated_at limit 100;
      end;
    -- Bodies that never ended.
    create function drop_broken_user_imports() returns void language sql security definer set search_path = public, pg_temp
      begin atomic delete from user_imports where status = 'receiving' and updated_at < clock_timestamp() - interval '1 hour'; end;

    create function login_attempts_of(person uuid, within uuid, before timestamptz, before_id uuid, most integer) returns setof audit_events
      language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select * from audit_events where person_id = person and type like 'login.%' and (within is null or tenant_id = within) and (at, id) < (before, before_id)
          order by at desc, id desc limit least(most, 201);
      end;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop function login_attempts_of(uuid, uuid, timestamptz, uuid, integer);
    drop function drop_broken_user_imports(); drop function stalled_user_imports(integer); drop index user_imports_open; drop table user_import_names;
    alter table user_imports drop column format; alter table user_imports drop column started_as;
    drop index users_disabled;
    create function names_of(u users) returns text[] language sql immutable
      begin atomic
        select array(select distinct name from unnest(array[u.username_key, u.email_key, u.phone,
          lower(u.given_name collate "und-x-icu") collate "C", lower(u.family_name collate "und-x-icu") collate "C"]) as name where name is not null and name <> '');
      end;
    create or replace function name_member() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
    begin
      insert into member_names (tenant_id, name, user_id) select new.tenant_id, unnest(names_of(u)), u.id from users u where u.id = new.user_id on conflict do nothing;
      return null;
    end $$;
    create or replace function rename_member() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
    begin
      delete from member_names n where n.user_id = new.id and n.tenant_id in (select tenant_id from memberships where user_id = new.id) and n.name <> all (names_of(new));
      insert into member_names (tenant_id, name, user_id) select m.tenant_id, unnest(names_of(new)), new.id from memberships m where m.user_id = new.id on conflict do nothing;
      return null;
    end $$;
    drop function names_of(users, uuid);
  `);
}
