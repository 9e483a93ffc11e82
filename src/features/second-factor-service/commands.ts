/** A tenant's own service for second factors. */
import { isDeepStrictEqual } from 'node:util';
import { type FieldError, invalidInput, notFound } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import type { Database, Sql } from '../../infra/postgres.ts';
import { isPublicAddress } from '../../infra/public-address.ts';
import type { SecretBox } from '../../infra/secret-box.ts';
import type { Transact } from '../audit/index.ts';
import type { ProviderSettings } from './index.ts';
import type { ServiceInput } from './schema.ts';
import { deleteService, findService, lockService, type ServiceRow, saveService } from './store.ts';

export interface SecondFactorServiceDeps {
  db: Database;
  transact: Transact;
  box: SecretBox;
  /** Hosts that may be reached although they are private, and by plain http. */
  outboundAllowHosts: readonly string[];
  /** Which of these names are no roles of the tenant; its roles stay as they are until the transaction ends. */
  unknownRoles(sql: Sql, tenantId: string, names: readonly string[]): Promise<string[]>;
  /** Called after a commit, so that this process need not wait for the notification. */
  changed(tenantId: string): void;
}

const serviceNotFound = () => notFound('second_factor_service');
const contextOf = (tenantId: string): string => `second-factor-service:${tenantId}`;
const targetOf = ({ tenantId }: Scope) => ({ type: 'tenant', id: tenantId });

export const openToken = (box: SecretBox, tenantId: string, sealed: Buffer): string =>
  box.open(sealed, contextOf(tenantId)).toString('utf8');

/** Throws 404. */
export async function getService({ db }: Pick<SecondFactorServiceDeps, 'db'>, { tenantId }: Scope): Promise<ServiceRow> {
  const row = await db.transaction((sql) => findService(sql, tenantId), { tenantId });
  if (!row) throw serviceNotFound();
  return row;
}

/** Sets the service, or replaces it. What is kept of its secret goes to no other host, and to no other client's name. Throws 412, 422. */
export async function putService(deps: SecondFactorServiceDeps, scope: Scope, input: ServiceInput, ifMatch?: string): Promise<ServiceRow> {
  const { roles = [], whenUnavailable = 'refuse' } = input;
  const wanted = input.kind === 'oidc' ? provider(deps, input) : service(deps, input);
  const row = await deps.transact(scope, async ({ sql, record }) => {
    const before = await lockService(sql, scope.tenantId);
    checkIfMatch(ifMatch, before?.revision ?? '');
    const errors = [...wanted.errors];
    const { secret, secretName, keptAt, url, oidc } = wanted;
    if (secret === undefined && (keptAt === undefined || before === undefined || keptAt !== placeOf(before)))
      errors.push({ pointer: `/${secretName}`, message: before ? 'is required: the one that is kept is for another host' : 'is required' });
    // One that stood there before may be gone by now: it is nobody's.
    const added = roles.filter((name) => !before?.roles.includes(name));
    const unknown = new Set(await deps.unknownRoles(sql, scope.tenantId, added));
    for (const [index, name] of roles.entries())
      if (unknown.has(name)) errors.push({ pointer: `/roles/${index}`, message: 'is no role of the tenant' });
    if (errors.length > 0) throw invalidInput(errors);
    const sealed = secret === undefined ? before?.token_sealed : deps.box.seal(secret, contextOf(scope.tenantId));
    const saved = await saveService(sql, scope.tenantId, {
      revision: newId(),
      url,
      oidc,
      token_sealed: sealed!,
      roles,
      when_unavailable: whenUnavailable,
    });
    const fields = [
      ...((before?.url ?? null) === url ? [] : ['url']),
      ...(isDeepStrictEqual(before?.oidc ?? null, oidc) ? [] : ['oidc']),
      ...(secret === undefined ? [] : [secretName]),
      ...(before && JSON.stringify(before.roles) === JSON.stringify(roles) ? [] : ['roles']),
      ...(before?.when_unavailable === whenUnavailable ? [] : ['whenUnavailable']),
    ];
    record({ type: 'second_factor_service.changed', outcome: 'success', target: targetOf(scope), data: { fields } });
    return saved;
  });
  deps.changed(scope.tenantId);
  return row;
}

interface Wanted {
  errors: FieldError[];
  url: string | null;
  oidc: ProviderSettings | null;
  secret: string | undefined;
  secretName: 'token' | 'clientSecret';
  /** Where a kept secret may go on going; undefined where that is not known. */
  keptAt: string | undefined;
}

/** Whom a secret is for. */
const placeOf = ({ url, oidc }: Pick<ServiceRow, 'url' | 'oidc'>): string =>
  oidc ? `oidc ${oidc.issuer} ${oidc.clientId}` : `http ${new URL(url ?? '').origin}`;

const OF_HTTP = ['url', 'token'] as const;
const OF_OIDC = ['issuer', 'clientId', 'clientSecret', 'subjectClaim', 'acrValues', 'amrValues', 'maxAgeSeconds'] as const;

const strangers = (input: ServiceInput, names: readonly (keyof ServiceInput)[], kind: string): FieldError[] =>
  names.filter((name) => input[name] !== undefined).map((name) => ({ pointer: `/${name}`, message: `does not go with ${kind}` }));

function service({ outboundAllowHosts }: SecondFactorServiceDeps, input: ServiceInput): Wanted {
  const errors = strangers(input, OF_OIDC, 'http');
  const url = (input.url ?? '').replace(/\/+$/, '');
  const fault = input.url === undefined ? 'is required' : faultOfUrl(url, outboundAllowHosts);
  if (fault !== undefined) errors.push({ pointer: '/url', message: fault });
  const keptAt = fault === undefined ? placeOf({ url, oidc: null }) : undefined;
  return { errors, url, oidc: null, secret: input.token, secretName: 'token', keptAt };
}

function provider({ outboundAllowHosts }: SecondFactorServiceDeps, input: ServiceInput): Wanted {
  const errors = strangers(input, OF_HTTP, 'oidc');
  const { issuer = '', clientId = '', clientSecret, subjectClaim = 'sub', acrValues = [], amrValues = [], maxAgeSeconds = 0 } = input;
  const fault = input.issuer === undefined ? 'is required' : faultOfUrl(issuer, outboundAllowHosts);
  if (fault !== undefined) errors.push({ pointer: '/issuer', message: fault });
  if (input.clientId === undefined) errors.push({ pointer: '/clientId', message: 'is required' });
  const oidc: ProviderSettings = { issuer, clientId, subjectClaim, acrValues, amrValues, maxAgeSeconds };
  return { errors, url: null, oidc, secret: clientSecret, secretName: 'clientSecret', keptAt: placeOf({ url: null, oidc }) };
}

/** From then on people prove the factors that they have here. Throws 404, 412. */
export async function removeService(deps: SecondFactorServiceDeps, scope: Scope, ifMatch?: string): Promise<void> {
  await deps.transact(scope, async ({ sql, record }) => {
    const before = await lockService(sql, scope.tenantId);
    if (!before) throw serviceNotFound();
    checkIfMatch(ifMatch, before.revision);
    await deleteService(sql, scope.tenantId);
    record({ type: 'second_factor_service.removed', outcome: 'success', target: targetOf(scope) });
  });
  deps.changed(scope.tenantId);
}

/** A name is judged once more when it is connected to; an address that is written out can be told at once. */
function faultOfUrl(text: string, allowed: readonly string[]): string | undefined {
  const url = URL.canParse(text) && /^https?:\/\/[\x21-\x7e]+$/.test(text) ? new URL(text) : undefined;
  if (!url) return 'must be an https URL';
  const trusted = allowed.includes(url.hostname) || allowed.includes(url.host);
  if (url.protocol !== 'https:' && !trusted) return 'must be an https URL';
  if (url.username || url.password || text.includes('?') || text.includes('#')) return 'must have neither query, fragment nor credentials';
  const literal = url.hostname.replace(/^\[|\]$/g, '');
  const isAddress = literal.includes(':') || /^[\d.]+$/.test(literal);
  return isAddress && !trusted && !isPublicAddress(literal) ? 'is not a public address' : undefined;
}
