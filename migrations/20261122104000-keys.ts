/**
 * Signing keys: sealed private parts, and a state that moves next -> active -> retired -> gone. A key is published before it signs and after it
 * stopped, for as long as anybody may have cached the key set. `server_secrets` holds what all nodes must share besides: cookie keys, the DPoP nonce secret.
 */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table signing_keys (
      kid text primary key,
      alg text not null check (alg in ('RS256', 'ES256', 'EdDSA')),
      state text not null check (state in ('next', 'active', 'retired', 'revoked')),
      public_jwk jsonb not null,
      sealed bytea not null,
      created_at timestamptz not null default clock_timestamp(),
      published_at timestamptz not null default clock_timestamp(),
      activated_at timestamptz,
      retired_at timestamptz,
      revoked_at timestamptz
    );
    create unique index signing_keys_one_active on signing_keys (alg) where state = 'active';
    create unique index signing_keys_one_next on signing_keys (alg) where state = 'next';

    create table server_secrets (
      id uuid primary key,
      kind text not null,
      sealed bytea not null,
      created_at timestamptz not null default clock_timestamp()
    );
    create index server_secrets_by_kind on server_secrets (kind, created_at desc);

    create trigger signing_keys_changed after insert or update or delete on signing_keys for each row execute function notify_change('keys', 'kid');
    create trigger server_secrets_changed after insert or update or delete on server_secrets for each row execute function notify_change('keys', 'id');
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table server_secrets; drop table signing_keys;');
}
