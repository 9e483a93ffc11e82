import { AppError, type FieldError, invalidInput, notFound } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { ALL_PERMISSIONS } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import { mergePatch } from '../../http/merge-patch.ts';
import { violatedUnique } from '../../infra/postgres.ts';
import type { Transact } from '../audit/index.ts';
import type { ResourceInput, ResourceReplacement } from './schema.ts';
import {
  insertResource,
  lockResource,
  type ResourceRow,
  type ResourceValues,
  deleteResource as removeRow,
  updateResource,
} from './store.ts';

export interface ResourceDeps {
  transact: Transact;
  /** Nothing at or below these may be registered: they are our own API. */
  issuer: string;
  /** Which of the clients exist in the scope's tenant. */
  knownClients(scope: Scope, clientIds: readonly string[]): Promise<readonly string[]>;
  /** Called after a commit, so that this process need not wait for the notification. */
  changed(identifier: string): void;
}

export const resourceNotFound = (): AppError => notFound('resource');
const identifierTaken = (): AppError => new AppError('resource.identifier_taken', 409, 'This identifier is taken');

/** Scopes that belong to OpenID Connect or to our own API, and so to no other. */
const RESERVED_SCOPES = new Set(['openid', 'offline_access', 'profile', 'email', 'phone', 'address', 'account', ...ALL_PERMISSIONS]);

/** Registers an API. Throws 409 where the identifier is taken, 422. */
export async function createResource(deps: ResourceDeps, scope: Scope, input: ResourceInput): Promise<ResourceRow> {
  const values = await judge(deps, scope, input);
  const row = await deps.transact(scope, async ({ sql, record }) => {
    const made = await insertResource(sql, scope.tenantId, newId(), values).catch(taken);
    record({ type: 'resource.created', outcome: 'success', target: { type: 'resource', id: made.id } });
    return made;
  });
  deps.changed(row.identifier);
  return row;
}

/** Throws 404, 409, 412, 422. */
export const replaceResource = (
  deps: ResourceDeps,
  scope: Scope,
  id: string,
  input: ResourceReplacement,
  ifMatch?: string,
): Promise<ResourceRow> => changeResource(deps, scope, id, ifMatch, (row) => ({ identifier: row.identifier, ...input }));

/** Applies a JSON merge patch (RFC 7396); null gives the default back. Throws 404, 409, 412, 422. */
export const patchResource = (deps: ResourceDeps, scope: Scope, id: string, patch: object, ifMatch?: string): Promise<ResourceRow> =>
  changeResource(deps, scope, id, ifMatch, (row) => {
    const next = mergePatch(inputOf(row), patch) as Partial<ResourceInput>;
    const missing = (['identifier', 'name'] as const).filter((field) => next[field] === undefined);
    if (missing.length > 0) throw invalidInput(missing.map((field) => ({ pointer: `/${field}`, message: 'is required' })));
    return next as ResourceInput;
  });

async function changeResource(
  deps: ResourceDeps,
  scope: Scope,
  id: string,
  ifMatch: string | undefined,
  next: (row: ResourceRow) => ResourceInput,
): Promise<ResourceRow> {
  const { before, after } = await deps.transact(scope, async ({ sql, record }) => {
    const before = await lockResource(sql, scope.tenantId, id);
    if (!before) throw resourceNotFound();
    checkIfMatch(ifMatch, before.version);
    const values = await judge(deps, scope, next(before));
    const after = await updateResource(sql, scope.tenantId, id, values).catch(taken);
    const fields = (Object.keys(values) as (keyof ResourceValues)[]).filter(
      (field) => JSON.stringify(before[field]) !== JSON.stringify(after[field]),
    );
    record({ type: 'resource.changed', outcome: 'success', target: { type: 'resource', id }, data: { fields } });
    return { before, after };
  });
  deps.changed(before.identifier);
  deps.changed(after.identifier);
  return after;
}

/** Throws 404, 412. Tokens that were issued for it run out. */
export async function deleteResource(deps: ResourceDeps, scope: Scope, id: string, ifMatch?: string): Promise<void> {
  const before = await deps.transact(scope, async ({ sql, record }) => {
    const row = await lockResource(sql, scope.tenantId, id);
    if (!row) throw resourceNotFound();
    checkIfMatch(ifMatch, row.version);
    await removeRow(sql, scope.tenantId, id);
    record({ type: 'resource.deleted', outcome: 'success', target: { type: 'resource', id } });
    return row;
  });
  deps.changed(before.identifier);
}

function taken(error: unknown): never {
  throw violatedUnique(error) ? identifierTaken() : error;
}

async function judge(deps: ResourceDeps, scope: Scope, input: ResourceInput): Promise<ResourceValues> {
  const errors: FieldError[] = [];
  const fault = faultOfIdentifier(input.identifier, deps.issuer);
  if (fault) errors.push({ pointer: '/identifier', message: fault });
  const names = (input.scopes ?? []).map(({ name }) => name);
  for (const [index, name] of names.entries()) {
    if (RESERVED_SCOPES.has(name)) errors.push({ pointer: `/scopes/${index}/name`, message: 'is reserved' });
    if (names.indexOf(name) !== index) errors.push({ pointer: `/scopes/${index}/name`, message: 'is there twice' });
  }
  const clients = input.clients ?? [];
  const known = clients.length > 0 ? await deps.knownClients(scope, clients) : [];
  for (const [index, client] of clients.entries()) {
    if (!known.includes(client)) errors.push({ pointer: `/clients/${index}`, message: 'is not a client of this tenant' });
  }
  if (errors.length > 0) throw invalidInput(errors);
  return {
    identifier: input.identifier,
    name: input.name,
    scopes: (input.scopes ?? []).map(({ name, description }) => ({ name, description: description ?? '' })),
    access_token_format: input.accessTokenFormat ?? 'jwt',
    signing_alg: input.signingAlg ?? 'RS256',
    access_token_ttl_seconds: input.accessTokenTtlSeconds ?? 600,
    attributes: input.attributes ?? [],
    clients,
  };
}

/** RFC 8707 section 2: an absolute URI without a fragment. */
function faultOfIdentifier(text: string, issuer: string): string | undefined {
  if (!/^[a-z][a-z0-9+.-]*:[\x21\x23-\x5b\x5d-\x7e]+$/.test(text) || !URL.canParse(text)) return 'must be an absolute URI';
  if (text.includes('#')) return 'must not have a fragment';
  const { origin } = new URL(text);
  return origin !== 'null' && origin === new URL(issuer).origin ? 'must not be an address of this server' : undefined;
}

const inputOf = (row: ResourceRow): ResourceInput => ({
  identifier: row.identifier,
  name: row.name,
  scopes: row.scopes,
  accessTokenFormat: row.access_token_format,
  signingAlg: row.signing_alg,
  accessTokenTtlSeconds: row.access_token_ttl_seconds,
  attributes: row.attributes,
  clients: row.clients,
});
