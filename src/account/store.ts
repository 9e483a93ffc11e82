import type { Database, Sql } from '../infra/postgres.ts';

export interface AgreementRow {
  client_id: string;
  scope: string;
  claims: string;
  resources: Record<string, string>;
  granted_at: Date;
}

/** What a person agreed to, application by application. */
export const findAgreements = (db: Database, userId: string): Promise<AgreementRow[]> =>
  db.query<AgreementRow>(
    {
      name: 'account-agreements',
      text: 'select client_id, scope, claims, resources, granted_at from consents where user_id = $1 order by client_id',
    },
    [userId],
  );

export interface MembershipRow {
  tenant_id: string;
  name: string;
  type: string;
  status: 'active' | 'suspended' | 'deleted';
  roles: string[];
}

/** Of all tenants, by name. */
export const findMemberships = (db: Database, userId: string): Promise<MembershipRow[]> =>
  db.query<MembershipRow>(
    { name: 'account-memberships', text: 'select tenant_id, name, type, status, roles from memberships_of($1) order by name, tenant_id' },
    [userId],
  );

/** A change of address or number that waits for its code, in place of what the same name stood for. It goes with everything else that the person has under way. */
export async function keepContactChange(sql: Sql, change: { id: string; userId: string; sealed: string; expiresAt: Date }): Promise<void> {
  await sql.raw(
    `insert into journeys (id, kind, user_id, state, expires_at) values (?, 'contact', ?, ?::jsonb, ?)
     on conflict (id) do update set state = excluded.state, expires_at = excluded.expires_at where journeys.user_id = excluded.user_id`,
    [change.id, change.userId, JSON.stringify({ sealed: change.sealed }), change.expiresAt],
  );
}

/** What was kept, sealed; undefined where it ran out, or is somebody else's. */
export async function findContactChange(db: Database, id: string, userId: string, now: Date): Promise<string | undefined> {
  const text = `select state ->> 'sealed' as sealed from journeys where id = $1 and user_id = $2 and kind = 'contact' and expires_at > $3`;
  const [row] = await db.query<{ sealed: string }>({ name: 'account-contact-change', text }, [id, userId, now]);
  return row?.sealed;
}
