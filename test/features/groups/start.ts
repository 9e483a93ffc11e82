import { groupRoutes } from '#src/features/groups/routes.ts';
import { permissionsOfGroup } from '#src/features/roles/queries.ts';
import { rolesSlice } from '#test/features/roles/start.ts';
import { type ApiHarness, startApi } from '#test/support/api.ts';

export const startGroups = (): Promise<ApiHarness> =>
  startApi((parts) => [...rolesSlice(parts), ...groupRoutes({ ...parts, permissionsOfGroup })]);
