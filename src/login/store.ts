/** Sign-in reads in one statement what it has to know, and writes in one what it decided. */

import type { AuditRow } from '../features/audit/index.ts';
import { auditInsertText } from '../features/audit/store.ts';
import type { Keys } from '../features/users/names.ts';
import type { Database, Statement } from '../infra/postgres.ts';
import { freshJourney, type Journey, parseState, stateOf } from './journey.ts';
import type { Account, CredentialUpdate } from './method.ts';
import { loginSettingsOf, type TenantLoginSettings } from './policy.ts';

export interface AttemptFacts {
  journey: Journey;
  account: Account | undefined;
  /** The browser has signed this person in before. */
  knownDevice: boolean;
  settings: TenantLoginSettings;
}

const ACCOUNT = `json_build_object('id', u.id, 'homeTenantId', u.home_tenant_id, 'active', u.status = 'active' and t.status = 'active', 'email', u.email,
  'emailVerified', u.email_verified_at is not null, 'known', exists (select from known_devices d where d.user_id = u.id and d.device_hash = $5::text),
  'credentials', coalesce((select json_agg(json_build_object('id', c.id, 'type', c.type, 'data', c.data, 'version', c.version)) from credentials c
    where c.user_id = u.id), '[]'))`;

const FIND_ATTEMPT: Statement = {
  name: 'login-find-attempt',
  text: `with journey as (select state, version from journeys where id = $1::text and expires_at > $6::timestamptz),
    wanted as (
      select (state ->> 'accountId')::uuid as id from journey where not $8::boolean
      union select id from users where email_key = $2::text and $8
      union select id from users where username_key = $3::text and $8
      union select id from users where phone = $4::text and $8)
    select (select settings from tenants where id = $7::uuid) as settings, (select state from journey) as state, (select version from journey) as version,
      (select ${ACCOUNT} from users u join tenants t on t.id = u.home_tenant_id where u.id in (select id from wanted) limit 1) as account`,
};

/** Everything an attempt is judged by. Without `claimed` the account is the one that the journey has reached. */
export async function findAttempt(
  db: Database,
  by: {
    journeyId: string;
    claimed?: Keys | undefined;
    deviceHash?: string | undefined;
    tenantId: string;
    now: Date;
  },
): Promise<AttemptFacts> {
  const [row] = await db.query<{
    settings: unknown;
    state: unknown;
    version: number | null;
    account: (Account & { known: boolean }) | null;
  }>(FIND_ATTEMPT, [
    by.journeyId,
    by.claimed?.email ?? null,
    by.claimed?.username ?? null,
    by.claimed?.phone ?? null,
    by.deviceHash ?? null,
    by.now,
    by.tenantId,
    by.claimed !== undefined,
  ]);
  const state = row?.version == null ? undefined : parseState(row.state);
  return {
    journey: state ? { id: by.journeyId, version: row!.version!, ...state } : freshJourney(by.journeyId),
    account: row?.account ? { ...row.account, email: row.account.email ?? undefined } : undefined,
    knownDevice: row?.account?.known ?? false,
    settings: loginSettingsOf(row?.settings),
  };
}

export interface Advance {
  userId: string;
  at: Date;
  /** Undefined where nothing has to be remembered: the sign-in of a client that is over at once. */
  journey: { kind: string; clientId: string | undefined; next: Journey; expiresAt: Date } | undefined;
  update: CredentialUpdate | undefined;
  judged: { id: string; version: number } | undefined;
  signedIn: boolean;
  deviceHash: string | undefined;
  audit: readonly AuditRow[];
}

// Whoever changes a password locks the person first, then the credential, and then ends what is under way: either it sees this journey, or
// this sees that the password that was judged is the old one by now. The person's row is written where it is locked: locked first and written
// later in one statement, two sign-ins of one person at the same instant waited for each other in a circle.
const usedText = (
  first: number,
): string => `held as materialized (update users set last_login_at = case when $3::boolean then $2::timestamptz else last_login_at end
      where id = $1::uuid and ($${first}::uuid is not null or $4::uuid is not null) returning id),
    used as (update credentials set data = $5::jsonb, version = version + 1, updated_at = $2::timestamptz, last_used_at = $2
      where id = $4::uuid and user_id = $1::uuid and version = $6::integer and exists (select from held) returning 1),
    still as (select 1 from credentials c join held h on h.id = c.user_id where c.id = $${first}::uuid and c.version = $${first + 1}::integer for share of c)`;
const mayGo = (first: number): string =>
  `(not $7::boolean or exists (select from used)) and ($${first}::uuid is null or exists (select from still))`;

const GO_ON = `${usedText(16)}, go as (insert into journeys as j (id, kind, client_id, user_id, state, expires_at)
    select $10::text, $11::text, $12::text, $1::uuid, $13::jsonb, $14::timestamptz where ${mayGo(16)}
    on conflict (id) do update set state = excluded.state, user_id = excluded.user_id, version = j.version + 1 where j.version = $15::integer returning 1)`;
const GO_AT_ONCE = `${usedText(10)}, go as (select 1 where ${mayGo(10)})`;

const advanceText = (go: string): string => `with ${go},
    login as (update users set last_login_at = $2::timestamptz from go where id = $1::uuid and $3::boolean and not exists (select from held) returning 1),
    device as (insert into known_devices as d (user_id, device_hash, created_at, last_seen_at) select $1::uuid, $8::text, $2::timestamptz, $2 from go
      where $8::text is not null on conflict (user_id, device_hash) do update set last_seen_at = excluded.last_seen_at),
    audit as (${auditInsertText('$9', 'go')})
    select exists (select from go) as advanced`;

const ADVANCE: Statement = { name: 'login-advance', text: advanceText(GO_ON) };
const ADVANCE_AT_ONCE: Statement = { name: 'login-advance-at-once', text: advanceText(GO_AT_ONCE) };

/**
 * Writes a proof with its audit rows: all of it, or nothing and false, where the journey moved on meanwhile or what may be used once was
 * used by somebody else, or what was judged was changed.
 */
export async function advance(db: Database, change: Advance): Promise<boolean> {
  const { userId, at, journey, update, judged, signedIn, deviceHash, audit } = change;
  const still = [judged?.id ?? null, judged?.version ?? null];
  const values: unknown[] = [
    userId,
    at,
    signedIn,
    update?.id ?? null,
    update ? JSON.stringify(update.data) : null,
    update?.version ?? null,
    update?.required ?? false,
    deviceHash ?? null,
    JSON.stringify(audit),
  ];
  const [row] = journey
    ? await db.query<{ advanced: boolean }>(ADVANCE, [
        ...values,
        journey.next.id,
        journey.kind,
        journey.clientId ?? null,
        JSON.stringify(stateOf(journey.next)),
        journey.expiresAt,
        journey.next.version,
        ...still,
      ])
    : await db.query<{ advanced: boolean }>(ADVANCE_AT_ONCE, [...values, ...still]);
  return row?.advanced ?? false;
}

const FIND_JOURNEY: Statement = {
  name: 'login-find-journey',
  text: `select state, version, (select settings from tenants where id = $2::uuid) as settings
    from (select 1) one left join journeys on id = $1::text and expires_at > $3::timestamptz`,
};

/** Where a journey stands, with the tenant's settings; a fresh one where there is none. */
export async function findJourney(
  db: Database,
  id: string,
  tenantId: string,
  now: Date,
): Promise<{ journey: Journey; settings: TenantLoginSettings }> {
  const [row] = await db.query<{ state: unknown; version: number | null; settings: unknown }>(FIND_JOURNEY, [id, tenantId, now]);
  const state = row?.version == null ? undefined : parseState(row.state);
  return { journey: state ? { id, version: row!.version!, ...state } : freshJourney(id), settings: loginSettingsOf(row?.settings) };
}
