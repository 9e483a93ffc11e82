/** A person's own events by pages: the position is an instant and an id, since two events may bear the same instant. */
import type { Knex } from 'knex';

const HEAD = `returns setof audit_events language sql stable security definer set search_path = public, pg_temp`;

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    drop function audit_events_of(uuid, timestamptz, integer);
    create function audit_events_of(person uuid, before timestamptz, before_id uuid, most integer) ${HEAD}
      begin atomic
        select * from audit_events where person_id = person and (at, id) < (before, before_id) order by at desc, id desc limit least(most, 201);
      end`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop function audit_events_of(uuid, timestamptz, uuid, integer);
    create function audit_events_of(person uuid, before timestamptz, most integer) ${HEAD}
      begin atomic
        select * from audit_events where person_id = person and at < before order by at desc limit least(most, 200);
      end`);
}
