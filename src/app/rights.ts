/** Routes of roles and groups, with what they run on. */
import type { Clock } from '../core/clock.ts';
import type { Transact } from '../features/audit/index.ts';
import { groupRoutes } from '../features/groups/routes.ts';
import { assignmentRoutes } from '../features/roles/assignment-routes.ts';
import type { RoleBooks } from '../features/roles/index.ts';
import { permissionsOfGroup } from '../features/roles/queries.ts';
import { roleRoutes } from '../features/roles/routes.ts';
import type { TenantCache } from '../features/tenants/index.ts';
import type { Route } from '../http/route.ts';
import type { Database } from '../infra/postgres.ts';

export interface RightsParts {
  db: Database;
  clock: Clock;
  transact: Transact;
  roles: RoleBooks;
  tenants: TenantCache;
  rootTenantId: string;
}

export const rightsRoutes = (parts: RightsParts): Route[] => [
  ...roleRoutes(parts),
  ...assignmentRoutes(parts),
  ...groupRoutes({ ...parts, permissionsOfGroup }),
];
