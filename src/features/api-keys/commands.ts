import type { Clock } from '../../core/clock.ts';
import { addSeconds } from '../../core/clock.ts';
import { AppError, type FieldError, forbidden, invalidInput, notFound } from '../../core/errors.ts';
import { newId, sha256 } from '../../core/ids.ts';
import { can, checkHolds, isManagementPermission } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import type { Sql } from '../../infra/postgres.ts';
import type { Transact } from '../audit/index.ts';
import { newApiKey, prefixOf } from './key.ts';
import type { ApiKeyInput, ApiKeyPatch } from './schema.ts';
import { type ApiKeyRow, deleteKey, findBounds, insertKey, lockKey, updateKey } from './store.ts';

/** What a tenant says of API keys. */
export interface ApiKeyPolicy {
  allowed: boolean;
  /** How long a key may live; then each needs an end. */
  maxSeconds?: number | undefined;
}

export interface ApiKeyDeps {
  transact: Transact;
  clock: Clock;
  policyOf(tenantId: string): Promise<ApiKeyPolicy>;
}

const notAllowed = (detail: string): AppError => new AppError('api_key.not_allowed', 403, 'API keys may not be made here', { detail });
const notMember = (): AppError =>
  new AppError('api_key.not_member', 409, 'An API key belongs to a member of the tenant', {
    detail: 'You act in this tenant without being its member',
  });

/**
 * Makes a key of the scope's actor; of its owner, where a key makes it. Answers the key, which is kept as a hash only. Throws 403 for permissions
 * that the caller has not and where the tenant allows no keys, 409 `limit.reached` and `api_key.not_member`, 422.
 */
export async function createApiKey(deps: ApiKeyDeps, scope: Scope, input: ApiKeyInput): Promise<{ row: ApiKeyRow; key: string }> {
  const policy = await deps.policyOf(scope.tenantId);
  if (!policy.allowed) throw notAllowed('The tenant has switched API keys off');
  const permissions = permissionsFor(scope, input.permissions);
  const key = newApiKey();
  const row = await deps.transact(scope, async ({ sql, record }) => {
    const latest = await latestOf(sql, scope, true);
    const wished = input.expiresAt === undefined ? (latest ?? null) : instantOf(input.expiresAt);
    const now = deps.clock.now();
    checkEnd(wished, { now, latest, policy, from: now });
    const made = await insertKey(sql, scope.tenantId, {
      id: newId(now),
      name: input.name,
      prefix: prefixOf(key),
      key_hash: sha256(key),
      permissions,
      ...ownerOf(scope),
      maker_id: scope.actor.type === 'api_key' ? scope.actor.id : null,
      expires_at: wished,
    }).catch(strange);
    record({ type: 'api_key.created', outcome: 'success', target: { type: 'api_key', id: made.id }, data: { permissions } });
    return made;
  });
  return { row, key };
}

/** Changes what is named. Throws 403 where a key that may do more than the caller would live longer, 404, 412, 422. */
export const patchApiKey = (deps: ApiKeyDeps, scope: Scope, id: string, patch: ApiKeyPatch, ifMatch?: string): Promise<ApiKeyRow> =>
  changeKey(deps, scope, id, ifMatch, (row) => ({
    name: patch.name ?? row.name,
    permissions: patch.permissions ?? row.permissions,
    expires_at: patch.expiresAt === undefined ? row.expires_at : instantOf(patch.expiresAt),
  }));

/** Replaces it; permissions that are left out stay, since they never grow. Throws as `patchApiKey` does. */
export const replaceApiKey = (deps: ApiKeyDeps, scope: Scope, id: string, input: ApiKeyInput, ifMatch?: string): Promise<ApiKeyRow> =>
  changeKey(deps, scope, id, ifMatch, (row) => ({
    name: input.name,
    permissions: input.permissions ?? row.permissions,
    expires_at: instantOf(input.expiresAt ?? null),
  }));

type Changeable = Pick<ApiKeyRow, 'name' | 'permissions' | 'expires_at'>;

async function changeKey(
  deps: ApiKeyDeps,
  scope: Scope,
  id: string,
  ifMatch: string | undefined,
  next: (row: ApiKeyRow) => Changeable,
): Promise<ApiKeyRow> {
  const policy = await deps.policyOf(scope.tenantId);
  return deps.transact(scope, async ({ sql, record }) => {
    const row = await lockKey(sql, scope.tenantId, id);
    if (!row) throw notFound('api_key');
    checkIfMatch(ifMatch, row.version);
    const values = next(row);
    const beyond = values.permissions.flatMap((name, index): FieldError[] =>
      row.permissions.includes(name)
        ? []
        : [{ pointer: `/permissions/${index}`, message: 'is none that the key has: they only become fewer' }],
    );
    if (beyond.length > 0) throw invalidInput(beyond);
    if (isLater(values.expires_at, row.expires_at)) checkHolds(scope, values.permissions);
    if (values.expires_at?.getTime() !== row.expires_at?.getTime())
      checkEnd(values.expires_at, { now: deps.clock.now(), latest: await latestOf(sql, scope, false), policy, from: row.created_at });
    const fields = (Object.keys(values) as (keyof Changeable)[]).filter(
      (name) => JSON.stringify(values[name]) !== JSON.stringify(row[name]),
    );
    const changed = await updateKey(sql, scope.tenantId, id, values);
    record({ type: 'api_key.changed', outcome: 'success', target: { type: 'api_key', id }, data: { fields } });
    return changed;
  });
}

/** Ends a key, and those that it made, from the next request on. Throws 404, 412. */
export async function deleteApiKey(deps: ApiKeyDeps, scope: Scope, id: string, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async ({ sql, record }) => {
    const row = await lockKey(sql, scope.tenantId, id);
    if (!row) throw notFound('api_key');
    checkIfMatch(ifMatch, row.version);
    await deleteKey(sql, scope.tenantId, id);
    record({ type: 'api_key.deleted', outcome: 'success', target: { type: 'api_key', id } });
  });
}

/** Nobody gives more than they hold. */
function permissionsFor(scope: Scope, wished: readonly string[] | undefined): string[] {
  if (wished === undefined) return [...scope.permissions].filter(isManagementPermission).sort();
  const unknown = wished.flatMap((name, index): FieldError[] =>
    isManagementPermission(name) ? [] : [{ pointer: `/permissions/${index}`, message: 'is no management permission' }],
  );
  if (unknown.length > 0) throw invalidInput(unknown);
  const missing = wished.find((name) => !can(scope, name));
  if (missing !== undefined) throw forbidden(missing);
  return [...wished].sort();
}

function ownerOf({ actor }: Scope): Pick<ApiKeyRow, 'owner_user_id' | 'owner_client_id'> {
  const owner = actor.type === 'api_key' ? actor.owner : actor;
  if (owner.type === 'user') return { owner_user_id: owner.id, owner_client_id: null };
  if (owner.type === 'client') return { owner_user_id: null, owner_client_id: owner.id };
  throw new TypeError('only people and clients own API keys');
}

/** The latest end that the caller may give: a key's own. Undefined where it gives any. */
async function latestOf(sql: Sql, { actor }: Scope, making: boolean): Promise<Date | undefined> {
  if (actor.type !== 'api_key') return undefined;
  const bounds = await findBounds(sql, actor.id);
  if (!bounds) throw notAllowed('The key that asks is gone');
  if (making && bounds.made) throw notAllowed('A key that a key made makes no keys');
  return bounds.expiresAt === null ? undefined : new Date(bounds.expiresAt * 1000);
}

interface EndRules {
  now: Date;
  latest: Date | undefined;
  policy: ApiKeyPolicy;
  /** When the key was made. */
  from: Date;
}

function checkEnd(end: Date | null, { now, latest, policy, from }: EndRules): void {
  const fault = (message: string): AppError => invalidInput([{ pointer: '/expiresAt', message }]);
  if (end && end <= now) throw fault('is in the past');
  if (latest && (!end || end > latest)) throw fault(`must not be later than ${latest.toISOString()}, when the key that asks ends`);
  if (policy.maxSeconds === undefined) return;
  const most = addSeconds(from, policy.maxSeconds);
  if (!end || end > most) throw fault(`must not be later than ${most.toISOString()}: the tenant bounds how long keys live`);
}

const isLater = (end: Date | null, before: Date | null): boolean => before !== null && (end === null || end > before);

const instantOf = (text: string | null): Date | null => (text === null ? null : new Date(text));

/** Foreign keys are all that can fail here: the owner is no member of the tenant, or has just gone. */
function strange(error: unknown): never {
  throw (error as { code?: unknown }).code === '23503' ? notMember() : error;
}
