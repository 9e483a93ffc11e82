/**
 * What requests need beside their subject: kept answers for Idempotency-Key (sealed), counters of the limits in the shape that
 * rate-limiter-flexible works with, and the development mailbox (sealed: codes never lie in the database in the clear).
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table idempotency_keys (
      id text primary key,
      request_hash text not null,
      status integer,
      sealed bytea,
      created_at timestamptz not null default clock_timestamp(),
      expires_at timestamptz not null
    );
    create index idempotency_keys_expired on idempotency_keys (expires_at);

    create table rate_limits (
      key varchar(255) primary key,
      points integer not null default 0,
      expire bigint
    );
    create index rate_limits_expired on rate_limits (expire);

    create table dev_messages (
      id uuid primary key,
      at timestamptz not null default clock_timestamp(),
      sealed bytea not null
    );
    create index dev_messages_by_time on dev_messages (at desc);
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table dev_messages; drop table rate_limits; drop table idempotency_keys;');
}
