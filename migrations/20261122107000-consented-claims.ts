/**
 * Applications may ask for single claims beside scopes (OpenID Connect Core section 5.5). What a person agreed to is remembered for
 * these as it is for scopes, or they would be asked at each sign-in.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`alter table consents add column claims text not null default ''`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table consents drop column claims');
}
