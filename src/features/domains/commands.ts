import { addSeconds, type Clock } from '../../core/clock.ts';
import { AppError, invalidInput, notFound } from '../../core/errors.ts';
import { newId, newSecret } from '../../core/ids.ts';
import { type Scope, systemScope } from '../../core/scope.ts';
import { checkIfMatch } from '../../http/etag.ts';
import type { JobHandler } from '../../infra/jobs.ts';
import { type Limits, RULES } from '../../infra/limits.ts';
import { type Database, violatedUnique } from '../../infra/postgres.ts';
import type { Transact, Work } from '../audit/index.ts';
import type { TenantCache } from '../tenants/index.ts';
import type { ResolveTxt } from './index.ts';
import { lookUp } from './lookup.ts';
import { challengeValue, faultOfDomain, issuerUrlOf } from './names.ts';
import {
  addIssuer,
  type DomainRow,
  deleteDomain,
  domainsToCheck,
  findDomain,
  insertDomain,
  lockDomain,
  markChecked,
  markVerified,
  removeIssuer,
} from './store.ts';

export interface DomainDeps {
  db: Database;
  clock: Clock;
  transact: Transact;
  tenants: TenantCache;
  limits: Pick<Limits, 'consume'>;
  resolveTxt: ResolveTxt;
  baseIssuer: string;
  /** The base issuer is on the loopback interface. */
  loopback: boolean;
}

export const domainNotFound = (): AppError => notFound('domain');
const claimed = (): AppError => new AppError('domain.exists', 409, 'The tenant has this domain already');
const taken = (): AppError => new AppError('domain.taken', 409, 'Another tenant has proven this domain');
const noIssuer = (detail: string): AppError =>
  new AppError('domain.issuer_not_allowed', 409, 'This domain cannot be an issuer', { detail });

/**
 * Claims a domain for the scope's tenant; it counts for nothing before it is proven. `verified` is the platform's to say. Throws 403, 409
 * `domain.exists` or `domain.taken`, 422.
 */
export async function claimDomain(
  deps: DomainDeps,
  scope: Scope,
  input: { domain: string; verified?: boolean | undefined },
): Promise<DomainRow> {
  const verified = input.verified ?? false;
  if (verified && !scope.platform)
    throw new AppError('permission.missing', 403, 'The permission for this is missing', {
      detail: 'Only the platform says that a domain is verified.',
    });
  const domain = input.domain.toLowerCase().replace(/\.$/, '');
  const fault = faultOfDomain(domain, { issuer: deps.baseIssuer, localhost: deps.loopback && verified });
  if (fault) throw invalidInput([{ pointer: '/domain', message: fault }]);
  const row = await deps.transact(scope, async ({ sql, record }) => {
    const made = await insertDomain(sql, scope.tenantId, { id: newId(deps.clock.now()), domain, challenge: newSecret(24), verified }).catch(
      asTaken,
    );
    record({ type: 'domain.created', outcome: 'success', target: { type: 'domain', id: made.id }, data: { verified } });
    return made;
  });
  deps.tenants.drop(scope.tenantId);
  return row;
}

/**
 * Looks for the proof. Throws 404, 409 `domain.not_verified` with the records that were `found`, 409 `domain.taken`, 412, 429, 503
 * `domain.lookup_failed`. A domain that is verified already stays so.
 */
export async function verifyDomain(deps: DomainDeps, scope: Scope, id: string, ifMatch?: string): Promise<DomainRow> {
  const before = await deps.db.transaction((sql) => findDomain(sql, scope.tenantId, id), { tenantId: scope.tenantId });
  if (!before) throw domainNotFound();
  checkIfMatch(ifMatch, before.version);
  if (before.verified_at) return before;
  await deps.limits.consume(RULES.domainLookup, scope.tenantId);
  // No transaction waits for name servers.
  const found = await lookUp(deps.resolveTxt, before.domain);
  if (!found.includes(challengeValue(before.challenge)))
    throw new AppError('domain.not_verified', 409, 'The record is not there', {
      detail: 'It can take a while until name servers hand a new record out.',
      extra: { found },
    });
  const row = await changing(deps, scope, id, undefined, async (locked, { sql, record }) => {
    if (locked.verified_at) return locked;
    const after = await markVerified(sql, locked).catch(asTaken);
    record({ type: 'domain.verified', outcome: 'success', target: { type: 'domain', id } });
    return after;
  });
  return row;
}

/**
 * Makes the domain an issuer of its own, or ends that. Throws 404, 409 `domain.not_verified` or `domain.issuer_not_allowed`, 412.
 */
export const setIssuer = (deps: DomainDeps, scope: Scope, id: string, wanted: boolean, ifMatch?: string): Promise<DomainRow> =>
  changing(deps, scope, id, ifMatch, async (row, { sql, record }) => {
    if ((row.issuer_url !== null) === wanted) return row;
    if (wanted) await checkIssuer(deps, row);
    const url = issuerUrlOf(row.domain, deps.baseIssuer);
    const after = wanted ? await addIssuer(sql, row, url).catch(asTaken) : await removeIssuer(sql, row);
    record({ type: 'domain.changed', outcome: 'success', target: { type: 'domain', id }, data: { issuer: wanted } });
    return after;
  });

/** What it opened ends with it: who may be created, and the issuer. Throws 404, 412. */
export async function removeDomain(deps: DomainDeps, scope: Scope, id: string, ifMatch?: string): Promise<void> {
  await changing(deps, scope, id, ifMatch, async (row, { sql, record }) => {
    await deleteDomain(sql, row);
    record({ type: 'domain.deleted', outcome: 'success', target: { type: 'domain', id } });
    return row;
  });
}

export const DOMAIN_CHECK_JOB = 'domains.check';
/** Every night; each domain is looked at once a week. */
export const DOMAIN_CHECK_SCHEDULE = { name: DOMAIN_CHECK_JOB, at: '23 4 * * *' } as const;
const WEEK_SECONDS = 7 * 86_400;
const MOST_AT_ONCE = 200;

/** Looks again for proofs. One that is gone is recorded and takes nothing away: records are tidied up by people who know no better. */
export const domainCheckHandler =
  (deps: DomainDeps): JobHandler =>
  async () => {
    for (const { id, tenant_id, domain, challenge } of await domainsToCheck(
      deps.db,
      addSeconds(deps.clock.now(), -WEEK_SECONDS),
      MOST_AT_ONCE,
    )) {
      const found = await lookUp(deps.resolveTxt, domain).catch(() => undefined);
      // Nobody knows: asked again tomorrow.
      if (!found) continue;
      await deps.transact(systemScope(tenant_id, DOMAIN_CHECK_JOB), async ({ sql, record }) => {
        await markChecked(sql, tenant_id, id);
        if (!found.includes(challengeValue(challenge)))
          record({ type: 'domain.check_failed', outcome: 'failure', reason: 'domain.not_verified', target: { type: 'domain', id } });
      });
    }
  };

async function changing(
  deps: DomainDeps,
  scope: Scope,
  id: string,
  ifMatch: string | undefined,
  change: (row: DomainRow, work: Work) => Promise<DomainRow>,
): Promise<DomainRow> {
  const row = await deps.transact(scope, async (work) => {
    const before = await lockDomain(work.sql, scope.tenantId, id);
    if (!before) throw domainNotFound();
    checkIfMatch(ifMatch, before.version);
    return change(before, work);
  });
  deps.tenants.drop(scope.tenantId);
  return row;
}

async function checkIssuer({ tenants, baseIssuer }: DomainDeps, row: DomainRow): Promise<void> {
  if (!row.verified_at) throw new AppError('domain.not_verified', 409, 'The domain is not verified');
  const type = (await tenants.find(row.tenant_id))?.type;
  if (type !== 'team' && type !== 'enterprise') throw noIssuer('Only tenants of type team or enterprise have issuers of their own.');
  if (baseIssuer.startsWith('http:') && !row.domain.endsWith('.localhost')) throw noIssuer('Beyond this machine an issuer needs https.');
}

function asTaken(error: unknown): never {
  const constraint = violatedUnique(error);
  if (!constraint) throw error;
  throw constraint === 'tenant_domains_tenant_id_domain_key' ? claimed() : taken();
}
