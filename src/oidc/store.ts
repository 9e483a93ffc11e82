/** What the protocol reads and writes one by one; what a request writes together is in unit-of-work.ts. */
import type { AdapterPayload } from 'oidc-provider';
import type { TenantStatus, TenantType } from '../features/tenants/index.ts';
import type { Database } from '../infra/postgres.ts';

export interface FoundObject {
  model: string;
  id: string;
  payload: AdapterPayload;
  consumed_at: Date | null;
  replay_key: string | null;
  replay: Buffer | null;
  in_grace: boolean;
  grant_key: string | null;
  grant_payload: AdapterPayload | null;
  /** The key of the session that the object ends with; null where it is bound to none. */
  session_key: string | null;
  session_id: string | null;
  session_payload: AdapterPayload | null;
  /** Whom the grant is of; null where it was not asked for, or nobody. */
  person: PersonRow | null;
}

// Who is disabled, or at home in a tenant that is suspended, may nothing: sign-in asks the same.
const isActive = (person: string): string =>
  `(${person}.status = 'active' and (select h.status from tenants h where h.id = ${person}.home_tenant_id) = 'active')`;

// A disabled person has no session. A session's row is that of the newest id, with what every living row of it was given: two tabs may have written at the same instant.
const sessionBy = (condition: string): string => `
  select n.id, n.payload || jsonb_build_object('authorizations', coalesce((
    select jsonb_object_agg(a.key, a.value order by (a.value ->> 'at')::float8, t.created_at, t.id) from oidc_sessions t, jsonb_each(t.payload -> 'authorizations') a
    where t.uid = n.uid and t.user_id is not distinct from n.user_id and t.expires_at > clock_timestamp()), '{}')) as payload
  from oidc_sessions n left join users p on p.id = n.user_id
  where ${condition} and n.expires_at > clock_timestamp() and (n.user_id is null or ${isActive('p')}) order by n.created_at desc, n.id limit 1`;

const PERSON = `u.id, u.home_tenant_id, u.username, u.email, u.email_verified_at is not null as email_verified, u.phone,
  u.phone_verified_at is not null as phone_verified, u.given_name, u.family_name, u.locale, floor(extract(epoch from u.updated_at))::float8 as updated_at,
  coalesce((select jsonb_agg(jsonb_build_object('tenantId', m.tenant_id, 'slug', m.slug, 'name', m.name, 'type', m.type,
    'roles', m.roles, 'groups', m.groups, 'status', m.status)) from memberships_of(u.id) m), '[]') as memberships`;

// Who has left a tenant, or belongs to one that is suspended, takes no token of it along. The token endpoint says so itself, of codes and refresh tokens.
const inTenant = (tenant: string): string => `(u.id is null or ${tenant} is null or is_active_member(u.id, (${tenant})::uuid))`;

// What comes along is what the library asks for next: the grant, its person, and the session where the object is bound to one.
const joined = (table: string): string => `
  from ${table} o left join oidc_grants g on g.id = o.grant_id left join users u on u.id = g.user_id
  left join lateral (${sessionBy(`n.uid = o.payload ->> 'sessionKey'`)}) s on true`;
const SHARED = `o.model, o.id, o.payload, g.id as grant_key, g.payload as grant_payload, o.payload ->> 'sessionKey' as session_key, s.id as session_id, s.payload as session_payload`;
// A disabled person's codes and tokens are not found.
const ACTIVE = `(u.id is null or ${isActive('u')})`;
const WITH_PERSON = `(select to_jsonb(p) from (select ${PERSON}) p where u.id is not null) as person`;
const WITHOUT = 'null::jsonb as person';
const OBJECT = (person: string): string => `${SHARED}, ${person}, o.consumed_at, o.replay_key, o.replay,
  coalesce(o.consumed_at > clock_timestamp() - make_interval(secs => $2), false) as in_grace ${joined('oidc_objects')} where ${ACTIVE}`;
const TOKEN = (
  person: string,
): string => `${SHARED}, ${person}, null::timestamptz as consumed_at, null::text as replay_key, null::bytea as replay, false as in_grace
  ${joined('oidc_access_tokens')} where ${ACTIVE} and ${inTenant(`o.payload #>> '{extra,tenant_id}'`)}`;

const FIND_OBJECT = { name: 'oidc-find', text: `select ${OBJECT(WITH_PERSON)} and o.model = $1 and o.id = $3` };
const FIND_TOKEN = { name: 'oidc-find-token', text: `select ${TOKEN(WITH_PERSON)} and o.model = $1 and o.id = $2` };
const FIND_ANY = {
  name: 'oidc-find-any',
  text: `select ${OBJECT(WITHOUT)} and o.model = 'RefreshToken' and o.id = $1 and ${inTenant(`o.payload ->> 'tenantId'`)}
    union all select ${TOKEN(WITHOUT)} and (o.id, o.model) in (($3, 'AccessToken'), ($4, 'ClientCredentials'))`,
};

export async function findObject(db: Database, model: string, id: string, graceSeconds: number): Promise<FoundObject | undefined> {
  return (await db.query<FoundObject>(FIND_OBJECT, [model, graceSeconds, id]))[0];
}

export async function findToken(db: Database, model: string, id: string): Promise<FoundObject | undefined> {
  return (await db.query<FoundObject>(FIND_TOKEN, [model, id]))[0];
}

/** One look for a token of unknown kind, by the keys it would have as each. */
export async function findAnyToken(
  db: Database,
  keys: { RefreshToken: string; AccessToken: string; ClientCredentials: string },
  graceSeconds: number,
): Promise<FoundObject[]> {
  return db.query<FoundObject>(FIND_ANY, [keys.RefreshToken, graceSeconds, keys.AccessToken, keys.ClientCredentials]);
}

export async function findByUserCode(db: Database, userCode: string): Promise<FoundObject | undefined> {
  return (
    await db.query<FoundObject>({ name: 'oidc-find-user-code', text: `select ${OBJECT(WITHOUT)} and o.user_code = $1` }, [userCode, 0])
  )[0];
}

export interface FoundPayload {
  id: string;
  payload: AdapterPayload;
}

export async function findGrant(db: Database, id: string): Promise<FoundPayload | undefined> {
  const text = `select g.id, g.payload from oidc_grants g join users u on u.id = g.user_id where g.id = $1 and ${isActive('u')}`;
  return (await db.query<FoundPayload>({ name: 'oidc-grant', text }, [id]))[0];
}

export async function findSession(db: Database, id: string): Promise<FoundPayload | undefined> {
  return (await db.query<FoundPayload>({ name: 'oidc-session', text: sessionBy('n.id = $1') }, [id]))[0];
}

export async function findSessionByUid(db: Database, uid: string): Promise<FoundPayload | undefined> {
  return (await db.query<FoundPayload>({ name: 'oidc-session-by-uid', text: sessionBy('n.uid = $1') }, [uid]))[0];
}

/** Marks as used, once: false where it was used before, or is gone. */
export async function consumeObject(db: Database, model: string, id: string): Promise<boolean> {
  const text = `update oidc_objects set consumed_at = clock_timestamp() where model = $1 and id = $2 and consumed_at is null returning 1 as done`;
  return (await db.query({ name: 'oidc-consume', text }, [model, id])).length === 1;
}

export interface StoredReplay {
  replay_key: string | null;
  replay: Buffer | null;
  in_grace: boolean;
}

/** What the winner of a refresh left for those who repeat it. */
export async function findReplay(db: Database, model: string, id: string, graceSeconds: number): Promise<StoredReplay | undefined> {
  const text = `select replay_key, replay, coalesce(consumed_at > clock_timestamp() - make_interval(secs => $3), false) as in_grace
    from oidc_objects where model = $1 and id = $2`;
  return (await db.query<StoredReplay>({ name: 'oidc-replay', text }, [model, id, graceSeconds]))[0];
}

/** True for the first who shows `key`; a row that has expired counts as none. Expiry in seconds since the epoch. */
export async function rememberOnce(db: Database, key: string, expiresAt: number): Promise<boolean> {
  const text = `insert into oidc_objects (model, id, payload, expires_at) values ('ReplayDetection', $1, '{}', to_timestamp($2))
    on conflict (model, id) do update set expires_at = excluded.expires_at where oidc_objects.expires_at < clock_timestamp() returning 1 as done`;
  return (await db.query({ name: 'oidc-once', text }, [key, expiresAt])).length === 1;
}

/** As if it had never been shown: what it was shown for came to nothing. */
export async function forgetOnce(db: Database, key: string): Promise<void> {
  await db.query({ name: 'oidc-once-forget', text: `delete from oidc_objects where model = 'ReplayDetection' and id = $1` }, [key]);
}

export interface Agreement {
  scope: string;
  /** Single claims, separated by spaces as scopes are. */
  claims: string;
  resources: Record<string, string>;
}

/** What a person agreed to for a client, whichever session it was in. */
export async function findConsent(db: Database, userId: string, clientId: string): Promise<Agreement | undefined> {
  const text = 'select scope, claims, resources from consents where user_id = $1 and client_id = $2';
  return (await db.query<Agreement>({ name: 'oidc-consent', text }, [userId, clientId]))[0];
}

/** Adds to what was agreed to; two pages of one person may add at the same instant. */
export async function saveConsent(db: Database, userId: string, clientId: string, agreed: Agreement): Promise<void> {
  const words = (column: string): string =>
    `array_to_string(array(select distinct w from unnest(string_to_array(${column}, ' ')) w where w <> '' order by w), ' ')`;
  const text = `insert into consents as c (user_id, client_id, scope, resources, claims) values ($1, $2, $3, $4, $5)
    on conflict (user_id, client_id) do update set granted_at = clock_timestamp(), scope = ${words(`c.scope || ' ' || excluded.scope`)},
      claims = ${words(`c.claims || ' ' || excluded.claims`)},
      resources = c.resources || (select coalesce(jsonb_object_agg(r.key, ${words(`coalesce(c.resources ->> r.key, '') || ' ' || r.value`)}), '{}')
        from jsonb_each_text(excluded.resources) r)`;
  await db.query({ name: 'oidc-consent-save', text }, [userId, clientId, agreed.scope, JSON.stringify(agreed.resources), agreed.claims]);
}

export interface MembershipFacts {
  tenantId: string;
  slug: string;
  name: string;
  type: TenantType;
  /** Names of roles, those of groups included, inherited ones not. */
  roles: readonly string[];
  groups: readonly string[];
}

export interface PersonRow {
  id: string;
  home_tenant_id: string;
  username: string | null;
  email: string | null;
  email_verified: boolean;
  phone: string | null;
  phone_verified: boolean;
  given_name: string | null;
  family_name: string | null;
  locale: string | null;
  updated_at: number;
  memberships: (MembershipFacts & { status: TenantStatus })[];
}

/** What the tenant keeps of a member. */
export async function findMemberAttributes(db: Database, userId: string, tenantId: string): Promise<Readonly<Record<string, unknown>>> {
  const statement = { name: 'oidc-member-attributes', text: 'select member_attributes_of($1, $2) as attributes' };
  const [row] = await db.query<{ attributes: Record<string, unknown> | null }>(statement, [userId, tenantId]);
  return row?.attributes ?? {};
}

/** An active person with their memberships. */
export async function findPerson(db: Database, id: string): Promise<PersonRow | undefined> {
  const text = `select ${PERSON} from users u where u.id = $1 and ${isActive('u')}`;
  return (await db.query<PersonRow>({ name: 'oidc-person', text }, [id]))[0];
}
