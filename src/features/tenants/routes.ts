import type { Scope } from '../../core/scope.ts';
import { DELETED, deleted, pageRequest } from '../../http/paging.ts';
import { answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { createTenant, deleteTenant, patchTenant, replaceTenant, restoreTenant, suspendTenant, type TenantDeps } from './commands.ts';
import { tenantInPath } from './in-path.ts';
import { getTenant, pageOfTenants, type TenantQueryDeps } from './queries.ts';
import { REASON, TENANT, TENANT_INPUT, TENANT_PAGE, TENANT_PATCH, TENANT_QUERY, TENANT_REPLACEMENT, type TenantView } from './schema.ts';
import { settingsOf } from './settings.ts';
import type { TenantRow } from './tenants-store.ts';

const tag = 'Tenants';

/** Tenants as a whole. */
export function tenantRoutes(deps: TenantDeps & TenantQueryDeps): Route[] {
  const load = (scope: Scope, { id }: { id: string }): Promise<Scope> => tenantInPath(deps, scope, id);
  const common = { tag, params: ID_PARAMS, load } as const;
  return [
    route('GET /api/tenants', {
      summary: 'List tenants',
      description: 'All of them for who acts for the platform; everybody else sees the tenant of the token.',
      tag,
      access: 'tenants.read',
      query: TENANT_QUERY,
      reply: TENANT_PAGE,
      handle: async (scope, { query }) => {
        const { type, status, slug, q } = query;
        const page = await pageOfTenants(deps, scope, pageRequest(query), { type, status, slug, namePrefix: q });
        return { items: page.items.map(viewOf), nextCursor: page.nextCursor };
      },
    }),
    route('POST /api/tenants', {
      summary: 'Make a tenant',
      description:
        'It is born with the roles `owner`, `administrator` and `member`. Its settings are the template’s, overlaid by those that are sent; who may sign up is by invitation where neither says otherwise.',
      tag,
      access: 'tenants.write',
      platform: true,
      body: TENANT_INPUT,
      reply: TENANT,
      status: 201,
      errors: [409],
      handle: async (scope, { body }) => {
        const row = await createTenant(deps, scope, body);
        return answer(viewOf(row), { version: row.version, headers: { location: `/api/tenants/${row.id}` } });
      },
    }),
    route('GET /api/tenants/{id}', {
      ...common,
      summary: 'See a tenant',
      access: 'tenants.read',
      reply: TENANT,
      handle: async (_scope, { loaded }) => versioned(await getTenant(deps, loaded)),
    }),
    route('PUT /api/tenants/{id}', {
      ...common,
      summary: 'Replace name, slug and settings of a tenant',
      description: 'Slug and type stay where they are left out. The type is the platform’s to change.',
      access: 'tenants.write',
      body: TENANT_REPLACEMENT,
      reply: TENANT,
      handle: async (_scope, { loaded, body, ifMatch }) => versioned(await replaceTenant(deps, loaded, body, ifMatch)),
    }),
    route('PATCH /api/tenants/{id}', {
      ...common,
      summary: 'Change a tenant',
      description: 'A merge patch, of the settings too. The type is the platform’s to change.',
      access: 'tenants.write',
      body: TENANT_PATCH,
      reply: TENANT,
      handle: async (_scope, { loaded, body, ifMatch }) => versioned(await patchTenant(deps, loaded, body, ifMatch)),
    }),
    route('DELETE /api/tenants/{id}', {
      ...common,
      summary: 'Delete a tenant',
      description:
        'By an owner of it or the platform. From now on nobody acts in it; everything of it goes when the grace is over (`purgeAfter`), and until then the platform can restore it.',
      access: 'tenants.write',
      reply: DELETED,
      handle: async (_scope, { params, loaded, ifMatch }) => {
        await deleteTenant(deps, loaded, ifMatch);
        return deleted(params.id);
      },
    }),
    route('POST /api/tenants/{id}/suspend', {
      ...common,
      summary: 'Suspend a tenant',
      description:
        'Tokens and API keys of it are refused, its applications are off, and people at home in it cannot sign in, until it is restored.',
      access: 'tenants.write',
      platform: true,
      body: REASON,
      reply: TENANT,
      handle: async (_scope, { loaded, body, ifMatch }) => versioned(await suspendTenant(deps, loaded, body.reason, ifMatch)),
    }),
    route('POST /api/tenants/{id}/restore', {
      ...common,
      summary: 'Restore a suspended tenant, or a deleted one within its grace',
      access: 'tenants.write',
      platform: true,
      reply: TENANT,
      handle: async (_scope, { loaded, ifMatch }) => versioned(await restoreTenant(deps, loaded, ifMatch)),
    }),
  ];
}

const versioned = (row: TenantRow): ReturnType<typeof answer> => answer(viewOf(row), { version: row.version });

const viewOf = (row: TenantRow): TenantView => ({
  id: row.id,
  name: row.name,
  slug: row.slug,
  type: row.type,
  status: row.status,
  statusReason: row.status_reason,
  settings: settingsOf({ settings: row.settings as Record<string, unknown> }),
  deletedAt: row.deleted_at?.toISOString() ?? null,
  purgeAfter: row.purge_after?.toISOString() ?? null,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});
