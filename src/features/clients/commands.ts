import { isDeepStrictEqual } from 'node:util';
import { forbidden, invalidInput } from '../../core/errors.ts';
import { isId, newId, newSecret } from '../../core/ids.ts';
import { can } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import { mergePatch } from '../../http/merge-patch.ts';
import { violatedUnique } from '../../infra/postgres.ts';
import type { Transact, Work } from '../audit/index.ts';
import { type CheckRules, type CompleteInput, checkInput, completeInput } from './check.ts';
import { clientIdTaken, clientNotFound, lastSecret, noSecrets, secretNotFound, tooManySecrets, trustNeedsPlatform } from './errors.ts';
import type { ClientMetadata, ClientProfile } from './index.ts';
import { type ClientInput, COLUMNS, type NewClient } from './schema.ts';
import { hashSecret, newClientSecret, usesSecret } from './secrets.ts';
import {
  type ClientRow,
  type ClientSecretRow,
  type ClientValues,
  deleteExpiredSecrets,
  deleteSecret,
  hasOtherSecret,
  insertClient,
  insertSecret,
  lockClient,
  deleteClient as removeRow,
  secretsOf,
  touchClient,
  updateClient,
} from './store.ts';

export interface ClientDeps {
  transact: Transact;
  rules: CheckRules;
  /** Asks the protocol library whether it could work with this; throws 422 where not. */
  validateMetadata(client: { clientId: string; metadata: ClientMetadata; profile: ClientProfile }): Promise<void>;
  /** Called after a commit, so that this process need not wait for the notification. */
  changed(clientId: string): void;
}

export interface ClientWithSecrets {
  row: ClientRow;
  secrets: ClientSecretRow[];
}

const RESERVED = /^gatehouse(-|$)/;

/**
 * Registers a client (RFC 7591 metadata and ours). Answers its secret in clear, this once, where it authenticates with one; `secret`
 * brings one along. Throws 409 where the id is taken, 403 where more is granted than the actor holds, 422.
 */
export async function createClient(
  deps: ClientDeps,
  scope: Scope,
  input: NewClient,
  secret: string = newClientSecret(),
): Promise<ClientWithSecrets & { secret: string | undefined }> {
  const { client_id: wanted, ...rest } = input;
  // A leading dash would be an option on a command line.
  const clientId = wanted ?? newSecret(18).replace(/^[-_]/, 'c');
  // RFC 9700 section 4.15: no client may be mistaken for a person.
  if (isId(clientId.toLowerCase())) throw invalidInput([{ pointer: '/client_id', message: 'must not look like the id of a person' }]);
  if (RESERVED.test(clientId) && scope.actor.type !== 'system') throw invalidInput([{ pointer: '/client_id', message: 'is reserved' }]);
  const values = await judge(deps, scope, clientId, rest);
  const made = await deps.transact(scope, async ({ sql, record }) => {
    const row = await insertClient(sql, scope.tenantId, clientId, values).catch((error: unknown) => {
      throw violatedUnique(error) ? clientIdTaken() : error;
    });
    const secrets = usesSecret(row.metadata)
      ? [await insertSecret(sql, { id: newId(), tenantId: scope.tenantId, clientId, hash: hashSecret(secret) })]
      : [];
    record({ type: 'client.created', outcome: 'success', target: { type: 'client', id: clientId } });
    return { row, secrets };
  });
  deps.changed(clientId);
  return { ...made, secret: made.secrets.length > 0 ? secret : undefined };
}

/** Replaces everything that is registered, secrets apart. Throws 404, 412, 422, and 403, also where a tenant would change what the installation trusts. */
export const replaceClient = (
  deps: ClientDeps,
  scope: Scope,
  clientId: string,
  input: NewClient,
  ifMatch?: string,
): Promise<ClientWithSecrets> => changeClient(deps, scope, clientId, ifMatch, () => input);

/** Applies a JSON merge patch (RFC 7396). Throws 404, 412, 403, 422. */
export const patchClient = (
  deps: ClientDeps,
  scope: Scope,
  clientId: string,
  patch: object,
  ifMatch?: string,
): Promise<ClientWithSecrets> => changeClient(deps, scope, clientId, ifMatch, (row) => mergePatch(inputOf(row), patch) as NewClient);

async function changeClient(
  deps: ClientDeps,
  scope: Scope,
  clientId: string,
  ifMatch: string | undefined,
  next: (row: ClientRow) => NewClient,
): Promise<ClientWithSecrets> {
  const changed = await deps.transact(scope, async (work) => {
    const before = await lockOwn(work, scope, clientId, ifMatch);
    const { client_id: named = clientId, ...input } = next(before);
    if (named !== clientId) throw invalidInput([{ pointer: '/client_id', message: 'cannot be changed' }]);
    const values = await judge(deps, scope, clientId, input, before);
    checkTrust(scope, before, values);
    const row = await updateClient(work.sql, scope.tenantId, clientId, values);
    const secrets = await secretsOf(work.sql, scope.tenantId, clientId);
    if (!usesSecret(row.metadata)) for (const { id } of secrets.splice(0)) await deleteSecret(work.sql, scope.tenantId, clientId, id);
    else if (secrets.length === 0)
      throw invalidInput([{ pointer: '/token_endpoint_auth_method', message: 'needs a secret: register a new client' }]);
    const fields = Object.keys(input).filter((name) => JSON.stringify(fieldOf(before, name)) !== JSON.stringify(fieldOf(row, name)));
    work.record({ type: 'client.changed', outcome: 'success', target: { type: 'client', id: clientId }, data: { fields } });
    return { row, secrets };
  });
  deps.changed(clientId);
  return changed;
}

/** Its tokens, grants and remembered consents go in the same transaction. Throws 404, 412, 403. */
export async function deleteClient(deps: ClientDeps, scope: Scope, clientId: string, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async (work) => {
    await lockOwn(work, scope, clientId, ifMatch);
    await removeRow(work.sql, scope.tenantId, clientId);
    work.record({ type: 'client.deleted', outcome: 'success', target: { type: 'client', id: clientId } });
  });
  deps.changed(clientId);
}

/** Adds a second secret, for rotation. Both work until one is deleted or expires. Throws 404, 403, 409, 412. */
export async function addSecret(
  deps: ClientDeps,
  scope: Scope,
  clientId: string,
  input: { expiresInSeconds?: number | undefined },
  ifMatch?: string,
): Promise<{ row: ClientSecretRow; secret: string }> {
  const secret = newClientSecret();
  const row = await deps.transact(scope, async (work) => {
    const client = await lockOwn(work, scope, clientId, ifMatch);
    if (!usesSecret(client.metadata)) throw noSecrets();
    await deleteExpiredSecrets(work.sql, scope.tenantId, clientId);
    if ((await secretsOf(work.sql, scope.tenantId, clientId)).length >= 2) throw tooManySecrets();
    const made = await insertSecret(work.sql, {
      ...input,
      id: newId(),
      tenantId: scope.tenantId,
      clientId,
      hash: hashSecret(secret),
    });
    await touchClient(work.sql, scope.tenantId, clientId);
    work.record({ type: 'client.secret_added', outcome: 'success', target: { type: 'client', id: clientId }, data: { secretId: made.id } });
    return made;
  });
  deps.changed(clientId);
  return { row, secret };
}

/** Throws 404, 403, 412, and 409 where no other secret would be left. */
export async function removeSecret(deps: ClientDeps, scope: Scope, clientId: string, secretId: string, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async (work) => {
    await lockOwn(work, scope, clientId, ifMatch);
    const secrets = await secretsOf(work.sql, scope.tenantId, clientId);
    if (!secrets.some(({ id }) => id === secretId)) throw secretNotFound();
    if (!(await hasOtherSecret(work.sql, scope.tenantId, clientId, secretId))) throw lastSecret();
    await deleteSecret(work.sql, scope.tenantId, clientId, secretId);
    await touchClient(work.sql, scope.tenantId, clientId);
    work.record({ type: 'client.secret_removed', outcome: 'success', target: { type: 'client', id: clientId }, data: { secretId } });
  });
  deps.changed(clientId);
}

/** Locks it for a change; whoever holds less than the client does must not get at it. */
async function lockOwn({ sql }: Work, scope: Scope, clientId: string, ifMatch?: string): Promise<ClientRow> {
  const row = await lockClient(sql, scope.tenantId, clientId);
  if (!row) throw clientNotFound();
  checkHolds(scope, row.permissions);
  checkIfMatch(ifMatch, row.version);
  return row;
}

function checkHolds(scope: Scope, permissions: readonly string[]): void {
  const missing = permissions.find((permission) => !can(scope, permission));
  if (missing !== undefined) throw forbidden(missing);
}

async function judge(
  deps: ClientDeps,
  scope: Scope,
  clientId: string,
  input: ClientInput,
  before?: Pick<ClientRow, 'first_party' | 'direct_login'>,
): Promise<ClientValues> {
  checkHolds(scope, input.permissions ?? []);
  // People are everybody's: a client that is not to ask them, or takes their passwords, is trusted by the installation, not by one tenant.
  for (const trust of ['first_party', 'direct_login'] as const)
    if (input[trust] === true && !before?.[trust] && !scope.platform) throw trustNeedsPlatform(trust);
  const complete = completeInput(input);
  checkInput(complete, deps.rules);
  const values = valuesOf(complete);
  await deps.validateMetadata({ clientId, metadata: values.metadata, profile: values.profile });
  return values;
}

/** What a tenant may change of a client that the installation trusts: nothing that says where codes go, or who it is that comes with them. */
const OWN_TO_CHANGE: ReadonlySet<string> = new Set([
  'client_name',
  'client_uri',
  'logo_uri',
  'policy_uri',
  'tos_uri',
  'contacts',
  'software_id',
  'software_version',
  'enabled',
  'first_party',
  'direct_login',
  'permissions',
  'post_logout_redirect_uris',
  'backchannel_logout_uri',
  'backchannel_logout_session_required',
  'default_max_age',
  'require_auth_time',
]);

/** The trust was given to the registration as it was: a client that would keep it stays that one. Throws 403. */
function checkTrust(scope: Scope, before: ClientRow, after: ClientValues): void {
  const kept = (['first_party', 'direct_login'] as const).find((trust) => before[trust] && after[trust]);
  if (kept === undefined || scope.platform) return;
  const [was, is] = [inputOf(before), inputOf(after)] as Record<string, unknown>[];
  const others = Object.keys({ ...was, ...is }).filter((name) => !OWN_TO_CHANGE.has(name));
  if (others.some((name) => !isDeepStrictEqual(was?.[name], is?.[name]))) throw trustNeedsPlatform(kept);
}

const valuesOf = (input: CompleteInput): ClientValues => ({
  metadata: Object.fromEntries(Object.entries(input).filter(([name]) => !COLUMNS.includes(name))),
  enabled: input.enabled ?? true,
  first_party: input.first_party ?? false,
  direct_login: input.direct_login ?? false,
  profile: input.profile ?? 'default',
  permissions: input.permissions ?? [],
  allowed_origins: input.allowed_origins ?? [],
});

function inputOf(row: ClientValues): ClientInput {
  const { enabled, first_party, direct_login, profile, permissions, allowed_origins } = row;
  return { ...row.metadata, enabled, first_party, direct_login, profile, permissions: permissions as never, allowed_origins };
}

const fieldOf = (row: ClientRow, name: string): unknown => (inputOf(row) as Record<string, unknown>)[name] ?? null;
