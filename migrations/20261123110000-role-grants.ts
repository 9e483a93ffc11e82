/**
 * What decisions and the catalogue ask of roles: who has which for one thing, and the scopes of the resources that a tenant sees, its own and the
 * root tenant's. Assignments that have expired are swept. Attribute values go with what they are of.
 */
import type { Knex } from 'knex';

const ENTITIES = [
  ['groups', 'group', 'id'],
  ['clients', 'client', 'client_id'],
  ['resources', 'resource', 'id'],
] as const;

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    -- The names of the roles that an active person, whose home is active too, has in a tenant for one of these things ('' is everything).
    create function role_grants_of(person uuid, tenant uuid, things text[]) returns text[] language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select coalesce(array_agg(distinct r.name order by r.name), '{}') from roles r join (
          select a.role_id from role_assignments a where a.tenant_id = tenant and a.user_id = person and a.resource = any (things)
            and (a.expires_at is null or a.expires_at > clock_timestamp())
          union all
          select a.role_id from group_members g join role_assignments a on a.tenant_id = g.tenant_id and a.group_id = g.group_id
            where g.tenant_id = tenant and g.user_id = person and a.resource = any (things) and (a.expires_at is null or a.expires_at > clock_timestamp())
        ) held on held.role_id = r.id
        where exists (select from users u join tenants h on h.id = u.home_tenant_id where u.id = person and u.status = 'active' and h.status = 'active');
      end;

    create function resource_scopes_for(tenant uuid) returns table (resource text, resource_name text, name text, description text)
      language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select r.identifier, r.name, s ->> 'name', s ->> 'description' from resources r cross join jsonb_array_elements(r.scopes) as s
          where r.tenant_id = tenant or r.tenant_id = (select t.id from tenants t where t.type = 'root');
      end;

    -- Answers how many went; what somebody holds is left for the next time.
    create function sweep_role_assignments(most integer) returns integer language sql security definer set search_path = public, pg_temp
      begin atomic
        with gone as (delete from role_assignments where id = any (array(select a.id from role_assignments a
          where a.expires_at < clock_timestamp() - interval '1 hour' limit most for update skip locked)) returning 1)
        select count(*)::integer from gone;
      end;

    create function drop_attribute_values() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
    begin
      delete from attribute_values where tenant_id = old.tenant_id and entity = tg_argv[0] and entity_id = to_jsonb(old) ->> tg_argv[1];
      return null;
    end $$;
    ${ENTITIES.map(
      ([table, entity, id]) =>
        `create trigger ${table}_valued after delete on ${table} for each row execute function drop_attribute_values('${entity}', '${id}');`,
    ).join('\n    ')}
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    ${ENTITIES.map(([table]) => `drop trigger ${table}_valued on ${table};`).join(' ')}
    drop function drop_attribute_values(); drop function sweep_role_assignments(integer);
    drop function resource_scopes_for(uuid); drop function role_grants_of(uuid, uuid, text[]);
  `);
}
