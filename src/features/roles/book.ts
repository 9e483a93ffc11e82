/** The roles of a tenant in process memory: who has which is read at each question, what they mean is kept, and dropped when it changes. */
import { BUILT_IN_ROLES } from '../../core/permissions.ts';
import type { ChangeFeed } from '../../infra/change-feed.ts';
import type { Database } from '../../infra/postgres.ts';
import { createWatchedCache } from '../../infra/watched-cache.ts';
import type { RoleBook, RoleBooks, RoleFacts } from './index.ts';
import { readRoles } from './protocol-store.ts';

/** Makes a book of roles. Parents that loop are followed once. */
export function bookOf(roles: readonly RoleFacts[]): RoleBook {
  const byName = new Map(roles.map((role) => [role.name, role]));
  const byId = new Map(roles.map((role) => [role.id, role]));
  const lineages = new Map<string, readonly RoleFacts[]>();

  function lineage(name: string): readonly RoleFacts[] {
    const known = lineages.get(name);
    if (known) return known;
    const found = new Map<string, RoleFacts>();
    const waiting = [name];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const role = byName.get(next);
      if (!role || found.has(next)) continue;
      found.set(next, role);
      waiting.push(...role.parents);
    }
    const line = [...found.values()];
    if (line.length > 0) lineages.set(name, line);
    return line;
  }

  return {
    roles,
    find: (nameOrId) => byName.get(nameOrId) ?? byId.get(nameOrId),
    expand: (names) => [...new Set(names.flatMap((name) => lineage(name).map((role) => role.name)))].sort(),
    permissionsOf: (names) => new Set(names.flatMap((name) => lineage(name).flatMap(permissionsIn))),
    isOwner: (names) => names.some((name) => lineage(name).some(({ builtIn }) => builtIn === 'owner')),
  };
}

const permissionsIn = ({ permissions, builtIn }: RoleFacts): readonly string[] =>
  builtIn === null ? permissions : [...BUILT_IN_ROLES[builtIn], ...permissions];

export function createRoleBooks({ db, feed, max = 5000 }: { db: Database; feed: ChangeFeed; max?: number }): RoleBooks {
  const empty = bookOf([]);
  const cache = createWatchedCache<RoleBook>({
    feed,
    kind: 'roles',
    max,
    async read(tenantId) {
      const roles = await readRoles(db, tenantId);
      return roles.length > 0 ? bookOf(roles) : undefined;
    },
  });
  return { of: async (tenantId) => (await cache.find(tenantId)) ?? empty, drop: cache.drop };
}
