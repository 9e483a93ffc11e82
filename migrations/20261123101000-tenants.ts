/**
 * What makes a tenant: its life (suspended, deleted with a grace period), templates, domains that are proven by DNS and may become issuers,
 * address rules, invitations, plans with limits that hold exactly under parallel calls, and what it used.
 */
import type { Knex } from 'knex';

const ROW = `version integer not null default 1, created_at timestamptz not null default clock_timestamp(), updated_at timestamptz not null default clock_timestamp()`;

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table tenants add column status_reason text;
    alter table tenants add column deleted_at timestamptz;
    alter table tenants add column purge_after timestamptz;
    create index tenants_by_age on tenants (created_at, id);
    create index tenants_to_purge on tenants (purge_after) where purge_after is not null;

    create table tenant_templates (
      id uuid primary key,
      name text not null unique,
      description text,
      type text not null check (type in ('personal', 'team', 'enterprise')),
      roles jsonb not null default '[]',
      attribute_definitions jsonb not null default '[]',
      settings jsonb not null default '{}',
      limits jsonb not null default '{}',
      ${ROW}
    );

    create table tenant_domains (
      id uuid primary key,
      tenant_id uuid not null references tenants on delete cascade,
      domain text not null check (domain = lower(domain)),
      challenge text not null,
      verified_at timestamptz,
      verified_by text check (verified_by in ('dns', 'platform')),
      checked_at timestamptz,
      issuer_url text unique references issuers on update cascade on delete set null,
      ${ROW},
      unique (tenant_id, domain)
    );
    create unique index tenant_domains_one_owner on tenant_domains (domain) where verified_at is not null;

    create table ip_rules (
      id uuid primary key,
      tenant_id uuid not null references tenants on delete cascade,
      cidr cidr not null,
      action text not null check (action in ('allow', 'deny')),
      description text,
      ${ROW},
      unique (tenant_id, cidr, action)
    );

    -- The secret is in one mail and nowhere else; what has expired is so by the clock, whatever 'status' still says.
    create table invitations (
      id uuid primary key,
      tenant_id uuid not null references tenants on delete cascade,
      email text not null,
      email_key text not null,
      role_ids uuid[] not null default '{}',
      attributes jsonb not null default '{}',
      secret_hash text not null unique,
      status text not null default 'pending' check (status in ('pending', 'accepted', 'declined', 'revoked', 'expired')),
      invited_by text,
      accepted_by uuid,
      decided_at timestamptz,
      expires_at timestamptz not null,
      sent_count integer not null default 1,
      sent_at timestamptz not null default clock_timestamp(),
      ${ROW}
    );
    create unique index invitations_one_pending on invitations (tenant_id, email_key) where status = 'pending';
    create index invitations_by_age on invitations (tenant_id, created_at, id);
    create index invitations_by_address on invitations (email_key) where status = 'pending';
    create index invitations_expired on invitations (expires_at) where status = 'pending';

    -- For who holds the secret, and for who has proven the address, whichever tenant it is of.
    create function invitation_by_secret(hash text) returns setof invitations language sql stable security definer set search_path = public, pg_temp
      begin atomic select * from invitations where secret_hash = hash; end;
    create function invitations_to(address text) returns setof invitations language sql stable security definer set search_path = public, pg_temp
      begin atomic select * from invitations where email_key = address and status = 'pending' and expires_at > clock_timestamp() order by created_at, id limit 100; end;

    create table plans (
      id uuid primary key,
      name text not null unique,
      description text,
      limits jsonb not null default '{}',
      features jsonb not null default '{}',
      ${ROW}
    );
    create table subscriptions (
      tenant_id uuid primary key references tenants on delete cascade,
      plan_id uuid not null references plans on delete restrict,
      status text not null default 'active' check (status in ('trialing', 'active', 'past_due', 'canceled', 'expired')),
      starts_at timestamptz not null default clock_timestamp(),
      ends_at timestamptz,
      ${ROW}
    );
    create index subscriptions_by_plan on subscriptions (plan_id);
    -- What differs from the plan, set by the platform.
    create table tenant_limits (
      tenant_id uuid primary key references tenants on delete cascade,
      limits jsonb not null default '{}',
      ${ROW}
    );

    -- There is a row only where a limit applies. Counted by triggers: whoever adds a row waits for the one before, and is refused past the limit.
    create table tenant_counters (
      tenant_id uuid not null references tenants on delete cascade,
      metric text not null,
      used bigint not null,
      most bigint not null,
      primary key (tenant_id, metric)
    );
    create function count_towards_limit() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
    declare
      tenant uuid := case when tg_op = 'DELETE' then old.tenant_id else new.tenant_id end;
      step integer := tg_argv[1]::integer;
      reached tenant_counters;
    begin
      -- Held together; whoever sets a limit holds it alone, and counts meanwhile.
      perform pg_advisory_xact_lock_shared(hashtextextended('limit:' || tenant::text || ':' || tg_argv[0], 0));
      update tenant_counters set used = used + step where tenant_id = tenant and metric = tg_argv[0] returning * into reached;
      if step > 0 and reached.used > reached.most then
        raise exception 'limit of % reached', tg_argv[0] using errcode = 'GH001', detail = tg_argv[0];
      end if;
      return null;
    end $$;
    create trigger memberships_counted after insert on memberships for each row execute function count_towards_limit('members', '1');
    create trigger memberships_uncounted after delete on memberships for each row execute function count_towards_limit('members', '-1');
    create trigger invitations_counted after insert on invitations for each row when (new.status = 'pending') execute function count_towards_limit('invitations', '1');
    create trigger invitations_closed after update of status on invitations for each row when (old.status = 'pending' and new.status <> 'pending')
      execute function count_towards_limit('invitations', '-1');
    create trigger invitations_uncounted after delete on invitations for each row when (old.status = 'pending') execute function count_towards_limit('invitations', '-1');

    -- 'most' null lifts the limit. Counts what there is while nobody can add; what is over stays, nothing more comes in.
    create function set_tenant_limit(tenant uuid, what text, most_allowed bigint) returns void language plpgsql security definer set search_path = public, pg_temp as $$
    declare counted bigint;
    begin
      if not exists (select from tenants where id = tenant) then raise exception 'no such tenant' using errcode = '23503'; end if;
      perform pg_advisory_xact_lock(hashtextextended('limit:' || tenant::text || ':' || what, 0));
      if most_allowed is null then
        delete from tenant_counters where tenant_id = tenant and metric = what;
        return;
      end if;
      update tenant_counters set most = most_allowed where tenant_id = tenant and metric = what;
      if found then return; end if;
      if what = 'members' then select count(*) into counted from memberships where tenant_id = tenant;
      elsif what = 'invitations' then select count(*) into counted from invitations where tenant_id = tenant and status = 'pending';
      elsif what = 'apiKeys' then select count(*) into counted from api_keys where tenant_id = tenant;
      elsif what = 'connections' then select count(*) into counted from connections where tenant_id = tenant;
      else raise exception 'no such metric' using errcode = '22023';
      end if;
      insert into tenant_counters (tenant_id, metric, used, most) values (tenant, what, counted, most_allowed);
    end $$;

    -- Metered in batches; 'period' is the first day of a month.
    create table usage_totals (
      tenant_id uuid not null references tenants on delete cascade,
      metric text not null,
      period date not null,
      amount bigint not null default 0,
      primary key (tenant_id, metric, period)
    );
    create table usage_people (
      tenant_id uuid not null references tenants on delete cascade,
      period date not null,
      user_id uuid not null,
      primary key (tenant_id, period, user_id)
    );

    -- What every process keeps of a tenant.
    create function tenant_for_protocol(wanted uuid) returns jsonb language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select jsonb_build_object('id', t.id, 'slug', t.slug, 'name', t.name, 'type', t.type, 'status', t.status, 'settings', t.settings,
          'ipRules', coalesce((select jsonb_agg(jsonb_build_object('cidr', r.cidr::text, 'action', r.action)) from ip_rules r where r.tenant_id = t.id), '[]'),
          'domains', coalesce((select jsonb_agg(d.domain order by d.domain) from tenant_domains d where d.tenant_id = t.id and d.verified_at is not null), '[]'),
          'limits', coalesce((select p.limits from subscriptions s join plans p on p.id = s.plan_id where s.tenant_id = t.id and s.status in ('trialing', 'active', 'past_due')
            and s.starts_at <= clock_timestamp() and (s.ends_at is null or s.ends_at > clock_timestamp())), '{}')
            || coalesce((select l.limits from tenant_limits l where l.tenant_id = t.id), '{}'))
        from tenants t where t.id = wanted;
      end;
    -- Whose verified domain it is, if anybody's.
    create function tenant_of_domain(wanted text) returns uuid language sql stable security definer set search_path = public, pg_temp
      begin atomic select tenant_id from tenant_domains where domain = wanted and verified_at is not null; end;

    alter table tenant_domains enable row level security;
    alter table ip_rules enable row level security;
    alter table invitations enable row level security;
    create policy of_tenant on tenant_domains to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
    create policy of_tenant on ip_rules to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
    create policy of_tenant on invitations to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
    alter table tenant_counters enable row level security;
    alter table usage_totals enable row level security;
    alter table usage_people enable row level security;
    create policy of_tenant on tenant_counters to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
    -- Batches write for many tenants at once; nobody reads but in their own.
    create policy seen_by_tenant on usage_totals for select to gatehouse_app using (tenant_id = current_tenant());
    create policy seen_by_tenant on usage_people for select to gatehouse_app using (tenant_id = current_tenant());

    create trigger ip_rules_changed after insert or update or delete on ip_rules for each row execute function notify_change('tenants', 'tenant_id');
    create trigger tenant_domains_changed after insert or update or delete on tenant_domains for each row execute function notify_change('tenants', 'tenant_id');
    create trigger subscriptions_changed after insert or update or delete on subscriptions for each row execute function notify_change('tenants', 'tenant_id');
    create trigger tenant_limits_changed after insert or update or delete on tenant_limits for each row execute function notify_change('tenants', 'tenant_id');
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop function tenant_of_domain(text); drop function tenant_for_protocol(uuid);
    drop table usage_people; drop table usage_totals;
    drop function set_tenant_limit(uuid, text, bigint);
    drop trigger memberships_counted on memberships; drop trigger memberships_uncounted on memberships;
    drop function invitation_by_secret(text); drop function invitations_to(text); drop table invitations;
    drop function count_towards_limit(); drop table tenant_counters;
    drop table tenant_limits; drop table subscriptions; drop table plans; drop table ip_rules; drop table tenant_domains; drop table tenant_templates;
    drop index tenants_by_age; drop index tenants_to_purge;
    alter table tenants drop column status_reason; alter table tenants drop column deleted_at; alter table tenants drop column purge_after;
  `);
}
