/**
 * What oidc-provider stores. Every key is sha256(issuer, model, id): nothing of one issuer exists at another, and no token can be read
 * out of a copy. Tokens hang on their grant, so that deleting the grant is the whole revocation. Opaque access tokens are many and short-lived:
 * they lie in daily partitions that are dropped, not deleted. JWT access tokens are not stored; those revoked one by one are remembered by jti.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table oidc_grants (
      id text primary key,
      user_id uuid not null references users on delete cascade,
      client_id text not null references clients on delete cascade,
      payload jsonb not null,
      created_at timestamptz not null default clock_timestamp(),
      expires_at timestamptz not null
    ) with (fillfactor = 80);
    create index oidc_grants_by_user on oidc_grants (user_id, client_id);
    create index oidc_grants_by_client on oidc_grants (client_id);
    create index oidc_grants_expired on oidc_grants (expires_at);

    create table oidc_sessions (
      id text primary key,
      uid text not null,
      user_id uuid references users on delete cascade,
      sids text[] not null default '{}',
      payload jsonb not null,
      sealed bytea,
      created_at timestamptz not null default clock_timestamp(),
      seen_at timestamptz not null default clock_timestamp(),
      expires_at timestamptz not null
    ) with (fillfactor = 80);
    create index oidc_sessions_by_uid on oidc_sessions (uid);
    create index oidc_sessions_by_user on oidc_sessions (user_id) where user_id is not null;
    create index oidc_sessions_by_sid on oidc_sessions using gin (sids);
    create index oidc_sessions_expired on oidc_sessions (expires_at);

    create table oidc_objects (
      model text not null,
      id text not null,
      grant_id text references oidc_grants on delete cascade,
      user_code text,
      payload jsonb not null,
      consumed_at timestamptz,
      replay_key text,
      replay bytea,
      created_at timestamptz not null default clock_timestamp(),
      expires_at timestamptz not null,
      primary key (model, id)
    ) with (fillfactor = 80);
    create index oidc_objects_by_grant on oidc_objects (grant_id) where grant_id is not null;
    create unique index oidc_objects_by_user_code on oidc_objects (user_code) where user_code is not null;
    create index oidc_objects_expired on oidc_objects (expires_at);

    create table oidc_access_tokens (
      model text not null,
      id text not null,
      grant_id text references oidc_grants on delete cascade,
      client_id text not null references clients on delete cascade,
      payload jsonb not null,
      expires_at timestamptz not null,
      primary key (id, model, expires_at)
    ) partition by range (expires_at);
    create index oidc_access_tokens_by_grant on oidc_access_tokens (grant_id) where grant_id is not null;
    create index oidc_access_tokens_by_client on oidc_access_tokens (client_id);
    create table oidc_access_tokens_rest partition of oidc_access_tokens default;

    create table revoked_tokens (
      jti text primary key,
      expires_at timestamptz not null
    );
    create index revoked_tokens_expired on revoked_tokens (expires_at);

    -- Makes the partitions of the next days and drops those that ended; only the owner may change tables, so the server calls this.
    create function tend_access_token_partitions() returns void language plpgsql security definer set search_path = public, pg_temp as $$
    declare day date; part record;
    begin
      for day in select generate_series(current_date, current_date + 3, interval '1 day')::date loop
        if to_regclass('oidc_access_tokens_' || to_char(day, 'YYYYMMDD')) is null
          and not exists (select from oidc_access_tokens_rest where expires_at >= day and expires_at < day + 1) then
          execute format('create table %I partition of oidc_access_tokens for values from (%L) to (%L)',
            'oidc_access_tokens_' || to_char(day, 'YYYYMMDD'), day, day + 1);
        end if;
      end loop;
      for part in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'oidc_access_tokens'::regclass
        and c.relname ~ '^oidc_access_tokens_[0-9]{8}$' and to_date(right(c.relname, 8), 'YYYYMMDD') < current_date - 1 loop
        execute format('drop table %I', part.relname);
      end loop;
      delete from oidc_access_tokens_rest where expires_at < clock_timestamp() - interval '1 day';
    end $$;
    select tend_access_token_partitions();
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop function tend_access_token_partitions(); drop table revoked_tokens; drop table oidc_access_tokens;
    drop table oidc_objects; drop table oidc_sessions; drop table oidc_grants;
  `);
}
