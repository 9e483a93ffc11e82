/**
 * What sign-in through other providers asks across tenants: whose connection an id is, and who somebody is elsewhere, whichever tenant the
 * connection belongs to. Secrets never come this way.
 */
import type { Knex } from 'knex';

const HEAD = `language sql stable security definer set search_path = public, pg_temp`;

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    -- One domain leads to one connection.
    create index connections_by_domain on connections using gin (domains);
    create function tenant_of_connection(wanted uuid) returns uuid ${HEAD}
      begin atomic select tenant_id from connections where id = wanted; end;
    create function identities_of(person uuid) returns jsonb ${HEAD}
      begin atomic
        select coalesce(jsonb_agg(jsonb_build_object('id', i.id, 'connectionId', c.id, 'tenantId', c.tenant_id, 'key', c.key, 'kind', c.kind, 'name', c.name,
          'enabled', c.enabled, 'sealed', encode(i.sealed, 'base64'), 'createdAt', i.created_at, 'lastUsedAt', i.last_used_at) order by i.created_at, i.id), '[]')
        from identities i join connections c on c.id = i.connection_id where i.user_id = person;
      end;
    create index identities_by_upstream_session on identities (connection_id, upstream_sid) where upstream_sid is not null;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop index identities_by_upstream_session; drop function identities_of(uuid); drop function tenant_of_connection(uuid); drop index connections_by_domain;
  `);
}
