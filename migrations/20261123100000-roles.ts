/**
 * Roles of a tenant, with parents whose permissions they carry as well; groups; and who has which, until when and for which one thing.
 * Every person is a member of their home tenant, by trigger, so that there is one question for rights and attributes. What a membership's
 * `roles` said moves into assignments. Each tenant is born with its built-in roles, by trigger as well.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table roles (
      id uuid primary key,
      tenant_id uuid not null references tenants on delete cascade,
      name text not null,
      description text,
      permissions text[] not null default '{}',
      -- 'owner' may do everything, and one active person has to keep it; 'administrator' likewise, and may be taken from all.
      built_in text check (built_in in ('owner', 'administrator', 'member')),
      version integer not null default 1,
      created_at timestamptz not null default clock_timestamp(),
      updated_at timestamptz not null default clock_timestamp(),
      unique (tenant_id, name),
      unique (tenant_id, id)
    );
    create index roles_by_age on roles (tenant_id, created_at, id);

    create table role_parents (
      tenant_id uuid not null,
      role_id uuid not null,
      parent_id uuid not null,
      primary key (tenant_id, role_id, parent_id),
      foreign key (tenant_id, role_id) references roles (tenant_id, id) on delete cascade,
      foreign key (tenant_id, parent_id) references roles (tenant_id, id) on delete cascade,
      check (role_id <> parent_id)
    );
    create index role_parents_by_parent on role_parents (tenant_id, parent_id);

    create table groups (
      id uuid primary key,
      tenant_id uuid not null references tenants on delete cascade,
      name text not null,
      description text,
      version integer not null default 1,
      created_at timestamptz not null default clock_timestamp(),
      updated_at timestamptz not null default clock_timestamp(),
      unique (tenant_id, name),
      unique (tenant_id, id)
    );
    create index groups_by_age on groups (tenant_id, created_at, id);

    create table group_members (
      tenant_id uuid not null,
      group_id uuid not null,
      user_id uuid not null,
      created_at timestamptz not null default clock_timestamp(),
      primary key (tenant_id, group_id, user_id),
      foreign key (tenant_id, group_id) references groups (tenant_id, id) on delete cascade,
      foreign key (tenant_id, user_id) references memberships (tenant_id, user_id) on delete cascade
    );
    create index group_members_by_user on group_members (tenant_id, user_id);

    -- To one person or one group; for everything, or for one thing ('invoice:42') where 'resource' names it.
    create table role_assignments (
      id uuid primary key,
      tenant_id uuid not null,
      role_id uuid not null,
      user_id uuid,
      group_id uuid,
      resource text not null default '',
      expires_at timestamptz,
      granted_by text,
      created_at timestamptz not null default clock_timestamp(),
      check (num_nonnulls(user_id, group_id) = 1),
      foreign key (tenant_id, role_id) references roles (tenant_id, id) on delete cascade,
      foreign key (tenant_id, user_id) references memberships (tenant_id, user_id) on delete cascade,
      foreign key (tenant_id, group_id) references groups (tenant_id, id) on delete cascade
    );
    create unique index role_assignments_once_user on role_assignments (tenant_id, user_id, role_id, resource) where user_id is not null;
    create unique index role_assignments_once_group on role_assignments (tenant_id, group_id, role_id, resource) where group_id is not null;
    create index role_assignments_by_role on role_assignments (tenant_id, role_id, created_at, id);
    create index role_assignments_expired on role_assignments (expires_at) where expires_at is not null;

    -- What a tenant keeps of a member for its own decisions and tokens.
    alter table memberships add column attributes jsonb not null default '{}';
    alter table memberships add column version integer not null default 1;
    insert into memberships (tenant_id, user_id) select home_tenant_id, id from users on conflict do nothing;
    update memberships m set attributes = u.attributes from users u where u.id = m.user_id and u.home_tenant_id = m.tenant_id;

    insert into roles (id, tenant_id, name, built_in) select gen_random_uuid(), id, 'administrator', 'owner' from tenants where type = 'root';
    insert into roles (id, tenant_id, name, built_in) select gen_random_uuid(), t.id, r.name, r.name from tenants t,
      (values ('owner'), ('administrator'), ('member')) as r(name) where t.type <> 'root';
    insert into role_assignments (id, tenant_id, role_id, user_id) select gen_random_uuid(), m.tenant_id, r.id, m.user_id
      from memberships m join roles r on r.tenant_id = m.tenant_id and r.name = any (m.roles);
    alter table users drop column attributes;

    create function at_home_is_member() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
    begin
      insert into memberships (tenant_id, user_id) values (new.home_tenant_id, new.id) on conflict do nothing;
      return null;
    end $$;
    create trigger users_at_home after insert or update of home_tenant_id on users for each row execute function at_home_is_member();

    create function with_built_in_roles() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
    begin
      if new.type = 'root' then
        insert into roles (id, tenant_id, name, built_in) values (gen_random_uuid(), new.id, 'administrator', 'owner');
      else
        insert into roles (id, tenant_id, name, built_in) select gen_random_uuid(), new.id, r.name, r.name
          from (values ('owner'), ('administrator'), ('member')) as r(name);
      end if;
      return null;
    end $$;
    create trigger tenants_roles after insert on tenants for each row execute function with_built_in_roles();

    -- The names of the roles that a person has in a tenant for everything: their own and their groups', less what has expired.
    create function role_names_of(person uuid, tenant uuid) returns text[] language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select coalesce(array_agg(distinct r.name order by r.name), '{}') from roles r join (
          select a.role_id from role_assignments a where a.tenant_id = tenant and a.user_id = person and a.resource = ''
            and (a.expires_at is null or a.expires_at > clock_timestamp())
          union all
          select a.role_id from group_members g join role_assignments a on a.tenant_id = g.tenant_id and a.group_id = g.group_id
            where g.tenant_id = tenant and g.user_id = person and a.resource = '' and (a.expires_at is null or a.expires_at > clock_timestamp())
        ) held on held.role_id = r.id;
      end;

    create function group_names_of(person uuid, tenant uuid) returns text[] language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select coalesce(array_agg(g.name order by g.name), '{}') from group_members m join groups g on g.tenant_id = m.tenant_id and g.id = m.group_id
          where m.tenant_id = tenant and m.user_id = person;
      end;

    -- What the tenant keeps of the member, for tokens.
    create function member_attributes_of(person uuid, tenant uuid) returns jsonb language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select attributes from memberships where tenant_id = tenant and user_id = person;
      end;

    drop function memberships_of(uuid);
    alter table memberships drop column roles;
    -- A person's own memberships, for sign-in and tokens: asked by person, never by tenant.
    create function memberships_of(person uuid) returns table (tenant_id uuid, slug text, name text, type text, status text, roles text[], groups text[])
      language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select m.tenant_id, t.slug, t.name, t.type, t.status, role_names_of(person, m.tenant_id), group_names_of(person, m.tenant_id)
        from memberships m join tenants t on t.id = m.tenant_id where m.user_id = person;
      end;

    create function tenants_of(person uuid) returns setof uuid language sql stable security definer set search_path = public, pg_temp
      begin atomic select tenant_id from memberships where user_id = person; end;

    -- Every role of a tenant with its parents' names: what processes keep and ask for permissions.
    create function roles_for_protocol(tenant uuid) returns jsonb language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'name', r.name, 'permissions', r.permissions, 'builtIn', r.built_in, 'parents',
          coalesce((select jsonb_agg(p.name) from role_parents rp join roles p on p.id = rp.parent_id where rp.tenant_id = r.tenant_id and rp.role_id = r.id), '[]'))), '[]')
        from roles r where r.tenant_id = tenant;
      end;

    alter table roles enable row level security;
    alter table role_parents enable row level security;
    alter table groups enable row level security;
    alter table group_members enable row level security;
    alter table role_assignments enable row level security;
    create policy of_tenant on roles to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
    create policy of_tenant on role_parents to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
    create policy of_tenant on groups to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
    create policy of_tenant on group_members to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
    create policy of_tenant on role_assignments to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());

    create trigger roles_changed after insert or update or delete on roles for each row execute function notify_change('roles', 'tenant_id');
    create trigger role_parents_changed after insert or update or delete on role_parents for each row execute function notify_change('roles', 'tenant_id');
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop function memberships_of(uuid);
    alter table memberships add column roles text[] not null default '{}';
    update memberships m set roles = role_names_of(m.user_id, m.tenant_id);
    alter table users add column attributes jsonb not null default '{}';
    update users u set attributes = m.attributes from memberships m where m.user_id = u.id and m.tenant_id = u.home_tenant_id;
    create function memberships_of(person uuid) returns table (tenant_id uuid, slug text, name text, status text, roles text[])
      language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select m.tenant_id, t.slug, t.name, t.status, m.roles from memberships m join tenants t on t.id = m.tenant_id where m.user_id = person;
      end;
    drop trigger users_at_home on users; drop trigger tenants_roles on tenants;
    drop function at_home_is_member(); drop function with_built_in_roles(); drop function roles_for_protocol(uuid); drop function tenants_of(uuid);
    drop function role_names_of(uuid, uuid); drop function group_names_of(uuid, uuid); drop function member_attributes_of(uuid, uuid);
    drop table role_assignments; drop table group_members; drop table groups; drop table role_parents; drop table roles;
    -- Who is a member of the root tenant ran the installation, then.
    delete from memberships m using tenants t where t.id = m.tenant_id and t.type = 'root' and m.roles = '{}';
    alter table memberships drop column attributes; alter table memberships drop column version;
  `);
}
