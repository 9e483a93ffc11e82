import type { Database, Sql } from '../infra/postgres.ts';
import { type Journey, stateOf } from './journey.ts';

export interface JourneyRow {
  kind: 'browser' | 'direct';
  clientId: string | undefined;
  expiresAt: Date;
}

/**
 * Stores the journey's next state if it still is at the version that was read. Answers false, having done nothing, where it moved on meanwhile,
 * or was deleted: whoever ends access ends it so.
 */
export async function saveJourney(sql: Sql, journey: Journey, { kind, clientId, expiresAt }: JourneyRow): Promise<boolean> {
  const [state, userId] = [JSON.stringify(stateOf(journey)), journey.accountId ?? null];
  const { rows } =
    journey.version === 0
      ? await sql.raw<{ rows: unknown[] }>(
          `insert into journeys (id, kind, client_id, user_id, state, expires_at) values (?, ?, ?, ?, ?::jsonb, ?) on conflict (id) do nothing returning 1`,
          [journey.id, kind, clientId ?? null, userId, state, expiresAt],
        )
      : await sql.raw<{ rows: unknown[] }>(
          `update journeys set state = ?::jsonb, user_id = ?, version = version + 1 where id = ? and version = ? returning 1`,
          [state, userId, journey.id, journey.version],
        );
  return rows.length === 1;
}

/** Forgets where somebody stood: "not you?", or a sign-in that is given up. The codes of the journey go too. */
export async function deleteJourney(db: Database, id: string): Promise<void> {
  await db.query(
    {
      name: 'login-delete-journey',
      text: 'with gone as (delete from one_time_codes where journey_id = $1) delete from journeys where id = $1',
    },
    [id],
  );
}

export interface Standing {
  epoch: number;
  link: string | undefined;
  /** The provider that the person came by, sealed for their session. */
  upstream: string | undefined;
}

/**
 * How often the access of the journey's person was ended so far, and what waits to be linked; undefined where the journey is gone. Whoever ends access deletes journeys in the
 * same transaction, so a journey that is there was not touched by any of these ends, and the session that follows from it is written only while
 * there was no further one.
 */
export async function standingOf(db: Database, id: string): Promise<Standing | undefined> {
  const text = `select u.access_epoch as epoch, j.state ->> 'link' as link, j.state ->> 'upstream' as upstream from journeys j join users u on u.id = j.user_id where j.id = $1`;
  const [row] = await db.query<{ epoch: number; link: string | null; upstream: string | null }>({ name: 'login-journey-epoch', text }, [
    id,
  ]);
  return row && { epoch: row.epoch, link: row.link ?? undefined, upstream: row.upstream ?? undefined };
}

/**
 * Every journey of a person, and the codes on their way, when the password or a factor changes or the person is shut out. No device is trusted
 * any more to stand in for a second factor.
 */
export async function deleteJourneysOf(sql: Sql, userId: string, except?: string): Promise<void> {
  await forgetTrust(sql, userId);
  await sql.raw('delete from journeys where user_id = ? and id is distinct from ?', [userId, except ?? null]);
  await sql.raw('delete from one_time_codes where user_id = ? and journey_id is distinct from ?', [userId, except ?? null]);
}

/** The devices of a person stay known, but none stands in for a second factor any more. */
export async function forgetTrust(sql: Sql, userId: string): Promise<void> {
  await sql.raw('update known_devices set trusted_until = null where user_id = ? and trusted_until is not null', [userId]);
}

/** The person has signed in on this device. */
export async function rememberDevice(sql: Sql, userId: string, device: Sealed, at: Date): Promise<void> {
  await sql.raw(
    'insert into known_devices (user_id, device_hash, sealed, created_at, last_seen_at) values (?, ?, ?, ?, ?) on conflict (user_id, device_hash) do nothing',
    [userId, device.hash, device.sealed, at, at],
  );
}

/** A device, and what is kept of it. */
export interface Sealed {
  hash: string;
  sealed: Buffer;
}
