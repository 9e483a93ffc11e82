/** Sessions, grants and the state of tokens: what the protocol stored, looked at from outside of it. Keys are hashes, see oidc/storage-key.ts. */
import type { Database, Sql } from '../../infra/postgres.ts';

export interface SessionRow {
  id: string;
  uid: string;
  user_id: string;
  payload: SessionPayload;
  sealed: Buffer | null;
  created_at: Date;
  seen_at: Date;
  expires_at: Date;
}

export interface SessionAuthorization {
  sid?: string;
  grantId?: string;
  persistsLogout?: boolean;
  /** Milliseconds; of two rows' views of one client, the later holds. */
  at?: number;
}

export interface SessionPayload {
  uid?: string;
  acr?: string;
  amr?: string[];
  loginTs?: number;
  authorizations?: Record<string, SessionAuthorization>;
}

// One row a session: the newest id's, with what every row of the session was given.
const sessionsWhere = (condition: string): string => `
  select distinct on (n.uid) n.id, n.uid, n.user_id, n.sealed, f.created_at, f.seen_at, n.expires_at,
    n.payload || jsonb_build_object('authorizations', coalesce(f.authorizations, '{}')) as payload
  from oidc_sessions n
  join lateral (select min(t.created_at) as created_at, max(t.seen_at) as seen_at,
    (select jsonb_object_agg(a.key, a.value order by (a.value ->> 'at')::float8, s.created_at, s.id) from oidc_sessions s, jsonb_each(s.payload -> 'authorizations') a
      where s.uid = n.uid and s.user_id = n.user_id) as authorizations
    from oidc_sessions t where t.uid = n.uid and t.user_id = n.user_id) f on true
  where n.user_id is not null and n.expires_at > clock_timestamp() and ${condition}
  order by n.uid, n.created_at desc, n.id`;

const OF_USER = { name: 'sessions-of-user', text: sessionsWhere('n.user_id = $1') };
const BY_NAME = { name: 'session-by-name', text: sessionsWhere('(n.uid = $1 or n.sids @> array[$1])') };

const UPSTREAM = {
  name: 'upstream-of-session',
  text: 'select upstream from oidc_sessions where uid = $1 and user_id = $2 and upstream is not null order by created_at desc, id limit 1',
};

export const findSessionsOf = (db: Database, userId: string): Promise<SessionRow[]> => db.query<SessionRow>(OF_USER, [userId]);

/** By the session's own id, or by a `sid` that a client's tokens carry. */
export const findSessionByName = async (db: Database, name: string): Promise<SessionRow | undefined> =>
  (await db.query<SessionRow>(BY_NAME, [name]))[0];

/** Deletes the sessions and answers what they had been given. Grants are to be locked before, see `lockGrantsOf`. */
export async function deleteSessions(sql: Sql, uids: readonly string[]): Promise<SessionRow[]> {
  if (uids.length === 0) return [];
  return sql<SessionRow>('oidc_sessions').whereIn('uid', uids).delete().returning('*');
}

/** Everything that changes grants locks them first, in one order: whatever hangs on them comes after. Answers their keys. */
export async function lockGrantsOf(sql: Sql, userId: string): Promise<string[]> {
  const rows: { id: string }[] = await sql('oidc_grants').where({ user_id: userId }).orderBy('id').forUpdate().select('id');
  return rows.map(({ id }) => id);
}

/** What is kept of the provider that the person came by into that session, sealed. */
export const findUpstreamOf = async (db: Database, uid: string, userId: string): Promise<Buffer | undefined> =>
  (await db.query<{ upstream: Buffer }>(UPSTREAM, [uid, userId]))[0]?.upstream;

/** Every token of a grant goes with it. */
export const deleteGrants = async (sql: Sql, keys: readonly string[]): Promise<number> =>
  keys.length === 0 ? 0 : sql('oidc_grants').whereIn('id', keys).delete();

export const deleteGrantsOf = (sql: Sql, userId: string, clientId?: string): Promise<number> =>
  sql('oidc_grants')
    .where({ user_id: userId, ...(clientId === undefined ? {} : { client_id: clientId }) })
    .delete();

/** A sign-in of the person that was judged before this comes to nothing. Before grants are locked: it locks the person. */
export const countEnd = async (sql: Sql, userId: string): Promise<void> =>
  void (await sql('users').where({ id: userId }).increment('access_epoch', 1));

/** The rows of one session, to be read after its person's grants were locked: it names every one of them that is its own. */
export const sessionRows = async (sql: Sql, userId: string, uid: string): Promise<SessionRow[]> =>
  sql<SessionRow>('oidc_sessions').where({ user_id: userId, uid }).select('*');

export const sessionUidsOf = async (sql: Sql, userId: string): Promise<string[]> =>
  (await sql<SessionRow>('oidc_sessions').where({ user_id: userId }).distinct('uid')).map(({ uid }) => uid);

/** Sign-ins of the person that are finished and that the browser has not come back with yet. */
export const deleteFinishedSignIns = (sql: Sql, userId: string): Promise<number> =>
  sql('oidc_objects').where({ model: 'Interaction' }).whereRaw(`payload -> 'result' -> 'login' ->> 'accountId' = ?`, [userId]).delete();

export const deleteConsents = (sql: Sql, userId: string, clientId?: string): Promise<number> =>
  sql('consents')
    .where({ user_id: userId, ...(clientId === undefined ? {} : { client_id: clientId }) })
    .delete();

export interface GrantRow {
  client_id: string;
  scope: string | null;
  claims: string | null;
  resources: Record<string, string> | null;
  agreed_at: Date | null;
  first_at: Date;
  expires_at: Date | null;
  offline: boolean;
}

const GRANTS = {
  name: 'grants-of-user',
  text: `select coalesce(g.client_id, c.client_id) as client_id, coalesce(g.first_at, c.granted_at) as first_at, g.expires_at, c.scope, c.claims, c.resources,
      c.granted_at as agreed_at, coalesce(g.offline, false) as offline
    from (select h.client_id, min(h.created_at) as first_at, max(h.expires_at) as expires_at,
        bool_or(exists (select from oidc_objects o where o.grant_id = h.id and o.model = 'RefreshToken' and not o.payload ? 'expiresWithSession')) as offline
      from oidc_grants h where h.user_id = $1 and h.expires_at > clock_timestamp() group by h.client_id) g
    full join (select * from consents where user_id = $1) c on c.client_id = g.client_id order by 1`,
};

/** What each client holds of a person, and what the person agreed to without anything being held of it now. */
export const findGrantsOf = (db: Database, userId: string): Promise<GrantRow[]> => db.query<GrantRow>(GRANTS, [userId]);

export const findHomeTenant = async (db: Database, userId: string): Promise<string | undefined> =>
  (await db.query<{ home: string }>({ name: 'home-of-user', text: 'select home_tenant_id as home from users where id = $1' }, [userId]))[0]
    ?.home;

export interface TokenStateRow {
  revoked: boolean;
  client: { enabled: boolean; tenantId: string; permissions: string[] } | null;
  grant: { userId: string; clientId: string } | null;
  session: { userId: string; grantIds: (string | null)[] } | null;
  user_status: string | null;
  tenant: { type: string; status: string } | null;
  membership_roles: string[] | null;
}

const STATE = {
  name: 'token-state',
  text: `select
    exists (select from revoked_tokens where jti = $1) as revoked,
    client_for_protocol($2) as client,
    (select jsonb_build_object('userId', user_id, 'clientId', client_id) from oidc_grants where id = $3 and expires_at > clock_timestamp()) as grant,
    (select jsonb_build_object('userId', min(user_id::text), 'grantIds', jsonb_agg(payload -> 'authorizations' -> $2 ->> 'grantId'))
      from oidc_sessions where uid = $4 and user_id is not null and expires_at > clock_timestamp() having count(*) > 0) as session,
    (select case h.status when 'active' then u.status else 'disabled' end from users u join tenants h on h.id = u.home_tenant_id where u.id = $5) as user_status,
    (select jsonb_build_object('type', type, 'status', status) from tenants where id = $6) as tenant,
    (select to_jsonb(role_names_of($5, $6)) where exists (select from tenants_of($5) m where m = $6)) as membership_roles`,
};

export interface TokenStateQuestion {
  jti: string;
  clientId: string;
  grantKey: string | null;
  sessionKey: string | null;
  userId: string | null;
  tenantId: string | null;
}

/** Everything that a token's life depends on, in one statement. */
export async function readTokenState(db: Database, question: TokenStateQuestion): Promise<TokenStateRow> {
  const { jti, clientId, grantKey, sessionKey, userId, tenantId } = question;
  const [row] = await db.query<TokenStateRow>(STATE, [jti, clientId, grantKey, sessionKey, userId, tenantId]);
  return row!;
}

/** Remembers that a JWT was taken back, until it has expired anyway; with its grant, where it has one. */
export async function revokeToken(db: Database, jti: string, expiresAtSeconds: number, grantKey: string | null): Promise<void> {
  const text = `with gone as (delete from oidc_grants where id = $3)
    insert into revoked_tokens (jti, expires_at) values ($1, to_timestamp($2)) on conflict do nothing`;
  await db.query({ name: 'token-revoke', text }, [jti, expiresAtSeconds, grantKey]);
}

/** Takes back one opaque token, and everything else of its grant. */
export async function revokeOpaque(db: Database, model: string, key: string, grantKey: string | null): Promise<void> {
  const text = `with gone as (delete from oidc_grants where id = $3) delete from oidc_access_tokens where model = $1 and id = $2`;
  await db.query({ name: 'token-revoke-opaque', text }, [model, key, grantKey]);
}
