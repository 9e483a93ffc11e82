import { attributeGroupRoutes } from '#src/features/attributes/group-routes.ts';
import { attributeRoutes } from '#src/features/attributes/routes.ts';
import { valueRoutes } from '#src/features/attributes/value-routes.ts';
import { tenantInPath } from '#src/features/tenants/in-path.ts';
import { readTenant } from '#src/features/tenants/store.ts';
import { type ApiHarness, startApi } from '#test/support/api.ts';

export const startAttributes = (): Promise<ApiHarness> =>
  startApi(({ db, transact }) => [
    ...attributeRoutes({ db, transact }),
    ...attributeGroupRoutes({ db, transact }),
    ...valueRoutes({
      db,
      transact,
      tenantInPath: (scope, id) => tenantInPath({ tenants: { find: (tenantId) => readTenant(db, tenantId) } }, scope, id),
    }),
  ]);
