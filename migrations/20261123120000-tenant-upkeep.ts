/**
 * Limits as they hold: a plan's, overlaid by the tenant's own, brought to the counters in one call. What is metered comes in batches for many
 * tenants. The end of a deleted tenant, piece by piece, so that no statement is long and a crash costs nothing: each function looks whether the
 * tenant is really due.
 */
import type { Knex } from 'knex';

const HEAD = `security definer set search_path = public, pg_temp`;

const facts = (limits: string): string => `
    create or replace function tenant_for_protocol(wanted uuid) returns jsonb language sql stable ${HEAD}
      begin atomic
        select jsonb_build_object('id', t.id, 'slug', t.slug, 'name', t.name, 'type', t.type, 'status', t.status, 'settings', t.settings,
          'ipRules', coalesce((select jsonb_agg(jsonb_build_object('cidr', r.cidr::text, 'action', r.action)) from ip_rules r where r.tenant_id = t.id), '[]'),
          'domains', coalesce((select jsonb_agg(d.domain order by d.domain) from tenant_domains d where d.tenant_id = t.id and d.verified_at is not null), '[]'),
          'limits', ${limits})
        from tenants t where t.id = wanted;
      end;`;

const PLAN_LIMITS = `coalesce((select p.limits from subscriptions s join plans p on p.id = s.plan_id where s.tenant_id = t.id and s.status in ('trialing', 'active', 'past_due')
            and s.starts_at <= clock_timestamp() and (s.ends_at is null or s.ends_at > clock_timestamp())), '{}')`;
const OWN_LIMITS = `coalesce((select l.limits from tenant_limits l where l.tenant_id = t.id), '{}')`;

/** What may be large, in an order in which nothing of it is waited for. */
const LARGE = [
  'usage_people',
  'user_import_faults',
  'user_import_batches',
  'user_imports',
  'attribute_values',
  'api_keys',
  'invitations',
  'group_members',
  'role_assignments',
  'member_names',
  'memberships',
  'groups',
];

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create index tenants_by_name on tenants (lower(name) text_pattern_ops);
    create index subscriptions_ending on subscriptions (ends_at) where ends_at is not null and status in ('trialing', 'active', 'past_due');
    create index subscriptions_starting on subscriptions (starts_at);

    -- A null lifts what the plan says.
    create function effective_limits(tenant uuid) returns jsonb language sql stable ${HEAD}
      begin atomic
        select coalesce((select jsonb_strip_nulls(${PLAN_LIMITS} || ${OWN_LIMITS}) from tenants t where t.id = tenant), '{}');
      end;
    ${facts('effective_limits(t.id)')}

    create function apply_limits(tenant uuid) returns void language plpgsql ${HEAD} as $$
    declare limits jsonb := effective_limits(tenant); counted text;
    begin
      foreach counted in array array['apiKeys', 'connections', 'invitations', 'members'] loop
        perform set_tenant_limit(tenant, counted, (limits ->> counted)::bigint);
      end loop;
    end $$;

    -- [{tenantId, metric, period, amount}], one of each; answers the totals.
    create function add_usage(batch jsonb) returns table (tenant_id uuid, metric text, period date, amount bigint) language sql ${HEAD}
      begin atomic
        insert into usage_totals as u (tenant_id, metric, period, amount)
          select t.id, b.metric, b.period, b.amount from jsonb_to_recordset(batch) as b("tenantId" uuid, metric text, period date, amount bigint)
            join tenants t on t.id = b."tenantId" order by t.id, b.metric, b.period
          on conflict on constraint usage_totals_pkey do update set amount = u.amount + excluded.amount
          returning u.tenant_id, u.metric, u.period, u.amount;
      end;
    -- [{tenantId, period, userId}]: who is new in that month counts. Answers the totals that changed.
    create function note_active_people(batch jsonb) returns table (tenant_id uuid, period date, amount bigint) language sql ${HEAD}
      begin atomic
        with fresh as (
          insert into usage_people (tenant_id, period, user_id)
            select t.id, b.period, b."userId" from jsonb_to_recordset(batch) as b("tenantId" uuid, period date, "userId" uuid)
              join tenants t on t.id = b."tenantId" order by t.id, b.period, b."userId"
            on conflict do nothing returning usage_people.tenant_id, usage_people.period
        )
        insert into usage_totals as u (tenant_id, metric, period, amount)
          select f.tenant_id, 'monthlyActiveUsers', f.period, count(*) from fresh f group by f.tenant_id, f.period order by f.tenant_id, f.period
          on conflict on constraint usage_totals_pkey do update set amount = u.amount + excluded.amount
          returning u.tenant_id, u.period, u.amount;
      end;
    create function usage_of(tenant uuid, month date) returns jsonb language sql stable ${HEAD}
      begin atomic
        select coalesce((select jsonb_object_agg(u.metric, u.amount) from usage_totals u where u.tenant_id = tenant and u.period = month), '{}');
      end;
    create function was_active(tenant uuid, month date, person uuid) returns boolean language sql stable ${HEAD}
      begin atomic select exists (select from usage_people p where p.tenant_id = tenant and p.period = month and p.user_id = person); end;
    create function sweep_usage_people(most integer) returns integer language sql ${HEAD}
      begin atomic
        with gone as (delete from usage_people where ctid = any (array(select p.ctid from usage_people p
          where p.period < current_date - interval '3 months' limit most for update skip locked)) returning 1)
        select count(*)::integer from gone;
      end;

    -- Who is at home in a tenant that is due, and where they go: the oldest other active tenant that they are a member of, or nowhere.
    create function people_to_purge(tenant uuid, most integer) returns table (user_id uuid, next_home uuid) language sql ${HEAD}
      begin atomic
        select u.id, (select m.tenant_id from memberships m join tenants other on other.id = m.tenant_id
            where m.user_id = u.id and m.tenant_id <> tenant and other.status = 'active' order by m.created_at, m.tenant_id limit 1)
        from users u join tenants t on t.id = u.home_tenant_id
        where t.id = tenant and t.status = 'deleted' and t.purge_after <= clock_timestamp() order by u.created_at, u.id limit most;
      end;

    -- Takes away up to so many rows of what hangs on a tenant that is due, and in the end the tenant; answers how many went, 0 when it is gone.
    create function purge_tenant(tenant uuid, most integer) returns integer language plpgsql ${HEAD} as $$
    declare total integer := 0; gone integer; part text;
    begin
      if not exists (select from tenants where id = tenant and type <> 'root' and status = 'deleted' and purge_after <= clock_timestamp() for update) then
        return 0;
      end if;
      if exists (select from users where home_tenant_id = tenant) then raise exception 'people are still at home there' using errcode = '55000'; end if;
      delete from oidc_grants where id = any (array(
        select g.id from oidc_grants g join clients c on c.client_id = g.client_id where c.tenant_id = tenant limit most));
      get diagnostics total = row_count;
      foreach part in array array[${LARGE.map((table) => `'${table}'`).join(', ')}] loop
        exit when total >= most;
        execute format('delete from %I where ctid = any (array(select ctid from %I where tenant_id = $1 limit $2))', part, part) using tenant, most - total;
        get diagnostics gone = row_count;
        total := total + gone;
      end loop;
      if total = 0 then
        delete from tenants where id = tenant;
        total := 1;
      end if;
      return total;
    end $$;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop function purge_tenant(uuid, integer); drop function people_to_purge(uuid, integer);
    drop function sweep_usage_people(integer); drop function was_active(uuid, date, uuid); drop function usage_of(uuid, date);
    drop function note_active_people(jsonb); drop function add_usage(jsonb);
    ${facts(`${PLAN_LIMITS}
            || ${OWN_LIMITS}`)}
    drop function apply_limits(uuid); drop function effective_limits(uuid);
    drop index subscriptions_starting; drop index subscriptions_ending; drop index tenants_by_name;
  `);
}
