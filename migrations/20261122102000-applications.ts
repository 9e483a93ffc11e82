/**
 * Applications (OAuth clients), their secrets as hashes (two may be valid at a time), the APIs they call, and what people agreed to.
 * Tenants manage them under row-level security; the protocol, which serves every tenant, reads one by its id through functions of the
 * owner's, and holds it in a cache that the triggers invalidate.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table clients (
      client_id text primary key,
      tenant_id uuid not null references tenants on delete cascade,
      metadata jsonb not null,
      enabled boolean not null default true,
      first_party boolean not null default false,
      direct_login boolean not null default false,
      profile text not null default 'default' check (profile in ('default', 'fapi2')),
      permissions text[] not null default '{}',
      allowed_origins text[] not null default '{}',
      version integer not null default 1,
      created_at timestamptz not null default clock_timestamp(),
      updated_at timestamptz not null default clock_timestamp()
    );
    create index clients_by_tenant on clients (tenant_id, created_at, client_id);

    create table client_secrets (
      id uuid primary key,
      client_id text not null references clients on delete cascade,
      tenant_id uuid not null references tenants on delete cascade,
      secret_hash text not null,
      created_at timestamptz not null default clock_timestamp(),
      expires_at timestamptz
    );
    create index client_secrets_by_client on client_secrets (client_id);
    create index client_secrets_by_tenant on client_secrets (tenant_id);

    create table resources (
      id uuid primary key,
      tenant_id uuid not null references tenants on delete cascade,
      identifier text not null unique,
      name text not null,
      scopes jsonb not null default '[]',
      access_token_format text not null default 'jwt' check (access_token_format in ('jwt', 'opaque')),
      signing_alg text not null default 'RS256' check (signing_alg in ('RS256', 'ES256', 'EdDSA')),
      access_token_ttl_seconds integer not null default 600 check (access_token_ttl_seconds between 1 and 86400),
      attributes text[] not null default '{}',
      clients text[] not null default '{}',
      version integer not null default 1,
      created_at timestamptz not null default clock_timestamp(),
      updated_at timestamptz not null default clock_timestamp()
    );
    create index resources_by_tenant on resources (tenant_id, created_at, id);

    create table consents (
      user_id uuid not null references users on delete cascade,
      client_id text not null references clients on delete cascade,
      scope text not null default '',
      resources jsonb not null default '{}',
      granted_at timestamptz not null default clock_timestamp(),
      primary key (user_id, client_id)
    );
    create index consents_by_client on consents (client_id);


    alter table clients enable row level security;
    create policy of_tenant on clients to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
    alter table client_secrets enable row level security;
    create policy of_tenant on client_secrets to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
    alter table resources enable row level security;
    create policy of_tenant on resources to gatehouse_app using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());

    create function client_for_protocol(wanted text) returns jsonb language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select jsonb_build_object('clientId', c.client_id, 'tenantId', c.tenant_id, 'metadata', c.metadata, 'enabled', c.enabled and t.status = 'active',
          'firstParty', c.first_party, 'directLogin', c.direct_login, 'profile', c.profile, 'permissions', c.permissions,
          'allowedOrigins', c.allowed_origins, 'secrets', coalesce((select jsonb_agg(jsonb_build_object('id', s.id, 'hash', s.secret_hash,
            'expiresAt', extract(epoch from s.expires_at))) from client_secrets s where s.client_id = c.client_id), '[]'))
        from clients c join tenants t on t.id = c.tenant_id where c.client_id = wanted;
      end;

    create function resource_for_protocol(wanted text) returns jsonb language sql stable security definer set search_path = public, pg_temp
      begin atomic
        select jsonb_build_object('id', r.id, 'tenantId', r.tenant_id, 'identifier', r.identifier, 'name', r.name, 'scopes', r.scopes,
          'accessTokenFormat', r.access_token_format, 'signingAlg', r.signing_alg, 'accessTokenTtlSeconds', r.access_token_ttl_seconds,
          'attributes', r.attributes, 'clients', r.clients) from resources r join tenants t on t.id = r.tenant_id where r.identifier = wanted and t.status = 'active';
      end;

    create trigger clients_changed after insert or update or delete on clients for each row execute function notify_change('clients', 'client_id');
    create trigger client_secrets_changed after insert or update or delete on client_secrets for each row execute function notify_change('clients', 'client_id');
    create trigger resources_changed after insert or update or delete on resources for each row execute function notify_change('resources', 'identifier');
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop function resource_for_protocol(text); drop function client_for_protocol(text);
    drop table consents; drop table resources; drop table client_secrets; drop table clients;
  `);
}
