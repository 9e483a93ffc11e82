/** The permissions that roles may carry: ours, and the scopes of resources. Pure. */
import { ALL_PERMISSIONS, PERMISSIONS } from '../../core/permissions.ts';
import type { CatalogueEntry } from './schema.ts';
import type { ScopeRow } from './store.ts';

/**
 * What a permission means in decisions. `payroll.read` is the action `read` on things of the type `payroll`: it is split at its last dot, or,
 * where it has none, at its last colon. A name of another form is the action as a whole; the type is then the last segment of the path of the resource's identifier,
 * or, where that has no path, the first label of its host.
 */
export function meaningOf(name: string, identifier = ''): Pick<CatalogueEntry, 'resourceType' | 'action'> {
  for (const mark of ['.', ':']) {
    const at = name.lastIndexOf(mark);
    if (at > 0 && at < name.length - 1) return { resourceType: name.slice(0, at), action: name.slice(at + 1) };
  }
  return { resourceType: typeOf(identifier), action: name };
}

function typeOf(identifier: string): string {
  if (!URL.canParse(identifier)) return identifier;
  const { pathname, hostname } = new URL(identifier);
  return pathname.split(/[/:]/).filter(Boolean).at(-1) ?? hostname.split('.')[0] ?? identifier;
}

/** Ours, in order of their names. */
export const MANAGEMENT_ENTRIES: readonly CatalogueEntry[] = [...ALL_PERMISSIONS].sort().map((name) => ({
  name,
  description: PERMISSIONS[name],
  kind: 'management',
  resource: null,
  ...meaningOf(name),
}));

export const entryOf = ({ name, description, resource }: ScopeRow): CatalogueEntry => ({
  name,
  description,
  kind: 'resource',
  resource,
  ...meaningOf(name, resource),
});
