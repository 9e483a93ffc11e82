/** One request's writes, kept until a single statement decides and commits all of them, the audit rows included. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { AdapterPayload } from 'oidc-provider';
import type { AuditEvent } from '../core/audit-event.ts';
import type { AuditRow } from '../features/audit/index.ts';
import { auditInsertText } from '../features/audit/store.ts';
import { addJobsText, type Job, jobRow } from '../infra/jobs.ts';
import type { Database } from '../infra/postgres.ts';

export interface ObjectRow {
  model: string;
  id: string;
  grant_id: string | null;
  user_code: string | null;
  payload: object;
  expires_at: string;
  /** Was stored before: it may be written only while it is still there. */
  known: boolean;
}

export interface TokenRow {
  model: string;
  id: string;
  grant_id: string | null;
  client_id: string;
  payload: object;
  expires_at: string;
}

export interface GrantRow {
  id: string;
  user_id: string;
  client_id: string;
  payload: AdapterPayload;
  expires_at: string;
}

export interface SessionRow {
  id: string;
  uid: string;
  user_id: string | null;
  sids: string[];
  payload: AdapterPayload;
  /** base64 */
  sealed: string | null;
  expires_at: string;
  /** Was stored before: it may be written only while it has not been ended meanwhile. */
  known: boolean;
  /** The key of the id that this one takes over from. */
  replaces: string | null;
  /** Where somebody signs in by it: how often their access had been ended when they proved who they are. */
  epoch: number | null;
  /** Of a sign-in by another provider: that one, sealed; base64. */
  upstream: string | null;
}

/** What a repeated refresh is answered with, and for which parameters. */
export interface Replay {
  key: string;
  sealed: Buffer;
}

export interface Deletion {
  kind: 'object' | 'token' | 'grant' | 'session' | 'of-grant';
  model: string;
  id: string;
}

export class Unit {
  readonly objects = new Map<string, ObjectRow>();
  readonly tokens = new Map<string, TokenRow>();
  readonly grants = new Map<string, GrantRow>();
  readonly sessions = new Map<string, SessionRow>();
  readonly deletions: Deletion[] = [];
  readonly audit: AuditEvent[] = [];
  /** What is to happen once all of this is committed. */
  readonly jobs: Job[] = [];
  /** The compare-and-set that decides whether anything of this unit happens. */
  consume: { model: string; id: string } | undefined;
  /** The interaction that this request goes on from: where another went on from it first, nothing of this unit happens either. */
  finishes: string | undefined;
  /** What a repetition of this request is to be answered with. */
  seal: Replay | undefined;
  /** Set by the adapter when the presented refresh token was consumed a moment ago. */
  replay: Replay | undefined;
  /** A refresh with other parameters inside the grace: its own access token, the successor that exists. */
  joined = false;
  /** Whether deletions wait for the flush too; at the token endpoint they go through at once, since what is kept is forgotten when a handler throws. */
  readonly deferDeletes: boolean;

  constructor(options: { deferDeletes: boolean }) {
    this.deferDeletes = options.deferDeletes;
  }

  get isEmpty(): boolean {
    const written = this.objects.size + this.tokens.size + this.grants.size + this.sessions.size + this.deletions.length + this.jobs.length;
    return !this.consume && this.finishes === undefined && written === 0;
  }

  /** What is left to do where another request went on from the interaction: to join the session that it made, while that has not ended. */
  join(): void {
    this.finishes = undefined;
    for (const session of this.sessions.values()) session.known = true;
  }
}

/** The unit of the request that the running code belongs to. */
export const units = new AsyncLocalStorage<Unit>();

/** For how long a session id that was replaced still finds what it found, so that several tabs may be resumed at the same instant. */
export const SESSION_HANDOVER_SECONDS = 10;

// Grants are locked before what hangs on them, and before sessions, in flushes and in deletions alike: the other order deadlocked in 5 % of such
// races. Where the session ended meanwhile, neither it nor what would hang on it is written: nothing outlives what it was given in.
// So is the grant of what is put beside a session: its foreign key would lock it last, and one such race in forty deadlocked. Jobs come after the
// sessions, as in every other end of one: their keys are locked too. An interaction is locked before the grants: of those that finish it at once, one
// writes the grant and the session that all of them have, and the others see both when they come again. Whose access is ended is locked before
// everything else, there and here.
const FLUSH = `
with arriving as materialized (select r.* from jsonb_to_recordset($9) as r(user_id uuid, epoch integer) where r.epoch is not null),
present as materialized (select u.id, u.access_epoch from users u where u.id in (select user_id from arriving) for share of u),
welcome as (select 1 where not exists (select 1 from arriving a where not exists (select 1 from present p where p.id = a.user_id and p.access_epoch = a.epoch))),
finished as (delete from oidc_objects where model = 'Interaction' and id = $13 and exists (select 1 from welcome) returning 1),
first as (select 1 from welcome where $13::text is null or exists (select 1 from finished)),
held as materialized (
  select id from oidc_grants where id = (select grant_id from oidc_objects where model = $1 and id = $2) for key share),
consumed as (
  update oidc_objects set consumed_at = clock_timestamp(), replay_key = $3, replay = $4
  where exists (select 1 from first) and model = $1 and id = $2 and consumed_at is null and (grant_id is null or exists (select 1 from held)) returning 1),
go as (select 1 from first where $1::text is null or exists (select 1 from consumed)),
deletion as materialized (select r.* from go, jsonb_to_recordset($5) as r(kind text, model text, id text)),
locked as materialized (select g.id from oidc_grants g where g.id in (select id from deletion where kind in ('grant', 'of-grant')) order by g.id for update),
gone_objects as (
  delete from oidc_objects o using deletion d where (select count(*) from locked) >= 0 and d.kind = 'object' and o.model = d.model and o.id = d.id),
gone_objects_of_grant as (
  delete from oidc_objects o using deletion d where (select count(*) from locked) >= 0 and d.kind = 'of-grant' and o.model = d.model and o.grant_id = d.id),
gone_tokens as (
  delete from oidc_access_tokens t using deletion d where (select count(*) from locked) >= 0 and d.kind = 'token' and t.model = d.model and t.id = d.id),
gone_tokens_of_grant as (
  delete from oidc_access_tokens t using deletion d where (select count(*) from locked) >= 0 and d.kind = 'of-grant' and t.model = d.model and t.grant_id = d.id),
gone_grants as (delete from oidc_grants g using deletion d, locked l where d.kind = 'grant' and g.id = d.id and l.id = g.id),
gone_sessions as (
  delete from oidc_sessions s where (select count(*) from locked) >= 0
    and s.uid in (select x.uid from oidc_sessions x join deletion d on d.kind = 'session' and x.id = d.id) returning 1),
session as materialized (
  select r.* from go, jsonb_to_recordset($9) as r(id text, uid text, user_id uuid, sids text[], payload jsonb, sealed text, expires_at timestamptz, known boolean, replaces text, upstream text)),
putting as materialized (
  select r.* from go, jsonb_to_recordset($6) as r(id text, user_id uuid, client_id text, payload jsonb, expires_at timestamptz)),
objects as materialized (
  select r.* from go, jsonb_to_recordset($7) as r(model text, id text, grant_id text, user_code text, payload jsonb, expires_at timestamptz, known boolean)),
there as materialized (
  select o.model, o.id from oidc_objects o where (o.model, o.id) in (select model, id from objects where known) for update),
held_grants as materialized (
  select g.id from oidc_grants g where (select count(*) from there) >= 0 and g.id in (select id from putting) order by g.id for update),
needed_grants as materialized (
  select g.id from oidc_grants g where exists (select 1 from session where known) and g.id in (select grant_id from objects) order by g.id for key share),
alive as materialized (
  select s.uid from oidc_sessions s where (select count(*) from held_grants) + (select count(*) from needed_grants) >= 0 and s.uid in (select uid from session where known) order by s.id for update),
ended as (select 1 from session n where n.known and not exists (select 1 from alive a where a.uid = n.uid)),
put_grants as (
  insert into oidc_grants (id, user_id, client_id, payload, expires_at) select * from putting where not exists (select 1 from ended)
  on conflict (id) do update set payload = excluded.payload, expires_at = excluded.expires_at),
put_objects as (
  insert into oidc_objects (model, id, grant_id, user_code, payload, expires_at)
  select r.model, r.id, r.grant_id, r.user_code, r.payload, r.expires_at from objects r
  where (r.grant_id is null or not exists (select 1 from ended)) and (not r.known or (r.model, r.id) in (select model, id from there))
  on conflict (model, id) do update set grant_id = excluded.grant_id, payload = excluded.payload, expires_at = excluded.expires_at),
put_tokens as (
  insert into oidc_access_tokens (model, id, grant_id, client_id, payload, expires_at)
  select r.* from go, jsonb_to_recordset($8) as r(model text, id text, grant_id text, client_id text, payload jsonb, expires_at timestamptz)),
replaced as (
  update oidc_sessions s set expires_at = case when s.user_id is null then clock_timestamp() else least(s.expires_at, clock_timestamp() + make_interval(secs => $11)) end
  from session n where s.id = n.replaces and exists (select 1 from alive a where a.uid = s.uid)),
put_sessions as (
  insert into oidc_sessions as s (id, uid, user_id, sids, payload, sealed, expires_at, upstream)
  select n.id, n.uid, n.user_id, n.sids, n.payload, decode(n.sealed, 'base64'), n.expires_at, coalesce(decode(n.upstream, 'base64'), (
    select o.upstream from oidc_sessions o where o.uid = n.uid and o.user_id = n.user_id and o.upstream is not null order by o.created_at desc, o.id limit 1))
  from session n
  where not n.known or exists (select 1 from alive a where a.uid = n.uid)
  on conflict (id) do update set user_id = excluded.user_id, sids = array(select distinct unnest(s.sids || excluded.sids)),
    payload = excluded.payload || jsonb_build_object('authorizations', coalesce((
      select jsonb_object_agg(m.key, m.value order by (m.value ->> 'at')::float8) from (
        select * from jsonb_each(s.payload -> 'authorizations') union all select * from jsonb_each(excluded.payload -> 'authorizations')) m), '{}')),
    sealed = coalesce(excluded.sealed, s.sealed), upstream = excluded.upstream, seen_at = clock_timestamp(),
    expires_at = case when s.expires_at < clock_timestamp() + make_interval(secs => $11) then s.expires_at else excluded.expires_at end),
put_audit as (${auditInsertText('$10', 'go')}),
in_order as (select 1 from go where (select count(*) from gone_sessions) + (select count(*) from alive) >= 0),
added as materialized (${addJobsText('$12', 'in_order')})
select exists (select 1 from go) as won, (select count(id) from added) as jobs`;

/**
 * Commits the unit in one round trip. False: another request consumed or went on first, or the access of who signs in by it was ended meanwhile, and nothing
 * of this unit was written.
 * Throws 503 where the database is away, and what PostgreSQL said where it refused (23503: the grant, client or person is gone).
 */
export async function flush(db: Database, unit: Unit, auditRows: readonly AuditRow[] = []): Promise<boolean> {
  if (unit.isEmpty && auditRows.length === 0) return true;
  const rows = await db.query<{ won: boolean }>({ name: 'oidc-flush', text: FLUSH }, [
    unit.consume?.model ?? null,
    unit.consume?.id ?? null,
    unit.seal?.key ?? null,
    unit.seal?.sealed ?? null,
    json(unit.deletions),
    json(unit.grants.values()),
    json(unit.objects.values()),
    json(unit.tokens.values()),
    json(unit.sessions.values()),
    json(auditRows),
    SESSION_HANDOVER_SECONDS,
    json(unit.jobs.map(jobRow)),
    unit.finishes ?? null,
  ]);
  return rows[0]?.won === true;
}

const json = (rows: Iterable<object>): string => JSON.stringify([...rows]);
