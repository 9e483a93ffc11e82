/** What an enrolment has to remember between its two steps: a row of `journeys`, so that whatever ends a person's journeys ends it too. */
import type { Database, Sql, Statement } from '../../infra/postgres.ts';

export interface CeremonyRow {
  id: string;
  userId: string;
  /** Base64. */
  sealed: string;
  expiresAt: Date;
}

const KEEP: Statement = {
  name: 'enrolment-keep',
  text: `insert into journeys (id, kind, user_id, state, expires_at) values ($1, 'enrolment', $2, $3::jsonb, $4)
    on conflict (id) do update set user_id = excluded.user_id, state = excluded.state, expires_at = excluded.expires_at, version = 1
    where journeys.kind = 'enrolment'`,
};

/** In place of what is kept under the same id. */
export async function keepCeremony(db: Database, { id, userId, sealed, expiresAt }: CeremonyRow): Promise<void> {
  await db.query(KEEP, [id, userId, JSON.stringify({ sealed }), expiresAt]);
}

const FIND: Statement = {
  name: 'enrolment-find',
  text: `select state ->> 'sealed' as sealed from journeys where id = $1 and user_id = $2 and kind = 'enrolment' and expires_at > $3 and version <= $4`,
};

/** What is kept, where it may still be tried. */
export async function findCeremony(
  db: Database,
  by: { id: string; userId: string; now: Date; tries: number },
): Promise<string | undefined> {
  const [row] = await db.query<{ sealed: string }>(FIND, [by.id, by.userId, by.now, by.tries]);
  return row?.sealed;
}

const COUNT: Statement = {
  name: 'enrolment-count',
  text: `update journeys set version = version + 1 where id = $1 and user_id = $2 and kind = 'enrolment' and expires_at > $3 and version <= $4
    returning state ->> 'sealed' as sealed`,
};

/** Counts a try before it is judged: of any number at once no more than `tries` are answered with what is kept. */
export async function countCeremonyTry(
  db: Database,
  by: { id: string; userId: string; now: Date; tries: number },
): Promise<string | undefined> {
  const [row] = await db.query<{ sealed: string }>(COUNT, [by.id, by.userId, by.now, by.tries]);
  return row?.sealed;
}

/** Uses it up; false where somebody else did, or it was ended meanwhile. */
export async function takeCeremony(sql: Sql, id: string, userId: string): Promise<boolean> {
  const { rows } = await sql.raw<{ rows: unknown[] }>(
    `delete from journeys where id = ? and user_id = ? and kind = 'enrolment' returning id`,
    [id, userId],
  );
  return rows.length === 1;
}
