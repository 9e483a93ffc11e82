/** The routes of tenants on a database of their own, wired as the server does it where a test needs no more. */

import { createDefinitions } from '#src/features/attributes/commands.ts';
import { unknownRoles } from '#src/features/roles/named.ts';
import { createRoles } from '#src/features/roles/templates.ts';
import { createTenantCache } from '#src/features/tenants/cache.ts';
import type { TenantDeps } from '#src/features/tenants/commands.ts';
import { tenantRoutes } from '#src/features/tenants/routes.ts';
import { openTemplate } from '#src/features/tenants/templates.ts';
import type { Route } from '#src/http/route.ts';
import { createChangeFeed } from '#src/infra/change-feed.ts';
import type { Database } from '#src/infra/postgres.ts';
import { type ApiHarness, type Parts, startApi } from '#test/support/api.ts';
import { rolesNow } from '#test/support/roles.ts';

export interface TenantParts extends Parts {
  deps: TenantDeps & { db: Database };
}

/** `more` adds routes that work on the same parts. */
export async function startTenantApi(more: (parts: TenantParts) => readonly Route[] = () => []): Promise<ApiHarness> {
  let stop = async (): Promise<void> => {};
  const api = await startApi(async (parts) => {
    const { db, transact } = parts;
    const feed = await createChangeFeed(db, {});
    stop = () => feed.stop();
    const deps: TenantParts['deps'] = {
      db,
      transact,
      tenants: createTenantCache({ db, feed }),
      roles: rolesNow(db),
      methods: ['password'],
      unknownRoles,
      graceDays: 30,
      openTemplate: (work, id) => openTemplate({ createRoles, createDefinitions }, work, id),
      inviteOwner: async () => {},
    };
    return [...tenantRoutes(deps), ...more({ ...parts, deps })];
  });
  return {
    ...api,
    async close() {
      await stop();
      await api.close();
    },
  };
}
