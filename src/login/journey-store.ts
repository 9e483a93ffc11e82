import type { Database, Sql } from '../infra/postgres.ts';
import { type Journey, stateOf } from './journey.ts';

export interface JourneyRow {
  kind: 'browser' | 'direct';
  clientId: string | undefined;
  expiresAt: Date;
}

/** Stores the journey's next state if it still is at the version that was read. Answers false, having done nothing, where it moved on meanwhile. */
export async function saveJourney(sql: Sql, journey: Journey, { kind, clientId, expiresAt }: JourneyRow): Promise<boolean> {
  const { rows } = await sql.raw<{ rows: unknown[] }>(
    `insert into journeys as j (id, kind, client_id, user_id, state, expires_at) values (?, ?, ?, ?, ?::jsonb, ?)
     on conflict (id) do update set state = excluded.state, user_id = excluded.user_id, version = j.version + 1 where j.version = ? returning 1`,
    [journey.id, kind, clientId ?? null, journey.accountId ?? null, JSON.stringify(stateOf(journey)), expiresAt, journey.version],
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

/**
 * Whether the journey is still there; waits for whoever is just deleting it. Asked after a sign-in's result was stored: whoever ends a person's
 * access deletes journeys first and finished sign-ins then, so that one of the two sees the other.
 */
export async function stillStands(db: Database, id: string): Promise<boolean> {
  const statement = { name: 'login-journey-stands', text: 'select 1 as one from journeys where id = $1 for key share' };
  return (await db.query(statement, [id])).length === 1;
}

/** Every journey of a person, and the codes on their way, when the password changes or the person is shut out. */
export async function deleteJourneysOf(sql: Sql, userId: string, except?: string): Promise<void> {
  await sql.raw('delete from journeys where user_id = ? and id is distinct from ?', [userId, except ?? null]);
  await sql.raw('delete from one_time_codes where user_id = ? and journey_id is distinct from ?', [userId, except ?? null]);
}
