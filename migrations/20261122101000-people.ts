/**
 * People are global, with a home tenant that alone rules what identifies and authenticates them; rights are per tenant, in
 * memberships, which row-level security guards. Every person has a key of their own: what the audit log and the session list know of
 * their address and device is sealed under it, and deleting the key erases it. What a login method stores is one row in `credentials`.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table users (
      id uuid primary key,
      home_tenant_id uuid not null references tenants,
      username text, username_key text unique,
      email text, email_key text unique, email_verified_at timestamptz,
      phone text unique, phone_verified_at timestamptz,
      given_name text, family_name text, locale text,
      status text not null default 'active' check (status in ('active', 'disabled')),
      attributes jsonb not null default '{}',
      settings jsonb not null default '{}',
      terms_version text,
      version integer not null default 1,
      created_at timestamptz not null default clock_timestamp(),
      updated_at timestamptz not null default clock_timestamp(),
      last_login_at timestamptz
    );
    create index users_by_home on users (home_tenant_id, created_at, id);

    create table person_keys (
      user_id uuid primary key,
      sealed bytea not null,
      created_at timestamptz not null default clock_timestamp()
    );

    create table memberships (
      tenant_id uuid not null references tenants on delete cascade,
      user_id uuid not null references users on delete cascade,
      roles text[] not null default '{}',
      created_at timestamptz not null default clock_timestamp(),
      primary key (tenant_id, user_id)
    );
    create index memberships_by_user on memberships (user_id);
    create index memberships_by_age on memberships (tenant_id, created_at, user_id);
    alter table memberships enable row level security;
    create policy of_tenant on memberships to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());

    -- A person's own memberships, for sign-in and tokens: asked by person, never by tenant.
    create function memberships_of(person uuid) returns table (tenant_id uuid, slug text, name text, status text, roles text[])
      language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select m.tenant_id, t.slug, t.name, t.status, m.roles from memberships m join tenants t on t.id = m.tenant_id where m.user_id = person;
      end;

    create table credentials (
      id uuid primary key,
      user_id uuid not null references users on delete cascade,
      type text not null,
      name text,
      data jsonb not null default '{}',
      sealed bytea,
      lookup text,
      version integer not null default 1,
      created_at timestamptz not null default clock_timestamp(),
      updated_at timestamptz not null default clock_timestamp(),
      last_used_at timestamptz
    );
    create index credentials_by_user on credentials (user_id, type);
    create unique index credentials_one_password on credentials (user_id) where type = 'password';
    create unique index credentials_by_lookup on credentials (type, lookup) where lookup is not null;

    -- Where a sign-in, registration or reset stands; 'id' is a hash of what the browser or the client holds.
    create table journeys (
      id text primary key,
      kind text not null,
      client_id text,
      user_id uuid references users on delete cascade,
      state jsonb not null,
      version integer not null default 1,
      created_at timestamptz not null default clock_timestamp(),
      expires_at timestamptz not null
    );
    create index journeys_expired on journeys (expires_at);
    create index journeys_by_user on journeys (user_id) where user_id is not null;

    -- One-time codes: keyed hashes, bound to journey, purpose and recipient; attempts are counted over all of an account's.
    create table one_time_codes (
      id uuid primary key,
      purpose text not null,
      recipient_hash text not null,
      journey_id text,
      user_id uuid references users on delete cascade,
      code_hash text not null,
      sealed bytea,
      created_at timestamptz not null default clock_timestamp(),
      expires_at timestamptz not null,
      consumed_at timestamptz
    );
    create index one_time_codes_by_recipient on one_time_codes (recipient_hash, purpose);
    create index one_time_codes_by_journey on one_time_codes (journey_id);
    create index one_time_codes_expired on one_time_codes (expires_at);
    create index one_time_codes_by_user on one_time_codes (user_id) where user_id is not null;

    -- Devices from which a person has signed in before: a soft lock does not hold them.
    create table known_devices (
      user_id uuid not null references users on delete cascade,
      device_hash text not null,
      created_at timestamptz not null default clock_timestamp(),
      last_seen_at timestamptz not null default clock_timestamp(),
      primary key (user_id, device_hash)
    );
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop table known_devices; drop table one_time_codes; drop table journeys; drop table credentials;
    drop function memberships_of(uuid); drop table memberships; drop table person_keys; drop table users;
  `);
}
