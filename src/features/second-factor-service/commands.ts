/** A tenant's own service for second factors. */
import { type FieldError, invalidInput, notFound } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import type { Database } from '../../infra/postgres.ts';
import { isPublicAddress } from '../../infra/public-address.ts';
import type { SecretBox } from '../../infra/secret-box.ts';
import type { Transact } from '../audit/index.ts';
import type { ServiceInput } from './schema.ts';
import { deleteService, findService, lockService, type ServiceRow, saveService } from './store.ts';

export interface SecondFactorServiceDeps {
  db: Database;
  transact: Transact;
  box: SecretBox;
  /** Hosts that may be reached although they are private, and by plain http. */
  outboundAllowHosts: readonly string[];
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

/** Sets the service, or replaces it. A token that is kept goes to no other host. Throws 412, 422. */
export async function putService(
  deps: SecondFactorServiceDeps,
  scope: Scope,
  { url: typed, token, roles = [], whenUnavailable = 'refuse' }: ServiceInput,
  ifMatch?: string,
): Promise<ServiceRow> {
  const url = typed.replace(/\/+$/, '');
  const fault = faultOfUrl(url, deps.outboundAllowHosts);
  const row = await deps.transact(scope, async ({ sql, record }) => {
    const before = await lockService(sql, scope.tenantId);
    checkIfMatch(ifMatch, before?.revision ?? '');
    const errors: FieldError[] = fault === undefined ? [] : [{ pointer: '/url', message: fault }];
    const mayKeep = before !== undefined && fault === undefined && new URL(before.url).origin === new URL(url).origin;
    if (token === undefined && !mayKeep)
      errors.push({ pointer: '/token', message: before ? 'is required: the one that is kept is for another host' : 'is required' });
    if (errors.length > 0) throw invalidInput(errors);
    const sealed = token === undefined ? before?.token_sealed : deps.box.seal(token, contextOf(scope.tenantId));
    const saved = await saveService(sql, scope.tenantId, {
      revision: newId(),
      url,
      token_sealed: sealed!,
      roles,
      when_unavailable: whenUnavailable,
    });
    const fields = [
      ...(before?.url === url ? [] : ['url']),
      ...(token === undefined ? [] : ['token']),
      ...(before && JSON.stringify(before.roles) === JSON.stringify(roles) ? [] : ['roles']),
      ...(before?.when_unavailable === whenUnavailable ? [] : ['whenUnavailable']),
    ];
    record({ type: 'second_factor_service.changed', outcome: 'success', target: targetOf(scope), data: { fields } });
    return saved;
  });
  deps.changed(scope.tenantId);
  return row;
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
