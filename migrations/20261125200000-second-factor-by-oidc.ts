/** A tenant's second-factor service may be an OpenID provider too: then it has no address to post to, and what is sealed is the client's secret. */
import type { Knex } from 'knex';

const service = (more: string): string => `
  create or replace function second_factor_service_of(tenant uuid) returns jsonb language sql stable security definer set search_path = public, pg_temp
    begin atomic
      select jsonb_build_object('tenantId', tenant_id, 'revision', revision, 'url', url, 'tokenSealed', encode(token_sealed, 'base64'),
        'roles', to_jsonb(roles), 'whenUnavailable', when_unavailable${more})
      from second_factor_services where tenant_id = tenant;
    end;`;

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table second_factor_services alter column url drop not null,
      -- Issuer, client and what is asked of its answers.
      add column oidc jsonb,
      add check (num_nonnulls(url, oidc) = 1);
    ${service(`, 'oidc', oidc`)}
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    delete from second_factor_services where url is null;
    ${service('')}
    alter table second_factor_services drop column oidc, alter column url set not null;
  `);
}
