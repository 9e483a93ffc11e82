import { createPrivateKey } from 'node:crypto';
import { AppError, type FieldError, invalidInput, notFound } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import { mergePatch } from '../../http/merge-patch.ts';
import { compileBody } from '../../http/validate.ts';
import { violatedUnique } from '../../infra/postgres.ts';
import type { SecretBox } from '../../infra/secret-box.ts';
import type { Transact, Work } from '../audit/index.ts';
import { CONNECTION_KINDS, type ConnectionKind } from './index.ts';
import { CONNECTION_REPLACEMENT, type ConnectionInput, type ConnectionReplacement } from './schema.ts';
import { type ConnectionSecrets, openSecrets, sealSecrets } from './secrets.ts';
import {
  type ConnectionRow,
  type ConnectionValues,
  domainsTaken,
  holdDomains,
  insertConnection,
  lockConnection,
  deleteConnection as removeRow,
  updateConnection,
} from './store.ts';

export interface ConnectionDeps {
  transact: Transact;
  box: SecretBox;
  /** The tenant's verified domains. */
  domainsOf(tenantId: string): Promise<readonly string[]>;
  /** Hosts that may be reached although they are private, and by plain http. */
  outboundAllowHosts: readonly string[];
  /** Called after a commit, so that this process need not wait for the notification. */
  changed(tenantId: string): void;
}

export const connectionNotFound = (): AppError => notFound('connection');
const keyTaken = (): AppError => new AppError('connection.key_taken', 409, 'This key is taken');
const domainTaken = (domains: readonly string[]): AppError =>
  new AppError('connection.domain_taken', 409, 'This domain leads to another connection', { extra: { domains } });

/** Throws 409 where the key or a domain is taken or the tenant has as many as it may, 422. */
export async function createConnection(deps: ConnectionDeps, scope: Scope, input: ConnectionInput): Promise<ConnectionRow> {
  const id = newId();
  const { kind } = input;
  const values = await judge(deps, scope, id, kind, { ...input, key: input.key ?? kind }, {});
  const row = await deps.transact(scope, async (work) => {
    await checkDomains(work, scope, values.domains, id);
    const made = await insertConnection(work.sql, scope.tenantId, id, kind, values).catch(taken);
    work.record({ type: 'connection.created', outcome: 'success', target: { type: 'connection', id }, data: { kind, key: made.key } });
    return made;
  });
  deps.changed(scope.tenantId);
  return row;
}

/** Secrets stay where they are left out. Throws 404, 409, 412, 422. */
export const replaceConnection = (deps: ConnectionDeps, scope: Scope, id: string, input: ConnectionReplacement, ifMatch?: string) =>
  change(deps, scope, id, ifMatch, (row, secrets) => ({
    input: {
      ...(row.issuer === null ? {} : { issuer: row.issuer }),
      ...input,
      key: input.key ?? row.key,
      clientId: input.clientId ?? row.client_id,
    },
    secrets,
  }));

const isReplacement = compileBody(CONNECTION_REPLACEMENT);

/** Applies a JSON merge patch (RFC 7396); null gives the default back, and takes a secret away. Throws 404, 409, 412, 422. */
export const patchConnection = (deps: ConnectionDeps, scope: Scope, id: string, patch: object, ifMatch?: string) =>
  change(deps, scope, id, ifMatch, (row, secrets) => {
    const next = mergePatch(inputOf(row), patch) as ConnectionReplacement;
    const faults = isReplacement(next);
    if (faults.length > 0) throw invalidInput(faults);
    const gone = (patch as { clientSecret?: unknown }).clientSecret === null;
    const { clientSecret, ...others } = secrets;
    if (next.clientId === undefined) throw invalidInput([{ pointer: '/clientId', message: 'is required' }]);
    return {
      input: { ...next, key: next.key ?? row.kind, clientId: next.clientId },
      secrets: gone || clientSecret === undefined ? others : secrets,
    };
  });

type Judged = ConnectionReplacement & { key: string; clientId: string };

async function change(
  deps: ConnectionDeps,
  scope: Scope,
  id: string,
  ifMatch: string | undefined,
  next: (row: ConnectionRow, secrets: ConnectionSecrets) => { input: Judged; secrets: ConnectionSecrets },
): Promise<ConnectionRow> {
  const row = await deps.transact(scope, async (work) => {
    const before = await lockConnection(work.sql, scope.tenantId, id);
    if (!before) throw connectionNotFound();
    checkIfMatch(ifMatch, before.version);
    const { input, secrets } = next(before, openSecrets(deps.box, id, before.secret_sealed));
    if (input.kind !== undefined && input.kind !== before.kind)
      throw invalidInput([{ pointer: '/kind', message: 'cannot be changed: make another connection' }]);
    const values = await judge(deps, scope, id, before.kind, input, secrets);
    await checkDomains(work, scope, values.domains, id);
    const after = await updateConnection(work.sql, scope.tenantId, id, values).catch(taken);
    const fields = (Object.keys(values) as (keyof ConnectionValues)[]).filter(
      (field) => JSON.stringify(before[field]) !== JSON.stringify(after[field]),
    );
    work.record({ type: 'connection.changed', outcome: 'success', target: { type: 'connection', id }, data: { fields } });
    return after;
  });
  deps.changed(scope.tenantId);
  return row;
}

/** Throws 404, 412. Whoever came in by it and has no other way has none any more. */
export async function deleteConnection(deps: ConnectionDeps, scope: Scope, id: string, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async ({ sql, record }) => {
    const row = await lockConnection(sql, scope.tenantId, id);
    if (!row) throw connectionNotFound();
    checkIfMatch(ifMatch, row.version);
    await removeRow(sql, scope.tenantId, id);
    record({ type: 'connection.deleted', outcome: 'success', target: { type: 'connection', id }, data: { kind: row.kind, key: row.key } });
  });
  deps.changed(scope.tenantId);
}

async function checkDomains({ sql }: Work, { tenantId }: Scope, domains: readonly string[], id: string): Promise<void> {
  if (domains.length === 0) return;
  await holdDomains(sql, tenantId);
  const elsewhere = await domainsTaken(sql, tenantId, domains, id);
  if (elsewhere.length > 0) throw domainTaken(elsewhere);
}

function taken(error: unknown): never {
  throw violatedUnique(error) ? keyTaken() : error;
}

/** Kinds that speak OpenID Connect with an issuer that a tenant names. */
const WITH_ISSUER: readonly ConnectionKind[] = ['oidc', 'microsoft'];
/** Kinds whose discovery may name an `end_session_endpoint`. */
const WITH_ID_TOKEN: readonly ConnectionKind[] = ['oidc', 'microsoft', 'google', 'apple'];
const MICROSOFT =
  /^https:\/\/login\.microsoftonline\.com\/(common|organizations|consumers|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\/v2\.0$/;

async function judge(
  deps: ConnectionDeps,
  scope: Scope,
  id: string,
  kind: ConnectionKind,
  input: Judged,
  kept: ConnectionSecrets,
): Promise<ConnectionValues> {
  // A provider that is called as a well-known one, and is another, would be taken for it.
  if (input.key !== kind && (CONNECTION_KINDS as readonly string[]).includes(input.key)) throw keyTaken();
  const errors: FieldError[] = [];
  const { apple, ...options } = input.options ?? {};
  const privateKey = apple?.privateKey;
  const secrets: ConnectionSecrets = {
    ...kept,
    ...(input.clientSecret === undefined ? {} : { clientSecret: input.clientSecret }),
    ...(privateKey === undefined ? {} : { privateKey }),
  };
  if (input.name.trim() === '') errors.push({ pointer: '/name', message: 'must not be blank' });
  if (input.issuer !== undefined && !WITH_ISSUER.includes(kind)) errors.push({ pointer: '/issuer', message: `is fixed for ${kind}` });
  else if (input.issuer === undefined && kind === 'oidc') errors.push({ pointer: '/issuer', message: 'is required' });
  else if (input.issuer !== undefined) {
    const fault = kind === 'microsoft' ? faultOfMicrosoft(input.issuer) : faultOfIssuer(input.issuer, deps.outboundAllowHosts);
    if (fault) errors.push({ pointer: '/issuer', message: fault });
  }
  if (kind === 'apple') {
    if (!apple) errors.push({ pointer: '/options/apple', message: 'is required' });
    else if (secrets.privateKey === undefined) errors.push({ pointer: '/options/apple/privateKey', message: 'is required' });
    else if (!isSigningKey(secrets.privateKey))
      errors.push({ pointer: '/options/apple/privateKey', message: 'must be a P-256 key, PKCS #8 PEM' });
    if (input.clientSecret !== undefined) errors.push({ pointer: '/clientSecret', message: 'is signed with the private key, for apple' });
  } else {
    if (apple) errors.push({ pointer: '/options/apple', message: 'is for apple only' });
    if (kind !== 'oidc' && secrets.clientSecret === undefined) errors.push({ pointer: '/clientSecret', message: 'is required' });
  }
  if (options.trustUpstreamAmr && !WITH_ISSUER.includes(kind))
    errors.push({ pointer: '/options/trustUpstreamAmr', message: `${kind} does not say what it asked for` });
  if (options.logoutAtProvider && !WITH_ID_TOKEN.includes(kind))
    errors.push({ pointer: '/options/logoutAtProvider', message: `${kind} has no such sign-out` });
  const domains = (input.domains ?? []).map((domain) => domain.toLowerCase());
  const verified = domains.length > 0 ? await deps.domainsOf(scope.tenantId) : [];
  for (const [index, domain] of domains.entries())
    if (!verified.includes(domain)) errors.push({ pointer: `/domains/${index}`, message: 'is not a verified domain of the tenant' });
  if (new Set(domains).size < domains.length) errors.push({ pointer: '/domains', message: 'names a domain twice' });
  if (errors.length > 0) throw invalidInput(errors);
  return {
    key: input.key,
    name: input.name,
    issuer: input.issuer ?? null,
    client_id: input.clientId,
    secret_sealed: sealSecrets(deps.box, id, secrets),
    options: { ...options, ...(apple ? { apple: { teamId: apple.teamId, keyId: apple.keyId } } : {}) },
    domains,
    enabled: input.enabled ?? true,
  };
}

const faultOfMicrosoft = (issuer: string): string | undefined =>
  MICROSOFT.test(issuer) ? undefined : 'must be https://login.microsoftonline.com/<tenant>/v2.0';

/** OpenID Connect Discovery 1.0 section 3: https, neither query nor fragment. */
function faultOfIssuer(text: string, allowed: readonly string[]): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:\/\/[\x21-\x7e]+$/.test(text)) return 'must be an https URL';
  const trusted = allowed.includes(url.hostname) || allowed.includes(url.host);
  if (url.protocol !== 'https:' && !trusted) return 'must be an https URL';
  return url.username || url.password || text.includes('?') || text.includes('#')
    ? 'must have neither query, fragment nor credentials'
    : undefined;
}

function isSigningKey(pem: string): boolean {
  try {
    const key = createPrivateKey(pem);
    return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
  } catch {
    return false;
  }
}

const inputOf = (row: ConnectionRow): ConnectionReplacement => ({
  kind: row.kind,
  key: row.key,
  name: row.name,
  clientId: row.client_id,
  ...(row.issuer === null ? {} : { issuer: row.issuer }),
  domains: row.domains,
  enabled: row.enabled,
  options: row.options as NonNullable<ConnectionReplacement['options']>,
});
