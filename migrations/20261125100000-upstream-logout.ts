/** Where a session came from, so that signing out here may go on there: the connection and the provider's ID token, sealed, for as long as the session is. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw('alter table oidc_sessions add column upstream bytea');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table oidc_sessions drop column upstream');
}
