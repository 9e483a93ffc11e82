/**
 * A phone number is somebody's once it is proven: until then anybody may say it is theirs, so that nobody learns by a conflict who is known elsewhere,
 * or takes a number from whoever has it.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table users drop constraint users_phone_key;
    create unique index users_phone_key on users (phone) where phone_verified_at is not null;
    create index users_by_phone on users (phone) where phone is not null;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop index users_by_phone;
    drop index users_phone_key;
    update users u set phone = null where u.phone_verified_at is null
      and exists (select from users o where o.phone = u.phone and o.id <> u.id and (o.phone_verified_at is not null or o.id < u.id));
    alter table users add constraint users_phone_key unique (phone);
  `);
}
