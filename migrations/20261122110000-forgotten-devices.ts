/** Devices that nobody has come from for a year are swept; this finds them. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw('create index known_devices_seen on known_devices (last_seen_at)');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop index known_devices_seen');
}
