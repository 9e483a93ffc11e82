import { invalidInput } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import { type Page, type PageRequest, pageOf, readPosition } from '../../core/page.ts';
import type { Scope } from '../../core/scope.ts';
import type { Database } from '../../infra/postgres.ts';
import { tenantNotFound } from './in-path.ts';
import type { TenantFilter, TenantRow } from './tenants-store.ts';
import { findTenant, listTenants } from './tenants-store.ts';

export interface TenantQueryDeps {
  db: Database;
}

/** The tenant that `scope` acts in. Throws 404. */
export async function getTenant({ db }: TenantQueryDeps, scope: Scope): Promise<TenantRow> {
  const row = await db.transaction((sql) => findTenant(sql, scope.tenantId));
  if (!row) throw tenantNotFound();
  return row;
}

/** In order of creation: all of them for the platform, their own for everybody else. Throws 422 for a cursor of another list. */
export async function pageOfTenants(
  { db }: TenantQueryDeps,
  scope: Scope,
  { limit, cursor }: PageRequest,
  filter: Omit<TenantFilter, 'id'>,
): Promise<Page<TenantRow>> {
  const position = readPosition(cursor);
  if (position && !isId(position[1])) throw invalidInput([{ pointer: '/cursor', message: 'is not a cursor of this list' }]);
  const seen = scope.platform ? filter : { ...filter, id: scope.tenantId };
  const rows = await db.transaction((sql) => listTenants(sql, seen, limit + 1, position));
  return pageOf(
    rows,
    limit,
    (row) => [row.position, row.id],
    (row): TenantRow => row,
  );
}
