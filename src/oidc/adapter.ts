/** oidc-provider's storage: ids hashed at rest, one-time things consumed by compare-and-set, buffered inside a unit of work, written through outside. */
import { randomBytes } from 'node:crypto';
import { type Adapter, type AdapterFactory, type AdapterPayload, type ClientAuthorizationState, errors, Provider } from 'oidc-provider';
import { addSeconds, type Clock } from '../core/clock.ts';
import { currentRequest } from '../core/scope.ts';
import { findUnstorable } from '../http/json.ts';
import type { Database } from '../infra/postgres.ts';
import type { SecretBox } from '../infra/secret-box.ts';
import { epochNow } from './access-epoch.ts';
import { knowPerson } from './accounts.ts';
import { upstreamNow } from './provider-sign-out.ts';
import { storageKey } from './storage-key.ts';
import {
  consumeObject,
  type FoundObject,
  type FoundPayload,
  findAnyToken,
  findByUserCode,
  findGrant,
  findObject,
  findSession,
  findSessionByUid,
  findToken,
} from './store.ts';
import { type Deletion, flush, Unit, units } from './unit-of-work.ts';

export interface AdapterDeps {
  db: Database;
  box: Pick<SecretBox, 'seal'>;
  clock: Clock;
  issuer: string;
  /** For how long a repeated refresh gets the same answer, in seconds. */
  graceSeconds: number;
}

/** Stands before a stored key where an id is expected; random for each process, so that nobody can present a stored key as an id. */
const HANDLE = `${randomBytes(24).toString('base64url')}~`;
const POSSIBLE = /^[A-Za-z0-9_.~:-]{1,256}$/;
/** Stands for an interaction's own id, which its cookie holds, in what is stored of it. */
const OWN_ID = '{uid}';
const TOKENS: ReadonlySet<string> = new Set(['AccessToken', 'ClientCredentials']);

/** What a look-up brought along for the next ones of the same request. */
interface Ahead {
  grants: Map<string, AdapterPayload>;
  sessions: Map<string, FoundPayload | null>;
  any: Map<string, Promise<FoundObject[]>>;
}
const ahead = new WeakMap<object, Ahead>();

function aheadOf(): Ahead | undefined {
  const ctx = Provider.ctx;
  if (!ctx) return undefined;
  let known = ahead.get(ctx);
  if (!known) {
    known = { grants: new Map(), sessions: new Map(), any: new Map() };
    ahead.set(ctx, known);
  }
  return known;
}

/** What a session that is being saved says of its past, by its id: whether it was read before, and which id it takes over from. */
export const savingSessions = new Map<string, { known: boolean; replaces: string | undefined }>();

/** The adapters of one issuer. Throws AppError 503 where the database is away; InvalidGrant where a one-time thing was used before. */
export function createAdapter(deps: AdapterDeps): AdapterFactory {
  const { db, issuer, graceSeconds } = deps;
  const keyOf = (model: string, id: string): string => (id.startsWith(HANDLE) ? id.slice(HANDLE.length) : storageKey(issuer, model, id));

  function restore(id: string, row: { payload: object; consumed_at?: Date | null }): AdapterPayload {
    const { sessionKey: _sessionKey, ...payload } = row.payload as AdapterPayload & { sessionKey?: string };
    if (payload.returnTo) payload.returnTo = payload.returnTo.replace(OWN_ID, id);
    return { ...payload, jti: id, ...(row.consumed_at ? { consumed: Math.floor(row.consumed_at.getTime() / 1000) } : {}) };
  }

  function bringAlong(row: FoundObject): void {
    const next = aheadOf();
    if (!next) return;
    if (row.grant_key && row.grant_payload) next.grants.set(row.grant_key, row.grant_payload);
    if (row.session_key)
      next.sessions.set(
        row.session_key,
        row.session_id && row.session_payload ? { id: row.session_id, payload: row.session_payload } : null,
      );
    if (row.person) knowPerson(Provider.ctx!, row.person);
  }

  async function read(model: string, id: string): Promise<FoundObject | undefined> {
    const next = aheadOf();
    const route = Provider.ctx?.oidc.route;
    if (next && (route === 'introspection' || route === 'revocation') && (TOKENS.has(model) || model === 'RefreshToken')) {
      let looking = next.any.get(id);
      if (!looking) {
        const key = (kind: string): string => keyOf(kind, id);
        looking = findAnyToken(
          db,
          { RefreshToken: key('RefreshToken'), AccessToken: key('AccessToken'), ClientCredentials: key('ClientCredentials') },
          graceSeconds,
        );
        next.any.set(id, looking);
      }
      return (await looking).find((row) => row.model === model);
    }
    return TOKENS.has(model) ? findToken(db, model, keyOf(model, id)) : findObject(db, model, keyOf(model, id), graceSeconds);
  }

  async function remove(deletion: Deletion): Promise<void> {
    const unit = units.getStore();
    if (unit?.deferDeletes) {
      unit.deletions.push(deletion);
      return;
    }
    const alone = new Unit({ deferDeletes: true });
    alone.deletions.push(deletion);
    await flush(db, alone);
  }

  return (model: string): Adapter => ({
    async upsert(id, payload, expiresIn) {
      const unit = units.getStore();
      const target = unit ?? new Unit({ deferDeletes: true });
      // The library keeps some parameters as they came.
      if (findUnstorable(payload) !== undefined) throw new errors.InvalidRequest('a parameter holds a character that is not allowed');
      const expires_at = addSeconds(deps.clock.now(), expiresIn ?? 0).toISOString();
      const { jti: _jti, ...rest } = payload;
      const key = keyOf(model, id);
      if (model === 'Grant') {
        target.grants.set(key, { id: key, user_id: payload.accountId!, client_id: payload.clientId!, payload: rest, expires_at });
      } else if (model === 'Session') {
        const past = savingSessions.get(id);
        const before = target.sessions.get(key);
        target.sessions.set(key, {
          id: key,
          uid: keyOf('uid', payload.uid!),
          user_id: payload.accountId ?? null,
          sids: Object.values(payload.authorizations ?? {}).flatMap(({ sid }) => (sid ? [sid] : [])),
          payload: { ...rest, authorizations: datedAuthorizations(payload, deps.clock) },
          sealed: sealFacts(deps.box),
          expires_at,
          known: past?.known === true || before?.known === true,
          replaces: past?.replaces ? keyOf(model, past.replaces) : (before?.replaces ?? null),
          epoch: payload.accountId ? (epochNow() ?? null) : null,
          upstream: payload.accountId ? (upstreamNow() ?? before?.upstream ?? null) : null,
        });
      } else {
        // An interaction only mentions a grant, and would hold a session's id; neither is needed.
        const grant_id = payload.grantId && model !== 'Interaction' ? keyOf('Grant', payload.grantId) : null;
        if (model === 'Interaction' && rest.session) rest.session = { ...rest.session, cookie: undefined };
        if (model === 'Interaction' && rest.returnTo) rest.returnTo = rest.returnTo.replace(id, OWN_ID);
        const stored = payload.expiresWithSession && payload.sessionUid ? { ...rest, sessionKey: keyOf('uid', payload.sessionUid) } : rest;
        if (TOKENS.has(model)) {
          target.tokens.set(`${model}:${key}`, { model, id: key, grant_id, client_id: payload.clientId!, payload: stored, expires_at });
        } else {
          const user_code = payload.userCode ? keyOf('user-code', payload.userCode) : null;
          // The answer to an interaction that another window has gone on from meanwhile would bring it back.
          const known = model === 'Interaction' && payload.result !== undefined;
          target.objects.set(`${model}:${key}`, { model, id: key, grant_id, user_code, payload: stored, expires_at, known });
        }
      }
      if (!unit) await write(db, target);
    },

    async find(id) {
      if (!POSSIBLE.test(id)) return undefined;
      const unit = units.getStore();
      const key = keyOf(model, id);
      if (model === 'Client') return undefined; // found by the cache, see provider.ts
      if (model === 'Grant') {
        const known = unit?.grants.get(key)?.payload ?? aheadOf()?.grants.get(key) ?? (await findGrant(db, key))?.payload;
        return known && { ...known, jti: id };
      }
      if (model === 'Session') {
        const known = unit?.sessions.get(key) ?? (await findSession(db, key));
        return known && restore(id, known);
      }
      if (model === 'Interaction' && unit?.finishes === key) return undefined;
      if (unit?.deletions.some((gone) => gone.kind === 'object' && gone.model === model && gone.id === key)) return undefined;
      const pending = unit?.objects.get(`${model}:${key}`) ?? unit?.tokens.get(`${model}:${key}`);
      if (pending) return restore(id, pending);
      const row = await read(model, id);
      if (!row) return undefined;
      bringAlong(row);
      // Only in a token request: the token that was used a moment ago passes the library's checks, so that its repetition can be told from theft.
      if (row.in_grace && model === 'RefreshToken' && unit && Provider.ctx?.oidc.route === 'token' && row.replay_key && row.replay) {
        unit.replay = { key: row.replay_key, sealed: row.replay };
        return restore(id, { payload: row.payload });
      }
      return restore(id, row);
    },

    async findByUid(uid) {
      if (!POSSIBLE.test(uid)) return undefined;
      const key = keyOf('uid', uid);
      const pending = [...(units.getStore()?.sessions.values() ?? [])].find((row) => row.uid === key);
      if (pending) return restore(HANDLE + pending.id, pending);
      const known = aheadOf()?.sessions.get(key);
      const row = known === undefined ? await findSessionByUid(db, key) : known;
      return row ? restore(HANDLE + row.id, row) : undefined;
    },

    async findByUserCode(userCode) {
      if (!POSSIBLE.test(userCode)) return undefined;
      const row = await findByUserCode(db, keyOf('user-code', userCode));
      return row && restore(HANDLE + row.id, row);
    },

    async consume(id) {
      const unit = units.getStore();
      const key = keyOf(model, id);
      if (!unit) {
        if (!(await consumeObject(db, model, key))) throw new errors.InvalidGrant('already used');
      } else if (!unit.objects.delete(`${model}:${key}`)) {
        unit.consume = { model, id: key };
      }
    },

    async destroy(id) {
      const unit = units.getStore();
      const key = keyOf(model, id);
      if (model === 'Session') {
        unit?.sessions.delete(key);
        return remove({ kind: 'session', model, id: key });
      }
      if (model === 'Grant') {
        unit?.grants.delete(key);
        return remove({ kind: 'grant', model, id: key });
      }
      unit?.objects.delete(`${model}:${key}`);
      if (model === 'Interaction' && unit?.deferDeletes) {
        unit.finishes = key;
        return;
      }
      return remove({ kind: TOKENS.has(model) ? 'token' : 'object', model, id: key });
    },

    async revokeByGrantId(grantId) {
      return remove({ kind: 'of-grant', model, id: keyOf('Grant', grantId) });
    },
  });
}

async function write(db: Database, unit: Unit): Promise<void> {
  try {
    await flush(db, unit);
  } catch (error) {
    if ((error as { code?: unknown }).code === '23503') throw new errors.InvalidGrant('the grant, the client or the person is gone');
    throw error;
  }
}

interface Dated extends ClientAuthorizationState {
  /** The grant that `at` belongs to, and when (ms) the session got it: of two tabs' views of one session, the later wins for each client. */
  of?: string | undefined;
  at?: number;
  /** Whether offline access was part of it then: what is given later counts as a later view. */
  kept?: boolean | undefined;
  /** The tenant that the person acts in at the client, and the one that `at` belongs to. */
  tenantId?: string | undefined;
  within?: string | undefined;
}

/** The library also leaves empty entries behind, for clients that were only looked for. */
function datedAuthorizations({ authorizations = {} }: AdapterPayload, clock: Clock): Record<string, Dated> {
  const known = Object.entries<Dated>(authorizations).filter(([, { grantId, sid }]) => grantId ?? sid);
  return Object.fromEntries(
    known.map(([id, one]) => {
      const { grantId, persistsLogout, tenantId } = one;
      const dated = one.at !== undefined && one.of === grantId && one.kept === persistsLogout && one.within === tenantId;
      return [id, dated ? one : { ...one, of: grantId, kept: persistsLogout, within: tenantId, at: clock.now().getTime() }];
    }),
  );
}

/** Where a session was last used from, for the person's own list of sessions. */
function sealFacts(box: Pick<SecretBox, 'seal'>): string | null {
  const request = currentRequest.getStore();
  return request ? box.seal(JSON.stringify({ address: request.address, device: request.device }), 'session').toString('base64') : null;
}
