/**
 * The audit log: append-only for the server (insert and select, nothing else), in monthly partitions, with ids only; address, device
 * and free text are sealed under the key of the person they tell of, the address also as a keyed hash to search by. Retention drops whole
 * old partitions through a function of the owner's that refuses young ones. No foreign key points from here to people.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table audit_events (
      id uuid not null,
      at timestamptz not null default clock_timestamp(),
      tenant_id uuid not null,
      type text not null,
      outcome text not null check (outcome in ('success', 'failure')),
      actor_type text not null,
      actor_id text,
      client_id text,
      target_type text,
      target_id text,
      person_id uuid,
      reason text,
      request_id text,
      address_hash text,
      sealed bytea,
      data jsonb not null default '{}',
      primary key (at, id)
    ) partition by range (at);
    create index audit_events_by_tenant on audit_events (tenant_id, at desc, id desc);
    create index audit_events_by_target on audit_events (tenant_id, target_id, at desc) where target_id is not null;
    create index audit_events_by_actor on audit_events (tenant_id, actor_id, at desc) where actor_id is not null;
    create index audit_events_by_type on audit_events (tenant_id, type, at desc);
    create index audit_events_by_person on audit_events (person_id, at desc) where person_id is not null;
    create table audit_events_rest partition of audit_events default;

    alter table audit_events enable row level security;
    create policy seen_by_tenant on audit_events for select to gatehouse_app using (tenant_id = current_tenant());
    create policy written_by_all on audit_events for insert to gatehouse_app with check (true);
    revoke all on audit_events, audit_events_rest from gatehouse_app;
    grant select, insert on audit_events to gatehouse_app;

    -- A person's own events, whichever tenant they happened in.
    create function audit_events_of(person uuid, before timestamptz, most integer) returns setof audit_events
      language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select * from audit_events where person_id = person and at < before order by at desc limit least(most, 200);
      end;

    create function tend_audit_partitions() returns void language plpgsql security definer set search_path = public, pg_temp as $$
    declare month date;
    begin
      for month in select generate_series(date_trunc('month', current_date), date_trunc('month', current_date) + interval '2 months', interval '1 month')::date loop
        if to_regclass('audit_events_' || to_char(month, 'YYYYMM')) is null
          and not exists (select from audit_events_rest where at >= month and at < month + interval '1 month') then
          execute format('create table %I partition of audit_events for values from (%L) to (%L)',
            'audit_events_' || to_char(month, 'YYYYMM'), month, (month + interval '1 month')::date);
          execute format('revoke all on %I from gatehouse_app', 'audit_events_' || to_char(month, 'YYYYMM'));
        end if;
      end loop;
    end $$;

    create function drop_audit_partitions(before date) returns integer language plpgsql security definer set search_path = public, pg_temp as $$
    declare part record; dropped integer := 0;
    begin
      if before > current_date - 90 then raise exception 'audit events younger than 90 days are kept' using errcode = '22023'; end if;
      for part in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'audit_events'::regclass
        and c.relname ~ '^audit_events_[0-9]{6}$' and to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month' <= before loop
        execute format('drop table %I', part.relname);
        dropped := dropped + 1;
      end loop;
      return dropped;
    end $$;
    select tend_audit_partitions();
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop function drop_audit_partitions(date); drop function tend_audit_partitions(); drop function audit_events_of(uuid, timestamptz, integer);
    drop table audit_events;
  `);
}
