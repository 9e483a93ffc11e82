/** Sign-in reads in one statement what it has to know, and writes in one what it decided. */

import type { AuditRow } from '../features/audit/index.ts';
import { auditInsertText } from '../features/audit/store.ts';
import type { Keys } from '../features/users/names.ts';
import type { Database, Statement } from '../infra/postgres.ts';
import { freshJourney, type Journey, parseState, stateOf } from './journey.ts';
import type { Sealed } from './journey-store.ts';
import type { Account, CredentialUpdate } from './method.ts';
import { loginSettingsOf, type TenantLoginSettings } from './policy.ts';

export interface AttemptFacts {
  journey: Journey;
  account: Account | undefined;
  /** The browser has signed this person in before. */
  knownDevice: boolean;
  /** And the person said that it may stand in for a second factor, not too long ago. */
  trustedDevice: boolean;
  settings: TenantLoginSettings;
}

interface StoredAccount extends Omit<Account, 'credentials' | 'email' | 'phone'> {
  email: string | null;
  phone: string | null;
  known: boolean;
  trusted: boolean;
  credentials: readonly {
    id: string;
    type: string;
    data: unknown;
    version: number;
    sealed: string | null;
    name: string | null;
    createdAt: string;
  }[];
}

const accountText = (
  device: string,
  now: string,
): string => `json_build_object('id', u.id, 'homeTenantId', u.home_tenant_id, 'active', u.status = 'active' and t.status = 'active', 'email', u.email,
  'emailVerified', u.email_verified_at is not null, 'accessEpoch', u.access_epoch, 'signedInBefore', u.last_login_at is not null, 'phone', u.phone, 'phoneVerified', u.phone_verified_at is not null,
  'known', exists (select from known_devices d where d.user_id = u.id and d.device_hash = ${device}::text),
  'trusted', exists (select from known_devices d where d.user_id = u.id and d.device_hash = ${device}::text and d.trusted_until > ${now}::timestamptz),
  'credentials', coalesce((select json_agg(json_build_object('id', c.id, 'type', c.type, 'data', c.data, 'version', c.version,
    'sealed', encode(c.sealed, 'base64'), 'name', c.name, 'createdAt', c.created_at) order by c.created_at, c.id) from credentials c
    where c.user_id = u.id), '[]'))`;

// Whoever has proven who they are is that person from then on, whatever is typed.
const FIND_ATTEMPT: Statement = {
  name: 'login-find-attempt',
  text: `with journey as (select state, version, jsonb_array_length(state -> 'proofs') > 0 as proven from journeys where id = $1::text and expires_at > $6::timestamptz),
    asked as (select $8::boolean and not exists (select from journey where proven) as by_claim),
    wanted as (
      select (j.state ->> 'accountId')::uuid as id from journey j, asked where not by_claim
      union select id from users, asked where email_key = $2::text and by_claim
      union select id from users, asked where username_key = $3::text and by_claim
      union select u.id from users u, asked where u.phone = $4::text and by_claim
        and (u.phone_verified_at is not null or not exists (select from users o where o.phone = $4::text and o.id <> u.id))
      union select user_id from credentials, asked where type = $9::text and lookup = $10::text and by_claim)
    select (select settings from tenants where id = $7::uuid) as settings, (select state from journey) as state, (select version from journey) as version,
      (select ${accountText('$5', '$6')} from users u join tenants t on t.id = u.home_tenant_id where u.id in (select id from wanted) limit 1) as account`,
};

/** Everything an attempt is judged by. Without `claimed` and `lookup`, or where somebody is proven, the account is the one that the journey has reached. */
export async function findAttempt(
  db: Database,
  by: {
    journeyId: string;
    claimed?: Keys | undefined;
    lookup?: { type: string; lookup: string } | undefined;
    deviceHash?: string | undefined;
    tenantId: string;
    now: Date;
  },
): Promise<AttemptFacts> {
  const [row] = await db.query<{
    settings: unknown;
    state: unknown;
    version: number | null;
    account: StoredAccount | null;
  }>(FIND_ATTEMPT, [
    by.journeyId,
    by.claimed?.email ?? null,
    by.claimed?.username ?? null,
    by.claimed?.phone ?? null,
    by.deviceHash ?? null,
    by.now,
    by.tenantId,
    by.claimed !== undefined || by.lookup !== undefined,
    by.lookup?.type ?? null,
    by.lookup?.lookup ?? null,
  ]);
  const state = row?.version == null ? undefined : parseState(row.state);
  return {
    journey: state ? { id: by.journeyId, version: row!.version!, ...state } : freshJourney(by.journeyId),
    account: row?.account ? accountOf(row.account) : undefined,
    knownDevice: row?.account?.known ?? false,
    trustedDevice: row?.account?.trusted ?? false,
    settings: loginSettingsOf(row?.settings),
  };
}

const accountOf = ({ known: _known, trusted: _trusted, credentials, email, phone, ...rest }: StoredAccount): Account => ({
  ...rest,
  email: email ?? undefined,
  phone: phone ?? undefined,
  credentials: credentials.map(({ sealed, name, createdAt, ...credential }) => ({
    ...credential,
    sealed: sealed === null ? undefined : Buffer.from(sealed, 'base64'),
    name: name ?? undefined,
    createdAt: new Date(createdAt),
  })),
});

const FIND_ACCOUNT: Statement = {
  name: 'login-find-account',
  text: `select ${accountText('$2', '$3')} as account from users u join tenants t on t.id = u.home_tenant_id where u.id = $1::uuid`,
};

/** The account with this id, and whether the device is one that the person trusts. */
export async function findAccount(
  db: Database,
  id: string,
  { deviceHash, now }: { deviceHash?: string | undefined; now: Date },
): Promise<{ account: Account; knownDevice: boolean; trustedDevice: boolean } | undefined> {
  const [row] = await db.query<{ account: StoredAccount }>(FIND_ACCOUNT, [id, deviceHash ?? null, now]);
  return row && { account: accountOf(row.account), knownDevice: row.account.known, trustedDevice: row.account.trusted };
}

export interface Advance {
  userId: string;
  at: Date;
  /** Undefined where nothing has to be remembered: the sign-in of a client that is over at once. */
  journey: { kind: string; clientId: string | undefined; next: Journey; expiresAt: Date } | undefined;
  update: CredentialUpdate | undefined;
  judged: { id: string; version: number } | undefined;
  signedIn: boolean;
  device: Sealed | undefined;
  /** Until when the device may stand in for a second factor. */
  trustedUntil?: Date | undefined;
  /** The one-time code that is used up by this. */
  codeId?: string | undefined;
  /** The address's key that the code has proven to be the person's, if it still is theirs. */
  provenEmail?: string | undefined;
  /** How often the person's access had been ended when the proof was judged. */
  epoch: number | undefined;
  audit: readonly AuditRow[];
}

// Whoever ends somebody's access, as by a new password, locks the person first, then the credential, and then ends what is under way: either it
// sees this journey, or this sees that access was ended since the proof was judged. The person's row is written where it is locked: locked first
// and written later in one statement, two sign-ins of one person at the same instant waited for each other in a circle.
const usedText = (first: number): string => {
  const [judged, version, code, email, epoch] = [first, first + 1, first + 2, first + 3, first + 4];
  return `held as materialized (update users set last_login_at = case when $3::boolean then $2::timestamptz else last_login_at end,
      email_verified_at = case when email_key = $${email}::text then coalesce(email_verified_at, $2) else email_verified_at end
      where id = $1::uuid and ($${epoch}::integer is null or access_epoch = $${epoch}) returning id),
    used as (update credentials set data = $5::jsonb, version = version + 1, updated_at = $2::timestamptz, last_used_at = $2
      where id = $4::uuid and user_id = $1::uuid and version = $6::integer and exists (select from held) returning 1),
    code as (update one_time_codes set consumed_at = $2 where id = $${code}::uuid and consumed_at is null and expires_at > $2 and exists (select from held) returning 1),
    still as (select 1 from credentials c join held h on h.id = c.user_id where c.id = $${judged}::uuid and c.version = $${version}::integer for share of c)`;
};
const mayGo = (first: number): string => `exists (select from held) and (not $7::boolean or exists (select from used))
      and ($${first}::uuid is null or exists (select from still)) and ($${first + 2}::uuid is null or exists (select from code))`;

// A journey that was begun before goes on only while it is there: who ends access deletes it.
const GO_ON = `${usedText(17)},
    moved as (update journeys j set state = $14::jsonb, user_id = $1::uuid, version = j.version + 1
      where j.id = $11::text and $16::integer > 0 and j.version = $16 and ${mayGo(17)} returning 1),
    made as (insert into journeys (id, kind, client_id, user_id, state, expires_at)
      select $11, $12::text, $13::text, $1::uuid, $14::jsonb, $15::timestamptz where $16::integer = 0 and ${mayGo(17)} on conflict (id) do nothing returning 1),
    go as (select 1 from moved union all select 1 from made)`;
const GO_AT_ONCE = `${usedText(11)}, go as (select 1 where ${mayGo(11)})`;

const advanceText = (go: string, sealed: number): string => `with ${go},
    device as (insert into known_devices as d (user_id, device_hash, created_at, last_seen_at, trusted_until, sealed)
      select $1::uuid, $8::text, $2::timestamptz, $2, $10::timestamptz, $${sealed}::bytea from go
      where $8::text is not null on conflict (user_id, device_hash) do update set last_seen_at = excluded.last_seen_at, sealed = excluded.sealed,
        trusted_until = coalesce(excluded.trusted_until, d.trusted_until) returning xmax = 0 as made),
    audit as (${auditInsertText('$9', 'go')})
    select exists (select from go) as advanced, exists (select from device where made) as "newDevice"`;

const ADVANCE: Statement = { name: 'login-advance', text: advanceText(GO_ON, 22) };
const ADVANCE_AT_ONCE: Statement = { name: 'login-advance-at-once', text: advanceText(GO_AT_ONCE, 16) };

/**
 * Writes a proof with its audit rows, and answers whether its device is new to the person: all of it, or nothing and undefined, where the journey moved on meanwhile or what may be used once was
 * used by somebody else, or what was judged was changed, or the person's access was ended since.
 */
export async function advance(db: Database, change: Advance): Promise<{ newDevice: boolean } | undefined> {
  const { userId, at, journey, update, judged, signedIn, device, audit } = change;
  const still = [
    judged?.id ?? null,
    judged?.version ?? null,
    change.codeId ?? null,
    change.provenEmail ?? null,
    change.epoch ?? null,
    device?.sealed ?? null,
  ];
  const values: unknown[] = [
    userId,
    at,
    signedIn,
    update?.id ?? null,
    update ? JSON.stringify(update.data) : null,
    update?.version ?? null,
    update?.required ?? false,
    device?.hash ?? null,
    JSON.stringify(audit),
    change.trustedUntil ?? null,
  ];
  const [row] = journey
    ? await db.query<{ advanced: boolean; newDevice: boolean }>(ADVANCE, [
        ...values,
        journey.next.id,
        journey.kind,
        journey.clientId ?? null,
        JSON.stringify(stateOf(journey.next)),
        journey.expiresAt,
        journey.next.version,
        ...still,
      ])
    : await db.query<{ advanced: boolean; newDevice: boolean }>(ADVANCE_AT_ONCE, [...values, ...still]);
  return row?.advanced ? { newDevice: row.newDevice } : undefined;
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
