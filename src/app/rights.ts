/** Routes of roles, groups and attributes, with what they run on. */
import type { Clock } from '../core/clock.ts';
import { attributeGroupRoutes } from '../features/attributes/group-routes.ts';
import { attributeRoutes } from '../features/attributes/routes.ts';
import { valueRoutes } from '../features/attributes/value-routes.ts';
import type { Transact } from '../features/audit/index.ts';
import { groupRoutes } from '../features/groups/routes.ts';
import { assignmentRoutes } from '../features/roles/assignment-routes.ts';
import type { RoleBooks } from '../features/roles/index.ts';
import { permissionsOfGroup } from '../features/roles/queries.ts';
import { roleRoutes } from '../features/roles/routes.ts';
import { tenantInPath } from '../features/tenants/in-path.ts';
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
  ...attributeRoutes(parts),
  ...attributeGroupRoutes(parts),
  ...valueRoutes({ ...parts, tenantInPath: (scope, id) => tenantInPath(parts, scope, id) }),
];
