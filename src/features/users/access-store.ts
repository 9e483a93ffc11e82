/** What lets a person in, and how they came in. */
import type { Database, Sql } from '../../infra/postgres.ts';

export interface FactorRow {
  id: string;
  type: string;
  name: string | null;
  created_at: Date;
  last_used_at: Date | null;
}

/** A person's factors, the password among them, oldest first; never what they hold. */
export const listFactors = (sql: Sql, userId: string): Promise<FactorRow[]> =>
  sql('credentials')
    .select<FactorRow[]>('id', 'type', 'name', 'created_at', 'last_used_at')
    .where({ user_id: userId })
    .orderBy(['created_at', 'id'])
    .limit(200);

/** Deletes one factor of the person, or all. Answers their types. */
export async function deleteFactors(sql: Sql, userId: string, id?: string): Promise<string[]> {
  const query = sql('credentials').where({ user_id: userId });
  if (id !== undefined) query.where({ id });
  return (await query.delete().returning<{ type: string }[]>('type')).map(({ type }) => type);
}

export interface AttemptRow {
  id: string;
  at: Date;
  position: string;
  outcome: 'success' | 'failure';
  reason: string | null;
  client_id: string | null;
  person_id: string | null;
  sealed: Buffer | null;
  data: Record<string, unknown>;
}

const ATTEMPTS = {
  name: 'login-attempts-of-person',
  text: `select id, at, at::text as position, outcome, reason, client_id, person_id, sealed, data
    from login_attempts_of($1, $2, coalesce($3::timestamptz, 'infinity'), coalesce($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'), $5) order by at desc, id desc`,
};

/** Sign-in attempts of a person, newest first; those in one tenant where one is named. */
export const listAttempts = (
  db: Database,
  userId: string,
  within: string | undefined,
  limit: number,
  after?: readonly [position: string, id: string],
): Promise<AttemptRow[]> => db.query<AttemptRow>(ATTEMPTS, [userId, within ?? null, after?.[0] ?? null, after?.[1] ?? null, limit]);
