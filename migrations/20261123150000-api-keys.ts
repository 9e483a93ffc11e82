/**
 * Keys that a key made end with it and may never do more: one level, so that a look-up stays one statement of bounded cost. A tenant that forbids
 * keys stops those there are. Indexes by which the log of authentications is read: by address, what came from outside, and failed sign-ins.
 */
import type { Knex } from 'knex';

const HEAD = `language sql stable security definer set search_path = public, pg_temp`;

const KEY = (maker: boolean): string => `create or replace function api_key_for_protocol(hash text) returns jsonb ${HEAD}
      begin atomic
        select jsonb_build_object('id', k.id, 'tenantId', k.tenant_id, 'tenantType', t.type, 'lastUsedAt', extract(epoch from k.last_used_at),
          'permissions', ${maker ? 'case when m.id is null then k.permissions else array(select unnest(k.permissions) intersect select unnest(m.permissions)) end' : 'k.permissions'},
          ${maker ? `'expiresAt', extract(epoch from least(k.expires_at, m.expires_at)),` : ''}
          'alive', t.status = 'active' and (k.expires_at is null or k.expires_at > clock_timestamp())
            ${maker ? `and (m.expires_at is null or m.expires_at > clock_timestamp()) and t.settings #> '{security,apiKeys}' is distinct from 'false'::jsonb` : ''}
            and (k.owner_user_id is null or (u.status = 'active' and h.status = 'active')) and (k.owner_client_id is null or c.enabled),
          'owner', case when k.owner_user_id is null then jsonb_build_object('type', 'client', 'id', k.owner_client_id, 'permissions', c.permissions, 'tenantId', c.tenant_id)
            else jsonb_build_object('type', 'user', 'id', k.owner_user_id, 'roles', role_names_of(k.owner_user_id, k.tenant_id)) end)
        from api_keys k join tenants t on t.id = k.tenant_id left join users u on u.id = k.owner_user_id left join tenants h on h.id = u.home_tenant_id
          left join clients c on c.client_id = k.owner_client_id ${maker ? 'left join api_keys m on m.id = k.maker_id' : ''}
        where k.key_hash = hash;
      end;`;

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table api_keys add column maker_id uuid references api_keys on delete cascade;
    create index api_keys_by_maker on api_keys (maker_id) where maker_id is not null;
    ${KEY(true)}
    -- What bounds the keys that this one makes, whichever tenant it is in.
    create function api_key_bounds(key_id uuid) returns jsonb ${HEAD}
      begin atomic select jsonb_build_object('expiresAt', extract(epoch from expires_at), 'made', maker_id is not null) from api_keys where id = key_id; end;

    create index audit_events_external on audit_events (tenant_id, at desc, id desc) where type like 'external.%';
    create index audit_events_failed on audit_events (tenant_id, at desc, id desc)
      where outcome = 'failure' and (type = 'login.refused' or type like 'external.%');
    create index audit_events_by_address on audit_events (tenant_id, address_hash, at desc, id desc) where address_hash is not null and type <> 'token.issued';
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop index audit_events_by_address; drop index audit_events_failed; drop index audit_events_external;
    drop function api_key_bounds(uuid);
    ${KEY(false)}
    alter table api_keys drop column maker_id;
  `);
}
