/** A sign-in that is finished and waits for the browser to come back dies with everything else that lets a person in; this finds it. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`create index oidc_objects_signed_in on oidc_objects ((payload -> 'result' -> 'login' ->> 'accountId'))
    where model = 'Interaction' and payload -> 'result' -> 'login' ->> 'accountId' is not null`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop index oidc_objects_signed_in');
}
