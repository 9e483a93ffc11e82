/**
 * How often everything that lets somebody in as a person was ended. A sign-in that was judged before and is written down afterwards finds another
 * number than it began with, and comes to nothing.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw('alter table users add column access_epoch integer not null default 0');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table users drop column access_epoch');
}
