import type { Scope } from '../../core/scope.ts';
import { DELETED, deleted, pageRequest } from '../../http/paging.ts';
import { answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import {
  createTemplate,
  getTemplate,
  pageOfTemplates,
  patchTemplate,
  removeTemplate,
  replaceTemplate,
  type TemplateDeps,
} from './templates.ts';
import {
  TEMPLATE,
  TEMPLATE_INPUT,
  TEMPLATE_PAGE,
  TEMPLATE_PATCH,
  TEMPLATE_QUERY,
  TEMPLATE_REPLACEMENT,
  type TemplateView,
} from './templates-schema.ts';
import type { TemplateRow } from './templates-store.ts';

/** Templates of tenants; for the platform. */
export function templateRoutes(deps: TemplateDeps): Route[] {
  const load = (_scope: Scope, { id }: { id: string }): Promise<TemplateRow> => getTemplate(deps, id);
  const common = { tag: 'Templates', platform: true } as const;
  return [
    route('GET /api/tenant-templates', {
      ...common,
      summary: 'List templates',
      access: 'plans.read',
      query: TEMPLATE_QUERY,
      reply: TEMPLATE_PAGE,
      handle: async (_scope, { query }) => {
        const page = await pageOfTemplates(deps, pageRequest(query), query.name);
        return { items: page.items.map(viewOf), nextCursor: page.nextCursor };
      },
    }),
    route('POST /api/tenant-templates', {
      ...common,
      summary: 'Make a template',
      description:
        'What a tenant made from it begins with: roles, attribute definitions, settings and limits. Later changes reach no tenant that is there.',
      access: 'plans.write',
      body: TEMPLATE_INPUT,
      reply: TEMPLATE,
      status: 201,
      errors: [409],
      handle: async (scope, { body }) => {
        const row = await createTemplate(deps, scope, body);
        return answer(viewOf(row), { version: row.version, headers: { location: `/api/tenant-templates/${row.id}` } });
      },
    }),
    route('GET /api/tenant-templates/{id}', {
      ...common,
      summary: 'See a template',
      access: 'plans.read',
      params: ID_PARAMS,
      reply: TEMPLATE,
      handle: async (_scope, { params }) => versioned(await getTemplate(deps, params.id)),
    }),
    route('PUT /api/tenant-templates/{id}', {
      ...common,
      summary: 'Replace a template',
      description: 'Name and type stay where they are left out.',
      access: 'plans.write',
      params: ID_PARAMS,
      body: TEMPLATE_REPLACEMENT,
      reply: TEMPLATE,
      load,
      handle: async (scope, { params, body, ifMatch }) => versioned(await replaceTemplate(deps, scope, params.id, body, ifMatch)),
    }),
    route('PATCH /api/tenant-templates/{id}', {
      ...common,
      summary: 'Change a template',
      access: 'plans.write',
      params: ID_PARAMS,
      body: TEMPLATE_PATCH,
      reply: TEMPLATE,
      load,
      handle: async (scope, { params, body, ifMatch }) => versioned(await patchTemplate(deps, scope, params.id, body, ifMatch)),
    }),
    route('DELETE /api/tenant-templates/{id}', {
      ...common,
      summary: 'Delete a template',
      description: 'Tenants that were made from it stay as they are.',
      access: 'plans.write',
      params: ID_PARAMS,
      reply: DELETED,
      handle: async (scope, { params, ifMatch }) => {
        await removeTemplate(deps, scope, params.id, ifMatch);
        return deleted(params.id);
      },
    }),
  ];
}

const versioned = (row: TemplateRow): ReturnType<typeof answer> => answer(viewOf(row), { version: row.version });

const viewOf = (row: TemplateRow): TemplateView => ({
  id: row.id,
  name: row.name,
  description: row.description,
  type: row.type,
  roles: row.roles,
  attributeDefinitions: row.attribute_definitions,
  settings: row.settings,
  limits: row.limits,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});
