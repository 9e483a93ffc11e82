import { notFound } from '../../core/errors.ts';
import { type Page, type PageRequest, pageOfPlaced, readInstantPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import type { PersonalData } from '../audit/index.ts';
import { type AttemptRow, deleteFactors, type FactorRow, listAttempts, listFactors } from './access-store.ts';
import { assureSelf, checkRights, removeFromTenant, type UserDeps } from './commands.ts';
import { isHome } from './home.ts';
import { getUser } from './queries.ts';
import { findUser, type Membership, membershipsOf, type UserRow } from './store.ts';

export interface AccessDeps {
  /** For long lists that may lag behind. */
  reads: Database;
  /** Address and device of an event; empty once the person is erased. */
  openPersonal(row: { id: string; person_id: string | null; sealed: Buffer | null }): Promise<PersonalData>;
}

/** A person who is at home here. Throws 404 for anybody else, members from elsewhere among them. */
export async function getOwn(deps: { db: Database }, scope: Scope, id: string): Promise<UserRow> {
  const row = await getUser(deps, scope, id);
  if (!isHome(scope, row)) throw notFound('user');
  return row;
}

/** The memberships of a person: all of them for the home tenant and the platform, its own for another tenant. */
export async function tenantsOf(deps: { db: Database }, scope: Scope, id: string): Promise<Membership[]> {
  const row = await getUser(deps, scope, id);
  const all = await deps.db.transaction((sql) => membershipsOf(sql, id));
  return isHome(scope, row) ? all : all.filter((membership) => membership.tenant_id === scope.tenantId);
}

/** Ends every membership outside the home. Throws as `removeFromTenant` does; those that were ended before stay so. */
export async function removeFromTenants(deps: UserDeps & { db: Database }, scope: Scope, id: string): Promise<number> {
  const { home_tenant_id: home } = await getUser(deps, scope, id);
  const others = (await tenantsOf(deps, scope, id)).filter((membership) => membership.tenant_id !== home);
  for (const { tenant_id: tenantId } of others) await removeFromTenant(deps, scope, id, tenantId);
  return others.length;
}

export const factorsOf = ({ db }: { db: Database }, id: string): Promise<FactorRow[]> => db.transaction((sql) => listFactors(sql, id));

/**
 * Takes one factor from a person at home here, or all, the password included, and ends their access as a new password does. Throws 404, and
 * 403 where the person has more rights.
 */
export async function removeFactors(deps: UserDeps, scope: Scope, id: string, factorId?: string): Promise<number> {
  const assure = await assureSelf(deps, scope, id);
  return deps.transact(scope, async (work) => {
    const row = await findUser(work.sql, scope.tenantId, id, true);
    if (!row || !isHome(scope, row)) throw notFound('user');
    await checkRights(deps, work.sql, scope, id);
    assure();
    const types = await deleteFactors(work.sql, id, factorId);
    if (types.length === 0 && factorId !== undefined) throw notFound('factor');
    if (types.length === 0) return 0;
    await deps.endAccess(work, id);
    await deps.tellOfTaken?.(work, scope, id, types);
    work.record({ type: 'factor.removed', outcome: 'success', target: { type: 'user', id }, data: { types } });
    return types.length;
  });
}

export interface Attempt extends PersonalData {
  row: AttemptRow;
}

/** Sign-in attempts of a person, newest first: wherever they were for the home tenant and the platform, those in it for another tenant. */
export async function pageOfAttempts(
  deps: AccessDeps & { db: Database },
  scope: Scope,
  id: string,
  { limit, cursor }: PageRequest,
): Promise<Page<Attempt>> {
  const row = await getUser(deps, scope, id);
  const within = isHome(scope, row) ? undefined : scope.tenantId;
  const rows = await listAttempts(deps.reads, id, within, limit + 1, readInstantPosition(cursor));
  return pageOfPlaced(rows, limit, async (attempt) => ({ row: attempt, ...(await deps.openPersonal(attempt)) }));
}
