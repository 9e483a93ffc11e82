import type { Scope } from '../../core/scope.ts';
import type { UserRow } from './store.ts';

/**
 * Whether whoever acts may see and change what identifies and authenticates this person: the home tenant and the platform. Other tenants
 * have to do with membership, roles and attributes in themselves.
 */
export const isHome = (scope: Pick<Scope, 'platform' | 'tenantId'>, row: Pick<UserRow, 'home_tenant_id'>): boolean =>
  scope.platform || row.home_tenant_id === scope.tenantId;

/** What a change of the person, or of what the tenant keeps of them, changes. */
export const versionOf = (row: Pick<UserRow, 'version' | 'member_version'>): string => `${row.version}.${row.member_version ?? 0}`;
